from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics.units import merge, merge_scored, ranks

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
    ("prompt_N", "work_N", "message"),
    [([], [], "rows"), ([0, 1], [0], "works: expected one")],
)
def test_material_without_rows_is_refused(
    prompt_N: list[int], work_N: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        merge(prompt_N, work_N)


def test_a_name_that_stands_twice_has_no_rank() -> None:
    with pytest.raises(ValueError, match="'a' 2 times"):
        ranks(["a", "a"], KEY)


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
