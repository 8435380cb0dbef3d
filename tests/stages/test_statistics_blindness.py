from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics.blindness import (
    Auc,
    Sides,
    auc,
    blind_auc,
    blind_scores,
    detects_type,
    folds,
    judgement,
    paired_difference,
)
from stages.statistics.classifiers import ridge_logistic

WORDS = ["dawn", "flag", "harbour", "lamp", "meadow", "orchard", "pier", "river", "stone", "tower"]


def captions(num: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, 6)) for _ in range(num)]


def halves(num: int) -> Sides:
    """Return sides with every second unit a test unit, each its own group."""
    return Sides(np.arange(num) % 2 == 0, np.arange(num))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_the_area_is_the_share_of_pairs(rows: list[tuple[int, bool]]) -> None:
    tests = [score for score, label in rows if label]
    others = [score for score, label in rows if not label]
    pairs = [(a > b) + (a == b) / 2 for a in tests for b in others]
    sides = Sides([label for _, label in rows], np.arange(len(rows)))
    found = auc([score for score, _ in rows], sides, 0)
    assert found.value == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.high <= 1


def test_the_interval_is_as_wide_as_the_spread_over_draws() -> None:
    generator = np.random.default_rng(0)
    sides = Sides(np.arange(160) < 80, np.arange(160))
    draws = [
        auc(np.append(generator.normal(0.5, size=80), generator.normal(size=80)), sides, 0)
        for _ in range(40)
    ]
    spread = np.std([draw.value for draw in draws])
    width = np.mean([draw.high - draw.low for draw in draws])
    assert width == pytest.approx(2 * 1.96 * spread, rel=0.2)
    # 0.5 sd apart: the specification says 0.638
    assert np.mean([draw.value for draw in draws]) == pytest.approx(0.638, abs=0.01)
    covered = [draw.low <= 0.638 <= draw.high for draw in draws]
    assert np.mean(covered) >= 0.88


def test_copies_of_a_unit_make_no_interval_narrower() -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=60) + (np.arange(60) < 30)
    once = auc(scores, Sides(np.arange(60) < 30, np.arange(60)), 0)
    copied = Sides(np.repeat(np.arange(60) < 30, 10), np.repeat(np.arange(60), 10))
    assert auc(np.repeat(scores, 10), copied, 0) == pytest.approx(once)
    rows = copied._replace(group_N=np.arange(600))
    assert auc(np.repeat(scores, 10), rows, 0).high < once.high - 0.02


def test_two_detectors_are_compared_on_the_same_units() -> None:
    generator = np.random.default_rng(2)
    sides = Sides(np.arange(200) < 100, np.arange(200))
    blind = generator.normal(size=200) + (np.arange(200) < 100)
    better = blind + 0.3 * (np.arange(200) < 100)
    difference = paired_difference(better, blind, sides, 0)
    assert difference.value == pytest.approx(
        auc(better, sides, 0).value - auc(blind, sides, 0).value
    )
    assert 0 < difference.low < difference.value < difference.high
    # both move together, so that the difference is surer than either
    assert difference.high - difference.low < 0.5 * (
        auc(blind, sides, 0).high - auc(blind, sides, 0).low
    )
    assert paired_difference(blind, blind, sides, 0) == Auc(0, 0, 0)


def test_captions_of_two_kinds_are_told_apart_and_of_one_kind_are_not() -> None:
    sides = halves(200)
    plain = captions(200, 0)
    capital = [text.title() if n % 2 == 0 else text for n, text in enumerate(plain)]
    assert blind_auc(capital, sides, 0).low > 0.99
    assert judgement(blind_auc(capital, sides, 0)) == "not calibrated"
    assert detects_type(blind_auc(capital, sides, 0))
    nulls = [blind_auc(captions(200, seed), sides, seed).value for seed in range(10)]
    assert np.mean(nulls) == pytest.approx(0.5, abs=0.05)


def test_numbers_of_two_kinds_are_told_apart_by_place_and_by_spread() -> None:
    generator = np.random.default_rng(0)
    sides = halves(400)
    is_test_N = np.asarray(sides.is_test_N)
    table = generator.normal(size=(400, 3))
    assert 0.4 < blind_auc(table, sides, 0).value < 0.6
    moved = table + np.outer(is_test_N, [0, 1.5, 0])
    reached = blind_auc(moved, sides, 0).value
    assert reached == pytest.approx(auc(moved[:, 1], sides, 0).value, abs=0.02)
    wide = table * (1 + 3 * np.outer(is_test_N, [0, 0, 1]))
    assert blind_auc(wide, sides, 0).low > 0.7
    constant = np.concatenate([moved, np.ones((400, 1))], axis=1)
    assert blind_auc(constant, sides, 0).value == pytest.approx(reached)


def test_near_duplicates_do_not_teach_across_folds() -> None:
    # names that say nothing, each in five copies of one label
    texts = [f"{text} {copy}" for text in captions(40, 3) for copy in range(5)]
    is_test_N = np.repeat(np.random.default_rng(0).permutation(40) < 20, 5)
    grouped = blind_auc(texts, Sides(is_test_N, np.repeat(np.arange(40), 5)), 0)
    loose = blind_auc(texts, Sides(is_test_N, np.arange(200)), 0)
    assert loose.low > 0.8
    assert grouped.low < 0.6


def test_folds_keep_groups_and_share_labels() -> None:
    group_N = np.repeat(np.arange(60), np.random.default_rng(0).integers(1, 6, 60))
    is_test_N = group_N < 20
    fold_N = folds(Sides(is_test_N, group_N), 0)
    for group in range(60):
        assert len(set(fold_N[group_N == group].tolist())) == 1
    for label in (True, False):
        held = np.bincount(fold_N[is_test_N == label], minlength=5)
        assert held.max() - held.min() <= 5
    assert (fold_N == folds(Sides(is_test_N, group_N), 0)).all()
    assert (fold_N != folds(Sides(is_test_N, group_N), 1)).any()


def test_held_out_labels_do_not_move_their_own_scores() -> None:
    texts, sides = captions(60, 4), halves(60)
    fold_N = folds(sides, 0)
    swapped = np.array(sides.is_test_N)
    # an exchange of two labels inside one fold leaves folds and training of the others alone
    at = [np.flatnonzero((fold_N == 0) & (swapped == label))[0] for label in (True, False)]
    swapped[at] = swapped[at[::-1]]
    other = Sides(swapped, sides.group_N)
    if (folds(other, 0) == fold_N).all():
        held_N = fold_N == 0
        before, after = blind_scores(texts, sides, 0), blind_scores(texts, other, 0)
        assert (before[held_N] == after[held_N]).all()
        assert (before[~held_N] != after[~held_N]).any()


def test_the_weights_are_where_the_slope_of_the_loss_is_nought() -> None:
    generator = np.random.default_rng(0)
    table = generator.normal(size=(80, 3))
    is_test_N = generator.random(80) < 1 / (1 + np.exp(-table[:, 0]))
    weights = ridge_logistic(table, is_test_N)
    odds = table @ weights
    # the intercept that goes with these weights, by bisection
    low, high = -10.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        too_many = (1 / (1 + np.exp(-odds - middle))).sum() > is_test_N.sum()
        low, high = (low, middle) if too_many else (middle, high)
    slope = table.T @ (1 / (1 + np.exp(-odds - low)) - is_test_N) + weights
    assert np.abs(slope).max() < 1e-5
    # labels that a line separates leave the weights finite
    separated = ridge_logistic(table * 1000, table[:, 0] > 0)
    assert np.isfinite(separated).all()


@pytest.mark.parametrize(
    ("high", "expected"),
    [(0.55, "calibrated"), (0.5501, "warning"), (0.60, "warning"), (0.6001, "not calibrated")],
)
def test_the_rule_looks_at_the_upper_limit(high: float, expected: str) -> None:
    assert judgement(Auc(0.5, 0.45, high)) == expected


@pytest.mark.parametrize("blind", [Auc(0.5, 0.4, nan), Auc(0.5, 0.6, 0.4), Auc(0.5, 0.4, 1.1)])
def test_limits_that_are_none_are_refused(blind: Auc) -> None:
    with pytest.raises(ValueError, match="blind test"):
        judgement(blind)


@pytest.mark.parametrize(
    ("material", "sides", "message"),
    [
        ([], Sides([], []), "texts"),
        ([""] * 20, halves(20), "sees nothing"),
        (np.ones((20, 2)), halves(20), "sees nothing"),
        (np.full((20, 1), nan), halves(20), "finite numbers"),
        (np.arange(20.0), halves(20), "expected finite numbers"),
        (captions(20, 0), halves(18), "is_test: expected 20 marks"),
        (captions(20, 0), Sides(np.arange(20) < 4, np.arange(20)), "got 4 test and 16 control"),
        (captions(20, 0), Sides(np.arange(20) < 10, np.zeros(20)), "got 1 test and 0 control"),
        (captions(20, 0), Sides(np.arange(20) < 10, [0]), "groups: expected one entry"),
    ],
)
def test_blind_tests_of_nothing_are_refused(material: Any, sides: Sides, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blind_auc(material, sides, 0)


@pytest.mark.parametrize(
    ("scores", "sides", "message"),
    [
        ([], Sides([], []), "scores"),
        ([1.0, nan], halves(2), "got NaN"),
        ([1.0, 2.0], Sides([1, 1], [0, 1]), "both labels"),
        ([1.0, 2.0], halves(3), "2 marks"),
    ],
)
def test_areas_of_nothing_are_refused(scores: list[float], sides: Sides, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auc(scores, sides, 0)


def test_texts_of_any_letters_have_scores() -> None:
    texts = [f"{letter * (n % 7)}\ud800" for n, letter in enumerate("\U0001f3a8\x00ab" * 10)]
    assert np.isfinite(blind_scores(texts, halves(40), 0)).all()
