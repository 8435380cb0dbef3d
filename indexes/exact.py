"""Exact nearest neighbours: the reference that every other search is tested against.

Dimension key: Q queries, N indexed vectors, D dimensions, K neighbours, B rows of a block,
M answers or candidates of all queries together.

A score is a function of two vectors alone: products that float64 holds exactly, added in a fixed
order, rounded to float32. So it depends neither on blocks nor on threads nor on the order of rows,
and equal vectors tie. A matrix product only nominates: its error is bounded, and each row whose
highest possible score reaches the k-th lowest possible one is scored again (`indexes.nominate`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.nominate import Candidates, Metric, Pool, error_bound, lengths, ranking

_QUERIES = 1024
"""Queries of a block."""

_CELLS = 2**23
"""Cells of a tile of scores, 32 MB: large enough for BLAS, small enough for a worker."""

_DOUBLES = 2**21
"""Numbers that are scored again at a time, 16 MB."""


class Answers(NamedTuple):
    """All answers, query by query, best first; equal scores in the order of their rows."""

    queries_M: NDArray[np.int64]
    rows_M: NDArray[np.int64]
    scores_M: NDArray[np.float32]
    ranks_M: NDArray[np.int64]


class Neighbors(NamedTuple):
    """The K best rows of each query, best first."""

    rows_QK: NDArray[np.int64]
    scores_QK: NDArray[np.float32]


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, int))


def search(
    queries_QD: NDArray[np.float32],
    indexed_ND: NDArray[np.float32],
    *,
    k: int,
    metric: Metric = "cosine",
) -> Answers:
    """Return the k best rows of each query and every further row that ties with the k-th.

    Args:
        queries_QD: f32[Q, D].
        indexed_ND: f32[N, D]; may be memory-mapped.
        k: neighbours per query, 1 <= k <= N.
        metric: `cosine` and `inner` are similarities, `l2` is a distance (Euclidean).

    Returns:
        At least k answers per query; rank 1 is best and ties share the smallest rank.

    Raises:
        ValueError: k is not in 1..N, shapes or types do not fit, a value is not finite, or a
            vector of norm 0 has no cosine.

    >>> eye = np.eye(3, dtype=np.float32)
    >>> search(eye[:1], eye, k=2).rows_M.tolist()
    [0, 1, 2]
    """
    check(queries_QD, indexed_ND, k)
    parts = []
    for first in range(0, len(queries_QD), _QUERIES):
        block_QD = np.ascontiguousarray(queries_QD[first : first + _QUERIES])
        candidates = _nominate(block_QD, indexed_ND, k, metric)
        parts.append(rerank(block_QD, indexed_ND, candidates, k=k, metric=metric))
    return joined(parts, _QUERIES)


def check(queries_QD: NDArray[np.float32], indexed_ND: NDArray[np.float32], k: int) -> None:
    """Refuse what cannot be searched.

    Raises:
        ValueError: k is not in 1..N, or shapes or types do not fit.
    """
    if queries_QD.dtype != np.float32 or indexed_ND.dtype != np.float32:
        raise ValueError(f"vectors must be float32, got {queries_QD.dtype}, {indexed_ND.dtype}")
    dims = queries_QD.shape[1:]
    if len(dims) != 1 or dims != indexed_ND.shape[1:]:
        raise ValueError(f"expected [Q, D] and [N, D], got {queries_QD.shape}, {indexed_ND.shape}")
    if not 1 <= k <= len(indexed_ND):
        raise ValueError(f"k must be in 1..{len(indexed_ND)}, got {k}")


def joined(parts: Sequence[Answers], step: int) -> Answers:
    """Return the answers of successive blocks of `step` queries as one."""
    numbered = [p._replace(queries_M=p.queries_M + i * step) for i, p in enumerate(parts)]
    return Answers(*(np.concatenate(column) for column in zip(_NOTHING, *numbered, strict=True)))


def rerank(
    queries_QD: NDArray[np.float32],
    indexed_ND: NDArray[np.float32],
    candidates: Candidates,
    *,
    k: int,
    metric: Metric,
) -> Answers:
    """Return the k best candidates of each query and every further one that ties with the k-th.

    Args:
        queries_QD: f32[Q, D].
        indexed_ND: f32[N, D].
        candidates: distinct pairs of a query and a row.
        k: answers per query; a query with fewer candidates keeps them all.
        metric: as in `search`.
    """
    queries_M, rows_M = candidates.queries_M, candidates.rows_M
    scores_M = np.empty(len(rows_M), np.float32)
    step = max(1, _DOUBLES // max(1, queries_QD.shape[1]))
    for first in range(0, len(rows_M), step):
        some = slice(first, first + step)
        scores_M[some] = score(queries_QD[queries_M[some]], indexed_ND[rows_M[some]], metric)
    order_M = np.lexsort((rows_M, scores_M if metric == "l2" else -scores_M, queries_M))
    return _keep(Candidates(queries_M[order_M], rows_M[order_M]), scores_M[order_M], k)


def score(
    left_MD: NDArray[np.float32], right_MD: NDArray[np.float32], metric: Metric
) -> NDArray[np.float32]:
    """Return the score of each pair of rows, f32[M]; it depends on the two rows alone.

    >>> a = np.array([[3, 4]], np.float32)
    >>> score(a, a * 2, "cosine").item(), score(a, a * 2, "l2").item()
    (1.0, 5.0)
    """
    left = np.asarray(left_MD, np.float64, order="C")
    right = np.asarray(right_MD, np.float64, order="C")
    if metric == "l2":
        return _rounded(np.sqrt(_inner(left - right, left - right)))
    if metric == "cosine":
        return _rounded(_inner(left, right) / np.sqrt(_inner(left, left) * _inner(right, right)))
    return _rounded(_inner(left, right))


def cut(answers: Answers, k: int) -> Neighbors:
    """Return the first k answers of each query as a rectangle; ties break to the lower row."""
    starts_Q = np.flatnonzero(np.diff(answers.queries_M, prepend=-1))
    places_QK = starts_Q[:, None] + np.arange(k)
    return Neighbors(answers.rows_M[places_QK], answers.scores_M[places_QK])


def _inner(left_MD: NDArray[np.float64], right_MD: NDArray[np.float64]) -> NDArray[np.float64]:
    # not einsum or a matrix product: their order of summation changes with shape and threads
    inner_M: NDArray[np.float64] = np.add.reduce(left_MD * right_MD, axis=1)
    return inner_M


def _rounded(scores_M: NDArray[np.float64]) -> NDArray[np.float32]:
    return scores_M.astype(np.float32)


def _keep(sorted_M: Candidates, scores_M: NDArray[np.float32], k: int) -> Answers:
    queries_M, rows_M = sorted_M.queries_M, sorted_M.rows_M
    places_M = np.arange(len(queries_M))
    starts_M = np.searchsorted(queries_M, queries_M, side="left")
    new_M = (places_M == starts_M) | (np.diff(scores_M, prepend=scores_M[:1]) != 0)
    ranks_M = np.maximum.accumulate(np.where(new_M, places_M, 0)) - starts_M + 1
    kept_M = ranks_M <= k
    return Answers(queries_M[kept_M], rows_M[kept_M], scores_M[kept_M], ranks_M[kept_M])


def _nominate(
    queries_QD: NDArray[np.float32], indexed_ND: NDArray[np.float32], k: int, metric: Metric
) -> Candidates:
    lengths_Q = lengths(queries_QD, metric)
    pool = Pool(len(queries_QD), k)
    step = max(1024, _CELLS // max(1, len(queries_QD)))
    for first in range(0, len(indexed_ND), step):
        block_BD = np.ascontiguousarray(indexed_ND[first : first + step])
        rule = ranking(lengths(block_BD, metric), metric)
        scores_QB = queries_QD @ block_BD.T
        scores_QB *= rule.factor_B
        scores_QB += rule.offset_B
        bound_Q = error_bound(lengths_Q, rule, dims=block_BD.shape[1], metric=metric)
        width = min(k, len(block_BD))
        top_QW = np.partition(scores_QB, len(block_BD) - width, axis=1)[:, -width:]
        found_M = np.nonzero(scores_QB >= pool.lowest(top_QW, bound_Q)[:, None])
        pool.add(Candidates(found_M[0], found_M[1] + first), scores_QB[found_M], bound_Q)
    return pool.candidates()
