"""What a rule of `spending` would do to one unit of a known rate: what it costs, what it would see.

Dimension key: k = 0..n hits. Exact, by the law of the hits over all paths that are not given up.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.betting import log_e
from stages.statistics.checked import numbers
from stages.statistics.limits import POWER, power_at
from stages.statistics.spending import Rule

_HALVINGS = 14


class Law(NamedTuple):
    """What becomes of a unit."""

    seeds: float
    """Expected seeds."""

    reaching: float
    """Chance to reach the last look."""

    hits_k: NDArray[np.float64]
    """Chance of reaching it with k hits; float64[cap + 1]."""


def law(rate: float, rule: Rule, bonus: float = 0.0) -> Law:
    """Return what becomes of a unit that comes back with this chance per seed.

    Args:
        rate: chance of a hit per seed, in [0, 1].
        rule: how seeds are spent; every unit that is not given up gets its seeds in the end.
        bonus: evidence that the triage gave it.

    Raises:
        ValueError: a rate outside [0, 1].

    Source: statistics of a verdict, section 8.

    >>> found = law(0.03, Rule(looks=(1, 2)))
    >>> round(found.reaching, 3), round(found.seeds, 3)
    (0.03, 1.03)
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: expected a number in [0, 1], got {rate}")
    going_k = np.zeros(rule.looks[-1] + 1)
    going_k[0] = float(bonus >= rule.give_up)
    seeds, before = 0.0, 0
    for look in rule.looks:
        step = look - before
        seeds += step * float(going_k.sum())
        going_k = np.convolve(going_k, _binomial(step, rate))[: len(going_k)]
        if look < rule.looks[-1]:
            worth_k = log_e(np.arange(look + 1), look, rule.p0)
            going_k[: look + 1] *= worth_k + bonus >= rule.give_up
        before = look
    return Law(seeds, float(going_k.sum()), going_k)


def chance_seen(rate: float, min_hits: int, rule: Rule, bonus_B: ArrayLike = (0.0,)) -> float:
    """Return the chance that a unit of this rate ends with enough hits at the last look.

    Args:
        rate: chance of a hit per seed, in [0, 1].
        min_hits: k*, the fewest hits in the seeds up to the cap that would have given a verdict.
        rule: how seeds are spent.
        bonus_B: evidence that the triage may have given it, each as likely; 0 without triage.

    Raises:
        ValueError: a rate outside [0, 1], or min_hits outside 1..cap.

    Source: statistics of a verdict, sections 7 and 8.

    >>> round(chance_seen(0.03, 1, Rule(looks=(1, 64))), 3)
    0.03
    """
    if not 1 <= min_hits <= rule.looks[-1]:
        raise ValueError(f"min_hits: expected 1 to {rule.looks[-1]}, got {min_hits}")
    bonuses_B = numbers(bonus_B, "bonus")
    return float(np.mean([law(rate, rule, bonus).hits_k[min_hits:].sum() for bonus in bonuses_B]))


def _without_triage(rate: float) -> ArrayLike:
    del rate
    return (0.0,)


def sequential_limit(
    min_hits: int,
    rule: Rule,
    *,
    recall: float = 1.0,
    bonus_of: Callable[[float], ArrayLike] = _without_triage,
    power: float = POWER,
) -> float | None:
    """Return the smallest rate per seed that the rule sees with this chance, or None if none is.

    Without triage it is larger than the limit of as many fixed seeds: what was given up is unseen.

    Args:
        min_hits: k*, as in `chance_seen`.
        rule: how seeds are spent.
        recall: rho, chance that the work can be found at all.
        bonus_of: rate -> evidence that the triage may give such a unit, each value as likely.
        power: chance to be seen, in (0, 1).

    Raises:
        ValueError: min_hits outside 1..cap.

    Source: statistics of a verdict, sections 7 and 8.

    >>> round(sequential_limit(1, Rule(looks=(4,), give_up=-9)), 3)
    0.527
    >>> round(sequential_limit(1, Rule(looks=(1, 4, 16, 64))), 3)
    0.95
    """

    def is_seen(rate: float) -> bool:
        return recall * chance_seen(rate, min_hits, rule, bonus_of(rate)) >= power

    return _smallest(is_seen)


def fresh_limit(
    min_hits: int,
    trials: int,
    rule: Rule,
    *,
    lows: tuple[float, float] = (1.0, 1.0),
    power: float = POWER,
) -> float | None:
    """Return the same limit where the verdict rests on fresh seeds of whoever was not given up.

    Args:
        min_hits: k*, the fewest hits in the fresh seeds that would have given a verdict.
        trials: n, fresh seeds.
        rule: the looks before, each of which may give the unit up; of the triage nothing is known.
        lows: recall and sensitivity, their lower limits.
        power: chance to be seen, in (0, 1).

    Raises:
        ValueError: min_hits outside 1..trials.

    Source: statistics of a verdict, sections 7 and 8.

    >>> round(fresh_limit(1, 48, Rule(looks=(1, 4))), 2)
    0.95
    """
    recall, sensitivity = lows
    # after the last of these looks futility is asked once more, so it is no cap here
    asked = replace(rule, looks=(*rule.looks, rule.looks[-1] + 1))

    def is_seen(rate: float) -> bool:
        going_on = law(rate * sensitivity, asked).reaching
        return going_on * power_at(rate * sensitivity, min_hits, trials) * recall >= power

    return _smallest(is_seen)


def _smallest(is_seen: Callable[[float], bool]) -> float | None:
    low, high = 0.0, 1.0
    if not is_seen(high):
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high


def _binomial(n: int, rate: float) -> NDArray[np.float64]:
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(ways + xlogy(k, rate) + xlog1py(n - k, -rate)))
