import numpy as np
import pytest
from numpy.typing import NDArray

from indexes.exact import Neighbors, cut, search
from indexes.recall import look_up_stored, recall, share


def vectors(seed: int, rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, 8)).astype(np.float32)


def test_interval_of_a_textbook_case() -> None:
    # 8 of 10, from tables of the binomial: 0.4439 to 0.9748
    found = share(8, 10)
    assert (round(found.low, 4), round(found.high, 4)) == (0.4439, 0.9748)
    assert share(10, 10).high == 1
    assert share(0, 10).low == 0


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (-1, 3), (4, 3)])
def test_impossible_shares_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= hits <= trials"):
        share(hits, trials)


def test_recall_counts_what_was_found() -> None:
    indexed, queries = vectors(0, 100), vectors(1, 5)
    exact = search(queries, indexed, k=4)
    right = cut(exact, 4)
    assert recall(right, exact, k=4).share == 1
    rows_QK = right.rows_QK.copy()
    rows_QK[0] = -1
    rows_QK[1, :2] = [r for r in range(100) if r not in right.rows_QK[1]][:2]
    spoilt = recall(Neighbors(rows_QK, right.scores_QK), exact, k=4)
    assert (spoilt.hits, spoilt.trials, spoilt.share) == (3.5, 5, 0.7)
    assert spoilt.low < 0.7 < spoilt.high


def test_a_place_without_an_answer_is_a_miss() -> None:
    indexed = np.eye(8, dtype=np.float32)
    exact = search(indexed[[7, 0]], indexed, k=1)
    found = Neighbors(np.array([[7], [-1]]), np.array([[1], [-np.inf]], np.float32))
    assert recall(found, exact, k=1).hits == 1


def test_a_copy_in_place_of_its_twin_is_no_miss() -> None:
    indexed = vectors(0, 20)
    indexed[10:] = indexed[:10]
    exact = search(indexed[:3], indexed, k=1)
    twins = Neighbors(np.array([[10], [11], [12]]), np.ones((3, 1), np.float32))
    assert recall(twins, exact, k=1).share == 1


def test_stored_vectors_that_are_lost_are_named() -> None:
    indexed = vectors(0, 30)

    def forgetful(queries_QD: NDArray[np.float32], k: int) -> Neighbors:
        return cut(search(queries_QD, indexed[:28], k=k), k)

    audit = look_up_stored(forgetful, indexed, np.arange(30), k=2)
    assert audit.lost_rows.tolist() == [28, 29]
    assert (audit.found.hits, audit.found.trials) == (28, 30)


def test_copies_that_fill_all_places_are_not_lost() -> None:
    indexed = np.repeat(vectors(0, 1), 50, axis=0)

    def find(queries_QD: NDArray[np.float32], k: int) -> Neighbors:
        return cut(search(queries_QD, indexed, k=k), k)

    assert not len(look_up_stored(find, indexed, np.arange(50), k=3).lost_rows)
