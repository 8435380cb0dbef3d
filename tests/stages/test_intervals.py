import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.measures.intervals import clopper_pearson, detection_limit, upper_limit


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(10, 64, 0.078, 0.269), (0, 72, 0.0, 0.050), (5, 500, 0.0033, 0.023)],
)
def test_two_sided_intervals_of_the_books(hits: int, trials: int, low: float, high: float) -> None:
    interval = clopper_pearson(hits, trials)
    assert interval.low == pytest.approx(low, abs=5e-4)
    assert interval.high == pytest.approx(high, abs=5e-4)


def test_no_hits_and_all_hits_have_closed_forms() -> None:
    assert clopper_pearson(0, 72) == pytest.approx((0, 1 - 0.025 ** (1 / 72)))
    assert clopper_pearson(72, 72) == pytest.approx((0.025 ** (1 / 72), 1))
    assert upper_limit(0, 72) == pytest.approx(1 - 0.05 ** (1 / 72))
    assert upper_limit(0, 72) == pytest.approx(0.041, abs=5e-4)
    assert upper_limit(0, 64) == pytest.approx(0.046, abs=5e-4)
    assert upper_limit(3, 3) == 1


@given(st.integers(1, 80), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_limits_leave_the_tails_that_they_promise(
    trials: int, data: st.DataObject, level: float
) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(hits, trials, level)
    tail = pytest.approx((1 - level) / 2)
    if hits:
        assert stats.binom.sf(hits - 1, trials, low) == tail
    if hits < trials:
        assert stats.binom.cdf(hits, trials, high) == tail
        one_sided = upper_limit(hits, trials, level)
        assert stats.binom.cdf(hits, trials, one_sided) == pytest.approx(1 - level)
        assert one_sided < high
    assert 0 <= low <= hits / trials <= high <= 1


@pytest.mark.parametrize(
    ("min_hits", "trials", "percent"),
    [(1, 4, 52.7), (1, 16, 17.1), (1, 64, 4.6), (3, 64, 9.5), (1, 500, 0.6), (10, 500, 3.1)],
)
def test_detection_limits_of_the_books(min_hits: int, trials: int, percent: float) -> None:
    assert 100 * detection_limit(min_hits, trials) == pytest.approx(percent, abs=0.05)


@given(st.integers(1, 64), st.data())
def test_a_rule_sees_its_limit_as_often_as_it_says(trials: int, data: st.DataObject) -> None:
    min_hits = data.draw(st.integers(1, trials))
    limit = detection_limit(min_hits, trials)
    assert stats.binom.sf(min_hits - 1, trials, limit) == pytest.approx(0.95)


@pytest.mark.parametrize(("hits", "trials"), [(-1, 4), (5, 4), (0, 0)])
def test_impossible_counts_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"got {hits} of {trials}"):
        clopper_pearson(hits, trials)
    with pytest.raises(ValueError, match=f"got {hits} of {trials}"):
        upper_limit(hits, trials)


@pytest.mark.parametrize("min_hits", [0, 5])
def test_rules_that_see_everything_or_nothing_are_refused(min_hits: int) -> None:
    with pytest.raises(ValueError, match=f"1..4, got {min_hits}"):
        detection_limit(min_hits, 4)
