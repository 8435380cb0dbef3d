"""Intervals on reported findings, and detection limits: how often they miss the truth.

Dimension key: K test units, U = K + m units, F findings.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity.broken import stopped
from benchmarks.validity.criterion import Floats, Trial, dice_for, measure
from benchmarks.validity.looks import queued
from benchmarks.validity.worlds import SEEDS, Dice, Size, rates_of
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh
from stages.statistics.intervals import (
    Interval,
    clopper_pearson,
    confidence_sequence,
    selected_level,
    upper_limit,
)
from stages.statistics.limits import detection_limit, power_at, recall_lower

SIZE = Size(strength=0.0)
Q = 0.05
ALPHA = 0.05
BEST_OF, BEST_RATE = 100, 0.01
RECALL, SENSITIVITY = 0.995, 0.9
PLANTED_WORKS, PLANTED_COPIES = 1_000, 200


class Reported(NamedTuple):
    """What one run reports, with the truth."""

    rates_F: Floats
    hits_F: NDArray[np.int64]
    """Hits among the seeds that made it a finding."""
    seeds_F: NDArray[np.int64]
    """Seeds spent on it until then."""


Reporting = Callable[[Dice], Reported]
Bounds = Callable[[int, int, int], Interval]
"""Hits, seeds and number of findings to limits."""


def fixed(dice: Dice) -> Reported:
    """Return the findings of a run that gives each unit 64 seeds."""
    rates_U = rates_of(SIZE, dice)
    hits_U = dice.binomial(SEEDS, rates_U)
    found_K = bh(p_values(hits_U[: SIZE.units], hits_U[SIZE.units :])) <= Q
    hits_F = hits_U[: SIZE.units][found_K]
    return Reported(rates_U[: SIZE.units][found_K], hits_F, np.full(len(hits_F), SEEDS))


def confirmed(dice: Dice) -> Reported:
    """Return the same findings with 64 fresh seeds each."""
    rates_F = fixed(dice).rates_F
    fresh_F = dice.binomial(SEEDS, rates_F)
    return Reported(rates_F, fresh_F, np.full(len(rates_F), SEEDS))


def steered(dice: Dice) -> Reported:
    """Return the findings of the adaptive queue, with the seeds that it chose to spend."""
    rates_U = rates_of(SIZE, dice)
    record = queued(rates_U, dice)
    worth_U = record.hits_U / record.seeds_U
    found_K = bh(p_values(worth_U[: SIZE.units], worth_U[SIZE.units :])) <= Q
    kept = np.flatnonzero(found_K)
    return Reported(rates_U[kept], record.hits_U[kept], record.seeds_U[kept])


def best_of_many(dice: Dice) -> Reported:
    """Return the work with most hits of a hundred that each come back once in a hundred seeds."""
    hits_F = dice.binomial(SEEDS, BEST_RATE, size=BEST_OF).max(keepdims=True)
    return Reported(np.array([BEST_RATE]), hits_F, np.array([SEEDS]))


@cache
def exact(hits: int, seeds: int, _: int) -> Interval:
    """Return Clopper-Pearson."""
    return clopper_pearson(hits, seeds, 1 - ALPHA)


@cache
def for_selected(hits: int, seeds: int, found: int) -> Interval:
    """Return Clopper-Pearson at the level that selection asks for."""
    return clopper_pearson(hits, seeds, selected_level(found, SIZE.units, ALPHA))


@cache
def sequence_for_selected(hits: int, seeds: int, found: int) -> Interval:
    """Return the confidence sequence at the level that selection asks for."""
    level = selected_level(found, SIZE.units, ALPHA)
    return confidence_sequence(hits, seeds, 1 - level)


def missing(report: Reporting, bounds: Bounds) -> Trial:
    """Return the trial whose error is the share of reported intervals that miss their rate."""

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        found = report(dice)
        num = len(found.rates_F)
        misses = 0
        for rate, hits, seeds in zip(*found, strict=True):
            low, high = bounds(int(hits), int(seeds), num)
            misses += not low <= rate <= high
        return np.array([(misses / max(1, num), 0.0, float(num > 0)) for _ in levels])

    return trial


INTERVALS: tuple[tuple[str, str, Trial], ...] = (
    ("fresh confirmation seeds, Clopper-Pearson", "right", missing(confirmed, exact)),
    ("discovery seeds, level 1 - 0.05 R / K", "right", missing(fixed, for_selected)),
    ("discovery seeds, Clopper-Pearson as if not selected", "unproven", missing(fixed, exact)),
    (
        "adaptive queue, sequence at 1 - 0.05 R / K",
        "right",
        missing(steered, sequence_for_selected),
    ),
    ("adaptive queue, Clopper-Pearson as if n was fixed", "unproven", missing(steered, exact)),
    ("best of 100 works, Clopper-Pearson", "broken", missing(best_of_many, exact)),
    ("sampled until it looks higher, confidence sequence", "right", stopped(always_valid=True)),
    ("sampled until it looks higher, Clopper-Pearson", "broken", stopped(always_valid=False)),
)


def fewest_hits(dice: Dice) -> int:
    """Return k*: the fewest hits that would have given a verdict beside R findings of a run."""
    hits_U = dice.binomial(SEEDS, rates_of(SIZE, dice))
    controls_m = hits_U[SIZE.units :]
    num_found = int((bh(p_values(hits_U[: SIZE.units], controls_m)) <= Q).sum())
    cutoff = Q * (num_found + 1) / SIZE.units
    candidates = np.arange(1.0, SEEDS + 1)
    reached = p_values(candidates, controls_m) <= cutoff
    return int(candidates[np.argmax(reached)]) if reached.any() else SEEDS


def limited(*, by_limits: bool) -> Trial:
    """Return the trial of the detection limit: error if works at it are seen less than 95 %.

    Args:
        by_limits: recall and sensitivity by their lower limits; else as they were measured.
    """

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        least = fewest_hits(dice)
        works = int(dice.binomial(PLANTED_WORKS, RECALL))
        copies = int(dice.binomial(PLANTED_COPIES, SENSITIVITY))
        if by_limits:
            recall = recall_lower(works, PLANTED_WORKS)
            sensitivity = recall_lower(copies, PLANTED_COPIES)
        else:
            recall, sensitivity = works / PLANTED_WORKS, copies / PLANTED_COPIES
        limit = detection_limit(least, SEEDS, recall=recall, sensitivity=sensitivity)
        if limit is None:
            return np.array([(0.0, 0.0, 0.0) for _ in levels])
        seen = power_at(limit, least, SEEDS, recall=RECALL, sensitivity=SENSITIVITY)
        return np.array([(float(seen < 1 - q), seen, 1.0) for q in levels])

    return trial


def seen_at_limit(dice: Dice, works: int = 2_000) -> dict[str, Any]:
    """Return what 9.5 asks of one run: the share found of works at the detection limit."""
    least = fewest_hits(dice)
    recall = recall_lower(int(dice.binomial(PLANTED_WORKS, RECALL)), PLANTED_WORKS)
    sensitivity = recall_lower(int(dice.binomial(PLANTED_COPIES, SENSITIVITY)), PLANTED_COPIES)
    limit = detection_limit(least, SEEDS, recall=recall, sensitivity=sensitivity)
    if limit is None:
        return {"fewest_hits": least, "limit": None, "passed": recall < 0.95}
    hits_F = dice.binomial(SEEDS, limit * SENSITIVITY, size=works)
    found = int(((hits_F >= least) & (dice.random(works) < RECALL)).sum())
    upper = upper_limit(found, works)
    return {
        "fewest_hits": least,
        "limit": round(limit, 6),
        "works": works,
        "found": found,
        "upper_limit_of_share": round(upper, 6),
        "passed": upper >= 1 - ALPHA,
    }


def intervals(seed: int, repeats: int) -> list[dict[str, Any]]:
    """Return the section of the report on intervals."""
    rows = []
    for name, kind, trial in INTERVALS:
        rate = measure(trial, dice_for(seed, name), repeats, (ALPHA,))[0]
        rows.append({"name": name, "kind": kind, **rate.facts(), "exceeded": rate.exceeded})
    return rows


def detection(seed: int, repeats: int) -> dict[str, Any]:
    """Return the section of the report on the detection limit."""
    rows = []
    for name, by_limits in (("lower limits", True), ("point estimates", False)):
        trial = limited(by_limits=by_limits)
        rate = measure(trial, dice_for(seed, f"detection, {name}"), repeats, (ALPHA,))[0]
        kind = "right" if by_limits else "broken"
        rows.append({"name": name, "kind": kind, **rate.facts(), "exceeded": rate.exceeded})
    return {
        "recall": RECALL,
        "sensitivity": SENSITIVITY,
        "planted_works": PLANTED_WORKS,
        "planted_copies": PLANTED_COPIES,
        "rows": rows,
        "one_run": seen_at_limit(dice_for(seed, "one run at the limit")),
    }
