from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics.units import Rows, merge, merge_scored, ranks, units

KEY = b"a coin that was committed"


def brute_merge(prompt_N: list[int], work_N: list[int]) -> list[int]:
    first_N = list(range(len(prompt_N)))
    for _ in first_N:
        for i in range(len(first_N)):
            for j in range(len(first_N)):
                if prompt_N[i] == prompt_N[j] or work_N[i] == work_N[j]:
                    first_N[i] = min(first_N[i], first_N[j])
    return first_N


ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=1, max_size=14
)


@settings(max_examples=40)
@given(ROWS)
def test_rows_join_through_prompts_and_works(rows: list[tuple[int, int, bool]]) -> None:
    prompt_N, work_N = [row[0] for row in rows], [row[1] for row in rows]
    assert merge(prompt_N, work_N).tolist() == brute_merge(prompt_N, work_N)


def test_units_of_six_rows() -> None:
    rows = Rows(
        list("abcdef"),
        ["flag", "flag", "sea", "hill", "dune", "dune"],
        ["w1", "w2", "w2", "w3", "w4", "w5"],
        [True, True, True, False, True, False],
    )
    found = units(rows, KEY)
    # a-b by prompt, b-c by work; e-f by prompt, with both labels
    assert found.unit_N.tolist() == [0, 0, 0, 1, -1, -1]
    assert found.is_test_U.tolist() == [True, False]
    assert (found.mixed_units, found.mixed_rows) == (1, 2)
    assert found.row_U[1] == 3
    rank_N = ranks(rows.id_N, KEY)
    assert found.row_U[0] == np.argmin(rank_N[:3])
    assert found.rank_U.tolist() == rank_N[found.row_U].tolist()


@settings(max_examples=40)
@given(ROWS, st.randoms(use_true_random=False))
def test_units_do_not_depend_on_the_order_of_rows(rows: list[Any], shuffler: Any) -> None:
    named = [(f"row {n}", *row) for n, row in enumerate(rows)]
    shuffled = shuffler.sample(named, len(named))

    def described(listed: list[Any]) -> Any:
        columns = list(zip(*listed, strict=True))
        try:
            found = units(Rows(*columns), KEY)
        except ValueError:
            return None
        names = [columns[0][row] for row in found.row_U]
        return sorted(zip(names, found.is_test_U.tolist(), strict=True)), found.mixed_rows

    assert described(named) == described(shuffled)


def test_units_have_one_label_and_every_pure_one_is_kept() -> None:
    generator = np.random.default_rng(0)
    prompt_N, work_N = generator.integers(0, 300, 400), generator.integers(0, 300, 400)
    is_test_N = generator.random(400) < 0.5
    found = units(Rows(np.arange(400), prompt_N, work_N, is_test_N), KEY)
    first_N = merge(prompt_N, work_N)
    pure = [u for u in np.unique(first_N) if len(set(is_test_N[first_N == u].tolist())) == 1]
    assert len(pure) == len(found.is_test_U)
    assert found.mixed_units == len(np.unique(first_N)) - len(pure) > 0
    for unit, first in enumerate(pure):
        members = np.flatnonzero(first_N == first)
        assert np.flatnonzero(found.unit_N == unit).tolist() == members.tolist()
        assert (is_test_N[members] == found.is_test_U[unit]).all()


def test_ranks_are_keyed_digests_and_even() -> None:
    expected = int.from_bytes(blake2b(b"a", digest_size=8, key=KEY).digest(), "big")
    assert ranks(["a", "b"], KEY)[0] == expected
    assert ranks(["a"], KEY) != ranks(["a"], b"another coin")
    # which of three is first is a fair draw
    first = [int(np.argmin(ranks([f"{n}x", f"{n}y", f"{n}z"], KEY))) for n in range(3000)]
    assert np.bincount(first) == pytest.approx([1000] * 3, abs=100)


def test_units_with_one_best_work_keep_the_smallest_rank() -> None:
    rank_U = [5, 3, 9, 1, 7]
    # 0 and 1 share a work, 1 and 2 another (a tie of 1), 3 has its own, 4 found nothing
    stays_U = merge_scored(rank_U, [0, 1, 1, 2, 3], ["w", "w", "v", "v", "u"])
    assert stays_U.tolist() == [False, True, False, True, True]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_one_unit_stays_for_each_best_work(best_U: list[int], shuffler: Any) -> None:
    rank_U = shuffler.sample(range(100), len(best_U))
    stays_U = merge_scored(rank_U, np.arange(len(best_U)), best_U)
    for work in set(best_U):
        members = [u for u, best in enumerate(best_U) if best == work]
        assert [u for u in members if stays_U[u]] == [min(members, key=lambda u: rank_U[u])]


def test_nothing_found_merges_nothing() -> None:
    assert merge_scored([2, 1], [], []).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (Rows([], [], [], []), "rows"),
        (Rows(["a", "b"], [0, 1], [0], [1, 0]), "works: expected one entry"),
        (Rows(["a", "a"], [0, 1], [0, 1], [1, 0]), "'a' 2 times"),
        (Rows(["a"], [0, 1], [0, 1], [1, 0]), "ids: expected one entry"),
        (Rows(["a", "b"], [0, 1], [0, 1], [1, 2]), "is_test: expected 2 marks"),
        (Rows(["a", "b"], [0, 0], [0, 1], [1, 0]), "form 1 units, 1 of them"),
        (Rows(["a", "b"], [0, 1], [0, 1], [1, 1]), "leaves 2 test and 0 control"),
        (Rows(["a", "b"], [0, 1], [0, 1], [0, 0]), "leaves 0 test and 2 control"),
    ],
)
def test_material_that_holds_no_units_is_refused(rows: Rows, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        units(rows, KEY)


@pytest.mark.parametrize("key", [b"", b"x" * 65])
def test_keys_of_another_length_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="key: expected 1 to 64 bytes"):
        ranks(["a"], key)


@pytest.mark.parametrize(
    ("rank_U", "unit_M", "work_M"),
    [([], [], []), ([1], [1], [7]), ([1], [-1], [7]), ([1], [0], [])],
)
def test_impossible_merges_are_refused(
    rank_U: list[int], unit_M: list[int], work_M: list[int]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        merge_scored(rank_U, unit_M, work_M)
