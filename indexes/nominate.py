"""Nominate: which rows may be among the k best, given scores with a known error.

Dimension key: Q queries, N indexed vectors, D dimensions, K neighbours, B rows of a block,
M candidates of all queries together.

A matrix product gives each pair a ranking number t with |t - exact t| <= e. Then k rows are surely
at or above the k-th largest t - e; a row whose t + e lies below that number cannot be among the k
best nor tie with the k-th. With one e for all rows this keeps what lies within twice the bound of
the k-th score.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Metric = Literal["inner", "cosine", "l2"]

UNIT = 2.0**-24
"""Largest relative error of one rounding to float32."""

_TINY = 2.0**-126
"""Below this float32 loses digits or goes to 0; an absolute error for each product."""

_LARGEST = 1e15
"""Longest vector whose products and squares stay far from the end of float32."""

_HELD = 2**22
"""Candidates that are held before those below the present floor are let go."""


class Candidates(NamedTuple):
    """Pairs of a query and a row that may be an answer; no pair twice."""

    queries_M: NDArray[np.int64]
    rows_M: NDArray[np.int64]


class Ranking(NamedTuple):
    """How the inner products of a block become numbers that rank its rows for each query.

    `length` is the largest length of a row, `factor` the largest factor.
    """

    factor_B: NDArray[np.float32]
    offset_B: NDArray[np.float32]
    length: float
    factor: float


class Loss(NamedTuple):
    """What a shorter type than float32 takes away.

    `queries_Q` and `rows` are lengths of (vector - rounded vector), for the rows of a block the
    largest; `output` is the relative error of rounding the product itself.
    """

    queries_Q: NDArray[np.float64]
    rows: float
    output: float


def lengths(vectors_BD: NDArray[np.float32], metric: Metric) -> NDArray[np.float64]:
    """Return the Euclidean length of each row, f64[B].

    Raises:
        ValueError: a value is not finite or too large, or a row of length 0 has no cosine.
    """
    squares_B = np.einsum("bd,bd->b", vectors_BD, vectors_BD, dtype=np.float64)
    lengths_B: NDArray[np.float64] = np.sqrt(squares_B)
    if not np.all(lengths_B <= _LARGEST):
        row = int(np.argmin(lengths_B <= _LARGEST))
        raise ValueError(f"row {row} of a block: length {lengths_B[row]}, expected a finite vector")
    if metric == "cosine" and not lengths_B.all():
        row = int(np.argmin(lengths_B))
        raise ValueError(f"row {row} of a block has length 0: its cosine is not defined")
    return lengths_B


def ranking(lengths_B: NDArray[np.float64], metric: Metric) -> Ranking:
    """Return factor and offset of each row: factor times inner product plus offset ranks it.

    For the cosine the length of the query, for l2 (-distance**2 = 2 q.x - x.x - q.q) the square
    of the query are the same for all rows, and left out.
    """
    ones_B = np.ones(len(lengths_B), np.float32)
    factor_B, offset_B = ones_B, 0 * ones_B
    if metric == "cosine":
        factor_B = (1 / lengths_B).astype(np.float32)
    if metric == "l2":
        factor_B, offset_B = 2 * ones_B, (-(lengths_B**2)).astype(np.float32)
    return Ranking(
        factor_B, offset_B, float(lengths_B.max(initial=0)), float(factor_B.max(initial=0))
    )


def error_bound(
    lengths_Q: NDArray[np.float64],
    rule: Ranking,
    *,
    dims: int,
    metric: Metric,
    loss: Loss | None = None,
) -> NDArray[np.float64]:
    """Return, per query, the largest error of the ranking numbers of a block, f64[Q].

    Args:
        lengths_Q: lengths of the queries.
        rule: ranking of the block.
        dims: dimensions D.
        metric: what is ranked.
        loss: what a shorter type than float32 took away.

    Returns:
        The bound against the exact score after its own rounding to float32. With a shorter type
        four times the textbook constant: tensor cores cut off where IEEE rounds.

    Source: Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1: in any order
    of summation |error| <= D u / (1 - D u) |q|.|x|; Cauchy-Schwarz for what a shorter type lost.
    """
    products_Q = lengths_Q * rule.length
    inner_Q = (dims + 8) * (UNIT * products_Q + _TINY)
    if loss is not None:
        inner_Q *= 4
        inner_Q += loss.queries_Q * rule.length + (lengths_Q + loss.queries_Q) * loss.rows
        inner_Q += loss.output * (lengths_Q + loss.queries_Q) * (rule.length + loss.rows)
    scale_Q = (lengths_Q + rule.length) ** 2 if metric == "l2" else products_Q * rule.factor
    bound_Q: NDArray[np.float64] = rule.factor * inner_Q + 16 * UNIT * scale_Q
    return bound_Q


class Pool:
    """The candidates so far, and for each query the floor under its k-th best score."""

    def __init__(self, num_queries: int, k: int) -> None:
        self._floors_QK = np.full((num_queries, k), -np.inf)
        self._parts: list[tuple[Candidates, NDArray[np.float64]]] = []
        self._held, self._room = 0, _HELD

    def lowest(
        self, top_QW: NDArray[np.float32], bound_Q: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Raise the floors by the W = min(k, B) best of a block; return what a candidate needs."""
        k = self._floors_QK.shape[1]
        sure_QW = top_QW.astype(np.float64) - bound_Q[:, None]
        both = np.concatenate([self._floors_QK, sure_QW], axis=1)
        self._floors_QK = np.partition(both, both.shape[1] - k, axis=1)[:, -k:]
        needed_Q = (self._floors_QK.min(axis=1) - bound_Q).astype(np.float32)
        below_Q: NDArray[np.float32] = np.nextafter(needed_Q, np.float32(-np.inf))
        return below_Q

    def add(
        self, found: Candidates, scores_M: NDArray[np.float32], bound_Q: NDArray[np.float64]
    ) -> None:
        """Add the rows of a block that reach the number that `lowest` returned."""
        self._parts.append((found, scores_M.astype(np.float64) + bound_Q[found.queries_M]))
        self._held += len(scores_M)
        if self._held > self._room:
            self._sift()
            self._room = max(_HELD, 2 * self._held)

    def candidates(self) -> Candidates:
        """Return the pairs that can still be among the answers."""
        self._sift()
        return self._parts[0][0]

    def _sift(self) -> None:
        queries_M = np.concatenate([part.queries_M for part, _ in self._parts])
        rows_M = np.concatenate([part.rows_M for part, _ in self._parts])
        highest_M = np.concatenate([highest for _, highest in self._parts])
        kept_M = highest_M >= self._floors_QK.min(axis=1)[queries_M]
        kept = Candidates(queries_M[kept_M], rows_M[kept_M])
        self._parts = [(kept, highest_M[kept_M])]
        self._held = len(kept.rows_M)
