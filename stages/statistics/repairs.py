"""Repairs: what is done where controls are not like the test units, before any score is known.

Dimension key: K test units, m control units, S strata, r controls for each test unit.

All three start from the blind score: how much a unit looks like a test unit to a classifier that
never saw the model (`blindness.blind_scores`, a log-odds). They look at nothing else, so that they
can be registered before anything is made.
"""

from bisect import bisect_left
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import count, numbers

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Matched(NamedTuple):
    """Which units stay after re-matching."""

    kept_K: Bools
    """Test units that have a control unit within the caliper."""

    kept_m: Bools
    """Control units that were taken for them."""

    each: int
    """r, control units taken for each test unit."""


def rematch(look_K: ArrayLike, look_m: ArrayLike, caliper: float) -> Matched:
    """Return test and control units that look alike, as many controls for each test unit.

    Each test unit takes the nearest control unit that is free and within the caliper, those that
    look most like test units first, as they have the least choice; who finds none is left out. More
    rounds follow as long as every one that stayed finds another: with unequal numbers the controls
    would lean to where they are many.

    Args:
        look_K: blind scores of the test units.
        look_m: blind scores of the control units.
        caliper: largest difference, in standard deviations of all scores, above 0; 0.2 after
            Austin 2011.

    Raises:
        ValueError: no test or no control unit, NaN, or a caliper that is not above 0.

    Source: Rosenbaum and Rubin 1985; statistics of a verdict, section 3.

    >>> rematch([0.0, 9.0], [0.1, -0.1, 4.0], 0.2)
    Matched(kept_K=array([ True, False]), kept_m=array([ True,  True, False]), each=2)
    """
    look_K, look_m = numbers(look_K, "blind scores"), numbers(look_m, "blind scores of controls")
    if not caliper > 0:
        raise ValueError(f"caliper: expected a number above 0, got {caliper}")
    width = caliper * float(np.concatenate([look_K, look_m]).std())
    order_m = np.argsort(look_m, kind="stable")
    free, place = look_m[order_m].tolist(), order_m.tolist()
    asking = np.argsort(-look_K, kind="stable").tolist()
    kept_K, kept_m = np.zeros(len(look_K), np.bool_), np.zeros(len(look_m), np.bool_)
    each = 0
    while asking:
        served, taken = [], []
        for unit in asking:
            at = _nearest(free, float(look_K[unit]), width)
            if at is not None:
                served.append(unit)
                taken.append(place.pop(at))
                free.pop(at)
            elif each:
                # a round that cannot serve all of them serves none
                return Matched(kept_K, kept_m, each)
        kept_m[taken] = True
        if not each:
            kept_K[served] = True
            asking = served
        each += bool(served)
    return Matched(kept_K, kept_m, each)


def _nearest(free: list[float], look: float, width: float) -> int | None:
    at = bisect_left(free, look)
    near = [each for each in (at - 1, at) if 0 <= each < len(free)]
    best = min(near, key=lambda each: abs(free[each] - look), default=None)
    return best if best is not None and abs(free[best] - look) <= width else None


class Strata(NamedTuple):
    """The stratum of each unit, from 0 upwards; units are compared inside their own."""

    stratum_K: Ints
    stratum_m: Ints


def strata(look_K: ArrayLike, look_m: ArrayLike, num: int) -> Strata:
    """Return strata of the blind score that hold about as many test units each.

    Equal scores share a stratum, so there may be fewer than asked for. A stratum may lack controls.

    Args:
        look_K: blind scores of the test units.
        look_m: blind scores of the control units.
        num: strata, from 1; five leave a tenth of the bias of one trait (Cochran 1968).

    Raises:
        ValueError: no test or no control unit, NaN, or no strata.

    Source: Rosenbaum and Rubin 1984; statistics of a verdict, section 3.

    >>> strata([1, 2, 3, 4], [0, 2.4, 2.6, 9], 2)
    Strata(stratum_K=array([0, 0, 1, 1]), stratum_m=array([0, 0, 1, 1]))
    """
    look_K, look_m = numbers(look_K, "blind scores"), numbers(look_m, "blind scores of controls")
    shares = np.arange(1, count(num, "strata", least=1)) / num
    edges_S = np.unique(np.quantile(look_K, shares))
    found = (np.searchsorted(edges_S, look, side="right") for look in (look_K, look_m))
    return Strata(*(each.astype(np.int64) for each in found))


def weights(look_K: ArrayLike, look_m: ArrayLike) -> tuple[Floats, Floats]:
    """Return how many times likelier each unit is among test units than among controls.

    exp(log-odds), up to a factor that no weighted p-value depends on; the controls have mean 1.

    Args:
        look_K: blind scores of the test units, log-odds.
        look_m: blind scores of the control units.

    Returns:
        float64[K] and float64[m].

    Raises:
        ValueError: no test or no control unit, or NaN.

    Source: Tibshirani, Barber, Candes and Ramdas 2019 (1904.06019); Jin and Candes (2307.09291).

    >>> [each.tolist() for each in weights([0.0], [0.0, 0.0])]
    [[1.0], [1.0, 1.0]]
    """
    look_K, look_m = numbers(look_K, "blind scores"), numbers(look_m, "blind scores of controls")
    top = max(look_K.max(), look_m.max())
    weight_K, weight_m = np.exp(look_K - top), np.exp(look_m - top)
    scale = weight_m.mean()
    if not scale > 0:
        raise ValueError("blind scores: no control unit looks at all like a test unit")
    return weight_K / scale, weight_m / scale


def effective(weight_m: ArrayLike) -> float:
    """Return how many controls of equal weight are worth as much, (sum w)^2 / sum w^2.

    Raises:
        ValueError: no weights, NaN, or all of them 0.

    Source: Kish 1965.

    >>> effective([1, 1, 0, 0])
    2.0
    """
    weight_m = numbers(weight_m, "weights")
    if not weight_m.any():
        raise ValueError("weights: expected some above 0")
    return float(weight_m.sum() ** 2 / (weight_m**2).sum())
