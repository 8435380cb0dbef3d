"""Repaired p-values: by hand, beside the plain ones that they must equal where nothing differs."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics.conformal import p_values, simultaneous_bound
from stages.statistics.discovery import bh, fewest_findings
from stages.statistics.repaired import (
    Weights,
    fewest_reaching,
    weighted_p_values,
    weighted_selection,
    within_strata,
)

SCORES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=12)


def test_each_unit_is_held_against_its_own_stratum() -> None:
    scores_m, stratum_m = [1.0, 5.0, 7.0, 2.0, 9.0], [0, 0, 0, 1, 1]
    found = within_strata([5.0, 5.0, 5.0], scores_m, [0, 1, 2], stratum_m)
    assert found.r_K.tolist() == [2, 1, 0]  # ties count against
    assert found.m_K.tolist() == [3, 2, 0]
    assert found.p_K.tolist() == [3 / 4, 2 / 3, 1.0]
    delta = 0.05 / 3
    assert found.bound_K.tolist() == [
        simultaneous_bound(2, 3, delta),
        simultaneous_bound(1, 2, delta),
        1.0,
    ]


@settings(max_examples=40)
@given(SCORES, SCORES)
def test_one_stratum_is_no_stratum(scores_K: list[float], scores_m: list[float]) -> None:
    if len({*scores_K, *scores_m}) == 1:
        return
    found = within_strata(scores_K, scores_m, [4] * len(scores_K), [4] * len(scores_m))
    assert found.p_K.tolist() == p_values(scores_K, scores_m).tolist()
    assert found.bound_K[0] == simultaneous_bound(int(found.r_K[0]), len(scores_m))


def test_weighted_p_by_hand() -> None:
    weights = Weights([1.0, 3.0, 0.5], [2.0, 1.0, 0.0])
    found = weighted_p_values([5.0, 1.0, 9.5], [1.0, 5.0, 9.0], weights)
    # 5 is reached by 5 and 9: (1 + 1 + 0) / (1 + 3); 1 by all; 9.5 by none
    assert found == pytest.approx([2 / 4, 6 / 6, 0.5 / 3.5])


@settings(max_examples=40)
@given(SCORES, SCORES, st.floats(0.1, 9))
def test_even_weights_are_no_weights(
    scores_K: list[float], scores_m: list[float], weight: float
) -> None:
    if len({*scores_K, *scores_m}) == 1:
        return
    weights = Weights([weight] * len(scores_K), [weight] * len(scores_m))
    plain_K = p_values(scores_K, scores_m)
    assert weighted_p_values(scores_K, scores_m, weights) == pytest.approx(plain_K)
    coin_K = np.full(len(scores_K), 1e-9)
    found_K = weighted_selection(scores_K, scores_m, weights, 0.3, coin_K).found_K
    # what plain Benjamini-Hochberg finds is nominated: a list with oneself at 0 is no shorter
    assert (found_K >= (bh(plain_K) <= 0.3)).all()


def brute_selection(
    scores: tuple[list[float], list[float]], weights: Weights, q: float, coin_K: list[float]
) -> list[bool]:
    """Algorithm 1 of Jin and Candes, letter by letter, with sums instead of sorted arrays."""
    (tests, controls), num = scores, len(scores[0])
    w_K: list[float] = np.asarray(weights.test_K).tolist()
    w_m: list[float] = np.asarray(weights.control_m).tolist()

    def reach(mark: float) -> float:
        return sum(w for w, s in zip(w_m, controls, strict=True) if s >= mark)

    sizes, nominated = [], []
    for j in range(num):
        p = (w_K[j] + reach(tests[j])) / (w_K[j] + sum(w_m))
        others = [
            0.0 if k == j else (reach(s) + w_K[j] * (tests[j] >= s)) / (w_K[j] + sum(w_m))
            for k, s in enumerate(tests)
        ]
        ranked = sorted(others)
        size = max(r for r in range(1, num + 1) if r == 1 or ranked[r - 1] <= q * r / num + 1e-12)
        sizes.append(size)
        nominated.append(p <= q * size / num + 1e-12)
    stays = max(
        r
        for r in range(num + 1)
        if sum(n and c * s <= r for n, c, s in zip(nominated, coin_K, sizes, strict=True)) >= r
    )
    return [n and c * s <= stays for n, c, s in zip(nominated, coin_K, sizes, strict=True)]


def test_weighted_selection_is_the_published_algorithm() -> None:
    dice = np.random.default_rng(5)
    some = 0
    for _ in range(150):
        num, size = int(dice.integers(1, 7)), int(dice.integers(2, 14))
        scores = ([*dice.normal(1, 1, num).round(1)], [*dice.normal(0, 1, size).round(1)])
        weights = Weights(dice.random(num) + 0.1, dice.random(size) + 0.1)
        coin_K = [float(c) for c in dice.random(num)]
        found = weighted_selection(*scores, weights, 0.4, coin_K).found_K.tolist()
        assert found == brute_selection(scores, weights, 0.4, coin_K)
        some += any(found)
    assert some > 20


def test_a_unit_that_was_left_out_is_never_found() -> None:
    weights = Weights([1.0, 1.0], [1.0] * 39)
    found = weighted_selection([5.0, -inf], np.linspace(0, 1, 39), weights, 0.1, [0.5, 0.5])
    assert found.found_K.tolist() == [True, False]
    assert found.cutoff_K[1] == 0


def test_fewest_findings_where_units_differ_in_what_they_can_reach() -> None:
    # 20 units with 39 controls, 80 with 9: at 0.2 the first 13 reach 0.026, the others never
    least_K = [1 / 40] * 20 + [1 / 10] * 80
    assert fewest_reaching(least_K, 0.2) == 13
    assert fewest_reaching([1 / 10] * 100, 0.2) == 50
    assert fewest_reaching([1 / 2] * 100, 0.2) == 101
    for units, controls in ((300, 1000), (20, 999), (5, 3)):
        plain = fewest_findings(units, controls, 0.05)
        found = fewest_reaching([1 / (controls + 1)] * units, 0.05)
        assert found == min(plain, units + 1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (Weights([1.0], [1.0]), "one entry for each of 2"),
        (Weights([1.0, -1.0], [1.0]), "none below 0"),
        (Weights([1.0, 1.0], [0.0]), "a control above it"),
        (Weights([1.0, nan], [1.0]), "got NaN"),
    ],
)
def test_impossible_weights_are_refused(weights: Weights, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_p_values([1.0, 2.0], [3.0], weights)


@pytest.mark.parametrize(
    ("q", "coin", "message"), [(0.0, 0.5, "q: expected"), (0.1, 1.5, "coins"), (0.1, nan, "coins")]
)
def test_impossible_levels_and_coins_are_refused(q: float, coin: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_selection([1.0], [3.0], Weights([1.0], [1.0]), q, [coin])


@pytest.mark.parametrize(
    ("tests", "controls"), [([nan], [1.0]), ([1.0], [1.0]), ([], [1.0]), ([1.0], [])]
)
def test_scores_that_tell_nothing_are_refused(tests: list[float], controls: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        within_strata(tests, controls, [0] * len(tests), [0] * len(controls))
    with pytest.raises(ValueError, match="scores"):
        weighted_p_values(tests, controls, Weights([1.0] * len(tests), [1.0] * len(controls)))
