from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from indexes import exact, nominate
from indexes.exact import Answers, cut, search
from indexes.nominate import Metric

METRICS: tuple[Metric, ...] = ("inner", "cosine", "l2")
F32 = NDArray[np.float32]


def unit(rng: np.random.Generator, rows: int, dims: int) -> F32:
    x = rng.standard_normal((rows, dims)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_hand(query: F32, indexed: F32, k: int, metric: Metric) -> list[tuple[int, float, int]]:
    """Every pair scored on its own, sorted, the k best and what ties with the last."""
    sign = 1 if metric == "l2" else -1
    scored = []
    for row, vector in enumerate(indexed):
        q, x = [Fraction(float(v)) for v in query], [Fraction(float(v)) for v in vector]
        inner = sum((a * b for a, b in zip(q, x, strict=True)), Fraction(0))
        size = sum(a * a for a in q) * sum(a * a for a in x)
        exact_score = {
            "inner": float(inner),
            "cosine": float(inner) / float(size) ** 0.5 if size else 0.0,
            "l2": float(sum((a - b) ** 2 for a, b in zip(q, x, strict=True))) ** 0.5,
        }[metric]
        scored.append((sign * float(np.float32(exact_score)), row))
    scored.sort()
    last = scored[k - 1][0]
    kept = [pair for pair in scored if pair[0] <= last]
    return [(row, sign * s, 1 + sum(t < s for t, _ in kept)) for s, row in kept]


def of_query(answers: Answers, query: int) -> list[tuple[int, float, int]]:
    mine = answers.queries_M == query
    rows, scores, ranks = answers.rows_M[mine], answers.scores_M[mine], answers.ranks_M[mine]
    return [(int(r), float(s), int(n)) for r, s, n in zip(rows, scores, ranks, strict=True)]


@pytest.mark.parametrize("metric", METRICS)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            arrays(np.int8, (3, 3), elements=st.integers(-2, 2)),
            arrays(np.int8, (n, 3), elements=st.integers(-2, 2)),
            st.integers(1, n),
        )
    )
)
def test_small_whole_numbers_against_fractions(
    metric: Metric, case: tuple[NDArray[np.int8], NDArray[np.int8], int]
) -> None:
    queries, indexed, k = case[0].astype(np.float32), case[1].astype(np.float32), case[2]
    if metric == "cosine":
        queries, indexed = queries + np.float32(5), indexed + np.float32(5)
    found = search(queries, indexed, k=k, metric=metric)
    for query in range(3):
        assert of_query(found, query) == by_hand(queries[query], indexed, k, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_near_ties_are_decided_as_exact_arithmetic_decides(metric: Metric) -> None:
    # rows differ from each other in the last bits: float32 products alone cannot order them
    rng = np.random.default_rng(1)
    query = unit(rng, 1, 64)
    close = np.repeat(unit(rng, 1, 64), 60, axis=0)
    for row in close:
        at = rng.integers(64, size=3)
        row[at] = np.nextafter(row[at], np.float32(rng.choice([-1, 1])))
    found = search(query, close, k=7, metric=metric)
    assert of_query(found, 0) == by_hand(query[0], close, 7, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_blocks_do_not_change_a_bit(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    indexed = unit(rng, 3000, 33)
    indexed[2000:2100] = indexed[:100]
    queries = np.concatenate([indexed[:20], unit(rng, 20, 33)])
    whole = search(queries, indexed, k=5, metric=metric)
    monkeypatch.setattr(exact, "_QUERIES", 7)
    monkeypatch.setattr(exact, "_CELLS", 1)
    monkeypatch.setattr(exact, "_DOUBLES", 100)
    monkeypatch.setattr(nominate, "_HELD", 40)
    cut_up = search(queries, indexed, k=5, metric=metric)
    for one, other in zip(whole, cut_up, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("metric", METRICS)
def test_order_of_rows_does_not_change_the_answers(metric: Metric) -> None:
    rng = np.random.default_rng(3)
    indexed, queries = unit(rng, 500, 17), unit(rng, 9, 17)
    indexed[100:160] = indexed[3]
    moved = rng.permutation(500)
    queries[0] = indexed[3]
    plain = search(queries, indexed, k=4, metric=metric)
    other = search(queries, indexed[moved], k=4, metric=metric)
    for query in range(9):
        mine = sorted(of_query(plain, query))
        assert mine == sorted((int(moved[r]), s, n) for r, s, n in of_query(other, query))
    assert len(of_query(plain, 0)) == 61


def test_copies_have_cosine_one_and_rank_one_together() -> None:
    rng = np.random.default_rng(4)
    indexed = rng.standard_normal((50, 512)).astype(np.float32)
    indexed[10:20] = indexed[0] * np.float32(2)
    found = search(indexed[:1], indexed, k=3)
    assert [(r, s, n) for r, s, n in of_query(found, 0)] == [
        (r, 1.0, 1) for r in (0, *range(10, 20))
    ]
    assert cut(found, 3).rows_QK.tolist() == [[0, 10, 11]]


def test_lengths_of_very_different_size() -> None:
    rng = np.random.default_rng(5)
    sizes = np.float32(10) ** rng.integers(-12, 12, size=(300, 1)).astype(np.float32)
    indexed = (rng.standard_normal((300, 6)) * sizes).astype(np.float32)
    queries = indexed[::60] * np.float32(3)
    for metric in METRICS:
        found = search(queries, indexed, k=4, metric=metric)
        for query in range(len(queries)):
            hand = by_hand(queries[query], indexed, 4, metric)
            assert [r for r, _, _ in of_query(found, query)] == [r for r, _, _ in hand]


def test_no_query_gives_no_answer() -> None:
    found = search(np.zeros((0, 2), np.float32), np.eye(2, dtype=np.float32), k=1)
    assert [len(column) for column in found] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("queries", "indexed", "k", "found"),
    [
        (np.eye(2), np.eye(2, dtype=np.float32), 1, "must be float32"),
        (np.eye(2, dtype=np.float32), np.eye(3, dtype=np.float32), 1, "expected"),
        (np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 3, "k must be in 1..2"),
        (np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 0, "k must be in 1..2"),
        (np.full((1, 2), np.nan, np.float32), np.eye(2, dtype=np.float32), 1, "finite"),
        (np.eye(2, dtype=np.float32), np.full((2, 2), np.inf, np.float32), 1, "finite"),
        (np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32), 1, "cosine is not defined"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries: F32, indexed: F32, k: int, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        search(queries, indexed, k=k)
