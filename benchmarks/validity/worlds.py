"""Worlds whose truth is known: scores of test and control units, and which units are copied.

Dimension key: K test units, m control units, U = K + m units, R rows, S seeds.

Scores are in standard deviations of an unrelated unit. The first `copied` test units are copied;
all other test units and all controls are drawn from one law, which is the null of a verdict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmarks.validity.criterion import Bools, Floats, Trial, score_list
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh

Dice = np.random.Generator
SEEDS = 64
BASE_RATE = (0.1, 9.9)
"""Beta law of the chance hits of unrelated prompts: mean 1 %, concentration 10."""
COPY_RATES = ((0.7, 0.15, 0.03), (0.5, 0.3, 0.2))
"""Rates per seed of copied works, and how often each occurs."""


class World(NamedTuple):
    """What one run would have seen, and the truth."""

    tests_K: Floats
    controls_m: Floats
    copied_K: Bools


Draw = Callable[[Dice], World]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many units there are, and how far copies stand out."""

    units: int = 300
    """K, test units."""

    copied: int = 30
    """Copied ones among them."""

    controls: int = 1000
    """m, control units."""

    strength: float = 7.0
    """Standard deviations by which a copy lies above an unrelated unit."""

    @property
    def truth_K(self) -> Bools:
        """Which test units are copied."""
        return np.arange(self.units) < self.copied


def judged(draw: Draw) -> Trial:
    """Return the trial that draws a world, takes conformal p-values, and applies BH over units."""

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        world = draw(dice)
        q_K = bh(p_values(world.tests_K, world.controls_m))
        return np.array([score_list(q_K <= q, world.copied_K) for q in levels])

    return trial


def plain(size: Size) -> Draw:
    """Return worlds of normal scores."""

    def draw(dice: Dice) -> World:
        tests_K = dice.normal(size=size.units) + size.strength * size.truth_K
        return World(tests_K, dice.normal(size=size.controls), size.truth_K)

    return draw


def tied(size: Size, step: float) -> Draw:
    """Return worlds whose scores are rounded to multiples of `step`."""

    def draw(dice: Dice) -> World:
        tests_K, controls_m, truth_K = plain(size)(dice)
        return World(np.round(tests_K / step) * step, np.round(controls_m / step) * step, truth_K)

    return draw


def rates_of(size: Size, dice: Dice) -> Floats:
    """Return a rate per seed for each unit, test units first."""
    rates_U = dice.beta(*BASE_RATE, size=size.units + size.controls)
    rates_U[: size.copied] = dice.choice(COPY_RATES[0], size=size.copied, p=COPY_RATES[1])
    return rates_U


def counted(size: Size) -> Draw:
    """Return worlds whose score is the number of hits in 64 seeds."""

    def draw(dice: Dice) -> World:
        hits_U = dice.binomial(SEEDS, rates_of(size, dice)).astype(np.float64)
        return World(hits_U[: size.units], hits_U[size.units :], size.truth_K)

    return draw


class Rows(NamedTuple):
    """Prompts of units: several rows of one unit, which are nearly one."""

    scores_R: Floats
    unit_R: NDArray[np.intp]


def rows_of(num: int, raised_U: Floats, dice: Dice, correlation: float) -> Rows:
    """Return 1 + Poisson(4) rows for each unit, correlated inside it.

    Larger units score higher, in both halves alike: a prompt that many wrote is a generic one.
    """
    sizes_U = 1 + dice.poisson(4, size=num)
    unit_R = np.repeat(np.arange(num), sizes_U)
    shared_U = np.sqrt(correlation) * dice.normal(size=num) + 0.1 * (sizes_U - 5) + raised_U
    return Rows(shared_U[unit_R] + np.sqrt(1 - correlation) * dice.normal(size=len(unit_R)), unit_R)


def one_row_each(rows: Rows, dice: Dice) -> Floats:
    """Return the score of the registered prompt of each unit, a committed random choice."""
    order_R = dice.permutation(len(rows.unit_R))
    first_U = np.unique(rows.unit_R[order_R], return_index=True)[1]
    return rows.scores_R[order_R[first_U]]


def clustered(size: Size, correlation: float = 0.9) -> Draw:
    """Return worlds of unequal clusters, each tested by its one registered prompt."""

    def draw(dice: Dice) -> World:
        tests = rows_of(size.units, np.where(size.truth_K, size.strength, 0.0), dice, correlation)
        controls = rows_of(size.controls, np.zeros(size.controls), dice, correlation)
        scores_K, scores_m = one_row_each(tests, dice), one_row_each(controls, dice)
        return World(scores_K, scores_m, size.truth_K)

    return draw


def merged(best_U: NDArray[np.intp], dice: Dice) -> Bools:
    """Return which units stay when units whose best match is one work become one.

    Of each group the member with the smallest committed random rank stays, whatever its label.

    Args:
        best_U: number of the work cluster that each unit matches best.
        dice: of the ranks.
    """
    order_U = dice.permutation(len(best_U))
    is_kept_U = np.zeros(len(best_U), np.bool_)
    is_kept_U[order_U[np.unique(best_U[order_U], return_index=True)[1]]] = True
    return is_kept_U


def sharing(size: Size, share: float = 0.4, popular: int = 60) -> Draw:
    """Return worlds where many units match one of a few works, merged after scoring.

    A share of the units that are not copied matches a popular work, whose own popularity their
    scores have in common; a hundredth of those matches a copied work instead.
    """

    def draw(dice: Dice) -> World:
        num = size.units + size.controls
        fame_W = dice.normal(size=popular)
        work_U = np.minimum(dice.zipf(1.5, size=num) - 1, popular - 1)
        is_sharing_U = dice.random(num) < share
        best_U = np.where(is_sharing_U, work_U, popular + np.arange(num))
        own_U, shared_U = dice.normal(size=(2, num))
        common_U = np.sqrt(0.7) * fame_W[work_U] + np.sqrt(0.3) * shared_U
        scores_U = np.where(is_sharing_U, common_U, own_U)
        stray_U = np.flatnonzero(is_sharing_U & (dice.random(num) < 0.01))
        best_U[stray_U] = popular + dice.integers(0, size.copied, size=len(stray_U))
        scores_U[stray_U] += size.strength
        truth = np.arange(size.copied)
        best_U[truth] = popular + truth
        scores_U[truth] = size.strength + own_U[truth]
        is_kept_U = merged(best_U, dice)
        kept_K, kept_m = is_kept_U[: size.units], is_kept_U[size.units :]
        tests_K, controls_m = scores_U[: size.units], scores_U[size.units :]
        return World(tests_K[kept_K], controls_m[kept_m], size.truth_K[kept_K])

    return draw


def largest_of(num_works: int, size: int, dice: Dice) -> Floats:
    """Return maxima, each over so many unrelated works."""
    return np.asarray(ndtri(dice.random(size) ** (1 / num_works)))
