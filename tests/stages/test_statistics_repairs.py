"""Repairs: who is matched, which stratum, which weight; on values computed by hand."""

from math import exp, inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics.repairs import effective, rematch, strata, weights

LOOKS = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=15)


def test_each_unit_gets_the_nearest_free_control_and_the_scarcest_choose_first() -> None:
    # standard deviation of all eight scores is 2.6225, so that 0.2 of it is 0.5245
    found = rematch([1.0, 5.0, 5.2], [0.9, 1.4, 5.1, 5.6, -3.0], 0.2)
    # 5.2 takes 5.1, so 5.0 is left with 5.6, which is 0.6 away, and is left out; 1.0 takes 0.9;
    # in the second round 5.2 takes 5.6 and 1.0 takes 1.4
    assert found.kept_K.tolist() == [True, False, True]
    assert found.kept_m.tolist() == [True, True, True, True, False]
    assert found.each == 2


def test_a_round_that_cannot_serve_everybody_serves_nobody() -> None:
    found = rematch([0.0, 10.0], [0.0, 0.1, 0.2, 10.0], 0.2)
    assert (found.kept_K.tolist(), found.each) == ([True, True], 1)
    assert found.kept_m.tolist() == [True, False, False, True]


@settings(max_examples=60)
@given(LOOKS, LOOKS, st.floats(0.01, 2))
def test_matched_units_are_as_many_and_as_near_as_promised(
    look_K: list[float], look_m: list[float], caliper: float
) -> None:
    found = rematch(look_K, look_m, caliper)
    kept_K = np.sort(np.array(look_K)[found.kept_K])
    kept_m = np.sort(np.array(look_m)[found.kept_m])
    assert len(kept_m) == found.each * len(kept_K)
    width = caliper * np.std([*look_K, *look_m]) + 1e-9
    # in sorted order the r controls of each unit lie within the caliper
    assert (np.abs(np.repeat(kept_K, max(found.each, 1)) - kept_m) <= width).all()
    if not found.kept_K.all() and found.each:
        assert found.kept_K.any()


def test_nobody_alike_leaves_nobody() -> None:
    found = rematch([9.0, 8.0], [0.0, 1.0], 0.1)
    assert not found.kept_K.any()
    assert not found.kept_m.any()
    assert found.each == 0


def test_strata_hold_as_many_test_units_each_and_equal_scores_share_one() -> None:
    found = strata(np.arange(10.0), [-5.0, 1.0, 4.0, 4.6, 99.0], 2)
    assert found.stratum_K.tolist() == [0] * 5 + [1] * 5
    assert found.stratum_m.tolist() == [0, 0, 0, 1, 1]
    assert strata([3.0] * 6 + [9.0], [2.0, 3.0], 3).stratum_K.tolist() == [1] * 7
    assert strata([1.0, 2.0], [1.5], 1).stratum_K.tolist() == [0, 0]


def test_weights_are_odds_with_a_mean_of_one_over_the_controls() -> None:
    weight_K, weight_m = weights([1.0], [0.0, 1.0])
    mean = (1 + exp(1)) / 2
    assert weight_K == pytest.approx([exp(1) / mean])
    assert weight_m == pytest.approx([1 / mean, exp(1) / mean])
    shifted_K, shifted_m = weights([701.0], [700.0, 701.0])
    assert shifted_K == pytest.approx(weight_K)
    assert shifted_m == pytest.approx(weight_m)


def test_effective_size_of_unequal_weights() -> None:
    assert effective([3.0, 1.0]) == pytest.approx(16 / 10)
    assert effective([0.5] * 7) == pytest.approx(7)
    with pytest.raises(ValueError, match="above 0"):
        effective([0.0, 0.0])


@pytest.mark.parametrize("bad", [[], [nan]])
def test_scores_that_are_none_are_refused(bad: list[float]) -> None:
    for one, other in ((bad, [1.0]), ([1.0], bad)):
        with pytest.raises(ValueError, match="blind scores"):
            rematch(one, other, 0.2)
        with pytest.raises(ValueError, match="blind scores"):
            strata(one, other, 2)
        with pytest.raises(ValueError, match="blind scores"):
            weights(one, other)


@pytest.mark.parametrize("caliper", [0.0, -1.0, nan])
def test_a_caliper_that_is_none_is_refused(caliper: float) -> None:
    with pytest.raises(ValueError, match="caliper: expected a number above 0"):
        rematch([1.0], [1.0], caliper)


def test_no_strata_and_no_control_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="strata"):
        strata([1.0], [1.0], 0)
    with pytest.raises(ValueError, match="no control unit looks at all"):
        weights([0.0], [-inf])
