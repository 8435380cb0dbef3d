"""Which score a verdict should rest on when a model answers strange captions with memorized works.

Dimension key: K test units, m control units, U = K + m units.

A model that was never shown a caption may answer with a training work that it knows by heart. The
unit that asked then scores high in the joint index, whether it is a control or a test unit that
made no difference. Controls like that cost a score its power, and they are no error: they show what
the model does. Every score here treats test and control units alike, so every FDR must hold; what
differs is the power.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity.criterion import LEVELS, Bools, Floats, dice_for, rate_of, score_list
from benchmarks.validity.worlds import Dice, Size, largest_of, merged
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh

OTHER_WORKS = 10_000
DESCRIBED = 1.0
"""Standard deviations by which a caption alone brings its own work nearer."""
SHARES = (0.0, 0.05, 0.15)
SIZES = (
    ("K = 60, m = 40", 60, 30, 40),
    ("K = 300, m = 1,000", 300, 150, 1_000),
)
STRENGTHS = (7.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One setting of the question."""

    size: Size
    """Units, half of them copied."""

    share: float
    """Share of the units that are not copied, controls and nulls alike, that are answered with a
    memorized work of another unit."""

    nulls_too: bool = True
    """Whether nulls are answered like that as often as controls are; else never."""


class Answers(NamedTuple):
    """What the generations of each unit look like, test units first."""

    own_U: Floats
    """Similarity to the unit's own work."""

    rest_U: Floats
    """Largest similarity to any other work of the joint index."""

    best_U: NDArray[np.intp]
    """Number of the best match; works of units come first, by unit."""


def answered(design: Design, dice: Dice) -> Answers:
    """Return the answers to all captions of one run."""
    size = design.size
    num = size.units + size.controls
    own_U = dice.normal(DESCRIBED, size=num)
    own_U[: size.copied] = dice.normal(size.strength, size=size.copied)
    rest_U = largest_of(OTHER_WORKS + num - 1, num, dice)
    # who is not memorized matches a work of its own at random, hardly ever the same as another
    other_U = num + dice.integers(0, OTHER_WORKS, size=num)
    is_stray_U = dice.random(num) < design.share
    is_stray_U[: size.copied] = False
    if not design.nulls_too:
        is_stray_U[: size.units] = False
    strays = np.flatnonzero(is_stray_U)
    rest_U[strays] = np.maximum(rest_U[strays], dice.normal(size.strength, size=len(strays)))
    other_U[strays] = dice.integers(0, size.copied, size=len(strays))
    return Answers(own_U, rest_U, np.where(own_U > rest_U, np.arange(num), other_U))


Score = Callable[[Answers, Dice], tuple[Floats, Bools]]
"""Returns float64[U] and which units stay."""


def _everybody(scores_U: Floats) -> tuple[Floats, Bools]:
    return scores_U, np.ones(len(scores_U), np.bool_)


def joint(answers: Answers, _: Dice) -> tuple[Floats, Bools]:
    """Score by the best match in the joint index, whosever work it is."""
    return _everybody(np.maximum(answers.own_U, answers.rest_U))


def joint_merged(answers: Answers, dice: Dice) -> tuple[Floats, Bools]:
    """Score the same way, and merge units whose best match is one work."""
    return np.maximum(answers.own_U, answers.rest_U), merged(answers.best_U, dice)


def own(answers: Answers, _: Dice) -> tuple[Floats, Bools]:
    """Score by the unit's own work."""
    return _everybody(answers.own_U)


def own_if_best(answers: Answers, _: Dice) -> tuple[Floats, Bools]:
    """Score by the unit's own work, and only if nothing in the joint index is nearer."""
    return _everybody(np.where(answers.own_U > answers.rest_U, answers.own_U, -np.inf))


SCORES: tuple[tuple[str, Score], ...] = (
    ("joint", joint),
    ("joint, merged", joint_merged),
    ("own", own),
    ("own if best", own_if_best),
)
MEANINGS = {
    "joint": "largest similarity to any work of the joint index",
    "joint, merged": "the same; units with one best match are merged after scoring",
    "own": "similarity to the unit's own work",
    "own if best": "similarity to the unit's own work if no work of the joint index is nearer",
}


def judge(design: Design, dice: Dice, levels: Sequence[float]) -> Floats:
    """Return float64[scores, Q, 3] of one run, all scores on the same answers."""
    size = design.size
    answers = answered(design, dice)
    outcomes = []
    for _, score in SCORES:
        scores_U, kept_U = score(answers, dice)
        kept_K, kept_m = kept_U[: size.units], kept_U[size.units :]
        tests_K, controls_m = scores_U[: size.units][kept_K], scores_U[size.units :][kept_m]
        q_K = bh(p_values(tests_K, controls_m))
        found_K = np.zeros((len(levels), size.units), np.bool_)
        # a copied unit that was merged away is not found, and counts as missed
        found_K[:, kept_K] = q_K <= np.array(levels)[:, None]
        outcomes.append([score_list(found, size.truth_K) for found in found_K])
    return np.array(outcomes)


def _designs() -> list[tuple[str, Design]]:
    designs = []
    for name, units, copied, controls in SIZES:
        for strength in STRENGTHS:
            size = Size(units=units, copied=copied, controls=controls, strength=strength)
            designs += [(name, Design(size=size, share=share)) for share in SHARES]
        size = Size(units=units, copied=copied, controls=controls)
        designs.append((name, Design(size=size, share=SHARES[-1], nulls_too=False)))
    return designs


def own_work(seed: int, repeats: int) -> dict[str, Any]:
    """Return the section of the report on the choice of the score."""
    rows = []
    for name, design in _designs():
        size = design.size
        key = f"own work, {name}, {size.strength} sd, {design.share}, {design.nulls_too}"
        dice = dice_for(seed, key)
        outcomes_BSQ3 = np.stack([judge(design, dice, LEVELS) for _ in range(repeats)])
        for at, (score, _) in enumerate(SCORES):
            rates = [rate_of(outcomes_BSQ3[:, at, q_at], q) for q_at, q in enumerate(LEVELS)]
            rows.append(
                {
                    "units": name,
                    "strength": size.strength,
                    "share": design.share,
                    "nulls_too": design.nulls_too,
                    "score": score,
                    "rates": [{**rate.facts(), "exceeded": rate.exceeded} for rate in rates],
                }
            )
    return {
        "question": "A model answers captions that it does not know with memorized works of "
        "others. Which score keeps its false discovery rate, and its power?",
        "scores": MEANINGS,
        "works_besides": OTHER_WORKS,
        "described_sd": DESCRIBED,
        "rows": rows,
        "answer": answer(rows),
    }


def answer(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each score whether its rate held everywhere, and its least power at 7 sd."""
    told = []
    for score, _ in SCORES:
        mine = [row for row in rows if row["score"] == score]
        strong = [row for row in mine if row["strength"] == STRENGTHS[0]]
        told.append(
            {
                "score": score,
                "held": not any(rate["exceeded"] for row in mine for rate in row["rates"]),
                "least_power": {
                    f"{q:g}": min(row["rates"][at]["power"] for row in strong)
                    for at, q in enumerate(LEVELS)
                },
            }
        )
    return told
