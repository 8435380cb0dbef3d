"""Distances to works instead of images: which are nearest, and the adaptive ratio to each.

Dimension key: N images sorted by work, W works, K kinds of works.

A work is as far away as its nearest image. Near-duplicates of one work are one neighbor, so that
sixty-four copies of a picture are not sixty-four reasons to find it ordinary.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.measures.distances import Floats, adaptive_ratio


def nearest_of_each(values_N: Floats, starts_W: NDArray[np.intp]) -> Floats:
    """Return the smallest value of each work, f64[W].

    Args:
        values_N: distances to images sorted by work.
        starts_W: first image of each work.

    >>> nearest_of_each(np.array([3.0, 1.0, 2.0]), np.array([0, 2]))
    array([1., 2.])
    """
    smallest: Floats = np.minimum.reduceat(values_N, starts_W)
    return smallest


def nearest_of_each_kind(
    values_W: Floats, kinds_W: NDArray[np.int8], count: int
) -> NDArray[np.intp]:
    """Return the works among the `count` nearest of their own kind, ties all, in order of number.

    >>> nearest_of_each_kind(np.array([3.0, 1.0, 2.0, 2.0]), np.array([0, 0, 1, 1], np.int8), 1)
    array([1, 2, 3])
    """
    chosen_W = np.zeros(len(values_W), np.bool_)
    for kind in np.unique(kinds_W):
        values = values_W[kinds_W == kind]
        last = min(count, len(values)) - 1
        chosen_W |= (kinds_W == kind) & (values_W <= np.partition(values, last)[last])
    return np.flatnonzero(chosen_W)


def adaptive_ratios(
    distances_W: Floats, works: Sequence[int], *, num_others: int, alpha: float
) -> list[float | None]:
    """Return the adaptive ratio of one generation to each of some works.

    Args:
        distances_W: f64[W], l2 of the generation to every work of the joint index.
        works: numbers of the works to judge.
        num_others: the paper's n, nearest works in the mean; the judged work is never among them.
        alpha: the paper's alpha.

    Returns:
        One ratio per work, in order; None where fewer other works exist or there is no scale.

    Source: Carlini et al. 2023, section 5.1.

    >>> adaptive_ratios(np.array([1.0, 4.0, 6.0]), [0, 2], num_others=2, alpha=0.5)
    [0.4, 4.8]
    """
    if len(distances_W) <= num_others:
        return [None] * len(works)
    smallest = np.sort(np.partition(distances_W, num_others)[: num_others + 1])
    ratios = []
    for work in works:
        # any entry of the same value may go: the mean is that of the others either way
        place = min(int(np.searchsorted(smallest, distances_W[work])), num_others)
        others = np.delete(smallest, place)
        ratios.append(adaptive_ratio(float(distances_W[work]), others, alpha))
    return ratios
