from itertools import pairwise
from math import inf, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.statistics.betting import e_bh, e_values, expected_seeds, log_e

P0 = 0.01


def by_quadrature(k: int, n: int, p0: float) -> float:
    """Return log E as the mean likelihood ratio over the cut law, by the trapezoid rule."""
    # t = sin^2(angle) takes Beta(1/2, 1/2) to the even law; finer steps near p0
    first = np.arcsin(np.sqrt(p0))
    angle = first + (np.pi / 2 - first) * np.linspace(0, 1, 200_001) ** 3
    rate = np.clip(np.sin(angle) ** 2, p0, 1 - 1e-300)
    logs = k * np.log(rate / p0) + (n - k) * (np.log(np.cos(angle) ** 2 + 1e-300) - np.log1p(-p0))
    shift = logs.max()
    mean = np.trapezoid(np.exp(logs - shift), angle) / (angle[-1] - angle[0])
    return float(np.log(mean) + shift)


def test_first_steps_by_hand() -> None:
    assert log_e(0, 0, P0) == 0
    # B(5/2, 1/2) / B(1/2, 1/2) = 3/8, the cut takes 2/pi asin(sqrt(p0)) away at the start
    start = 1 - 2 / np.pi * np.arcsin(0.1)
    assert np.exp(log_e(2, 2, P0)) == pytest.approx(0.375 / start / P0**2, rel=1e-4)


@pytest.mark.parametrize(
    ("k", "n"), [(0, 1), (1, 1), (0, 64), (3, 64), (20, 2000), (0, 5000), (40, 5000)]
)
@pytest.mark.parametrize("p0", [0.001, P0, 0.3])
def test_log_e_is_the_mean_over_its_mixture(k: int, n: int, p0: float) -> None:
    assert log_e(k, n, p0) == pytest.approx(by_quadrature(k, n, p0), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("k", "n", "p0"), [(0, 10**6, P0), (10, 10**6, P0), (900, 10**4, 0.3)])
def test_tails_that_underflow_do_not(k: int, n: int, p0: float) -> None:
    value = float(log_e(k, n, p0))
    assert value == pytest.approx(by_quadrature(k, n, p0), abs=1e-5)
    assert -30 < value < 0


def test_log_e_of_many_is_log_e_of_each() -> None:
    k = np.array([[0, 3], [64, 0]])
    n = np.array([64, 100_000])
    table = log_e(k, np.maximum(k, n), P0)
    assert table.shape == (2, 2)
    for at in np.ndindex(2, 2):
        assert table[at] == log_e(k[at], max(k[at], n[at[1]]), P0)


def law(rate: float, n: int) -> NDArray[np.float64]:
    """Return P(k of n hits) for k = 0..n."""
    chance = np.ones(1)
    for _ in range(n):
        chance = np.append(chance * (1 - rate), 0) + np.append(0, chance * rate)
    return chance


@pytest.mark.parametrize("p0", [P0, 0.2])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_bet_never_gains_on_average_under_the_null(p0: float, share: float) -> None:
    rate = share * p0
    for n in range(40):
        now = e_values(np.arange(n + 1), n, p0)
        hit = e_values(np.arange(n + 1) + 1, n + 1, p0)
        miss = e_values(np.arange(n + 1), n + 1, p0)
        after = rate * hit + (1 - rate) * miss
        assert (after <= now * (1 + 1e-9)).all()
        if share == 1:
            assert after == pytest.approx(now)
            assert law(rate, n) @ now == pytest.approx(1)


@given(st.integers(1, 500), st.data(), st.sampled_from([0.001, P0, 0.1]))
def test_hits_raise_the_bet_and_misses_lower_it(n: int, data: st.DataObject, p0: float) -> None:
    k = data.draw(st.integers(0, n - 1))
    assert log_e(k + 1, n, p0) > log_e(k, n, p0)
    assert log_e(k, n + 1, p0) < log_e(k, n, p0)


def test_e_values_never_overflow() -> None:
    assert log_e(2000, 2000, P0) > 709
    assert np.isfinite(e_values(2000, 2000, P0))


def brute_e_bh(e_K: list[float], q: float) -> list[bool]:
    num = len(e_K)
    ordered = sorted(e_K, reverse=True)
    passed = [i for i in range(1, num + 1) if ordered[i - 1] >= num / (q * i)]
    return [bool(passed) and e >= ordered[max(passed) - 1] for e in e_K]


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.sampled_from([0.05, 0.1, 0.25, 0.5])
)
def test_e_bh_is_its_definition(e_K: list[float], q: float) -> None:
    assert e_bh(e_K, q).tolist() == brute_e_bh(e_K, q)


def test_e_bh_by_hand() -> None:
    # K / (q i) is 30, 15, 10
    assert e_bh([14.0, 10.0, 12.0], 0.1).tolist() == [True, True, True]
    assert e_bh([14.0, 9.9, 12.0], 0.1).tolist() == [False, False, False]
    assert e_bh([9.0, inf, 15.0], 0.1).tolist() == [False, True, True]
    assert e_bh([0.0], 0.1).tolist() == [False]


@pytest.mark.parametrize(
    ("rate", "mean", "most"),
    [(0.03, 644, 1399), (0.05, 194, 438), (0.1, 52, 124), (0.3, 9.6, 23), (0.5, 4.6, 10)],
)
def test_expected_seeds_of_the_specification(rate: float, mean: float, most: int) -> None:
    seeds = expected_seeds(rate, P0, 200, 2000)
    # the specification simulated them, 2,000 times at most
    assert seeds.mean == pytest.approx(mean, rel=0.04)
    assert seeds.most == pytest.approx(most, rel=0.06)


@pytest.mark.parametrize(
    ("rate", "rejecting"), [(0.02, 0.01), (0.03, 0.03), (0.05, 0.15), (0.1, 0.68), (0.3, 1.0)]
)
def test_chances_within_64_seeds_of_the_specification(rate: float, rejecting: float) -> None:
    assert expected_seeds(rate, P0, 200, 64).rejecting == pytest.approx(rejecting, abs=0.015)


def test_under_the_null_few_bets_ever_win() -> None:
    chances = [expected_seeds(rate, P0, 200, 1000).rejecting for rate in (0.0, 0.005, P0)]
    assert all(lower <= higher for lower, higher in pairwise(chances))
    assert 0 == chances[0] < chances[2] <= 1 / 200


def test_expected_seeds_by_hand() -> None:
    # two hits win at 0.01 (E = 4005), one does not (E = 53)
    assert log(50) < log_e(1, 1, P0) < log(60)
    seeds = expected_seeds(0.5, P0, 200, 2)
    assert (seeds.mean, seeds.most, seeds.rejecting) == (2, 2, 0.25)
    assert expected_seeds(0.0, P0, 200, 7) == (7, 7, 0)


@pytest.mark.parametrize(
    ("k", "n", "p0"),
    [(-1, 4, P0), (5, 4, P0), (0.5, 4, P0), (nan, 4, P0), (1, 4, 0.0), (1, 4, 1.0)],
)
def test_impossible_bets_are_refused(k: float, n: float, p0: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        log_e(k, n, p0)


@pytest.mark.parametrize(("e_K", "q"), [([], 0.1), ([nan], 0.1), ([-1.0], 0.1), ([1.0], 0.0)])
def test_e_values_that_are_none_are_refused(e_K: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        e_bh(e_K, q)


@pytest.mark.parametrize(
    ("rate", "p0", "threshold", "cap"),
    [(-0.1, P0, 200, 9), (1.1, P0, 200, 9), (0.1, 0.0, 200, 9), (0.1, P0, 1, 9), (0.1, P0, 200, 0)],
)
def test_impossible_designs_are_refused(rate: float, p0: float, threshold: float, cap: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        expected_seeds(rate, p0, threshold, cap)
