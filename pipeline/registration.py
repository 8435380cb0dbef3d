"""Registration: what was decided before anything was made, in one digest that nobody can change.

`palimpsest register` does every step that comes before sampling, and writes down the whole case,
the digests of models, prompts, units and controls, and of the indexes that everything will be held
against. What is decided later is a departure: it is listed, and what depends on it is exploratory.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.custody import append
from pipeline.custody_ledger import digests_within
from pipeline.custody_log import read_log
from pipeline.datasets import open_dataset
from pipeline.errors import CaseError
from pipeline.flow import FLOW
from pipeline.identity import digest, plain
from pipeline.project import Project
from pipeline.steps import Step
from pipeline.store import Store
from stages.statistics.discovery import needed_controls
from stages.tables import BALANCE, UNITS
from stages.verdicts.against import Rule, fewest, left_out
from stages.verdicts.blindfold import PLACES, places

MADE = frozenset({"made.sampled", "made.written", "made.adopted", "made.imported"})
"""Datasets of what models make, or somebody brings: everything before them can be registered."""

LISTS = {"images": "made.units", "texts": "made.text_units"}
"""Half of the house -> its units."""

_REPAIRED = {"images": "made.balance", "texts": "made.text_balance"}
"""Half of the house -> the places of its units once controls were repaired."""

_FORMAT = "registration-1"
_NOT_DECIDED = frozenset({"name", "run", "cluster", "max_rejected", "reviews"})
"""Sections of a case that change no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasible:
    """What one list of units can show at all."""

    units: int
    """Test units K."""

    controls: int
    """Control units m."""

    fewest: int | None
    """Fewest findings that can reach q; None without a control."""

    for_one: int
    """Controls that a single finding would need."""

    @property
    def possible(self) -> bool:
        """True if some number of findings can reach q."""
        return self.fewest is not None and self.fewest <= self.units


def before_making(flow: Iterable[Step]) -> list[Step]:
    """Return the steps that need nothing that was made, in order."""
    out, later = [], set(MADE)
    for step in flow:
        read = {name for names in (*step.reads.values(), *step.uses.values()) for name in names}
        if step.writes in later or read & later:
            later.add(step.writes)
        else:
            out.append(step)
    return out


def feasible(store: Store, case: Any) -> dict[str, Feasible]:
    """Return what each list of units of a case can show, from the units alone."""
    found = {}
    for half, dataset in LISTS.items():
        rows = open_dataset(store, UNITS, dataset).read(["unit_id", "label", "prompt_ids"])
        repair, level = case.assess.repair, case.assess.q
        reader = open_dataset(store, BALANCE, _REPAIRED[half])
        placed = places([reader.read(PLACES)])
        labels = {
            row["unit_id"]: row["label"]
            for row in rows.to_pylist()
            if (not row["prompt_ids"] or len(row["prompt_ids"]) >= case.assess.prompts_per_unit)
            and left_out(row["unit_id"], row["label"], repair, placed) is None
        }
        units, controls = (
            [{"unit_id": name} for name, label in sorted(labels.items()) if label == each]
            for each in ("test", "control")
        )
        rule = Rule(level, repair, larger=True, listed=True, hidden=True)
        if units:
            found[half] = Feasible(
                units=len(units),
                controls=len(controls),
                fewest=fewest(units, controls, rule, placed) if controls else None,
                for_one=needed_controls(len(units), level),
            )
    return found


def register(project: Project) -> dict[str, Any]:
    """Write the registration of a case whose steps before sampling are done, and return it.

    Raises:
        CaseError: something was made already, there is nothing to test, or no list can reach q.
    """
    store, path = project.store, path_of(project.store)
    if made := [name for name in sorted(MADE) if store.current(name)]:
        many = sum(part.rows for name in made for rec in store.current(name) for part in rec.parts)
        if many:
            raise CaseError(
                f"{', '.join(made)}: {many} rows are there already; a registration comes before"
                " anything is made: use another `run` folder"
            )
    lists = feasible(store, project.case)
    _check(lists, project.case.assess.q)
    decided = decisions(project)
    written = {
        "format": _FORMAT,
        "digest": digest(decided),
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "decided": decided,
    }
    try:
        with path.open("x", encoding="utf-8") as out:
            json.dump(written, out, indent=1, sort_keys=True, ensure_ascii=False)
    except FileExistsError:
        before = read(store)
        if before is None or before["digest"] != written["digest"]:
            raise CaseError(
                f"{path}: another registration is there, and it is not overwritten; use another"
                " `run` folder"
            ) from None
        written = before
    _log(store, str(written["digest"]))
    return written


def _log(store: Store, registered: str) -> None:
    """Write the registration into the custody log, where it does not stand there already."""
    outputs = digests_within(store.root, [path_of(store)])
    if not outputs.items() <= read_log(store.root).holds.items():
        append(store.root, "registered", outputs=outputs, about={"digest": registered})


def _check(lists: Mapping[str, Feasible], q: float) -> None:
    if not lists:
        raise CaseError(
            "register: no unit to test; ask for works of the training half by name, and with"
            " `blind.repair` for enough of both halves that their looks can be learnt"
        )
    for half, each in lists.items():
        if not each.possible:
            least = needed_controls(each.units, q, each.units)
            raise CaseError(
                f"register: q = {q} cannot be reached with {each.units} units and"
                f" {each.controls} controls of {half}, even if every unit is a finding: that needs"
                f" {least} controls, and a single finding {each.for_one}"
            )


def decisions(project: Project) -> dict[str, Any]:
    """Return everything that is decided before sampling, as JSON values."""
    case = project.case
    steps = [step.writes for step in before_making(FLOW)]
    return {
        "case": {
            each.name: plain(getattr(case, each.name), project.models)
            for each in fields(case)
            if each.name not in _NOT_DECIDED
        },
        "datasets": {
            name: digest(sorted([part.name, dict(part.columns)] for part in parts))
            for name in steps
            if (parts := [p for record in project.store.current(name) for p in record.parts])
        },
    }


def read(store: Store) -> dict[str, Any] | None:
    """Return the registration of a run, or None.

    Raises:
        CaseError: the file is damaged, or its content does not have its digest.
    """
    path = path_of(store)
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        intact = found["format"] == _FORMAT and digest(found["decided"]) == found["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaseError(f"{path}: cannot be read as a registration: {error}") from error
    if not intact:
        raise CaseError(f"{path}: its content does not have its digest; it was changed")
    return found


def departures(registered: Mapping[str, Any], project: Project) -> Sequence[str]:
    """Return what is not as it was registered, by its place: `case.prompts.seeds`."""
    return sorted(_unlike("", registered["decided"], decisions(project)))


def path_of(store: Store) -> Path:
    """Return where the registration of a run lies."""
    return store.root / "registration.json"


def _unlike(place: str, one: Any, other: Any) -> Iterable[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from _unlike(f"{place}.{name}".lstrip("."), one.get(name), other.get(name))
    elif json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        yield place
