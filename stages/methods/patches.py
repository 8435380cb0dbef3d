"""Patches: where small squares of a generation recur in a work, and which placing they agree on.

Each square is looked for in the work at several scales, mirrored or not. One square recurs by
chance; several that recur with the same shift vote for a placing of the whole.

Dimension key: H height, W width, C = 3 channels, P patches, L places of a window, D values of a
patch, M recurrences, S rows and columns of shifts.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.measures.distances import Bytes

Grey = NDArray[np.float32]

SIDE = 12
"""Pixels of a patch: shorter ones recur by chance, longer ones need larger regions."""

STEP = 4
"""Pixels from one patch to the next."""

THIN = 2
"""A patch is known by every second row and column, after a blur as wide: a quarter of the work."""

SCALES = (0.5, 0.58, 0.67, 0.77, 0.88, 1.0, 1.15, 1.32, 1.5)
"""Sizes of a region in the generation over its size in the work; a patch bears the half step."""

MIN_CORRELATION = 0.7
"""Of a patch that recurs."""

MIN_DEVIATION = 0.02
"""Of a patch that can recur, of its detail, pixels in [0, 1]: plain surfaces recur everywhere."""

MIN_VOTES = 0.3
"""Of a placing: three patches and more that recur together, or one very well."""

# Width of the blur whose removal leaves detail, pixels.
_COARSE = 3.0


class Placing(NamedTuple):
    """A guess at how a work lies in a generation."""

    scale: float
    """Size in the generation over size in the work."""

    flip: bool
    """True if the work is mirrored, left to right."""

    shift: tuple[int, int]
    """Row and column of the generation's first pixel in the scaled, mirrored work."""

    votes: float
    """Patches for it, weighted by how well they recur."""


def placings(made_HWC: Bytes, work_HWC: Bytes, count: int) -> list[Placing]:
    """Return the placings with most votes, best first, at most `count`.

    Args:
        made_HWC: u8[H, W, C], the generation.
        work_HWC: u8[H, W, C], of any size.
        count: how many.

    Source: generalised Hough transform, Ballard 1981, over normalised correlation of patches,
    Lewis 1995.
    """
    detail = detail_of(made_HWC)
    corners_P = _corners(detail)
    if not len(corners_P):
        return []
    patches_PD = _unit(_windows(detail)[corners_P[:, 0], corners_P[:, 1]])
    found: list[Placing] = []
    for scale in SCALES:
        upright = detail_of(scaled(work_HWC, scale))
        if min(upright.shape) < SIDE:
            continue
        for flip in (False, True):
            turned = np.ascontiguousarray(upright[:, ::-1]) if flip else upright
            shifts = _best_shifts(patches_PD, corners_P, turned)
            found += [Placing(scale, flip, *best) for best in shifts if best[1] >= MIN_VOTES]
    found.sort(key=lambda placing: -placing.votes)
    return found[:count]


def scaled(rgb_HWC: Bytes, scale: float) -> Bytes:
    """Return the picture at another size, antialiased."""
    height, width = (max(1, round(side * scale)) for side in rgb_HWC.shape[:2])
    image = Image.fromarray(rgb_HWC).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8)


def detail_of(rgb_HWC: Bytes) -> Grey:
    """Return the grey picture less its own coarse blur, f32[H, W], pixels in [0, 1]."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    grey = rgb_HWC.mean(axis=2, dtype=np.float32) / 255
    detail = grey - gaussian_filter(grey, _COARSE, mode="nearest")
    thinned: Grey = uniform_filter(detail, THIN, mode="nearest")
    return thinned


def _corners(detail: Grey) -> NDArray[np.intp]:
    """Return row and column of the patches with detail, [P, 2]."""
    rows, columns = (np.arange(0, side - SIDE + 1, STEP) for side in detail.shape)
    corners = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    if not len(corners):
        return corners
    windows = _windows(detail)[corners[:, 0], corners[:, 1]]
    kept: NDArray[np.intp] = corners[windows.std(axis=(1, 2)) > MIN_DEVIATION]
    return kept


def _windows(detail: Grey) -> Grey:
    windows: Grey = np.lib.stride_tricks.sliding_window_view(detail, (SIDE, SIDE))
    return windows[:, :, ::THIN, ::THIN]


def _unit(windows: Grey) -> Grey:
    """Return windows as rows of mean 0 and length 1; nearly plain ones stay shorter."""
    rows_LD = windows.reshape(-1, (SIDE // THIN) ** 2)
    rows_LD = rows_LD - rows_LD.mean(axis=1, keepdims=True)
    lengths_L = np.sqrt(np.einsum("ld,ld->l", rows_LD, rows_LD))
    unit: Grey = rows_LD / np.maximum(lengths_L, MIN_DEVIATION * SIDE / THIN / 2)[:, None]
    return unit


def _best_shifts(
    patches_PD: Grey, corners_P: NDArray[np.intp], detail: Grey
) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield the two shifts with most votes, and their votes."""
    from scipy.ndimage import uniform_filter

    windows = _windows(detail)
    rows, columns = windows.shape[:2]
    correlation_PL = patches_PD @ _unit(windows).T
    found_M = np.flatnonzero(correlation_PL > MIN_CORRELATION)
    patch_M, place_M = np.divmod(found_M, rows * columns)
    weight_M = correlation_PL.ravel()[found_M] - MIN_CORRELATION
    # shifts from minus the last corner up to the last place
    origin = corners_P.max(axis=0)
    row_M = place_M // columns - corners_P[patch_M, 0] + origin[0]
    column_M = place_M % columns - corners_P[patch_M, 1] + origin[1]
    shape = (rows + origin[0], columns + origin[1])
    votes_SS = np.bincount(row_M * shape[1] + column_M, weight_M, shape[0] * shape[1])
    votes_SS = uniform_filter(votes_SS.reshape(shape), 3, mode="constant")
    for _ in range(2):
        row, column = np.unravel_index(int(votes_SS.argmax()), shape)
        yield (int(row - origin[0]), int(column - origin[1])), float(votes_SS[row, column])
        votes_SS[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = 0
