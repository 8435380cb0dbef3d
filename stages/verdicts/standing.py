"""Standing: how a unit stands against the control units, for images and texts alike.

The score of a unit is the closest that its confirmation generations come to its own works. Controls
are scored by the same lines against their own works, so the null is that training on a work made no
difference to its score. (Closest to any work at all would be no fair race: a model that answers
what it does not know with what it has memorized gives control units the scores of copies, and no
finding is left; `benchmarks/validity` shows both.)
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from stages.verdicts.against import Rule, against, left_out, stratum_of
from stages.verdicts.blindfold import Place, Repair
from stages.verdicts.trials import CONFIRMATION, foreign

Row = Mapping[str, Any]


class Measure(NamedTuple):
    """One score of a generation and a work."""

    method: str
    """Its name in the table of methods."""

    larger: bool
    """True if a larger score lies closer."""

    primary: bool
    """True if verdicts rest on it."""


PLACE = ("model_id", "prompt_id", "made_id", "work_id", "neighbor_id")
"""Columns of MATCHES that say which pair a row is."""


class Close(NamedTuple):
    """One generation and one work."""

    model_id: str
    made_id: str | None
    """None for a score of all generations of a prompt."""
    work_id: str
    neighbor_id: str | None
    score: float

    @classmethod
    def of(cls, row: Row, score: float) -> Self:
        """Return the pair of a MATCHES row, with one of its scores."""
        return cls(row["model_id"], row["made_id"], row["work_id"], row["neighbor_id"], score)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessConfig:
    """How units are held against the controls."""

    q: float = 0.05
    """Largest false discovery rate of the findings of one model and method, in (0, 1); on average
    over runs, a share q of them is false at most."""

    prompts_per_unit: int = 1
    """Prompts of a unit that are judged, the first in the order of the draw; from 1. A unit with
    fewer is left out, so that no unit has more chances than another."""

    min_rate: float = 0.0
    """The lower limit of k/n of a finding lies above it; in [0, 1). At 0 one return in the
    confirmation seeds is enough."""

    setting: Literal["randomised", "matched", "portfolio"] = "matched"
    """How the controls arose; set by the case."""

    design: Literal["fixed", "sequential"] = "fixed"
    """How samples were spent; set by the case. With `sequential` a unit that was given up is left
    out with p = 1, and stays in K and m, test unit and control alike."""

    repair: Repair = "none"
    """What is done about controls that can be told from works; set by the case (`blind`)."""

    def __post_init__(self) -> None:
        """Refuse levels and numbers that mean nothing.

        Raises:
            ValueError: a knob is out of range.
        """
        if not 0 < self.q < 1:
            raise ValueError(f"assess.q: expected a rate in (0, 1), got {self.q}")
        if not 0 <= self.min_rate < 1:
            raise ValueError(f"assess.min_rate: expected a rate in [0, 1), got {self.min_rate}")
        if self.prompts_per_unit < 1:
            raise ValueError(
                f"assess.prompts_per_unit: expected 1 or more, got {self.prompts_per_unit}"
            )


class Level(NamedTuple):
    """By which rule units are judged."""

    config: AssessConfig
    placed: Mapping[str, Place]
    """Places of the units after the repair; none where nothing was repaired."""


class Unit(NamedTuple):
    """One unit as it was registered."""

    unit_id: str
    label: str
    works: frozenset[str]
    prompts: frozenset[str]
    """Those that are judged; none: everything that is made counts."""
    short: bool
    """True if it has fewer prompts than are to be judged."""


class Roll:
    """The units of a run, by the prompts that are judged and by their works."""

    def __init__(self, batches: Iterable[pa.Table], config: AssessConfig) -> None:
        """Read UNITS."""
        works: dict[str, set[str]] = defaultdict(set)
        rows: dict[str, Row] = {}
        for batch in batches:
            for row in batch.to_pylist():
                works[row["unit_id"]].add(row["work_id"])
                rows[row["unit_id"]] = row
        self.by_captions = any(row["prompt_ids"] for row in rows.values())
        self.units = [
            Unit(
                unit_id,
                row["label"],
                frozenset(works[unit_id]),
                frozenset(row["prompt_ids"][: config.prompts_per_unit]),
                self.by_captions and len(row["prompt_ids"]) < config.prompts_per_unit,
            )
            for unit_id, row in sorted(rows.items())
        ]
        self._of_work = {work: unit for unit in self.units for work in unit.works}

    @property
    def works(self) -> Collection[str]:
        """Works that belong to a unit."""
        return self._of_work.keys()

    def unit_of(self, prompt_id: str, work_id: str) -> Unit | None:
        """Return the unit that is scored by what a prompt gave back of a work, if one is."""
        unit = self._of_work.get(work_id)
        return unit if unit and (not self.by_captions or prompt_id in unit.prompts) else None


def confirmations(made: Iterable[pa.Table]) -> dict[str, Counter[str]]:
    """Return how many confirmations each model made of each prompt; imported ones have no n.

    Args:
        made: model_id, prompt_id and phase of everything that was made.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for batch in made:
        for row in batch.filter(pc.equal(batch["phase"], CONFIRMATION)).to_pylist():
            if not foreign(row["model_id"]):
                counts[row["model_id"]][row["prompt_id"]] += 1
    return counts


def standing(
    roll: Roll,
    counts: Mapping[str, Counter[str]],
    closest: Mapping[tuple[str, str], Mapping[str, Close]],
    measures: Sequence[Measure],
    level: Level,
) -> Iterator[dict[str, Any]]:
    """Yield the standing of each unit.

    Args:
        roll: the units.
        counts: model -> prompt -> confirmations made.
        closest: (model, method) -> unit -> its closest pair.
        measures: the methods.
        level: by which rule, and where units stand once their controls were repaired.

    Yields:
        ASSESSMENTS by model, method and unit.

    Source: statistics of a verdict, sections 2, 4 and 5.
    """
    for model_id in sorted(counts):
        made = _made(roll, counts[model_id])
        for measure in measures:
            found = closest.get((model_id, measure.method), {})
            rows = [_row(unit, made[unit.unit_id], found.get(unit.unit_id)) for unit in roll.units]
            _exclude(rows, roll, max(made.values(), default=0), level)
            _test(rows, measure, level)
            for row in rows:
                yield (
                    row
                    | {"model_id": model_id, "method": measure.method}
                    | {"primary": measure.primary}
                )


def keep(
    closest: dict[tuple[str, str], dict[str, Close]], measure: Measure, unit: Unit, pair: Close
) -> None:
    """Keep a pair if it is the closest of its unit so far; of ties the first by id."""
    held = closest.setdefault((pair.model_id, measure.method), {})
    before = held.get(unit.unit_id)
    if before is None or _rank(pair, measure) < _rank(before, measure):
        held[unit.unit_id] = pair


def _rank(pair: Close, measure: Measure) -> tuple[float, str, str]:
    return -pair.score if measure.larger else pair.score, pair.made_id or "", pair.work_id


def _made(roll: Roll, counts: Counter[str]) -> dict[str, int]:
    total = counts.total()
    if not roll.by_captions:
        return {unit.unit_id: total for unit in roll.units}
    return {unit.unit_id: sum(counts[each] for each in unit.prompts) for unit in roll.units}


def _row(unit: Unit, made: int, pair: Close | None) -> dict[str, Any]:
    return {
        "unit_id": unit.unit_id,
        "label": unit.label,
        "n": made,
        "score": pair.score if pair else None,
        "work_id": pair.work_id if pair else None,
        "made_id": pair.made_id if pair else None,
        "neighbor_id": pair.neighbor_id if pair else None,
        "num_exceeding": None,
        "p": None,
        "p_bound": None,
        "q": None,
        "gamma_star": None,
    }


def _exclude(rows: Sequence[dict[str, Any]], roll: Roll, most: int, level: Level) -> None:
    """Say of each unit whether it is in no test and no null, and why."""
    for row, unit in zip(rows, roll.units, strict=True):
        reason = None
        if unit.label == "mixed":
            reason = "the unit has works of both halves"
        elif unit.short:
            reason = "the unit has fewer prompts than are judged"
        elif not row["n"]:
            is_given_up = level.config.design == "sequential" and roll.by_captions
            reason = None if is_given_up else "nothing was made"
        elif unit.label == "control" and row["n"] < most:
            # a control with fewer chances would make the null look better than it is
            reason = f"{row['n']} generations, where others have {most}"
        repair = level.config.repair
        row["excluded"] = reason or left_out(unit.unit_id, unit.label, repair, level.placed)


def _test(rows: Sequence[dict[str, Any]], measure: Measure, level: Level) -> None:
    """Write p, its bound, q and gamma of the test units."""
    kept = [row for row in rows if row["excluded"] is None]
    controls = [row for row in kept if row["label"] == "control"]
    beside = {stratum_of(row, level.placed) for row in controls}
    tested = []
    for row in kept:
        if row["label"] == "test":
            is_alone = controls and stratum_of(row, level.placed) not in beside
            row["excluded"] = "no control unit is in its stratum" if is_alone else None
            tested += [] if is_alone else [row]
    for row in rows:
        row |= {"num_units": len(tested), "num_controls": len(controls)}
    if not tested or not controls:
        return
    config = level.config
    hidden = config.setting != "randomised"
    rule = Rule(config.q, config.repair, measure.larger, measure.primary, hidden)
    found = list(against(tested, controls, rule, level.placed))
    for row, numbers in zip(tested, found, strict=True):
        row.update(numbers)
