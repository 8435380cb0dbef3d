from collections.abc import Sequence
from itertools import product
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtrc

from stages.statistics.competition import (
    Votes,
    knockoff_plus,
    largest_gamma,
    least_list,
    signed,
    swap_votes,
    votes,
)

Q = 0.25


def brute_tau(w_K: list[float], q: float) -> float:
    reached = [
        t
        for t in {abs(w) for w in w_K if w}
        if (1 + sum(w <= -t for w in w_K)) / max(1, sum(w >= t for w in w_K)) <= q
    ]
    return min(reached, default=inf)


def test_the_larger_side_gives_size_and_sign() -> None:
    assert signed([0.9, 0.2, 0.5], [0.1, 0.4, 0.5]).tolist() == [0.9, -0.4, 0.0]


def test_sizes_are_shifted_above_zero_by_what_the_coin_cannot_change() -> None:
    train, control = np.array([-0.5, 0.3, -0.9]), np.array([-0.2, -0.1, -0.95])
    w_K = signed(train, control)
    # sizes -0.2, 0.3, -0.9 become 1.7, 2.2, 1
    assert w_K.tolist() == pytest.approx([-1.7, 2.2, 1.0])
    assert (signed(control, train) == -w_K).all()


def test_nothing_found_is_weaker_than_anything_and_on_both_sides_a_tie() -> None:
    assert signed([-inf, 0.5, -inf], [0.4, -inf, -inf]).tolist() == [-0.4, 0.5, 0.0]
    assert signed([-inf], [-inf]).tolist() == [0.0]
    assert signed([-inf, -1.0], [-inf, -2.0]).tolist() == [0.0, 1.0]


@given(
    st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=25),
    st.sampled_from([0.05, 0.1, 0.2, Q, 0.5]),
)
def test_tau_is_its_definition(w_K: list[float], q: float) -> None:
    assert knockoff_plus(w_K, q) == brute_tau(w_K, q)


@pytest.mark.parametrize("q", [0.1, 0.05, 0.01])
def test_shorter_lists_than_the_least_are_out_of_reach(q: float) -> None:
    least = least_list(q)
    assert least == {0.1: 10, 0.05: 20, 0.01: 100}[q]
    assert knockoff_plus(np.arange(1, least + 1), q) == 1
    assert knockoff_plus(np.arange(1, least), q) == inf


def test_the_false_discovery_rate_is_kept_over_all_coins() -> None:
    # 8 nulls of given sizes, 6 copies that always win: exact over the 2^8 coins of the nulls
    sizes = np.array([2.0, 3, 3, 5, 6, 8, 9, 12])
    copies = np.array([4.0, 7, 8, 10, 11, 13])
    false = []
    for coins in product((-1, 1), repeat=len(sizes)):
        nulls = sizes * coins
        tau = knockoff_plus(np.concatenate([nulls, copies]), Q)
        found, found_false = (copies >= tau).sum(), (nulls >= tau).sum()
        false.append(found_false / max(1, found + found_false))
    assert 0 < np.mean(false) <= Q


@pytest.mark.parametrize(("q", "power"), [(0.1, 0.94), (0.05, 0.83), (0.01, 0)])
def test_the_power_of_the_specification(q: float, power: float) -> None:
    generator = np.random.default_rng(0)
    found = []
    for _ in range(300):
        train_K = generator.normal(size=300)
        train_K[:30] += 4
        w_K = signed(train_K, generator.normal(size=300))
        found.append((w_K[:30] >= knockoff_plus(w_K, q)).mean())
    assert np.mean(found) == pytest.approx(power, abs=0.03)


@pytest.mark.parametrize(
    ("train", "control", "message"),
    [
        ([], [], "expected a row"),
        ([1.0], [1.0, 2.0], "one entry for each of 1"),
        ([nan], [1.0], "got NaN"),
        ([1.0], [inf], "got inf"),
    ],
)
def test_similarities_that_are_none_are_refused(
    train: list[float], control: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        signed(train, control)


@pytest.mark.parametrize(("w_K", "q"), [([], 0.1), ([nan], 0.1), ([inf], 0.1), ([1.0], 0.0)])
def test_competitions_that_are_none_are_refused(w_K: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        knockoff_plus(w_K, q)


def test_a_work_votes_once_and_ties_do_not_vote() -> None:
    rows = [
        ("a", 1, True),
        ("b", 1, True),  # the same work again
        ("c", 2, False),
        ("d", 3, True),
        ("d", 4, False),  # a tie across the halves
        ("e", 5, True),
        ("e", 6, True),  # a tie inside one
        ("f", 7, True),
        ("f", 7, True),  # two images of one cluster are no tie
    ]
    unit_M, cluster_M, is_train_M = zip(*rows, strict=True)
    assert votes(unit_M, cluster_M, is_train_M) == Votes(train=2, total=3, across=1, within=1)


def test_votes_do_not_depend_on_the_order_of_rows() -> None:
    generator = np.random.default_rng(0)
    unit_M, cluster_M = generator.integers(0, 30, 60), generator.integers(0, 20, 60)
    is_train_M = cluster_M % 3 == 0
    order = generator.permutation(60)
    assert votes(unit_M, cluster_M, is_train_M) == votes(
        unit_M[order], cluster_M[order], is_train_M[order]
    )


def chance_of_small_p(nearest: Sequence[tuple[int, ...]], level: float, *, keep: bool) -> float:
    """Return P(p <= level) over all coins of six clusters, exact.

    Args:
        nearest: the nearest clusters of each unit, several if they tie.
        level: of the test.
        keep: whether units that tie inside one half vote for all of their clusters.
    """
    small = []
    for coins in product((True, False), repeat=6):
        rows = [(unit, n, coins[n]) for unit, tied in enumerate(nearest) for n in tied]
        train, total, _, _ = votes(*zip(*rows, strict=True))
        if keep:
            one_half = [tied for tied in nearest if len({coins[n] for n in tied}) == 1]
            voting = {n for tied in one_half for n in tied}
            train, total = sum(coins[n] for n in voting), len(voting)
        small.append(total > 0 and swap_votes(train, total) <= level)
    return float(np.mean(small))


def test_ties_inside_a_half_would_break_the_binomial() -> None:
    pairs = [(0, 1), (2, 3), (4, 5)]
    assert chance_of_small_p(pairs, 1 / 16, keep=True) == 7 / 64
    assert chance_of_small_p(pairs, 1 / 16, keep=False) == 0
    alone = [(0,), (1,), (2,), (3,)]
    assert chance_of_small_p(alone, 1 / 16, keep=False) == 1 / 16
    assert chance_of_small_p([*alone, *pairs, (0, 4, 5)], 1 / 16, keep=False) == 1 / 16


def test_exact_votes() -> None:
    assert swap_votes(0, 5) == 1
    assert swap_votes(5, 5) == pytest.approx(1 / 32)
    assert swap_votes(8, 10) == pytest.approx((45 + 10 + 1) / 1024)


@given(st.integers(1, 300), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
def test_largest_gamma_is_where_the_votes_stop_speaking(
    total: int, data: st.DataObject, level: float
) -> None:
    train = data.draw(st.integers(1, total))
    gamma = largest_gamma(train, total, level)
    assert bdtrc(train - 1, total, gamma / (1 + gamma)) == pytest.approx(level)
    assert (gamma >= 1) == (swap_votes(train, total) <= level) or gamma == pytest.approx(1)


def test_no_vote_for_training_leaves_no_gamma() -> None:
    assert largest_gamma(0, 5) == 0


@pytest.mark.parametrize(("train", "total"), [(0, 0), (-1, 4), (5, 4)])
def test_impossible_votes_are_refused(train: int, total: int) -> None:
    for use in (swap_votes, largest_gamma):
        with pytest.raises(ValueError, match="votes"):
            use(train, total)


def test_levels_outside_are_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        largest_gamma(1, 2, 1.0)
    with pytest.raises(ValueError, match="q: expected"):
        least_list(0.0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (([], [], []), "nearest works"),
        (([1, 2], [1], [True, True]), "clusters: expected one entry"),
        (([1, 2], [1, 2], [True, 2]), "halves: expected 2 marks"),
        (([1, 2], [1, 1], [True, False]), "lies in both"),
    ],
)
def test_votes_that_are_none_are_refused(rows: tuple[Any, Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        votes(*rows)
