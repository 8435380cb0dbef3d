"""The coins of one model: which units it is trained on, how often, and which are asked."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity_trained.plan import Plan
from benchmarks.validity_trained.pool import Pool

COIN, TRAINING, NOISE, CONTROLS = range(4)
"""What a stream of random numbers is for: the streams never meet."""


class Split(NamedTuple):
    """One row per unit of the pool."""

    times_U: NDArray[np.int64]
    """Occurrences in the training set; 0: held out with all its near-duplicates."""

    asked_U: NDArray[np.bool_]
    """Asked: all held-out units, all repeated ones, and some that are in training once."""

    rank_U: NDArray[np.int64]
    """Order by lot: in which units are asked, and which of two merged units stays."""


def dice(plan: Plan, *what: int) -> np.random.Generator:
    """Return the random numbers of one purpose, the same in every run."""
    return np.random.default_rng([plan.seed, *what])


def seed_of(plan: Plan, *what: int) -> int:
    """Return one seed of one purpose."""
    return int(dice(plan, *what).integers(2**62))


def split(units: int, plan: Plan, model: int) -> Split:
    """Toss a fair coin per unit before the training, and plant repeated ones by lot.

    Args:
        units: Of the pool.
        plan: How many are repeated, how often, and how many others are asked.
        model: Number of the training run.

    Returns:
        What is true of every unit.

    Raises:
        ValueError: If the pool is too small for the plan.
    """
    coins = dice(plan, COIN, model)
    times_U = coins.integers(2, size=units)
    deck = coins.permutation(np.flatnonzero(times_U))
    planted = sum(number for _, number in plan.planted)
    held_out = units - len(deck)
    if len(deck) < planted + plan.once or held_out <= plan.controls:
        raise ValueError(
            f"model {model}: {len(deck)} units in training, {held_out} held out; more than "
            f"{planted + plan.once} and {plan.controls} are needed: ask for a larger pool"
        )
    asked_U = times_U == 0
    asked_U[deck[: planted + plan.once]] = True
    for repeats, number in plan.planted:
        times_U[deck[:number]] = repeats
        deck = deck[number:]
    return Split(times_U, asked_U, coins.permutation(units))


def training_rows(pool: Pool, made: Split) -> NDArray[np.int64]:
    """Return the works of the training set, one number per occurrence."""
    return np.repeat(np.arange(len(pool.cluster_W)), made.times_U[pool.cluster_W])
