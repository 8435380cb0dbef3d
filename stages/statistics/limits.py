"""What a rule on k of n seeds could have seen, without which "nothing was found" says nothing.

One work and one rate: the limit is no power, and excludes registered prompts only.
"""

from math import floor, isclose

import numpy as np
from numpy.typing import ArrayLike

from stages.statistics.checked import count, exact, numbers, part
from stages.statistics.intervals import lower_limit

POWER = 0.95


def detection_limit(
    min_hits: int,
    trials: int,
    *,
    recall: float = 1.0,
    sensitivity: float = 1.0,
    power: float = POWER,
) -> float | None:
    """Return the smallest rate per seed that "at least `min_hits` of `trials`" sees, or None.

    The pi with rho P(Bin(n, pi s) >= k*) = power. Recall and sensitivity are not interchangeable:
    a work that the index misses is missed for every seed.

    Args:
        min_hits: k*, the fewest hits that would have given a verdict in this run.
        trials: n, seeds per prompt.
        recall: rho, chance that the work can be found at all; its lower limit (`recall_lower`).
        sensitivity: s, chance that one replica is recognised if it can be; its lower limit.
        power: chance to be seen that the limit stands for, in (0, 1).

    Returns:
        A rate in (0, 1], or None where even a work that comes back with every seed is seen less
        often: then print "none", rho, and `rate_at` one half.

    Raises:
        ValueError: min_hits outside 1..trials, or a chance out of range.

    Source: statistics of a verdict, section 7.

    >>> rules = [(1, 4), (1, 16), (1, 64), (3, 64), (1, 500), (10, 500)]
    >>> [round(100 * detection_limit(k, n), 1) for k, n in rules]
    [52.7, 17.1, 4.6, 9.5, 0.6, 3.1]
    >>> detection_limit(1, 64, recall=0.94) is None
    True
    """
    return rate_at(power, min_hits, trials, recall=recall, sensitivity=sensitivity)


def rate_at(
    power: float,
    min_hits: int,
    trials: int,
    *,
    recall: float = 1.0,
    sensitivity: float = 1.0,
) -> float | None:
    """Return the rate per seed that the rule sees with this chance, or None if no rate is.

    Args:
        power: chance to be seen, in (0, 1); one half for pi_50.
        min_hits: k*, as in `detection_limit`.
        trials: n, seeds per prompt.
        recall: rho, as in `detection_limit`.
        sensitivity: s, as in `detection_limit`.

    Raises:
        ValueError: min_hits outside 1..trials, or a chance out of range.

    >>> round(rate_at(0.5, 1, 64, recall=0.9), 4)
    0.0126
    """
    from scipy.special import betaincinv

    _check(min_hits, trials, recall, sensitivity)
    if not 0 < power < 1:
        raise ValueError(f"power: expected a number inside (0, 1), got {power}")
    if recall < power:
        return None
    # P(Bin(n, pi) >= k) is the distribution function of Beta(k, n - k + 1) at pi
    rate = float(betaincinv(min_hits, trials - min_hits + 1, power / recall)) / sensitivity
    return min(1.0, rate) if rate <= 1 or isclose(rate, 1) else None


def power_at(
    rate: float,
    min_hits: int,
    trials: int,
    *,
    recall: float = 1.0,
    sensitivity: float = 1.0,
) -> float:
    """Return rho P(Bin(n, pi s) >= k*), the chance that the rule sees a work of this rate.

    Args:
        rate: pi, chance per seed that the work comes back, in [0, 1].
        min_hits: k*, as in `detection_limit`.
        trials: n, seeds per prompt.
        recall: rho, as in `detection_limit`.
        sensitivity: s, as in `detection_limit`.

    Raises:
        ValueError: min_hits outside 1..trials, or a chance out of range.

    >>> round(power_at(0.03, 1, 64), 2)
    0.86
    """
    from scipy.special import betainc

    _check(min_hits, trials, recall, sensitivity)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: expected a number in [0, 1], got {rate}")
    return recall * float(betainc(min_hits, trials - min_hits + 1, rate * sensitivity))


def fewest_hits(control_hits_m: ArrayLike, trials: int, cutoff: float) -> int | None:
    """Return k*, the fewest hits of a unit that would have been a finding, or None if none is.

    The smallest k in 1..n with (1 + #{controls with at least k hits}) / (m + 1) <= t, where hits
    are the score. Take t = q (R + 1) / K, the cut-off of one finding more than the run has.

    Args:
        control_hits_m: hits of each control unit in as many trials.
        trials: n, seeds per prompt.
        cutoff: t, in (0, 1).

    Raises:
        ValueError: no controls, hits outside 0..trials, no trials, or a cut-off outside (0, 1).

    Source: statistics of a verdict, section 7.

    >>> fewest_hits([0] * 197 + [1, 2], 64, 0.01), fewest_hits([0] * 99, 64, 0.005)
    (2, None)
    """
    exact_cutoff = exact(cutoff, "cutoff")
    hits_m = numbers(control_hits_m, "hits of control units")
    count(trials, "trials", least=1)
    if (hits_m < 0).any() or (hits_m > trials).any():
        raise ValueError(f"hits of control units: expected 0..{trials}, got {np.unique(hits_m)}")
    most = floor(exact_cutoff * (len(hits_m) + 1)) - 1
    if most < 0:
        return None
    # more than `most` controls must not reach it
    refused = np.sort(hits_m)[::-1][most] if most < len(hits_m) else 0
    return int(refused) + 1 if refused < trials else None


def recall_lower(found: int, planted: int) -> float:
    """Return the one-sided 97.5 % lower limit of a share measured on planted copies.

    Raises:
        ValueError: nothing was planted, or `found` outside 0..planted.

    >>> round(recall_lower(200, 200), 3), round(recall_lower(72, 72), 3)
    (0.982, 0.95)
    """
    return lower_limit(found, planted, 0.975)


def _check(min_hits: int, trials: int, recall: float, sensitivity: float) -> None:
    part(min_hits, count(trials, "trials", least=1), "min_hits", least=1)
    for name, value in (("recall", recall), ("sensitivity", sensitivity)):
        if not 0 <= value <= 1 or (name == "sensitivity" and not value):
            raise ValueError(f"{name}: expected a chance (for sensitivity above 0), got {value}")
