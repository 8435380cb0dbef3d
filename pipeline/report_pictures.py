"""Pictures of a report: data URIs under one budget, so that a page stays a page.

Small images are embedded as they are and scaled up by the browser without smoothing; large ones
are scaled down for display. A picture that no longer fits, or cannot be decoded, is None, and the
page says so: the bytes in the tables are the evidence, the page shows copies.

Dimension key: H height, W width, C = 3 channels (RGB).
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.report_exhibits import Box, Exhibit
from stages.contract import Reader
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode

Rgb = NDArray[np.uint8]

BUDGET_BYTES = 10_000_000
PAIR_SIDE = 320
SEED_SIDE = 96
SMALL_SIDE = 128
GAIN = 4
FRAME = "#8f2a16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One embedded picture."""

    uri: str
    """`data:` address."""

    width: int
    """Width of the embedded copy, in pixels."""

    height: int
    """Height of the embedded copy, in pixels."""

    small: bool
    """True if the browser is to scale it up without smoothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """The pictures of one exhibit."""

    made: Picture | None
    """Generation with the best value."""

    work: Picture | None
    """Indexed image of that pair."""

    rival: Picture | None
    """Control work that lies closest to the same generation."""

    difference: Picture | None
    """Where the first two differ, `GAIN` times; white is equal. None if only regions are alike."""

    seeds: tuple[Picture | None, ...]
    """Generations of the caption, in the order of the exhibit."""


class Album:
    """Embeds pictures until the budget is spent."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self.left_bytes = budget_bytes

    def add(self, rgb_HWC: Rgb | None, side: int) -> Picture | None:
        """Return an image as a picture no larger than a square of this side."""
        if rgb_HWC is None:
            return None
        image = Image.fromarray(rgb_HWC)
        image.thumbnail((side, side))
        small = max(rgb_HWC.shape[:2]) <= SMALL_SIDE
        # a pair is looked at closely: its small images are embedded without loss
        kind = "png" if small and side == PAIR_SIDE else "jpeg"
        data = BytesIO()
        image.save(data, kind, quality=90, subsampling=0)
        uri = f"data:image/{kind};base64,{b64encode(data.getvalue()).decode()}"
        if len(uri) > self.left_bytes:
            # what comes after is left out too: a page that ends is plainer than one with holes
            self.left_bytes = 0
            return None
        self.left_bytes -= len(uri)
        return Picture(uri=uri, width=image.width, height=image.height, small=small)


def plate_of(exhibit: Exhibit, readers: Mapping[str, Reader], album: Album) -> Plate:
    """Return the pictures of an exhibit.

    Args:
        exhibit: which images.
        readers: `generations` and `images`.
        album: takes the pictures in.
    """
    finding = exhibit.finding
    best = finding["best_made_id"] if finding["work_id"] is not None else None
    near = finding["neighbor_id"] if best is not None else None
    wanted = [seed.image_id for seed in exhibit.seeds]
    made = _decoded(readers["generations"], wanted)
    boxes = exhibit.boxes
    one = _decoded(readers["generations"], [best], boxes.get("made"))[0] if best else None
    against = exhibit.rival["neighbor_id"] if exhibit.rival else None
    other, rival = (
        _decoded(readers["images"], [image_id], box)[0] if image_id else None
        for image_id, box in ((near, boxes.get("work")), (against, None))
    )
    difference = None if boxes else difference_of(one, other)
    return Plate(
        made=album.add(one, PAIR_SIDE),
        work=album.add(other, PAIR_SIDE),
        rival=album.add(rival, PAIR_SIDE),
        difference=album.add(difference, PAIR_SIDE),
        seeds=tuple(album.add(rgb, SEED_SIDE) for rgb in made),
    )


def difference_of(one_HWC: Rgb | None, other_HWC: Rgb | None) -> Rgb | None:
    """Return 255 minus `GAIN` times the absolute difference, at the smaller height and width.

    >>> grey = np.full((2, 2, 3), 100, np.uint8)
    >>> int(difference_of(grey, grey + np.uint8(10))[0, 0, 0])
    215
    """
    if one_HWC is None or other_HWC is None:
        return None
    height, width = np.minimum(one_HWC.shape[:2], other_HWC.shape[:2]).tolist()
    scaled = [
        np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        for rgb in (one_HWC, other_HWC)
    ]
    shown: Rgb = np.clip(255 - GAIN * np.abs(scaled[0] - scaled[1]), 0, 255).astype(np.uint8)
    return shown


def _decoded(reader: Reader, ids: Sequence[str], box: Box | None = None) -> list[Rgb | None]:
    if not ids:
        return []
    out: list[Rgb | None] = []
    for data in reader.take(ids, ["bytes"])["bytes"]:
        try:
            rgb = decode(data.as_py(), max_pixels=MAX_PIXELS_EVER).rgb_HWC
            image = Image.fromarray(rgb)
            if box is not None:
                _frame(image, box)
            # shrunk at once: a caption of many large images must not fill the memory
            image.thumbnail((PAIR_SIDE * 2, PAIR_SIDE * 2))
            out.append(np.asarray(image, np.uint8))
        except DecodeError:
            out.append(None)
    return out


def _frame(image: Image.Image, box: Box) -> None:
    """Draw a frame around a region, dark and light so that it shows on any ground."""
    top, left, bottom, right = box
    line = max(1, max(image.size) // 100)
    pen = ImageDraw.Draw(image)
    for grow, ink in ((line, FRAME), (0, "white")):
        place = (left - grow, top - grow, right - 1 + grow, bottom - 1 + grow)
        pen.rectangle(place, outline=ink, width=line)
