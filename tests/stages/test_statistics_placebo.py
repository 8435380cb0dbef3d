"""Placebo: alike controls yield as little as promised, and controls whose looks matter are told."""

from math import nan

import numpy as np
import pytest

from stages.statistics.conformal import excess_p
from stages.statistics.intervals import lower_limit
from stages.statistics.placebo import by_coin, by_look

DICE = np.random.default_rng(11)


def test_a_coin_finds_no_more_than_it_may() -> None:
    for scores_m in (DICE.normal(size=300), np.round(DICE.normal(size=300))):
        told = by_coin(scores_m, 0.2, 3)
        assert told is not None
        assert (told.splits, told.units, told.controls, told.fewest) == (200, 150, 150, 5)
        assert lower_limit(told.finding, told.splits, 0.95) <= 0.2
        assert told.small == pytest.approx(0.05, abs=0.02) or told.small < 0.05


def test_one_seed_is_one_placebo() -> None:
    scores_m = DICE.normal(size=41)
    assert by_coin(scores_m, 0.1, 3) == by_coin(scores_m, 0.1, 3)
    told = by_coin(scores_m, 0.1, 3, splits=1)
    assert told is not None
    assert (told.units, told.controls) == (20, 21)


def test_looks_that_move_scores_are_told_and_others_are_not() -> None:
    look_m, rest_m = DICE.normal(size=(2, 400))
    leaning = by_look(0.7 * look_m + 0.7 * rest_m, look_m, 0.05)
    fair = by_look(rest_m, look_m, 0.05)
    assert leaning is not None
    assert fair is not None
    assert leaning.chance < 0.001
    assert leaning.small > 3 * 200 * leaning.level
    assert fair.chance > 0.05
    assert fair.found == 0


def test_by_look_by_hand() -> None:
    # looks put 9, 8, 1, 2, 3 in the place of works, against 0, 4, 5, 6, 7
    scores_m = [9.0, 8.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 7.0]
    told = by_look(scores_m, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 0.5)
    assert told is not None
    assert (told.units, told.controls) == (5, 5)
    assert told.level == pytest.approx(1 / 6)
    # p of 9 and 8 is 1/6, of the others 5/6: q is 5 * (1/6) / 2
    assert (told.small, told.found) == (2, 2)
    assert told.chance == excess_p(2, 5, 1, 5)


@pytest.mark.parametrize("scores", [[1.0] * 20, [1.0, 2.0, 3.0]])
def test_too_few_or_all_alike_is_no_placebo(scores: list[float]) -> None:
    assert by_coin(scores, 0.1, 0) is None
    assert by_look(scores, list(range(len(scores))), 0.1) is None


def test_looks_that_are_all_alike_are_no_placebo() -> None:
    assert by_look(list(range(20)), [0.0] * 20, 0.1) is None


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="got NaN"):
        by_coin([nan] * 20, 0.1, 0)
    with pytest.raises(ValueError, match="one entry for each"):
        by_look(range(20), range(19), 0.1)
    with pytest.raises(ValueError, match="q: expected"):
        by_coin(range(20), 1.0, 0)
    with pytest.raises(ValueError, match="splits"):
        by_coin(range(20), 0.1, 0, splits=0)
