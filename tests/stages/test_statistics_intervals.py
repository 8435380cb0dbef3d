from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc, betaln

from stages.statistics.intervals import (
    clopper_pearson,
    confidence_sequence,
    lower_limit,
    selected_level,
    upper_limit,
)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(10, 64, 0.078, 0.269), (0, 72, 0.0, 0.050), (5, 500, 0.0033, 0.023)],
)
def test_two_sided_intervals_of_the_books(hits: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, trials) == pytest.approx((low, high), abs=5e-4)


def test_no_hits_and_all_hits_have_closed_forms() -> None:
    assert clopper_pearson(0, 72) == pytest.approx((0, 1 - 0.025 ** (1 / 72)))
    assert clopper_pearson(72, 72) == pytest.approx((0.025 ** (1 / 72), 1))
    assert upper_limit(0, 72) == pytest.approx(1 - 0.05 ** (1 / 72))
    assert lower_limit(72, 72) == pytest.approx(0.05 ** (1 / 72))
    assert upper_limit(3, 3) == 1
    assert lower_limit(0, 3) == 0


@given(st.integers(1, 80), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_limits_leave_the_tails_that_they_promise(
    trials: int, data: st.DataObject, level: float
) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(hits, trials, level)
    tail = pytest.approx((1 - level) / 2)
    if hits:
        assert bdtrc(hits - 1, trials, low) == tail
        assert bdtrc(hits - 1, trials, lower_limit(hits, trials, level)) == pytest.approx(1 - level)
    if hits < trials:
        assert bdtr(hits, trials, high) == tail
        assert bdtr(hits, trials, upper_limit(hits, trials, level)) == pytest.approx(1 - level)
    assert 0 <= low <= hits / trials <= high <= 1


def test_a_sequence_of_one_seed_is_worked_out_by_hand() -> None:
    # no hit in one seed: B(1/2, 3/2) / B(1/2, 1/2) = 1/2 < 20 (1 - pi), so pi < 0.975
    assert confidence_sequence(0, 1) == pytest.approx((0, 0.975))
    assert confidence_sequence(1, 1) == pytest.approx((0.025, 1))
    assert confidence_sequence(0, 1, alpha=0.1) == pytest.approx((0, 0.95))


def test_the_sequence_of_the_specification() -> None:
    assert confidence_sequence(10, 64) == pytest.approx((0.048, 0.337), abs=5e-4)


@given(st.integers(1, 300), st.data(), st.sampled_from([0.01, 0.05, 0.1]))
def test_a_sequence_holds_what_a_fixed_number_of_seeds_would(
    trials: int, data: st.DataObject, alpha: float
) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = confidence_sequence(hits, trials, alpha)
    fixed = clopper_pearson(hits, trials, 1 - alpha)
    assert low <= fixed.low + 1e-12
    assert fixed.high - 1e-12 <= high
    # both limits solve the equation of the set
    mixture = betaln(hits + 0.5, trials - hits + 0.5) - betaln(0.5, 0.5)
    for limit in {low, high} - {0.0, 1.0}:
        likelihood = hits * np.log(limit) + (trials - hits) * np.log1p(-limit)
        assert mixture == pytest.approx(-log(alpha) + likelihood)


def test_a_sequence_covers_at_every_look_and_a_fixed_interval_does_not() -> None:
    # exact: the law of the hits over all paths that were never outside, for 100 looks
    rate, looks = 0.1, 100
    inside = {"sequence": np.ones(1), "fixed": np.ones(1)}
    for n in range(1, looks + 1):
        for name, law in inside.items():
            moved = np.append(law * (1 - rate), 0) + np.append(0, law * rate)
            limits = confidence_sequence if name == "sequence" else clopper_pearson
            likely = np.flatnonzero(moved > 1e-12)
            for hits in likely:
                low, high = limits(int(hits), n)
                moved[hits] *= low <= rate <= high
            inside[name] = moved
    assert inside["sequence"].sum() >= 0.95
    assert inside["fixed"].sum() < 0.9


def test_levels_of_selected_findings() -> None:
    assert selected_level(300, 300, 0.05) == 0.95
    assert selected_level(1, 300, 0.05) == pytest.approx(1 - 0.05 / 300)
    levels = [selected_level(num, 300, 0.05) for num in range(1, 301)]
    assert all(later < earlier for earlier, later in pairwise(levels))


@pytest.mark.parametrize(("hits", "trials"), [(-1, 4), (5, 4), (0, 0)])
def test_impossible_counts_are_refused(hits: int, trials: int) -> None:
    for limit in (clopper_pearson, upper_limit, lower_limit, confidence_sequence):
        with pytest.raises(ValueError, match=f"got {hits} of {trials}"):
            limit(hits, trials)


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_levels_outside_are_refused(level: float) -> None:
    for limit in (clopper_pearson, upper_limit, lower_limit, confidence_sequence):
        with pytest.raises(ValueError, match="inside"):
            limit(1, 4, level)
    with pytest.raises(ValueError, match="inside"):
        selected_level(1, 4, level)


@pytest.mark.parametrize(("selected", "units"), [(0, 4), (5, 4), (1, 0)])
def test_impossible_selections_are_refused(selected: int, units: int) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        selected_level(selected, units, 0.05)
