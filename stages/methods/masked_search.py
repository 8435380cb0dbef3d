"""Masked search: the distance of templates to every picture of the index, on what is fixed.

Dimension key: Q templates or masks, N indexed pictures, D values of a picture.

Exact: pixels are integers, and no sum of products leaves the integers that float32 holds.
"""

import numpy as np
from numpy.typing import NDArray

from indexes.device import product
from stages.measures.distances import Bytes, Floats

Mask = NDArray[np.bool_]

_CENTRE = 128
# 1024 products of at most 128 * 128 add up to at most 2**24: exact in float32 in any order.
_EXACT = 1024
_ROWS = 8192


def masked_squares(
    templates_QD: Bytes, masks_QD: Mask, works_ND: Bytes, device: str = "cpu"
) -> Floats:
    """Return sum((T*M - I*M)^2) of every template and picture; integers, exact.

    One pass over the index serves all templates. Peak memory beside the result: 100 MB.

    Args:
        templates_QD: u8[Q, D].
        masks_QD: bool[Q, D], True on the values that are compared.
        works_ND: u8[N, D], may be a memory map.
        device: torch device of the products.

    Returns:
        f64[Q, N], pixels in 0..255.

    Source: Webster 2023, arXiv:2305.08694; code, gather_groundtruth_labels.py (TV), before the
    division by mean(M).

    >>> values = np.array([[0, 9]], np.uint8)
    >>> masked_squares(values, np.array([[True, False]]), values + np.uint8(3)).tolist()
    [[9.0]]
    """
    sums_QN = np.zeros((len(templates_QD), len(works_ND)))
    for start in range(0, len(works_ND), _ROWS):
        rows = slice(start, start + _ROWS)
        for first in range(0, works_ND.shape[1], _EXACT):
            part = slice(first, first + _EXACT)
            kept = masks_QD[:, part].astype(np.float32)
            if kept.any():
                left, right = _centred(templates_QD[:, part]) * kept, _centred(works_ND[rows, part])
                sums_QN[:, rows] += _products(kept, right**2, device)
                sums_QN[:, rows] -= 2 * _products(left, right, device).astype(np.float64)
                sums_QN[:, rows] += np.einsum("qd,qd->q", left, left)[:, None]
    return sums_QN


def masked_l2(sums_QN: Floats, masks_QD: Mask) -> Floats:
    """Return the root mean square difference under each mask, pixels in [0, 1].

    It is Webster's TV score in the unit of l2: TV = D * masked_l2^2, so that his 2,500 is 0.113.
    """
    kept_Q = masks_QD.sum(axis=1)
    distances: Floats = np.sqrt(sums_QN / kept_Q[:, None]) / 255
    return distances


def _products(
    left_QD: NDArray[np.float32], right_ND: NDArray[np.float32], device: str
) -> NDArray[np.float32]:
    return left_QD @ right_ND.T if device == "cpu" else product(left_QD, right_ND, device)


def _centred(values: Bytes) -> NDArray[np.float32]:
    return values.astype(np.float32) - _CENTRE
