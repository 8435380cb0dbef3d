"""Repaired p-values: each unit held against the controls of its stratum, or against weighted ones.

Dimension key: K test units, m control units, S strata.

Within strata each p-value is that of `conformal`, and Benjamini-Hochberg may follow: strata share
no controls. Weighted p-values must not go into Benjamini-Hochberg: their dependence is not of the
kind that it needs; `weighted_selection` takes its place.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import aligned, chances, exact, numbers
from stages.statistics.conformal import exceedances, simultaneous_bound
from stages.statistics.discovery import bh

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DELTA = 0.05


class Within(NamedTuple):
    """How each test unit stands in its own stratum."""

    r_K: Ints
    """Controls of the stratum that score as high or higher."""

    m_K: Ints
    """Controls of the stratum."""

    p_K: Floats
    """(1 + r) / (m + 1); 1 in a stratum without controls."""

    bound_K: Floats
    """Upper bound of the share of unrelated works of the stratum that score this high, at 95 %
    confidence for all strata and all scores at once."""


def within_strata(
    scores_K: ArrayLike, controls_m: ArrayLike, stratum_K: ArrayLike, stratum_m: ArrayLike
) -> Within:
    """Return the p-value of each test unit among the controls of its own stratum.

    Args:
        scores_K: of the test units, larger is closer; -inf is a unit that was left out.
        controls_m: of the control units.
        stratum_K: stratum of each test unit, any number.
        stratum_m: stratum of each control unit.

    Raises:
        ValueError: no test or no control unit, NaN, lengths that differ, or all scores the same.

    Source: statistics of a verdict, sections 3 and 4.

    >>> found = within_strata([5, 5], [1, 2, 9], [0, 1], [0, 0, 1])
    >>> found.r_K.tolist(), found.m_K.tolist(), found.p_K.round(2).tolist()
    ([0, 1], [2, 1], [0.33, 1.0])
    """
    # the scores are checked as a whole: a stratum of equal ones alone is no error
    exceedances(scores_K, controls_m)
    scores_K, controls_m = np.asarray(scores_K, np.float64), np.asarray(controls_m, np.float64)
    stratum_K = aligned(stratum_K, len(scores_K), "strata")
    stratum_m = aligned(stratum_m, len(controls_m), "strata of controls")
    r_K, m_K = np.zeros(len(scores_K), np.int64), np.zeros(len(scores_K), np.int64)
    names = np.unique(stratum_K).tolist()
    for name in names:
        mine = stratum_K == name
        ranked_m = np.sort(controls_m[stratum_m == name])
        r_K[mine] = len(ranked_m) - np.searchsorted(ranked_m, scores_K[mine], side="left")
        m_K[mine] = len(ranked_m)
    delta = _DELTA / len(names)
    bounds = {
        (r, m): simultaneous_bound(r, m, delta) if m else 1.0
        for r, m in set(zip(r_K.tolist(), m_K.tolist(), strict=True))
    }
    bound_K = [bounds[pair] for pair in zip(r_K.tolist(), m_K.tolist(), strict=True)]
    return Within(r_K, m_K, (1 + r_K) / (m_K + 1), np.array(bound_K))


class Weights(NamedTuple):
    """How many times likelier each unit is among test units than among controls."""

    test_K: ArrayLike
    control_m: ArrayLike


def weighted_p_values(scores_K: ArrayLike, controls_m: ArrayLike, weights: Weights) -> Floats:
    """Return (w_c + weight of the controls that score as high) / (w_c + weight of all controls).

    Super-uniform if the weights are right, each alone; not for Benjamini-Hochberg.

    Args:
        scores_K: of the test units, larger is closer; -inf is a unit that was left out.
        controls_m: of the control units.
        weights: of both, not negative.

    Returns:
        float64[K].

    Raises:
        ValueError: no test or no control unit, NaN, lengths that differ, all scores the same, or
            weights that are negative or all 0.

    Source: Jin and Candes 2023, arXiv 2307.09291, with ties counted against the finding.

    >>> weighted_p_values([5, 1], [1, 9], Weights([1, 1], [2, 1])).tolist()
    [0.5, 1.0]
    """
    scored = _scored(scores_K, controls_m, weights)
    total = scored.control_m.sum()
    return np.asarray((scored.reached_K + scored.test_K) / (total + scored.test_K))


class Selected(NamedTuple):
    """Units that weighted conformalized selection finds at one level."""

    found_K: Bools
    cutoff_K: Floats
    """q R_c / K, what the p of each unit had to reach; 0 where p is above q itself."""


def weighted_selection(
    scores_K: ArrayLike, controls_m: ArrayLike, weights: Weights, q: float, coin_K: ArrayLike
) -> Selected:
    """Return the findings at a false discovery rate of q, from weighted p-values.

    For each unit c the list of the others is made as if c were one more control, which does not
    change when c and the controls change places; c is nominated if its p reaches q R_c / K. Of the
    nominated those stay whose coin times R_c is at most the number that stays.

    Args:
        scores_K: of the test units, larger is closer; -inf is a unit that was left out.
        controls_m: of the control units.
        weights: of both, not negative.
        q: nominal false discovery rate, in (0, 1).
        coin_K: numbers in [0, 1], uniform, drawn before anything is scored. One and the same number
            for all is allowed; 1 for all uses no chance and finds least.

    Raises:
        ValueError: as `weighted_p_values`; q outside (0, 1); coins that are no chances.

    Source: Jin and Candes 2023, arXiv 2307.09291, Algorithm 1.

    >>> even = Weights([1, 1], [1] * 39)
    >>> weighted_selection([5, 0], np.arange(39) / 39, even, 0.05, [0.5, 0.5]).found_K.tolist()
    [True, False]
    """
    level = float(exact(q, "q"))
    scored = _scored(scores_K, controls_m, weights)
    num = len(scored.test_K)
    coin_K = np.asarray(aligned(chances(coin_K, "coins"), num, "coins"), np.float64)
    total = float(scored.control_m.sum())
    p_K = (scored.reached_K + scored.test_K) / (total + scored.test_K)
    # no list is longer than K, so nobody above q is nominated
    able_K = p_K <= level
    most_K = np.zeros(num, np.int64)
    most_K[able_K] = [_others(scored, total, int(unit), level) for unit in np.flatnonzero(able_K)]
    cutoff_K = level * most_K / num
    nominated_K = able_K & (np.round(p_K, 14) <= np.round(cutoff_K, 14))
    needed_K = np.where(nominated_K, coin_K * most_K, np.inf)
    # the largest r with at least r nominated units that need no more than r
    ranked_K = np.sort(needed_K)
    enough = np.flatnonzero(ranked_K <= np.arange(1, num + 1))
    stays = int(enough[-1]) + 1 if len(enough) else 0
    return Selected(nominated_K & (needed_K <= stays), cutoff_K)


class _Scored(NamedTuple):
    """Scores and weights that were checked."""

    scores_K: Floats
    reached_K: Floats
    """Weight of the controls that score as high as each test unit, or higher."""
    test_K: Floats
    control_m: Floats


def _scored(scores_K: ArrayLike, controls_m: ArrayLike, weights: Weights) -> _Scored:
    exceedances(scores_K, controls_m)
    scores_K, controls_m = np.asarray(scores_K, np.float64), np.asarray(controls_m, np.float64)
    test_K = numbers(aligned(weights.test_K, len(scores_K), "weights"), "weights")
    control_m = numbers(aligned(weights.control_m, len(controls_m), "weights"), "weights")
    if min(test_K.min(), control_m.min()) < 0 or not control_m.any():
        raise ValueError("weights: expected none below 0, and a control above it")
    order_m = np.argsort(controls_m, kind="stable")
    above_m = np.concatenate([np.cumsum(control_m[order_m][::-1])[::-1], [0.0]])
    reached_K = above_m[np.searchsorted(controls_m[order_m], scores_K, side="left")]
    return _Scored(scores_K, reached_K, test_K, control_m)


def _others(scored: _Scored, total: float, unit: int, level: float) -> int:
    """Return R_c: how many Benjamini-Hochberg finds with this unit as a control, and at p = 0."""
    own = scored.test_K[unit]
    reached_K = scored.reached_K + own * (scored.scores_K[unit] >= scored.scores_K)
    p_K = np.minimum(1.0, reached_K / (total + own))
    p_K[unit] = 0.0
    return int(np.count_nonzero(bh(p_K) <= level))


def fewest_reaching(least_K: ArrayLike, q: float) -> int:
    """Return the fewest findings that can reach q, where units differ in the least p they can have.

    With 1 / (m + 1) for all units this is `discovery.fewest_findings`; more than K if none can.

    Args:
        least_K: least p that each test unit can have.
        q: nominal false discovery rate, in (0, 1).

    Raises:
        ValueError: no units, a p outside [0, 1], or q outside (0, 1).

    Source: statistics of a verdict, section 5.

    >>> fewest_reaching([1 / 1001] * 300, 0.05), fewest_reaching([0.01, 0.5, 0.5], 0.05)
    (6, 1)
    >>> fewest_reaching([0.5, 0.5], 0.05)
    3
    """
    level = float(exact(q, "q"))
    ranked_K = np.sort(chances(least_K, "least p-values"))
    num = len(ranked_K)
    enough_K = np.round(ranked_K, 14) <= np.round(level * np.arange(1, num + 1) / num, 14)
    # with more findings every cut-off is looser, so the first that fits is the fewest
    return int(np.argmax(enough_K)) + 1 if enough_K.any() else num + 1
