"""Adaptive queue: who is sampled next depends on all that was seen, and labels are hidden.

Dimension key: U = K + m units, test units first; K test units; N seeds, 0..64.

Every unit is looked at a few times. Then, round by round, the units whose bets are worth most get
four more seeds; a unit without a hit after its first round is given up. The score of a unit is what
its own record is worth in the end, a function that treats test and control units alike.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity.criterion import Floats, Trial, score_list
from benchmarks.validity.worlds import SEEDS, Dice, Draw, Size, World, rates_of
from stages.statistics.betting import e_bh, log_e

P0 = 0.01
FIRST, STEP = 2, 4
ROUNDS = 20
WIDTH = 120

Ints = NDArray[np.int64]


class Record(NamedTuple):
    """What the queue knows of each unit in the end."""

    hits_U: Ints
    seeds_U: Ints


@cache
def worth_NN() -> Floats:
    """Return log E by seeds (row) and hits (column); -inf where hits exceed seeds."""
    seeds, hits = np.mgrid[: SEEDS + 1, : SEEDS + 1]
    worth = np.full(seeds.shape, -np.inf)
    worth[hits <= seeds] = log_e(hits[hits <= seeds], seeds[hits <= seeds], P0)
    return worth


def queued(rates_U: Floats, dice: Dice) -> Record:
    """Return the record of one run of the queue."""
    num = len(rates_U)
    seeds_U = np.full(num, FIRST)
    hits_U = dice.binomial(FIRST, rates_U)
    for _ in range(ROUNDS):
        is_done_U = (seeds_U + STEP > SEEDS) | ((seeds_U >= 2 * FIRST) & (hits_U == 0))
        # the jitter decides between units of equal worth, never their place in the queue
        worth_U = worth_NN()[seeds_U, hits_U] + 1e-9 * dice.random(num)
        worth_U[is_done_U] = -np.inf
        next_ = np.argpartition(-worth_U, WIDTH)[:WIDTH]
        next_ = next_[~is_done_U[next_]]
        hits_U[next_] += dice.binomial(STEP, rates_U[next_])
        seeds_U[next_] += STEP
    return Record(hits_U, seeds_U)


def waiting(size: Size) -> Draw:
    """Return worlds scored by the queue, controls in it."""

    def draw(dice: Dice) -> World:
        record = queued(rates_of(size, dice), dice)
        worth_U = worth_NN()[record.seeds_U, record.hits_U]
        return World(worth_U[: size.units], worth_U[size.units :], size.truth_K)

    return draw


def betting(size: Size) -> Trial:
    """Return the trial of e-BH on current values, against the null that a rate is at most p0.

    Every unit that is not copied has the rate p0 itself, the hardest null.
    """

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        rates_K = np.where(size.truth_K, dice.choice((0.7, 0.3, 0.15), size=size.units), P0)
        record = queued(rates_K, dice)
        e_K = np.exp(worth_NN()[record.seeds_U, record.hits_U])
        return np.array([score_list(e_bh(e_K, q), size.truth_K) for q in levels])

    return trial


def paired_bets(*, maxima: bool) -> Trial:
    """Return the trial of e-BH on two true nulls whose bets are coupled.

    Both are martingales of one common history. With probability q the first grows to 1/q while the
    second halves its stake over q; then one of them doubles as the other is lost. On current values
    at the first rejection the error is 3 q / 4; on running maxima it is 5 q / 4.
    """

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        return np.array([_bet(q, dice, maxima=maxima) for q in levels])

    return trial


def _bet(q: float, dice: Dice, *, maxima: bool) -> tuple[float, float, float]:
    first, second, third = dice.random(3)
    path = [(1.0, 1.0)]
    if first < q:
        path.append((1 / q, 0.5 / q))
        path.append((2 / q, 0.0) if second < 0.5 else (0.0, 1 / q))
    else:
        path.append((0.0, 0.5 / (1 - q)))
        path.append((0.0, 2 / q if third < q / (4 * (1 - q)) else 0.0))
    seen = np.array(path)
    values = np.maximum.accumulate(seen) if maxima else seen
    found = float(any(_finds(*pair, q) for pair in values.tolist()))
    return found, 0.0, found


@cache
def _finds(first: float, second: float, q: float) -> bool:
    # a handful of states, visited tens of thousands of times
    return bool(e_bh([first, second], q).any())
