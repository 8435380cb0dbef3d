from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.statistics.curves import operating_point
from stages.statistics.intervals import clopper_pearson

Floats = NDArray[np.float64]


def corners(pos: Floats, neg: Floats) -> tuple[Floats, Floats]:
    """Return the false and true positive rates of every threshold, from none flagged to all."""
    thresholds = np.append(inf, np.unique(np.concatenate([pos, neg]))[::-1])
    fpr = np.array([(neg >= t).mean() for t in thresholds])
    tpr = np.array([(pos >= t).mean() for t in thresholds])
    return fpr, tpr


def tied_scores() -> tuple[Floats, Floats]:
    """Return 20 positives and 400 negatives; at 0.5 the rate jumps from 0.75 % to 1.5 %."""
    neg = np.concatenate([[0.9, 0.8, 0.7], np.full(3, 0.5), np.linspace(-1, 0, 394)])
    pos = np.concatenate([np.full(8, 0.95), np.full(2, 0.6), np.full(5, 0.5), np.full(5, 0.1)])
    return pos, neg


def test_the_smallest_threshold_that_keeps_the_rate() -> None:
    point = operating_point(*tied_scores(), 0.01)
    assert point.threshold == 0.6
    assert (point.tpr, point.fpr) == (0.5, 0.0075)
    assert point.tpr_interval == clopper_pearson(10, 20)
    assert point.fpr_interval == clopper_pearson(3, 400)


def test_three_published_conventions_say_something_else() -> None:
    # image_methods: last point below 1 %, point nearest to 1 %, first point at or above 1 %
    fpr, tpr = corners(*tied_scores())
    last_below = tpr[np.flatnonzero(fpr < 0.01)[-1]]
    nearest = tpr[np.argmin(np.abs(fpr - 0.01))]
    first_above = tpr[np.flatnonzero(fpr >= 0.01)[0]]
    # of three points at 0.75 % the nearest is the first that comes
    assert (last_below, nearest, first_above) == (0.5, 0.4, 0.75)
    assert operating_point(*tied_scores(), 0.01).tpr == 0.5
    # four of 400 are 1 % exactly: "below" gives one away, and "nearest" takes what it can get
    pos = np.array([0.95, 0.85, 0.75, 0.65, 0.55])
    neg = np.concatenate([[0.9, 0.8, 0.7, 0.6], np.linspace(-1, 0, 396)])
    fpr, tpr = corners(pos, neg)
    assert tpr[np.flatnonzero(fpr < 0.01)[-1]] == 0.8
    assert tpr[np.flatnonzero(fpr >= 0.01)[0]] == 0.8
    assert operating_point(pos, neg, 0.01).tpr == 1.0
    # a tie that jumps from 0.25 % to 1.25 %: only "nearest" exceeds the rate and calls it 1 %
    neg = np.concatenate([[0.9], np.full(4, 0.7), np.linspace(-1, 0, 395)])
    fpr, tpr = corners(pos, neg)
    assert fpr[np.argmin(np.abs(fpr - 0.01))] == 0.0125
    assert tpr[np.argmin(np.abs(fpr - 0.01))] == 0.6
    assert operating_point(pos, neg, 0.01).tpr == 0.6
    assert operating_point(pos, neg, 0.01).fpr == 0.0025


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.1, 0.29, 0.5]), st.integers(2, 40))
def test_the_rule_is_its_definition(seed: int, at: float, values: int) -> None:
    generator = np.random.default_rng(seed)
    pos = generator.integers(0, values, 15).astype(float)
    neg = generator.integers(0, values, 100).astype(float)
    kept = [t for t in np.concatenate([pos, neg]) if (neg >= t).mean() <= at]
    point = operating_point(pos, neg, at)
    assert point.threshold == min(kept, default=inf)
    assert point.fpr == (neg >= point.threshold).mean() <= at
    assert point.tpr == (pos >= point.threshold).mean()


def test_a_detector_that_says_one_thing_flags_nothing() -> None:
    point = operating_point(np.ones(5), np.ones(300), 0.01)
    assert (point.threshold, point.tpr, point.fpr) == (inf, 0, 0)


def test_units_left_out_are_never_flagged() -> None:
    point = operating_point([-inf, 2.0], [-inf] * 59 + [1.0], 0.05)
    assert (point.threshold, point.tpr, point.fpr) == (1.0, 0.5, 1 / 60)


@pytest.mark.parametrize(
    ("pos", "neg", "at", "message"),
    [
        ([], np.ones(300), 0.01, "positives: expected"),
        ([1.0], [], 0.01, "negatives: expected"),
        ([nan], np.ones(300), 0.01, "got NaN"),
        ([inf], np.ones(300), 0.01, "got inf"),
        ([1.0], np.ones(299), 0.01, "at least 300 negative units, got 299"),
        ([1.0], np.ones(300), 0.0, "at: expected"),
        ([1.0], np.ones(300), 1.0, "at: expected"),
    ],
)
def test_curves_that_rest_on_nothing_are_refused(
    pos: list[float], neg: list[float], at: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        operating_point(pos, neg, at)
