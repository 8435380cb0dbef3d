"""Valid rows: every design that the product offers, at q = 0.01, 0.05 and 0.1."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.validity.criterion import Rate, Trial, dice_for, measure
from benchmarks.validity.families import SIZE as FAMILY_SIZE
from benchmarks.validity.families import artists_named, works_within
from benchmarks.validity.looks import betting, waiting
from benchmarks.validity.swaps import competing, swapped
from benchmarks.validity.unlike import SIZE as UNLIKE
from benchmarks.validity.unlike import rematched, stratified, weighed
from benchmarks.validity.worlds import (
    Size,
    clustered,
    counted,
    judged,
    plain,
    sharing,
    tied,
)

FOUR = Size(strength=4.0)
MANY = Size(controls=5_000)
"""Controls enough that q = 0.01 can be reached by a list of 30."""
COUNTED = Size(controls=5_000, strength=0.0)
"""Copies differ by their rates alone."""
SINGLE_TESTS = 3
"""Times as many repetitions where an outcome is yes or no: each says less than a list does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One simulated design."""

    name: str
    """Short, unique; its random numbers hang on it."""

    what: str
    """What is drawn and how it is judged, in one sentence."""

    trial: Trial
    """One repetition."""

    size: Size | None = None
    """Units and controls, where the design has them."""

    times: int = 1
    """Repetitions, as a multiple of those asked for."""

    levels: tuple[float, ...] = (0.01, 0.05, 0.1)
    """Nominal rates."""

    facts: Mapping[str, float] = field(default_factory=dict)
    """Further numbers of the design."""


def _table_row(controls: int, strength: float, copied: int = 30) -> Row:
    size = Size(controls=controls, strength=strength, copied=copied)
    return Row(
        name=f"plain, {copied} copied at {strength:g} sd, m = {controls:,}",
        what="Normal scores, one shared set of controls, BH over units.",
        trial=judged(plain(size)),
        size=size,
    )


TABLE = tuple(_table_row(m, sd) for sd in (4.0, 7.0) for m in (200, 1000, 5000))
"""The rows of the specification's section 5."""

THREE = tuple(_table_row(m, 7.0, copied=3) for m in (200, 1000, 5000))
"""Three copied units: too few for a small set of controls."""

SMALL = Size(units=60, copied=30, controls=40)
FEW = Size(units=20, copied=10, controls=999)

ROWS: tuple[Row, ...] = (
    *TABLE,
    *THREE,
    Row(
        name="ties",
        what="Scores rounded to half a standard deviation; ties count against the finding.",
        trial=judged(tied(MANY, 0.5)),
        size=MANY,
    ),
    Row(
        name="discrete scores",
        what="The score is k of 64 seeds; unrelated rates follow Beta with mean 1 %.",
        trial=judged(counted(COUNTED)),
        size=COUNTED,
    ),
    Row(
        name="unequal clusters",
        what="1 + Poisson(4) prompts in a unit, correlated 0.9; one registered prompt is tested.",
        trial=judged(clustered(MANY)),
        size=MANY,
    ),
    Row(
        name="shared works",
        what="Four units in ten match one of 60 popular works; merged after scoring, K and m "
        "counted again.",
        trial=judged(sharing(MANY)),
        size=MANY,
    ),
    Row(
        name="adaptive queue",
        what="Controls wait in the same queue, labels hidden, units without a hit given up; the "
        "score is what the unit's own record is worth.",
        trial=judged(waiting(COUNTED)),
        size=COUNTED,
    ),
    Row(
        name="e-BH at one stopping time",
        what="The null is a rate of at most 1 %; current values of the bets, same queue.",
        trial=betting(COUNTED),
        size=COUNTED,
    ),
    Row(
        name="artist families, artists",
        what="100 artists of 3 works, 10 works of 4 artists copied; Simes, then BH over artists.",
        trial=artists_named,
        size=FAMILY_SIZE,
    ),
    Row(
        name="artist families, works",
        what="The same; average error within the artists found, at q S / A.",
        trial=works_within,
        size=FAMILY_SIZE,
    ),
    Row(
        name="small portfolio, 40 controls",
        what="Half of 60 works copied, 40 controls: a finding needs many others beside it.",
        trial=judged(plain(SMALL)),
        size=SMALL,
    ),
    Row(
        name="small portfolio, 999 controls",
        what="Half of 20 works copied, 999 controls.",
        trial=judged(plain(FEW)),
        size=FEW,
    ),
    Row(
        name="controls of another kind, re-matched",
        what="Test units have 0.7 sd more of one of seven traits, on which scores lean (0.5); the "
        "blind classifier learns looks, controls within 0.2 sd of a unit stay.",
        trial=rematched,
        size=UNLIKE,
    ),
    Row(
        name="controls of another kind, within strata",
        what="The same; five strata of looks, p within each, BH over all.",
        trial=stratified,
        size=UNLIKE,
    ),
    Row(
        name="controls of another kind, weighted",
        what="The same; looks are weights, and the list that of weighted conformalized selection.",
        trial=weighed,
        size=UNLIKE,
    ),
    Row(
        name="competition (knockoff+)",
        what="Halves of equal size; named findings by signed competition, at least 1 / q of them.",
        trial=competing(FOUR),
        size=FOUR,
    ),
    Row(
        name="index swap, whole run",
        what="Nothing was learned; one vote for each distinct nearest work, ties dropped.",
        trial=swapped(),
        times=SINGLE_TESTS,
    ),
)


def measure_row(row: Row, seed: int, repeats: int) -> list[Rate]:
    """Return the rates of one row at its levels."""
    return measure(row.trial, dice_for(seed, row.name), row.times * repeats, row.levels)
