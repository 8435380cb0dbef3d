"""The two designs: as many seeds for everyone, or seeds where the bets say so.

Dimension key: U = K + m units, test units first; K test units, m controls, V units of one round.

Both score a unit by the hits on its own work, and both give verdicts by the conformal p-value
against the controls with Benjamini-Hochberg over all K units. Evaluations of controls count.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.sequential.worlds import GUIDED, Bools, Floats, Ints, Setting
from stages.statistics.discovery import bh
from stages.statistics.limits import fewest_hits
from stages.statistics.spending import (
    Rule,
    State,
    due,
    left_out,
    next_units,
    observe,
    scores,
    verdicts,
)

Q = 0.05
TRIAGE = 2
"""Evaluations of the triage per unit: one guided step."""
UNLIMITED = 1 << 60

Hits = Callable[[int], Ints]
"""Number of seeds -> hits of each unit in its first seeds."""


class Outcome(NamedTuple):
    """What one design saw of one world."""

    found_K: Bools
    """Test units found at q."""
    evaluations: float
    """Of the network: test units, controls and triage."""
    least_hits: int | None
    """k*, the fewest hits in all seeds that would have been one finding more."""


def fixed(hits_U: Ints, seeds: int, steps: int, setting: Setting) -> Outcome:
    """Return what a fixed design sees, given the hits of every unit."""
    found_K = _found(hits_U.astype(np.float64), setting)
    least = _least(hits_U, found_K, seeds, setting)
    return Outcome(found_K, len(hits_U) * seeds * steps * GUIDED, least)


def rounds(state: State, rule: Rule, hits: Hits, budget: int = UNLIMITED) -> Iterator[State]:
    """Yield the queue after every round, until nobody gets more seeds.

    Args:
        state: the queue before the first seed.
        rule: how seeds are spent.
        hits: what the model would give back.
        budget: seeds of one round.
    """
    while True:
        units_V = next_units(state, budget, rule)
        if not len(units_V):
            return
        after_U = state.seeds_U + due(state, rule)
        new_V = np.empty(len(units_V), np.int64)
        for seeds in np.unique(after_U[units_V]).tolist():
            at_V = after_U[units_V] == seeds
            units = units_V[at_V]
            new_V[at_V] = hits(seeds)[units] - state.hits_U[units]
        state = observe(state, units_V, new_V, rule)
        yield state


def spent(state: State, steps: int, *, triaged: bool) -> float:
    """Return the evaluations of the network so far."""
    before = TRIAGE * len(state.seeds_U) if triaged else 0
    return float(state.seeds_U.sum()) * steps * GUIDED + before


def judged(state: State, steps: int, rule: Rule, setting: Setting, *, triaged: bool) -> Outcome:
    """Return what the queue has seen, if it is stopped now."""
    found_K = _found(scores(state, rule), setting)
    # a unit that was left out stands behind every hit
    hits_U = np.where(left_out(state, rule), 0, state.hits_U)
    least = _least(hits_U, found_K, rule.looks[-1], setting)
    return Outcome(found_K, spent(state, steps, triaged=triaged), least)


def _found(score_U: Floats, setting: Setting) -> Bools:
    p_K = verdicts(score_U[: setting.units], score_U[setting.units :])
    return np.asarray(bh(p_K) <= Q)


def _least(hits_U: Ints, found_K: Bools, seeds: int, setting: Setting) -> int | None:
    cutoff = Q * (int(found_K.sum()) + 1) / setting.units
    return fewest_hits(hits_U[setting.units :], seeds, min(cutoff, 0.999))
