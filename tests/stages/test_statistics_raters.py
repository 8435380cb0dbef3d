"""Agreement of raters: values worked out by hand and in papers, and what no coefficient can say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.statistics.raters import (
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    measured_alpha,
    measured_pair,
    specific_agreement,
)

# Krippendorff 2011, section D: four observers, twelve units, decisions 1 to 5, a dot for none
ROWS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


def counted(rows: tuple[str, ...]) -> NDArray[np.int64]:
    """Return how many observers gave each decision to each unit, int64[U, C]."""
    by_unit = list(zip(*(row.split() for row in rows), strict=True))
    return np.array([[unit.count(str(c)) for c in range(1, 6)] for unit in by_unit], np.int64)


def test_alpha_of_the_paper() -> None:
    assert krippendorff_alpha(counted(ROWS)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_two_raters_worked_out_by_hand() -> None:
    # three items: yes yes, yes no, no no; o_yy = 2, o_nn = 2, o_yn = o_ny = 1, n_y = n_n = 3
    # 1 - 5 * (1 + 1) / (2 * 3 * 3) = 1 - 10 / 18
    assert krippendorff_alpha(np.array([[2, 0], [1, 1], [0, 2]])) == pytest.approx(8 / 18)


def test_an_item_that_one_rater_judged_counts_for_nothing() -> None:
    counts_UC = np.array([[2, 0], [1, 1], [0, 2]])
    more_UC = np.vstack([counts_UC, [[1, 0], [0, 1], [0, 0]]])
    assert krippendorff_alpha(more_UC) == krippendorff_alpha(counts_UC)
    assert measured_alpha(more_UC) == measured_alpha(counts_UC)


def test_kappa_and_ac1_worked_out_by_hand() -> None:
    # p_o = 35/50; p_e = (25 * 30 + 25 * 20) / 2500 = 1/2
    joint_CC = np.array([[20, 5], [10, 15]])
    assert cohen_kappa(joint_CC) == pytest.approx(0.4)
    # pi = 55/100, 45/100: p_e = 2 * 0.55 * 0.45
    assert gwet_ac1(joint_CC) == pytest.approx((0.7 - 0.495) / 0.505)
    assert specific_agreement(joint_CC) == [40 / 55, 30 / 45]
    # a third decision that nobody gave changes what chance means to AC1, and nothing for kappa
    wider_CC = np.pad(joint_CC, (0, 1))
    assert cohen_kappa(wider_CC) == pytest.approx(0.4)
    assert gwet_ac1(wider_CC) == pytest.approx((0.7 - 0.2475) / 0.7525)


def test_nothing_is_said_where_everybody_says_the_same() -> None:
    one_CC = np.array([[7, 0], [0, 0]])
    assert cohen_kappa(one_CC) is None
    assert gwet_ac1(one_CC) == 1
    assert krippendorff_alpha(np.array([[2, 0]] * 7)) is None
    assert measured_alpha(np.array([[2, 0]] * 7)) == (None, None)


def test_no_disagreement_has_no_interval() -> None:
    """Resamples of items that all agree would say that agreement is certain."""
    found = measured_pair(cohen_kappa, np.array([[3, 0], [0, 2]]))
    assert found == (1.0, None)
    assert measured_alpha(np.array([[2, 0], [0, 2]])) == (1.0, None)


@pytest.mark.parametrize("coefficient", [cohen_kappa, gwet_ac1])
def test_interval_is_that_of_the_large_sample(
    coefficient: Callable[[NDArray[Any]], float | None],
) -> None:
    """For kappa of two equal raters the standard error is sqrt(p_o (1 - p_o) / n) / (1 - p_e)."""
    joint_CC = np.array([[400, 100], [100, 400]])
    value, interval = measured_pair(coefficient, joint_CC)
    assert value == pytest.approx(0.6)
    assert interval is not None
    error = 1.96 * np.sqrt(0.8 * 0.2 / 1000) / 0.5
    assert interval == pytest.approx((0.6 - error, 0.6 + error), abs=0.006)


def test_interval_of_alpha_holds_the_rate_that_was_planted() -> None:
    """Two raters who each err in one item of ten, on balanced items: alpha tends to 0.64."""
    noise = np.random.default_rng(5)
    truth_U = noise.random(800) < 0.5
    said_RU = truth_U ^ (noise.random((2, 800)) < 0.1)
    yes_U = said_RU.sum(0)
    found = measured_alpha(np.stack([yes_U, 2 - yes_U], axis=1))
    assert found.interval is not None
    low, high = found.interval
    assert low < 0.64 < high
    assert high - low < 0.13
    assert found.value == pytest.approx(0.64, abs=0.06)
