"""Pictures of a bundle: JPEG copies to look at; the untouched files beside them are the evidence.

Dimension key: H height, W width, C = 3 channels (RGB).
"""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.report_pictures import Rgb, difference_of
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode

VIEW_SIDE = 1600
"""Longest side of a display copy, in pixels."""

_SMALL = 160
_GAP = 8
_LEAST_WIDTH = 480
_SHEET = (850, 1100)
_FOOT = 32
_LETTERS = 96
_LINES = 48


def decoded(raw: bytes) -> Rgb | None:
    """Return an image as people see it; None if it cannot be decoded."""
    try:
        return decode(raw, max_pixels=MAX_PIXELS_EVER).rgb_HWC
    except DecodeError:
        return None


def view(rgb_HWC: Rgb) -> Image.Image:
    """Return a display copy: no metadata, no side longer than `VIEW_SIDE`."""
    image = Image.fromarray(rgb_HWC)
    image.thumbnail((VIEW_SIDE, VIEW_SIDE))
    return image


def side_by_side(work: Image.Image, made: Image.Image) -> Image.Image:
    """Return both pictures at one height, the work on the left; small ones are enlarged whole."""
    height = max(_enlarged(work).height, _enlarged(made).height)
    pair = [_to_height(_enlarged(each), height) for each in (work, made)]
    out = Image.new("RGB", (pair[0].width + _GAP + pair[1].width, height), "white")
    out.paste(pair[0], (0, 0))
    out.paste(pair[1], (pair[0].width + _GAP, 0))
    return out


def overlay(work: Image.Image, made: Image.Image) -> Image.Image:
    """Return the mean of both, stretched to the smaller height and width."""
    size = (min(work.width, made.width), min(work.height, made.height))
    one, other = (each.resize(size, Image.Resampling.BICUBIC) for each in (work, made))
    return Image.blend(one, other, 0.5)


def difference(work: Image.Image, made: Image.Image) -> Image.Image:
    """Return where both differ, on white."""
    shown = difference_of(np.asarray(made, np.uint8), np.asarray(work, np.uint8))
    return Image.fromarray(np.zeros((1, 1, 3), np.uint8) if shown is None else shown)


def jpeg(image: Image.Image) -> bytes:
    """Return a picture as JPEG; the same pixels give the same bytes with the same Pillow."""
    out = BytesIO()
    image.save(out, "JPEG", quality=90, subsampling=0)
    return out.getvalue()


def stamped(picture: Image.Image | None, lines: Sequence[str], number: str) -> bytes:
    """Return one page for review, with its Bates number below.

    Args:
        picture: what is on the page; None for a slip sheet.
        lines: what a slip sheet says.
        number: the Bates number.
    """
    shown = _enlarged(picture) if picture is not None else _sheet(lines)
    page = Image.new("RGB", (max(shown.width, _LEAST_WIDTH), shown.height + _FOOT), "white")
    page.paste(shown, ((page.width - shown.width) // 2, 0))
    draw = ImageDraw.Draw(page)
    place = (page.width - _GAP, page.height - _FOOT // 2)
    draw.text(place, number, fill="black", font=_font(18), anchor="rm")
    return jpeg(page)


def _sheet(lines: Sequence[str]) -> Image.Image:
    """Return a white page with lines of ASCII; the text file beside it holds every letter."""
    sheet = Image.new("RGB", _SHEET, "white")
    draw = ImageDraw.Draw(sheet)
    for row, line in enumerate(_wrapped(lines)):
        draw.text((48, 48 + row * 21), line, fill="black", font=_font(14))
    return sheet


def _wrapped(lines: Sequence[str]) -> list[str]:
    out: list[str] = []
    for line in lines:
        plain = line[: _LETTERS * _LINES].encode("ascii", "replace").decode()
        out += wrap(plain, _LETTERS) or [""]
        if len(out) > _LINES:
            return [*out[: _LINES - 1], "(cut here: the whole stands in the text file)"]
    return out


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _enlarged(image: Image.Image) -> Image.Image:
    times = max(1, _SMALL // max(image.size))
    if times == 1:
        return image
    size = (image.width * times, image.height * times)
    return image.resize(size, Image.Resampling.NEAREST)


def _to_height(image: Image.Image, height: int) -> Image.Image:
    if image.height == height:
        return image
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.BICUBIC)
