"""Region edits: how a part of a work may come back in a picture that shows something else.

The something else is a picture that the model made of another work. Layouts stay where they are, so
that images of one copy agree on them; regions are cut out anywhere, scaled and put anywhere. Both
get a little noise, as no two images of a model agree to the last bit.

Dimension key: H height, W width, C = 3 channels.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from stages.images.edits import Rgb, at_most, file_of, noisy
from stages.pixels import encode_png

_LEAST_SIDE = 2

Make = Callable[[Rgb, Rgb, int], Rgb]
"""Work, other picture and seed -> picture of the size of the other."""


class RegionEdit(NamedTuple):
    """One way in which a part comes back."""

    method: str
    """The method that is to find it."""

    shared: bool
    """True if several images make one copy."""

    make: Make


def _layout(top: float, left: float, bottom: float, right: float) -> RegionEdit:
    """Return the edit that puts another picture into a box; edges are shares of each side."""

    def varied(work_HWC: Rgb, other_HWC: Rgb, _: int) -> Rgb:
        height, width = other_HWC.shape[:2]
        shown_HWC = _sized(work_HWC, height, width).copy()
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        shown_HWC[rows, columns] = other_HWC[rows, columns]
        return shown_HWC

    return RegionEdit("template", shared=True, make=varied)


def _region(share: float, scale: float, *, flip: bool = False) -> RegionEdit:
    """Return the edit that puts a piece of the work into another picture.

    Args:
        share: of each side of the work.
        scale: size in the picture over size in the work, both taken to one longest side.
        flip: whether it is mirrored, left to right.
    """

    def pasted(work_HWC: Rgb, other_HWC: Rgb, seed: int) -> Rgb:
        dice = np.random.default_rng(seed)
        piece_HWC = _anywhere(work_HWC, [share * side for side in work_HWC.shape[:2]], dice)
        factor = scale * max(other_HWC.shape[:2]) / max(work_HWC.shape[:2])
        room = min(o / p for o, p in zip(other_HWC.shape[:2], piece_HWC.shape[:2], strict=True))
        height, width = (round(side * min(factor, room)) for side in piece_HWC.shape[:2])
        small_HWC = _sized(piece_HWC[:, ::-1] if flip else piece_HWC, height, width)
        shown_HWC = other_HWC.copy()
        _anywhere(shown_HWC, small_HWC.shape[:2], dice)[:] = small_HWC
        return shown_HWC

    return RegionEdit("partial", shared=False, make=pasted)


REGION_EDITS: Mapping[str, RegionEdit] = {
    "all but the middle 60 % of each side": _layout(0.2, 0.2, 0.8, 0.8),
    "all but the lower 40 %": _layout(0.6, 0, 1, 1),
    "half of each side, elsewhere": _region(0.5, 1.0),
    "half of each side, mirrored and larger": _region(0.5, 1.3, flip=True),
    "two thirds of each side, smaller": _region(0.67, 0.75),
}
"""By name, in the order in which a work is copied."""


def edited_region(
    name: str, work_HWC: Rgb, other_HWC: Rgb, seed: int, round_trip: Callable[[Rgb], Rgb] | None
) -> dict[str, Any]:
    """Return a part of a work in another picture: sha256, format, width, height and bytes.

    Args:
        name: one of `REGION_EDITS`.
        work_HWC: u8[H, W, C].
        other_HWC: u8[H, W, C], of any size; the copy has its size.
        seed: of the places and of the noise.
        round_trip: through a model's encoder and back; None if it has none.

    Raises:
        ValueError: no such edit.
    """
    if name not in REGION_EDITS:
        raise ValueError(f"edit: expected one of {', '.join(REGION_EDITS)}, got {name!r}")
    shown_HWC = REGION_EDITS[name].make(at_most(work_HWC), other_HWC, seed)
    if round_trip is not None:
        shown_HWC = round_trip(shown_HWC)
    shown_HWC = noisy(shown_HWC, seed)
    return file_of(encode_png(shown_HWC), "png", shown_HWC)


def _sized(rgb_HWC: Rgb, height: int, width: int) -> Rgb:
    size = (max(_LEAST_SIDE, width), max(_LEAST_SIDE, height))
    image = Image.fromarray(np.ascontiguousarray(rgb_HWC))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.uint8)


def _anywhere(rgb_HWC: Rgb, size: Any, dice: np.random.Generator) -> Rgb:
    """Return a view of a piece of a picture, its place drawn evenly."""
    kept = [
        min(side, max(_LEAST_SIDE, round(wanted)))
        for side, wanted in zip(rgb_HWC.shape[:2], size, strict=True)
    ]
    top, left = (
        int(dice.integers(side - keep + 1))
        for side, keep in zip(rgb_HWC.shape[:2], kept, strict=True)
    )
    return rgb_HWC[top : top + kept[0], left : left + kept[1]]
