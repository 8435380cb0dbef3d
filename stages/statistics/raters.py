"""Raters: how far people who judged the same items agree, beyond what chance would give.

Nominal decisions: no decision is nearer to one than to another. A coefficient is None where it is
not defined, because everybody always said the same.

Dimension key: C decisions on the scale, U items, P patterns (items judged alike), R resamples.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.statistics.intervals import LEVEL, Interval

RESAMPLES = 2000
"""Resamples of an interval: its ends then move by about a hundredth from one seed to another."""

_DEFINED = 0.95


class Measured(NamedTuple):
    """A coefficient and its interval."""

    value: float | None
    """None: not defined, everybody always said the same."""

    interval: Interval | None
    """None: no item shows a disagreement, or too few resamples have a coefficient."""


def cohen_kappa(joint_CC: NDArray[Any]) -> float | None:
    """Return the agreement of two raters beyond that of their own habits, kappa.

    (p_o - p_e) / (1 - p_e): p_o is the share of items on which they agree, p_e the share on which
    they would if each dealt out the same decisions at random.

    Args:
        joint_CC: int64[C, C]; items by decision of the one (rows) and of the other (columns).

    Source: Cohen 1960, A coefficient of agreement for nominal scales.

    >>> round(cohen_kappa(np.array([[20, 5], [10, 15]])), 6)
    0.4
    """
    total = joint_CC.sum()
    by_chance = float(joint_CC.sum(0) @ joint_CC.sum(1)) / total**2
    return _beyond(np.trace(joint_CC) / total, by_chance)


def gwet_ac1(joint_CC: NDArray[Any]) -> float | None:
    """Return the agreement of two raters beyond that of decisions made in doubt, AC1.

    (p_o - p_e) / (1 - p_e) with p_e = sum_c pi_c (1 - pi_c) / (C - 1), pi_c the mean share of
    decision c. Where nearly all items have one decision kappa falls to nothing, and this does not.

    Args:
        joint_CC: int64[C, C]; every decision of the scale has its row, used or not.

    Source: Gwet 2008, Computing inter-rater reliability and its variance in the presence of high
    agreement.

    >>> rare = np.array([[10, 15], [15, 960]])
    >>> round(gwet_ac1(rare), 3), round(cohen_kappa(rare), 3)
    (0.968, 0.385)
    """
    share_C = (joint_CC.sum(0) + joint_CC.sum(1)) / (2 * joint_CC.sum())
    by_chance = float(share_C @ (1 - share_C)) / (len(joint_CC) - 1)
    return _beyond(np.trace(joint_CC) / joint_CC.sum(), by_chance)


def krippendorff_alpha(counts_UC: NDArray[Any]) -> float | None:
    """Return the agreement of any number of raters, of whom none need judge everything, alpha.

    1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k with the coincidences
    o_ck = sum_u n_uc (n_uk - [c = k]) / (m_u - 1); items with one decision do not count.

    Args:
        counts_UC: int64[U, C]; how many raters gave each decision to an item.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability, nominal data.
    """
    return _alpha(counts_UC, np.ones(len(counts_UC)))


def measured_pair(
    coefficient: Callable[[NDArray[Any]], float | None], joint_CC: NDArray[Any]
) -> Measured:
    """Return a coefficient of two raters with its interval.

    Args:
        coefficient: `cohen_kappa` or `gwet_ac1`.
        joint_CC: int64[C, C]; items by both decisions.
    """
    agree = int(np.trace(joint_CC)) == joint_CC.sum()
    cells_P = joint_CC.ravel()
    found = None if agree else _resampled(lambda m: coefficient(m.reshape(joint_CC.shape)), cells_P)
    return Measured(coefficient(joint_CC), found)


def measured_alpha(counts_UC: NDArray[Any]) -> Measured:
    """Return alpha with its interval.

    Args:
        counts_UC: int64[U, C]; as `krippendorff_alpha` has them.
    """
    counts_UC = counts_UC[counts_UC.sum(1) > 1]
    patterns_PC, many_P = np.unique(counts_UC, axis=0, return_counts=True)
    agree = bool(((patterns_PC > 0).sum(1) == 1).all())
    found = None if agree else _resampled(lambda m_P: _alpha(patterns_PC, m_P), many_P)
    return Measured(krippendorff_alpha(counts_UC), found)


def specific_agreement(joint_CC: NDArray[Any]) -> list[float | None]:
    """Return how often two raters agree where one of them gave a decision, by decision.

    2 n_cc / (n_c. + n_.c); None for a decision that nobody gave.

    Args:
        joint_CC: int64[C, C]; items by both decisions.

    Source: Cicchetti and Feinstein 1990, High agreement but low kappa: II.

    >>> specific_agreement(np.array([[20, 5, 0], [10, 15, 0], [0, 0, 0]]))[1:]
    [0.6666666666666666, None]
    """
    given_C = joint_CC.sum(0) + joint_CC.sum(1)
    pairs = zip(np.diag(joint_CC).tolist(), given_C.tolist(), strict=True)
    return [2 * both / given if given else None for both, given in pairs]


def _beyond(observed: float, by_chance: float) -> float | None:
    return None if by_chance >= 1 else float((observed - by_chance) / (1 - by_chance))


def _alpha(counts_PC: NDArray[Any], many_P: NDArray[Any]) -> float | None:
    raters_P = counts_PC.sum(1)
    weight_P = np.where(raters_P > 1, many_P, 0) / np.maximum(raters_P - 1, 1)
    alike_C = weight_P @ (counts_PC * (counts_PC - 1))
    all_C = (weight_P * (raters_P - 1)) @ counts_PC
    total = all_C.sum()
    unlike = total**2 - all_C @ all_C
    if unlike <= 0:
        return None
    return float(1 - (total - 1) * (total - alike_C.sum()) / unlike)


def _resampled(
    coefficient: Callable[[NDArray[Any]], float | None], many_P: NDArray[Any]
) -> Interval | None:
    """Return the percentile interval over resampled items.

    Drawing items with replacement is drawing how many there are of each pattern.

    Source: Efron 1979, Bootstrap methods; percentile interval.
    """
    total = int(many_P.sum())
    noise = np.random.default_rng(0)
    drawn_RP = noise.multinomial(total, many_P / total, size=RESAMPLES)
    values = [value for m_P in drawn_RP if (value := coefficient(m_P)) is not None]
    if len(values) < _DEFINED * RESAMPLES:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
