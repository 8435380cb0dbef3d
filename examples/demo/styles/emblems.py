"""Emblems: the small flat signs that tell the members of one family apart."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from styles.canvas import Color, blank, disc

EMBLEM = 20
"""Pixels on a side of a finished emblem, a tenth of the area of a work."""


def _disc(pen: ImageDraw.ImageDraw, ink: Color, _: Color) -> None:
    disc(pen, (128, 128), 84, ink)


def _ring(pen: ImageDraw.ImageDraw, ink: Color, ground: Color) -> None:
    disc(pen, (128, 128), 96, ink)
    disc(pen, (128, 128), 46, ground)


def _moon(pen: ImageDraw.ImageDraw, ink: Color, ground: Color) -> None:
    disc(pen, (120, 128), 94, ink)
    disc(pen, (166, 108), 78, ground)


def _cross(pen: ImageDraw.ImageDraw, ink: Color, _: Color) -> None:
    pen.rectangle((98, 34, 158, 222), fill=ink)
    pen.rectangle((34, 98, 222, 158), fill=ink)


def _star(pen: ImageDraw.ImageDraw, ink: Color, _: Color) -> None:
    angle_N = np.arange(10) * np.pi / 5 - np.pi / 2
    reach_N = np.where(np.arange(10) % 2, 48, 108)
    x_N, y_N = 128 + reach_N * np.cos(angle_N), 136 + reach_N * np.sin(angle_N)
    pen.polygon(list(zip(x_N.tolist(), y_N.tolist(), strict=True)), fill=ink)


def _gable(pen: ImageDraw.ImageDraw, ink: Color, _: Color) -> None:
    pen.polygon([(128, 36), (224, 212), (32, 212)], fill=ink)


def _diamond(pen: ImageDraw.ImageDraw, ink: Color, _: Color) -> None:
    pen.polygon([(128, 24), (216, 128), (128, 232), (40, 128)], fill=ink)


def _heart(pen: ImageDraw.ImageDraw, ink: Color, _: Color) -> None:
    for x in (84, 172):
        disc(pen, (x, 100), 50, ink)
    pen.polygon([(41, 126), (215, 126), (128, 224)], fill=ink)


_SIGNS: tuple[Callable[[ImageDraw.ImageDraw, Color, Color], None], ...] = (
    _disc,
    _ring,
    _moon,
    _cross,
    _star,
    _gable,
    _diamond,
    _heart,
)
_PAIRS = (
    ((250, 244, 230), (200, 40, 50)),
    ((24, 44, 88), (255, 214, 90)),
    ((255, 205, 84), (28, 60, 110)),
    ((20, 110, 96), (250, 244, 230)),
    ((210, 64, 54), (255, 236, 190)),
    ((236, 226, 244), (96, 44, 130)),
    ((34, 30, 38), (110, 220, 190)),
    ((166, 214, 236), (180, 50, 90)),
)
"""Ground and ink of each sign's own flag, so that no two members are alike in colour either."""


def emblems(rng: np.random.Generator, number: int) -> list[Image.Image]:
    """Draw emblems that differ in both sign and colours.

    Args:
        rng: Random numbers.
        number: How many, at most eight.

    Returns:
        Images of 20x20.
    """
    drawn = []
    signs, flags = rng.permutation(len(_SIGNS))[:number], rng.permutation(len(_PAIRS))[:number]
    for sign, flag in zip(signs, flags, strict=True):
        ground, ink = _PAIRS[flag]
        image, pen = blank(ground)
        _SIGNS[sign](pen, ink, ground)
        drawn.append(image.resize((EMBLEM, EMBLEM), Image.Resampling.LANCZOS))
    return drawn
