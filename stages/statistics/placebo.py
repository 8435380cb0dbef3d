"""Placebo: control units stand in for test units, so that whatever is found is false.

Dimension key: m control units, B splits.

Nothing new is made: the scores that the controls have anyway are split. By coin the two sides are
alike by construction, so that this only shows that the arithmetic, ties and rounding do no harm. By
look those controls stand in that look most like test units to somebody who never saw the model:
were their scores higher for it, the null of the verdicts would be wrong in the same direction.
Neither can show what the model makes of works of another kind than the controls are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import aligned, count, exact, numbers
from stages.statistics.conformal import excess_p, p_values
from stages.statistics.discovery import bh, fewest_findings

SPLITS = 200
LEAST = 10
"""Control units below which there is nothing to split."""
LEVEL = 0.05


class ByCoin(NamedTuple):
    """What was found when a coin chose who stands in."""

    splits: int
    units: int
    """Controls that stand in, in each split."""
    controls: int
    """Controls that are left, in each split."""
    fewest: int
    """Fewest findings that could reach q; above `units` nothing could."""
    finding: int
    """Splits with a finding, each of them false; on average a share q at most."""
    small: float
    """Mean share of p-values of 0.05 or less; on average 0.05 at most."""


class ByLook(NamedTuple):
    """What was found when those stood in that look most like test units."""

    units: int
    controls: int
    found: int
    """Findings at q, all of them false."""
    small: int
    """p-values of `level` or less."""
    level: float
    """The largest p at or below 0.05 that so many controls can give."""
    chance: float
    """Chance of so many or more if looks made no difference; small is a warning."""


def by_coin(scores_m: ArrayLike, q: float, seed: int, splits: int = SPLITS) -> ByCoin | None:
    """Return what is found if a coin lets half of the controls stand in for test units.

    Args:
        scores_m: of the control units, larger is closer; -inf has no match.
        q: nominal false discovery rate, in (0, 1).
        seed: of the coins.
        splits: how often, from 1.

    Returns:
        None with fewer than ten controls, or where all score the same.

    Raises:
        ValueError: NaN, q outside (0, 1), or no splits.

    Source: statistics of a verdict, sections 3 and 9.6.

    >>> told = by_coin(range(40), 0.05, 0, splits=50)
    >>> told.units, told.controls, told.fewest
    (20, 20, 20)
    """
    scores_m = numbers(scores_m, "scores of control units")
    exact(q, "q"), count(splits, "splits", least=1)
    half = len(scores_m) // 2
    if len(scores_m) < LEAST or _same(scores_m):
        return None
    dice = np.random.default_rng(seed)
    finding, small = 0, 0.0
    for _ in range(splits):
        order = dice.permutation(len(scores_m))
        p_K = _p(scores_m[order[:half]], scores_m[order[half:]])
        finding += bool((bh(p_K) <= q).any())
        small += float((p_K <= LEVEL).mean()) / splits
    controls = len(scores_m) - half
    return ByCoin(splits, half, controls, fewest_findings(half, controls, q), finding, small)


def by_look(scores_m: ArrayLike, look_m: ArrayLike, q: float) -> ByLook | None:
    """Return what is found if the controls that look most like test units stand in for them.

    Args:
        scores_m: of the control units, larger is closer; -inf has no match.
        look_m: their blind scores; of equal ones the earlier stands in.
        q: nominal false discovery rate, in (0, 1).

    Returns:
        None with fewer than ten controls, or where all score or look the same.

    Raises:
        ValueError: NaN, lengths that differ, or q outside (0, 1).

    Source: statistics of a verdict, sections 3 and 9.2.

    >>> by_look(range(40), range(40), 0.1).found, by_look(range(40), [0, 1] * 20, 0.1).found
    (20, 0)
    """
    scores_m = numbers(scores_m, "scores of control units")
    look_m = numbers(aligned(look_m, len(scores_m), "blind scores"), "blind scores")
    exact(q, "q")
    if len(scores_m) < LEAST or _same(scores_m) or _same(look_m):
        return None
    half = len(scores_m) // 2
    order = np.argsort(-look_m, kind="stable")
    p_K = _p(scores_m[order[:half]], scores_m[order[half:]])
    controls = len(scores_m) - half
    j = max(1, int(LEVEL * (controls + 1)))
    level = j / (controls + 1)
    small = int((p_K <= level + 1e-12).sum())
    found = int((bh(p_K) <= q).sum())
    return ByLook(half, controls, found, small, level, excess_p(small, half, j, controls))


def _p(tests_K: NDArray[np.float64], controls_m: NDArray[np.float64]) -> NDArray[np.float64]:
    if _same(np.concatenate([tests_K, controls_m])):
        return np.ones(len(tests_K))
    return p_values(tests_K, controls_m)


def _same(values: NDArray[np.float64]) -> bool:
    return bool((values == values[0]).all())
