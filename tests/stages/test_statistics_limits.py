from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtrc

from stages.statistics.conformal import p_values
from stages.statistics.limits import (
    detection_limit,
    fewest_hits,
    power_at,
    rate_at,
    recall_lower,
)


@pytest.mark.parametrize(
    ("min_hits", "trials", "percent"),
    [(1, 4, 52.7), (1, 16, 17.1), (1, 64, 4.6), (3, 64, 9.5), (1, 500, 0.6), (10, 500, 3.1)],
)
def test_limits_of_the_specification(min_hits: int, trials: int, percent: float) -> None:
    limit = detection_limit(min_hits, trials)
    assert limit is not None
    assert 100 * limit == pytest.approx(percent, abs=0.05)


def test_one_seed_by_hand() -> None:
    assert detection_limit(1, 1) == pytest.approx(0.95)
    # rho = 0.96: the seed must show it 0.95 / 0.96 of the time, s = 0.99 of which is recognised
    assert detection_limit(1, 1, recall=0.98, sensitivity=0.99) == pytest.approx(0.95 / 0.98 / 0.99)
    assert rate_at(0.5, 1, 1, recall=0.8) == pytest.approx(0.625)
    assert power_at(0.5, 1, 2, recall=0.8, sensitivity=0.5) == pytest.approx(0.8 * (1 - 0.75**2))


@given(
    st.integers(1, 64),
    st.data(),
    st.floats(0.5, 1),
    st.floats(0.5, 1),
    st.sampled_from([0.5, 0.95]),
)
def test_a_rule_sees_its_limit_as_often_as_it_says(
    trials: int, data: st.DataObject, recall: float, sensitivity: float, power: float
) -> None:
    min_hits = data.draw(st.integers(1, trials))
    limit = rate_at(power, min_hits, trials, recall=recall, sensitivity=sensitivity)
    if limit is None:
        most = recall * bdtrc(min_hits - 1, trials, sensitivity)
        assert most < power * (1 + 1e-9)
        return
    assert recall * bdtrc(min_hits - 1, trials, limit * sensitivity) == pytest.approx(power)
    seen = power_at(limit, min_hits, trials, recall=recall, sensitivity=sensitivity)
    assert seen == pytest.approx(power)


def test_what_the_index_misses_no_number_of_seeds_finds() -> None:
    assert detection_limit(1, 10**6, recall=0.949) is None
    assert detection_limit(1, 64, recall=0.95) == pytest.approx(1)
    # a replica that is recognised only half the time is found with more seeds, a lost work is not
    assert detection_limit(1, 64, sensitivity=0.5) == pytest.approx(2 * 0.0457, abs=5e-4)
    assert detection_limit(1, 64, recall=0.5) is None
    assert rate_at(0.4, 1, 64, recall=0.5) == pytest.approx(1 - 0.2 ** (1 / 64))


def test_no_rate_is_seen_where_recognition_is_too_rare() -> None:
    assert detection_limit(4, 4, sensitivity=0.9) is None
    assert detection_limit(1, 4, sensitivity=0.9) is not None


def test_lower_limits_of_planted_copies() -> None:
    assert recall_lower(200, 200) == pytest.approx(0.025 ** (1 / 200))
    assert recall_lower(0, 10) == 0
    assert bdtrc(189, 200, recall_lower(190, 200)) == pytest.approx(0.025)


@pytest.mark.parametrize(
    "options",
    [
        {"recall": 1.1},
        {"recall": -0.1},
        {"recall": nan},
        {"sensitivity": 0.0},
        {"sensitivity": nan},
    ],
)
def test_chances_outside_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        detection_limit(1, 4, **options)
    with pytest.raises(ValueError, match=next(iter(options))):
        power_at(0.5, 1, 4, **options)


@pytest.mark.parametrize("power", [0.0, 1.0, nan])
def test_powers_outside_are_refused(power: float) -> None:
    with pytest.raises(ValueError, match="power"):
        detection_limit(1, 4, power=power)


@pytest.mark.parametrize(("min_hits", "trials"), [(0, 4), (5, 4), (1, 0)])
def test_rules_that_see_everything_or_nothing_are_refused(min_hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        detection_limit(min_hits, trials)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5, 0.9]),
)
def test_the_fewest_hits_are_those_that_reach_the_cutoff(hits: list[int], cutoff: float) -> None:
    # a control that was left out scores below any hits, and makes the scores differ
    reached = [k for k in range(1, 7) if p_values([k, -inf], [*hits, -1])[0] <= cutoff]
    assert fewest_hits([*hits, 0], 6, cutoff) == min(reached, default=None)


def test_too_few_controls_leave_no_number_of_hits() -> None:
    assert fewest_hits([0] * 199, 64, 0.005) == 1
    assert fewest_hits([0] * 198, 64, 0.005) is None
    assert fewest_hits([64] * 199, 64, 0.005) is None


@pytest.mark.parametrize(
    ("hits", "trials", "cutoff"),
    [([], 4, 0.1), ([5], 4, 0.1), ([-1], 4, 0.1), ([nan], 4, 0.1), ([0], 0, 0.1), ([0], 4, 0.0)],
)
def test_hits_that_are_none_are_refused(hits: list[float], trials: int, cutoff: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        fewest_hits(hits, trials, cutoff)


def test_impossible_measurements_are_refused() -> None:
    with pytest.raises(ValueError, match="got 3 of 2"):
        recall_lower(3, 2)
    with pytest.raises(ValueError, match="rate"):
        power_at(1.1, 1, 4)
