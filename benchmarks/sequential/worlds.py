"""Captions with known rates per seed, some of them memorized, in one queue with controls.

Dimension key: U = K + m units, test units first; K test units, m controls, L numbers of seeds.

The first units are memorized, with the mixture of rates of the specification's section 8: half come
back in 70 % of the seeds, 30 % in 15 %, 20 % in 3 %. All other units, controls included, have a
rate of chance hits from one law: `heavy` is that of section 7 (mean 1 %, concentration 10: a few
prompts, of flags and white backgrounds, hit often), `clean` is almost nothing (mean 0.01 %).

What is assumed of steps: with fewer steps some memorized works are never seen, whatever the seed,
and the others are seen as often as with all steps; chance hits do not depend on steps. So it was
with the demo model, whose shares are `quick` (`demo_model.py` measured them; 1.00 from 6 steps on).
`slow` is made up, 1 - exp(-steps / 8), for models whose images settle late.
"""

from dataclasses import dataclass
from math import exp
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Dice = np.random.Generator

RATES = (0.7, 0.15, 0.03)
SHARES = (0.5, 0.3, 0.2)
HIGH = 0.3
"""Rate from which on a work counts for the goal."""
CHANCE = {"heavy": (0.1, 9.9), "clean": (0.02, 199.98)}
"""Beta laws of chance hits."""
SHOWN = {
    "quick": {1: 0.83, 2: 0.96, 4: 0.99, 8: 1.0},
    "slow": {steps: 1 - exp(-steps / 8) for steps in (1, 2, 4, 8, 16, 32, 50)},
}
"""Curve -> steps -> share of memorized works that are seen at all."""
SEEDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of seeds of the grid of fixed designs."""
GUIDED = 2
"""Evaluations of a guided step: with the prompt and without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One kind of world."""

    prevalence: float = 0.01
    """Share of the test units that are memorized."""

    controls: int = 5000
    """m, control units."""

    chance: str = "heavy"
    """Law of chance hits."""

    curve: str = "quick"
    """How detection depends on steps."""

    units: int = 2000
    """K, test units."""

    @property
    def memorized(self) -> int:
        """Number of memorized units."""
        return round(self.units * self.prevalence)


class World(NamedTuple):
    """One repeat: the truth, and the hits that every unit would have with so many seeds."""

    rate_U: Floats
    memorized_U: Bools
    late_U: Floats
    """In [0, 1): the work is seen with so many steps if their share is larger."""
    hits_LU: Ints
    """Hits of each unit in its first seeds, by the numbers of `SEEDS`, after all steps."""

    def hits(self, seeds: int, shown: float) -> Ints:
        """Return the hits of each unit in its first seeds, where this share of works is seen."""
        is_seen_U = ~self.memorized_U | (self.late_U < shown)
        return np.where(is_seen_U, self.hits_LU[SEEDS.index(seeds)], 0)


def draw(setting: Setting, dice: Dice) -> World:
    """Return one world; the number of works of each rate is exact, rounded."""
    num = setting.units + setting.controls
    rate_U = dice.beta(*CHANCE[setting.chance], size=num)
    ends = np.rint(np.cumsum(SHARES) * setting.memorized).astype(int)
    for start, end, rate in zip((0, *ends), ends, RATES, strict=False):
        rate_U[start:end] = rate
    steps_L = np.diff((0, *SEEDS))
    hits_LU = np.cumsum(dice.binomial(steps_L[:, None], rate_U), axis=0)
    return World(rate_U, np.arange(num) < setting.memorized, dice.random(num), hits_LU)


def triage(world: World, distance: float, dice: Dice) -> Floats:
    """Return a triage score of each unit: normal, memorized ones `distance` higher.

    Works that rarely come back stand out less, as on the demo: below a rate of 0.3 the distance
    shrinks in proportion.
    """
    raised_U = np.minimum(1.0, world.rate_U / HIGH) * world.memorized_U
    return np.asarray(dice.normal(size=len(world.rate_U)) + distance * raised_U)
