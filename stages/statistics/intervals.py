"""Intervals for the rate behind k hits in n independent seeds."""

from collections.abc import Callable
from math import log, log1p
from typing import NamedTuple

from stages.statistics.checked import count, exact, part

LEVEL = 0.95


class Interval(NamedTuple):
    """Limits of a probability."""

    low: float
    high: float


def clopper_pearson(hits: int, trials: int, level: float = LEVEL) -> Interval:
    """Return the exact two-sided interval of a probability seen `hits` times in `trials`.

    Valid only if the number of trials was fixed beforehand, and what counts as a hit too.

    Raises:
        ValueError: there are no trials, or hits outside 0..trials.

    Source: Clopper and Pearson 1934.

    >>> [round(limit, 3) for limit in clopper_pearson(10, 64)]
    [0.078, 0.269]
    """
    _check(hits, trials, level)
    tail = (1 - level) / 2
    low = _quantile(tail, hits, trials - hits + 1) if hits else 0.0
    high = _quantile(1 - tail, hits + 1, trials - hits) if hits < trials else 1.0
    return Interval(low, high)


def upper_limit(hits: int, trials: int, level: float = LEVEL) -> float:
    """Return the exact one-sided upper limit; for no hits it is 1 - (1 - level)^(1/trials).

    Raises:
        ValueError: there are no trials, or hits outside 0..trials.

    >>> round(upper_limit(0, 72), 3)
    0.041
    """
    _check(hits, trials, level)
    return _quantile(level, hits + 1, trials - hits) if hits < trials else 1.0


def lower_limit(hits: int, trials: int, level: float = LEVEL) -> float:
    """Return the exact one-sided lower limit; for nothing but hits it is (1 - level)^(1/trials).

    Raises:
        ValueError: there are no trials, or hits outside 0..trials.

    >>> round(lower_limit(72, 72), 3)
    0.959
    """
    _check(hits, trials, level)
    return _quantile(1 - level, hits, trials - hits + 1) if hits else 0.0


def confidence_sequence(hits: int, trials: int, alpha: float = 0.05) -> Interval:
    """Return limits that hold at every number of trials at once, however it was chosen.

    {pi: B(k + 1/2, n - k + 1/2) / B(1/2, 1/2) < (1 / alpha) pi^k (1 - pi)^(n - k)}: the rates
    against which a bet with the mixture Beta(1/2, 1/2) has not won 1 / alpha.

    Args:
        hits: k.
        trials: n; may have been chosen by looking.
        alpha: chance that the limits miss the rate at any time, in (0, 1).

    Raises:
        ValueError: there are no trials, hits outside 0..trials, or alpha outside (0, 1).

    Source: Robbins 1970; statistics of a verdict, section 7.

    >>> [round(limit, 3) for limit in confidence_sequence(10, 64)]
    [0.048, 0.337]
    """
    from scipy.special import betaln

    _check(hits, trials, 1 - alpha)
    misses = trials - hits
    least = log(alpha) + float(betaln(hits + 0.5, misses + 0.5) - betaln(0.5, 0.5))

    def is_inside(rate: float) -> bool:
        return hits * log(rate) + misses * log1p(-rate) > least

    # the likelihood is highest at the share of hits, and falls to both sides of it
    share = hits / trials
    low = _edge(is_inside, share, 0.0) if hits else 0.0
    high = _edge(is_inside, share, 1.0) if misses else 1.0
    return Interval(low, high)


def selected_level(num_selected: int, num_units: int, alpha: float = 0.05) -> float:
    """Return the level at which intervals of selected findings are computed, 1 - alpha R / K.

    Then the expected share of them that miss is at most alpha, whatever the selection looked at.
    Not needed for counts from confirmation seeds.

    Raises:
        ValueError: `num_selected` outside 1..num_units, or alpha outside (0, 1).

    Source: Benjamini and Yekutieli 2005, false coverage rate.

    >>> round(selected_level(30, 300, 0.05), 4)
    0.995
    """
    selected = part(num_selected, count(num_units, "num_units", least=1), "num_selected", least=1)
    return float(1 - exact(alpha, "alpha") * selected / num_units)


def _edge(is_inside: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the end of an interval between a point of it and one beyond, by bisection."""
    for _ in range(64):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return outside


def _check(hits: int, trials: int, level: float) -> None:
    if trials < 1 or not 0 <= hits <= trials:
        raise ValueError(f"expected 0 <= hits <= trials and trials >= 1, got {hits} of {trials}")
    if not 0 < level < 1:
        raise ValueError(f"expected a level inside (0, 1), got {level}")


def _quantile(level: float, a: int, b: int) -> float:
    # not scipy.stats.beta: the same numbers, but that module takes seconds to import
    from scipy.special import betaincinv

    return float(betaincinv(a, b, level))
