"""Distances between pixels, exact whatever the batch, the machine or the number of threads.

Dimension key: Q and N rows (images), D values of one image (or tile), H height,
W width, C = 3 channels, T = 4 tiles along a side.

Pixels are 8-bit, so every sum of squared differences is an integer. `squared_differences` computes
it with float32 matrix products that never leave the integers float32 holds exactly; nothing is
approximated, and no margin around a threshold is needed.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

GRID = 4
"""Tiles along one side: 16 tiles, as Carlini et al. 2023 cut 512x512 into 128x128."""

_CENTRE = 128
# 1024 products of values in [-128, 127] add up to at most 2**24, up to which float32 is exact in
# any order of addition.
_EXACT = 1024
_ROWS = 8192


def squared_differences(left_QD: Bytes, right_ND: Bytes) -> Floats:
    """Return the sum of squared differences of every pair of rows; integers, exact.

    Args:
        left_QD: u8[Q, D].
        right_ND: u8[N, D], may be a memory map; the same object as `left_QD` halves the work.

    Returns:
        f64[Q, N], pixels in 0..255. Peak memory beside it: 32 MB.

    >>> squared_differences(np.array([[0, 255]], np.uint8), np.array([[3, 255]], np.uint8))
    array([[9.]])
    """
    if right_ND is left_QD:
        return _squared_block(left_QD, left_QD)
    sums_QN = np.empty((len(left_QD), len(right_ND)))
    for start in range(0, len(right_ND), _ROWS):
        block = slice(start, start + _ROWS)
        sums_QN[:, block] = _squared_block(left_QD, right_ND[block])
    return sums_QN


def _squared_block(left_QD: Bytes, right_ND: Bytes) -> Floats:
    products_QN = np.zeros((len(left_QD), len(right_ND)))
    left_energy_Q = np.zeros(len(left_QD))
    right_energy_N = left_energy_Q if right_ND is left_QD else np.zeros(len(right_ND))
    for start in range(0, left_QD.shape[1], _EXACT):
        part = slice(start, start + _EXACT)
        left = _centred(left_QD[:, part])
        right = left
        if right_ND is not left_QD:
            right = _centred(right_ND[:, part])
            right_energy_N += np.einsum("nd,nd->n", right, right)
        left_energy_Q += np.einsum("qd,qd->q", left, left)
        products_QN += left @ right.T
    products_QN *= -2
    products_QN += left_energy_Q[:, None]
    products_QN += right_energy_N[None, :]
    return products_QN


def _centred(values: Bytes) -> NDArray[np.float32]:
    floats = values.astype(np.float32)
    floats -= _CENTRE
    return floats


def root_mean(sums: Floats, count: int) -> Floats:
    """Return the l2 distances in [0, 1] that belong to sums over `count` values in 0..255."""
    return np.sqrt(sums / count) / 255


def l2(left: Bytes, right: Bytes) -> float:
    """Return the root mean square difference of two images of one shape, pixels in [0, 1].

    Source: Carlini et al. 2023, section 4.2: l2(a, b) = sqrt(sum_i (a_i - b_i)^2 / d).

    Raises:
        ValueError: the images differ in shape or are empty.

    >>> l2(np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 51, np.uint8))
    0.2
    """
    if left.shape != right.shape or not left.size:
        raise ValueError(
            f"expected two images of one size, got {left.shape} and {right.shape}; resize first"
        )
    difference = np.subtract(left, right, dtype=np.int64).ravel()
    return math.sqrt(int(difference @ difference) / left.size) / 255


def tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Return the rows and columns of 16 tiles that cover an image, inner tiles first.

    A side that 4 does not divide is cut at the whole pixels nearest above k/4, so that tiles of
    one image differ by at most one pixel and no pixel is lost. Inner tiles come first because
    unrelated images share their borders more often than their middle.

    Raises:
        ValueError: a side is shorter than 4 pixels.

    >>> sorted((rows.start, rows.stop) for rows, columns in tiles(6, 4) if columns.start == 0)
    [(0, 1), (1, 3), (3, 4), (4, 6)]
    """
    if min(height, width) < GRID:
        raise ValueError(f"expected sides of at least {GRID} pixels, got {height}x{width}")
    rows = [slice(k * height // GRID, (k + 1) * height // GRID) for k in range(GRID)]
    columns = [slice(k * width // GRID, (k + 1) * width // GRID) for k in range(GRID)]
    order = (1, 2, 0, 3)
    return ((rows[i], columns[j]) for i in order for j in order)


def tiled_l2(left_HWC: Bytes, right_HWC: Bytes) -> float:
    """Return the largest l2 of the 16 corresponding tiles of two images of one shape.

    It does not take two images for alike because they share a large plain background.

    Source: Carlini et al. 2023, section 4.2.

    Raises:
        ValueError: the images differ in shape, or a side is shorter than 4 pixels.
    """
    if left_HWC.shape != right_HWC.shape:
        raise ValueError(
            f"expected two images of one size, got {left_HWC.shape} and {right_HWC.shape};"
            " resize first"
        )
    height, width = left_HWC.shape[:2]
    return max(l2(left_HWC[tile], right_HWC[tile]) for tile in tiles(height, width))


def tiled_l2_to_each(left_HWC: Bytes, rights_NHWC: Bytes) -> Floats:
    """Return `tiled_l2` of one image to each of several, f64[N] in their order."""
    height, width, channels = left_HWC.shape
    difference = rights_NHWC.astype(np.int64) - left_HWC
    squared = np.square(difference, out=difference)
    down, across = ([k * side // GRID for k in range(GRID + 1)] for side in (height, width))
    sums = np.add.reduceat(squared.sum(axis=3), down[:-1], axis=1)
    sums_NTT = np.add.reduceat(sums, across[:-1], axis=2)
    values_TT = np.outer(np.diff(down), np.diff(across)) * channels
    largest: Floats = (np.sqrt(sums_NTT / values_TT) / 255).max(axis=(1, 2))
    return largest


def adaptive_ratio(distance: float, neighbor_distances: Floats, alpha: float) -> float | None:
    """Return how close a generation is to one image, measured by how close it is to others.

    Notation of the paper: x_hat the generation, x the image, S the n images closest to x_hat:
    l2(x_hat, x) / (alpha * mean of l2(x_hat, y) over y in S). Below 1, x counts as extracted.
    Two known mistakes are left to nobody: S lies around the generation, not around x, and holds
    neither x nor its near-duplicates (they would shrink the mean: the more often an image is
    repeated, the less it would look copied); and the unit of l2 cancels, so that nothing is halved
    for pixels in [-1, 1].

    Args:
        distance: l2(x_hat, x).
        neighbor_distances: f64[n], l2 of x_hat to each image of S, in the same unit.
        alpha: the paper's 0.5.

    Returns:
        The ratio, or None if all of S equal the generation: then there is no scale to judge by.

    Raises:
        ValueError: S is empty.

    Source: Carlini et al. 2023, section 5.1.

    >>> adaptive_ratio(0.1, np.array([0.4, 0.6]), 0.5)
    0.4
    """
    if not len(neighbor_distances):
        raise ValueError("expected at least one neighbor, got none")
    scale = alpha * float(np.mean(neighbor_distances))
    return distance / scale if scale else None
