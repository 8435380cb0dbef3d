"""Broken variants: mistakes that are easily made, each beside the right way. All must be caught.

They are tests of the test: a criterion that lets one of them pass proves nothing.

Dimension key: K test units, m control units, R rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.validity.criterion import Floats, Rate, Trial, dice_for, measure, score_list
from benchmarks.validity.families import artists_named, artists_picked
from benchmarks.validity.looks import paired_bets
from benchmarks.validity.swaps import deduplicated, tie_broken, voted
from benchmarks.validity.unlike import rematched, unrepaired
from benchmarks.validity.worlds import (
    Dice,
    Draw,
    Size,
    World,
    clustered,
    judged,
    largest_of,
    rows_of,
)
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh
from stages.statistics.intervals import clopper_pearson, confidence_sequence

FULL = Size()
FEW_WORKS, MANY_WORKS = 1_000, 10_000
OWN_SD = 3.0
WORKS_OF_OWN = 50_000
TRIAGE = Size(units=3_000, controls=5_000)
TRIAGE_KEPT = 0.1
TRIAGE_CORRELATION = 0.4
STOP_ABOVE, STOP_CAP = 0.01, 500


def indexed(control_works: int, test_works: int = MANY_WORKS) -> Draw:
    """Return worlds whose scores are maxima over the works of an index."""

    def draw(dice: Dice) -> World:
        tests_K = largest_of(test_works, FULL.units, dice)
        tests_K[FULL.truth_K] = dice.normal(FULL.strength, size=FULL.copied)
        return World(tests_K, largest_of(control_works, FULL.controls, dice), FULL.truth_K)

    return draw


def with_own(*, for_controls: bool) -> Draw:
    """Return worlds where a caption brings its own work nearer, whether trained on or not."""

    def draw(dice: Dice) -> World:
        others_K = largest_of(WORKS_OF_OWN, FULL.units, dice)
        tests_K = np.maximum(others_K, dice.normal(OWN_SD, size=FULL.units))
        tests_K[FULL.truth_K] = dice.normal(FULL.strength, size=FULL.copied)
        controls_m = largest_of(WORKS_OF_OWN, FULL.controls, dice)
        if for_controls:
            controls_m = np.maximum(controls_m, dice.normal(OWN_SD, size=FULL.controls))
        return World(tests_K, controls_m, FULL.truth_K)

    return draw


def tested_by_rows(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the error over units where every prompt was tested as if it stood alone."""
    tests = rows_of(FULL.units, np.where(FULL.truth_K, FULL.strength, 0.0), dice, 0.9)
    controls = rows_of(FULL.controls, np.zeros(FULL.controls), dice, 0.9)
    q_R = bh(p_values(tests.scores_R, controls.scores_R))
    outcomes = []
    for q in levels:
        found_K = np.zeros(FULL.units, np.bool_)
        found_K[tests.unit_R[q_R <= q]] = True
        outcomes.append(score_list(found_K, FULL.truth_K))
    return np.array(outcomes)


def triaged(*, both: bool) -> Draw:
    """Return worlds where the tenth with the highest triage score is examined.

    Args:
        both: whether controls stand in the same ranking; who is left out has -inf and stays.
    """

    def draw(dice: Dice) -> World:
        num = TRIAGE.units + TRIAGE.controls
        trait_U, rest_U = dice.normal(size=(2, num))
        scores_U = TRIAGE_CORRELATION * trait_U + np.sqrt(1 - TRIAGE_CORRELATION**2) * rest_U
        scores_U[: TRIAGE.copied] += TRIAGE.strength
        trait_U[: TRIAGE.copied] += 3
        ranked = num if both else TRIAGE.units
        last = np.sort(trait_U[:ranked])[-int(TRIAGE_KEPT * ranked)]
        if both:
            scores_U[trait_U < last] = -np.inf
        tests_K, controls_m = scores_U[: TRIAGE.units], scores_U[TRIAGE.units :]
        if both:
            return World(tests_K, controls_m, TRIAGE.truth_K)
        is_kept_K = trait_U[: TRIAGE.units] >= last
        return World(tests_K[is_kept_K], controls_m, TRIAGE.truth_K[is_kept_K])

    return draw


@cache
def _stopping_hits() -> Floats:
    """Return, for n = 1..cap, the fewest hits whose Clopper-Pearson lower limit passes 1 %."""
    hits, needed = 1, []
    for seeds in range(1, STOP_CAP + 1):
        while hits <= seeds and clopper_pearson(hits, seeds).low <= STOP_ABOVE:
            hits += 1
        needed.append(hits)
    return np.array(needed, np.float64)


@cache
def _misses(hits: int, seeds: int, alpha: float, *, always_valid: bool) -> float:
    if always_valid:
        low, high = confidence_sequence(hits, seeds, alpha)
    else:
        low, high = clopper_pearson(hits, seeds, 1 - alpha)
    return float(not low <= STOP_ABOVE <= high)


def stopped(*, always_valid: bool) -> Trial:
    """Return the trial of an interval after sampling until it looks as if the rate were above."""

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        hits_N = np.cumsum(dice.random(STOP_CAP) < STOP_ABOVE)
        reached = np.flatnonzero(hits_N >= _stopping_hits())
        at = int(reached[0]) if len(reached) else STOP_CAP - 1
        hits = int(hits_N[at])
        missed = [_misses(hits, at + 1, alpha, always_valid=always_valid) for alpha in levels]
        return np.array([(miss, 0.0, float(len(reached) > 0)) for miss in missed])

    return trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A mistake beside the right way."""

    name: str
    """The mistake."""

    right: str
    """The right way, in words."""

    measure: str
    """Whose rate is compared: false discovery rate, false positive rate, or intervals that miss."""

    q: float
    """Nominal rate."""

    right_trial: Trial
    """One repetition of the right way."""

    broken_trial: Trial
    """One repetition of the mistake."""

    specified: str
    """What the specification says of it, if it gives a figure."""

    times: int = 1
    """Repetitions, as a multiple of those asked for."""


FDR, FPR, MISS = "false discovery rate", "false positive rate", "intervals that miss"

PAIRS: tuple[Pair, ...] = (
    Pair(
        name="controls against a smaller index",
        right="one joint index of 10,000 works for test and control units",
        measure=FDR,
        q=0.1,
        right_trial=judged(indexed(MANY_WORKS)),
        broken_trial=judged(indexed(FEW_WORKS)),
        specified="0.74",
    ),
    Pair(
        name="own works missing for controls",
        right="the controls' own works stand in the joint index",
        measure=FDR,
        q=0.1,
        right_trial=judged(with_own(for_controls=True)),
        broken_trial=judged(with_own(for_controls=False)),
        specified="0.23",
    ),
    Pair(
        name="rows instead of units",
        right="one registered prompt for each unit",
        measure=FDR,
        q=0.1,
        right_trial=judged(clustered(FULL)),
        broken_trial=tested_by_rows,
        specified="0.16",
    ),
    Pair(
        name="binomial over the seeds of one unit",
        right="one vote for each distinct work",
        measure=FPR,
        q=0.01,
        right_trial=voted(per_seed=False),
        broken_trial=voted(per_seed=True),
        specified="0.20",
        times=5,
    ),
    Pair(
        name="near-duplicates dropped from the controls alone",
        right="whole pairs dropped, before the coin",
        measure=FPR,
        q=0.05,
        right_trial=deduplicated(one_sided=False),
        broken_trial=deduplicated(one_sided=True),
        specified="0.75",
        times=5,
    ),
    Pair(
        name="ties broken by id",
        right="ties across the halves dropped",
        measure=FPR,
        q=0.05,
        right_trial=tie_broken(by_id=False),
        broken_trial=tie_broken(by_id=True),
        specified="",
        times=5,
    ),
    Pair(
        name="Clopper-Pearson after stopping",
        right="the confidence sequence at the same stop",
        measure=MISS,
        q=0.05,
        right_trial=stopped(always_valid=True),
        broken_trial=stopped(always_valid=False),
        specified="0.115",
        times=5,
    ),
    Pair(
        name="e-BH on running maxima",
        right="current values at one stopping time",
        measure=FDR,
        q=0.1,
        right_trial=paired_bets(maxima=False),
        broken_trial=paired_bets(maxima=True),
        specified="",
        times=25,
    ),
    Pair(
        name="top tenth by triage among test units alone",
        right="one ranking of both, those left out stay with -inf",
        measure=FDR,
        q=0.05,
        right_trial=judged(triaged(both=True)),
        broken_trial=judged(triaged(both=False)),
        specified="0.181",
    ),
    Pair(
        name="controls of another kind, none of them left out",
        right="re-matched on what tells them from the units",
        measure=FDR,
        q=0.05,
        right_trial=rematched,
        broken_trial=unrepaired,
        specified="0.083 to 0.152",
    ),
    Pair(
        name="artists picked from a list of works",
        right="registered families: Simes, BH over artists",
        measure=FDR,
        q=0.1,
        right_trial=artists_named,
        broken_trial=artists_picked,
        specified="0.22",
    ),
)


def measure_pair(pair: Pair, seed: int, repeats: int) -> tuple[Rate, Rate]:
    """Return the rate of the right way and that of the mistake."""
    trials = {"right": pair.right_trial, "broken": pair.broken_trial}
    right, broken = (
        measure(trial, dice_for(seed, f"{pair.name}, {way}"), pair.times * repeats, (pair.q,))[0]
        for way, trial in trials.items()
    )
    return right, broken
