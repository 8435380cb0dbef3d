"""Intervals for k hits in n independent seeds, and what a rule on k can detect."""

from typing import NamedTuple

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
    _check(hits, trials)
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
    _check(hits, trials)
    return _quantile(level, hits + 1, trials - hits) if hits < trials else 1.0


def detection_limit(min_hits: int, trials: int, power: float = LEVEL) -> float:
    """Return the smallest rate per seed that a rule "at least `min_hits` of `trials`" sees.

    It is the pi with P(Bin(trials, pi) >= min_hits) = power, for a work that can be found at all
    and whose every replica is recognised (rho = s = 1).

    Raises:
        ValueError: min_hits is outside 1..trials.

    >>> round(detection_limit(3, 64), 3)
    0.095
    """
    if not 1 <= min_hits <= trials:
        raise ValueError(f"expected min_hits in 1..{trials}, got {min_hits}")
    # P(Bin(n, pi) >= k) is the distribution function of Beta(k, n - k + 1) at pi
    return _quantile(power, min_hits, trials - min_hits + 1)


def _check(hits: int, trials: int) -> None:
    if trials < 1 or not 0 <= hits <= trials:
        raise ValueError(f"expected 0 <= hits <= trials and trials >= 1, got {hits} of {trials}")


def _quantile(level: float, a: int, b: int) -> float:
    # not scipy.stats.beta: the same numbers, but that module takes seconds to import
    from scipy.special import betaincinv

    return float(betaincinv(a, b, level))
