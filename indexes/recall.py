"""Recall: how much of what exact search finds does an approximate index find.

Dimension key: Q queries, N indexed vectors, D dimensions, K neighbours.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.exact import Answers, Neighbors, score

Find = Callable[[NDArray[np.float32], int], Neighbors]
"""Queries f32[Q, D] and k to neighbours; a place without an answer has row -1."""

_ROWS = 4096
"""Stored vectors that are looked up at a time."""


class Share(NamedTuple):
    """Hits out of trials with a Clopper-Pearson interval of 95 %."""

    hits: float
    trials: int
    share: float
    low: float
    high: float


class Audit(NamedTuple):
    """How many stored vectors an index gives back, and the first rows that it does not."""

    found: Share
    lost_rows: NDArray[np.int64]


def share(hits: float, trials: int) -> Share:
    """Return hits/trials with its 95 % interval.

    Args:
        hits: number of hits; a sum of shares is allowed, for a share varies at most as much as a
            coin of the same mean, so the interval is rather too wide.
        trials: number of independent trials.

    Raises:
        ValueError: there are no trials, or hits lie outside 0..trials.

    Source: Clopper and Pearson 1934, by quantiles of the beta distribution.

    >>> share(0, 64).high.__round__(4)
    0.056
    """
    from scipy.stats import beta

    if not 0 <= hits <= trials or not trials:
        raise ValueError(f"expected 0 <= hits <= trials and trials > 0, got {hits} of {trials}")
    low = float(beta.ppf(0.025, hits, trials - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, trials - hits)) if hits < trials else 1.0
    return Share(hits, trials, hits / trials, low, high)


def recall(found: Neighbors, exact: Answers, *, k: int) -> Share:
    """Return recall@k: the mean over queries of the share of the k best that was found.

    Args:
        found: answers of the audited index, at least k per query.
        exact: answers of `indexes.exact.search` with the same k, ties included: any row that ties
            with the k-th is as good as it.
        k: neighbours per query.

    Returns:
        The queries are the trials: neighbours of one query are found or missed together.
    """
    num_queries, num_rows = len(found.rows_QK), int(exact.rows_M.max()) + 1
    right_M = exact.queries_M * num_rows + exact.rows_M
    rows_QK = found.rows_QK[:, :k]
    keys_QK = np.arange(num_queries)[:, None] * num_rows + rows_QK
    hits_QK = np.isin(keys_QK, right_M) & (rows_QK >= 0) & (rows_QK < num_rows)
    return share(float(hits_QK.sum()) / k, num_queries)


def look_up_stored(
    find: Find, indexed_ND: NDArray[np.float32], rows_N: NDArray[np.int64], *, k: int
) -> Audit:
    """Look up stored vectors once each: an index must find what was put into it.

    A vector is found if its own row is among the k answers, or if the best answer is as close as
    itself (its copies may fill all k places).

    Args:
        find: search of the audited index.
        indexed_ND: stored vectors, f32[N, D].
        rows_N: rows to look up.
        k: answers to look through.
    """
    lost = []
    for first in range(0, len(rows_N), _ROWS):
        rows_Q = rows_N[first : first + _ROWS]
        queries_QD = np.ascontiguousarray(indexed_ND[rows_Q])
        found = find(queries_QD, k)
        own_Q = (found.rows_QK == rows_Q[:, None]).any(axis=1)
        own_Q |= found.scores_QK[:, 0] >= score(queries_QD, queries_QD, "cosine")
        lost.append(rows_Q[~own_Q])
    lost_rows = np.concatenate(lost) if lost else np.zeros(0, np.int64)
    return Audit(share(len(rows_N) - len(lost_rows), len(rows_N)), lost_rows)
