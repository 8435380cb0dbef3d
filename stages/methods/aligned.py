"""Aligned: lays a work over a generation, finds where both show the same, and measures how much.

Dimension key: H height, W width, C = 3 channels, K pixels of a region, A = 4 numbers of a
similarity.

Places are (row, column) of pixel centres. A similarity has two numbers for scale and turn, two for
the shift; a mirrored work is mirrored first, so that the four stay the same.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stages.measures.distances import Bytes, Floats
from stages.methods.agreement import Mask, box_of, told, widened
from stages.methods.patches import Placing, scaled
from stages.methods.places import HALF, Box, carried, resized

# Steps of a fit, and the shift in pixels below which it stands still.
_STEPS = 6
_STILL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRule:
    """What counts as a region that is the same."""

    window: int = 7
    """Side of the square in which the pictures are correlated around each pixel; odd."""

    min_local: float = 0.6
    """Least correlation of that square where both are alike."""

    plain: float = 0.02
    """Standard deviation below which a square is plain; plain squares are alike if their colours
    differ by at most three times that. Pixels in [0, 1]."""

    min_area: float = 0.04
    """Least share of the generation that a region takes."""

    min_detail: float = 0.5
    """Least share of the region that is not plain."""

    rounds: int = 2
    """Times that the work is fitted to the region and the region is found again."""

    max_drift: float = 0.2
    """Largest change of scale, and largest turn in radians, that fitting may make: further away it
    has left what the patches voted for."""


class Fit(NamedTuple):
    """How a work lies in a generation."""

    matrix_23: Floats
    """Place in the work = matrix @ (row, column, 1) of the place in the generation."""

    made_box: Box
    """Top, left, bottom, right of the region in the generation, pixels; bottom, right exclusive."""

    work_box: Box
    """The same of the region in the work."""

    area: float
    """Share of the generation that the box takes."""

    correlation: float
    """Of all pixels and channels of the box, the mean of each channel removed; [-1, 1]."""

    detail_correlation: float
    """The same without coarse brightness and without single-pixel noise; [-1, 1]."""

    l2: float
    """Root mean square difference in the box, pixels in [0, 1]."""

    bits: float
    """What the work tells about the region: -n/2 log2(1 - r^2) with r the smaller of the two
    correlations and n the squares of 4x4 pixels with detail in the box. Grows with size and
    likeness; the score by which regions are ranked."""


def fit(made_HWC: Bytes, work_HWC: Bytes, placing: Placing, rule: RegionRule) -> Fit | None:
    """Return how the work lies in the generation near a guessed placing; None if nowhere the same.

    Args:
        made_HWC: u8[H, W, C], the generation.
        work_HWC: u8[H, W, C], of any size.
        placing: where to begin.
        rule: what counts as the same.

    Source: Evangelidis and Psarakis 2008 (alignment by correlation), with the plain least squares
    of Lucas and Kanade 1981 after means are removed.
    """
    made = made_HWC.astype(np.float64) / 255
    small = scaled(work_HWC, placing.scale)
    if placing.flip:
        small = np.ascontiguousarray(small[:, ::-1])
    work = small.astype(np.float64) / 255
    numbers_A = np.array([1.0, 0.0, *placing.shift])
    region_HW = _region(made, *_laid(work, numbers_A, made.shape), rule)
    for _ in range(rule.rounds):
        if region_HW is None:
            return None
        numbers_A = _fitted(made, work, numbers_A, region_HW)
        if max(abs(np.hypot(*numbers_A[:2]) - 1), abs(numbers_A[1])) > rule.max_drift:
            return None
        region_HW = _region(made, *_laid(work, numbers_A, made.shape), rule)
    if region_HW is None:
        return None
    return _measured(
        made,
        work,
        numbers_A,
        region_HW,
        _Sizes(work_HWC.shape, small.shape, placing, rule.window // 2 + 1),
    )


class _Sizes(NamedTuple):
    work: tuple[int, ...]
    small: tuple[int, ...]
    placing: Placing
    most: int


def _laid(work: Floats, numbers_A: Floats, shape: tuple[int, ...]) -> tuple[Floats, Mask]:
    """Return the work as it lies in the generation, and where it lies at all."""
    from scipy.ndimage import map_coordinates

    rows, columns = _places(numbers_A, *np.mgrid[: shape[0], : shape[1]].astype(np.float64))
    laid = np.stack(
        [
            map_coordinates(work[:, :, c], (rows, columns), order=1, mode="nearest")
            for c in range(3)
        ],
        axis=2,
    )
    inside = (rows >= -HALF) & (rows <= work.shape[0] - HALF)
    inside &= (columns >= -HALF) & (columns <= work.shape[1] - HALF)
    return laid, inside


def _places(numbers_A: Floats, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    along, turned, down, across = numbers_A
    return along * rows - turned * columns + down, turned * rows + along * columns + across


def _region(made: Floats, laid: Floats, inside: Mask, rule: RegionRule) -> Mask | None:
    """Return the largest connected region in which both are alike; None if it is too small."""
    from scipy.ndimage import binary_opening, label, uniform_filter

    def mean(values: Floats) -> Floats:
        averaged: Floats = uniform_filter(values, (rule.window, rule.window, 0), mode="nearest")
        return averaged

    made_mean, laid_mean = mean(made), mean(laid)
    made_var = np.maximum((mean(made**2) - made_mean**2).mean(axis=2), 0)
    laid_var = np.maximum((mean(laid**2) - laid_mean**2).mean(axis=2), 0)
    shared = (mean(made * laid) - made_mean * laid_mean).mean(axis=2)
    plain = np.maximum(made_var, laid_var) < rule.plain**2
    near = np.abs(made_mean - laid_mean).max(axis=2) < 3 * rule.plain
    alike = np.where(plain, near, shared > rule.min_local * np.sqrt(made_var * laid_var))
    labels, count = label(binary_opening(alike & inside, np.ones((3, 3))))
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    region_HW: Mask = labels == 1 + int(sizes.argmax())
    detailed = float((region_HW & ~plain).sum()) / sizes.max()
    if region_HW.mean() < rule.min_area or detailed < rule.min_detail:
        return None
    return region_HW


def _fitted(made: Floats, work: Floats, numbers_A: Floats, region_HW: Mask) -> Floats:
    """Return the similarity that brings the work closest to the generation in a region."""
    rows_K, columns_K = (axis.astype(np.float64) for axis in np.nonzero(region_HW))
    target_K = made.mean(axis=2)[region_HW]
    target_K = target_K - target_K.mean()
    grey = work.mean(axis=2)
    slopes = np.gradient(grey)
    for _ in range(_STEPS):
        places_K = _places(numbers_A, rows_K, columns_K)
        shown_K, down_K, across_K = (_sampled(values, places_K) for values in (grey, *slopes))
        shown_K = shown_K - shown_K.mean()
        norm = float(np.linalg.norm(shown_K))
        if not norm:
            return numbers_A
        gain = float(np.linalg.norm(target_K)) / norm
        by_A = np.stack(
            [
                down_K * rows_K + across_K * columns_K,
                across_K * rows_K - down_K * columns_K,
                down_K,
                across_K,
            ],
            axis=1,
        )
        by_A -= by_A.mean(axis=0)
        step_A, *_ = np.linalg.lstsq(gain * by_A, target_K - gain * shown_K)
        numbers_A = numbers_A + step_A
        if np.abs(step_A[2:]).max() < _STILL:
            break
    return numbers_A


def _sampled(values: Floats, places: tuple[Floats, Floats]) -> Floats:
    from scipy.ndimage import map_coordinates

    sampled: Floats = map_coordinates(values, places, order=1, mode="nearest")
    return sampled


def _measured(made: Floats, work: Floats, numbers_A: Floats, region_HW: Mask, sizes: _Sizes) -> Fit:
    laid, inside = _laid(work, numbers_A, made.shape)
    apart_HW = np.where(inside, np.square(made - laid).mean(axis=2), np.inf)
    box = widened(box_of(region_HW), apart_HW, sizes.most)
    top, left, bottom, right = box
    ours, theirs = made[top:bottom, left:right], laid[top:bottom, left:right]
    whole, detail, bits = told(ours, theirs)
    matrix_23 = _matrix(numbers_A, sizes)
    return Fit(
        matrix_23=matrix_23,
        made_box=box,
        work_box=carried(box, matrix_23, sizes.work),
        area=(bottom - top) * (right - left) / region_HW.size,
        correlation=whole,
        detail_correlation=detail,
        l2=float(np.sqrt(np.square(ours - theirs).mean())),
        bits=bits,
    )


def _matrix(numbers_A: Floats, sizes: _Sizes) -> Floats:
    """Return the map from places of the generation to places of the work at its own size."""
    along, turned, down, across = numbers_A
    matrix = np.array([[along, -turned, down], [turned, along, across]])
    if sizes.placing.flip:
        matrix[1] = -matrix[1]
        matrix[1, 2] += sizes.small[1] - 1
    matrix_33 = np.vstack([matrix, [0.0, 0.0, 1.0]])
    matrix_23: Floats = (resized(sizes.small, sizes.work) @ matrix_33)[:2]
    return matrix_23
