"""Pairs: which rows of two blocks lie at or above a similarity, decided exactly.

Dimension key: A and B rows of two blocks, D dimensions, M doubtful pairs.
"""

import numpy as np
from numpy.typing import NDArray

from indexes.device import product
from indexes.exact import score
from indexes.nominate import Metric, error_bound, lengths, ranking

_DOUBTFUL = 2**14
"""Doubtful pairs that are scored again at a time."""


def near(
    left_AD: NDArray[np.float32],
    right_BD: NDArray[np.float32],
    *,
    minimum: float,
    metric: Metric = "cosine",
    device: str = "cpu",
) -> NDArray[np.bool_]:
    """Return where the similarity is at least the minimum, bool[A, B].

    A pair whose product lies within the error bound of the minimum is scored again, so the answer
    depends on the two rows alone and is symmetric.

    Args:
        left_AD: f32[A, D].
        right_BD: f32[B, D].
        minimum: least similarity, as float32.
        metric: `cosine` or `inner`.
        device: torch device of the product; `cpu` needs no torch.

    >>> bits = np.array([[1, 1], [1, -1]], np.float32)
    >>> near(bits, bits, minimum=2, metric="inner").tolist()
    [[True, False], [False, True]]
    """
    lengths_A = lengths(left_AD, metric)
    rule = ranking(lengths(right_BD, metric), metric)
    bound_A = error_bound(lengths_A, rule, dims=left_AD.shape[1], metric=metric)
    wanted_A = np.float32(minimum) * (lengths_A if metric == "cosine" else np.ones_like(lengths_A))
    scores_AB = left_AD @ right_BD.T if device == "cpu" else product(left_AD, right_BD, device)
    if metric == "cosine":
        scores_AB *= rule.factor_B
    near_AB: NDArray[np.bool_] = scores_AB >= (wanted_A - 2 * bound_A).astype(np.float32)[:, None]
    rows_M, columns_M = np.nonzero(near_AB)
    doubtful_M = scores_AB[rows_M, columns_M] < (wanted_A + 2 * bound_A)[rows_M]
    rows_M, columns_M = rows_M[doubtful_M], columns_M[doubtful_M]
    for first in range(0, len(rows_M), _DOUBTFUL):
        rows, columns = rows_M[first : first + _DOUBTFUL], columns_M[first : first + _DOUBTFUL]
        again_M = score(left_AD[rows], right_BD[columns], metric)
        near_AB[rows, columns] = again_M >= np.float32(minimum)
    return near_AB
