"""Custody verb: what `palimpsest custody CASE` does and says."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.custody import Event
from pipeline.custody_check import Checked, check_bundle, check_custody
from pipeline.custody_log import events_of
from pipeline.errors import CaseError
from pipeline.evidence.safe import on_one_line
from pipeline.project import open_store

_HEADER = ("seq", "utc", "actor", "host", "action", "in", "out", "about")
_WIDEST = 30
_TAIL = (
    "Lines cut off the end of the log, and a change of its last line, break no chain. What shows"
    " them is a bundle that was sealed before: palimpsest custody CASE --bundle FOLDER"
)


def custody(asked: Namespace, path: Path | None) -> tuple[dict[str, Any], str, int]:
    """Do what `palimpsest custody` asks.

    Raises:
        CaseError: the case cannot be opened, or what was named is no bundle.
    """
    if path is None:
        raise CaseError("name the case file")
    store = open_store(path)[1]
    checked = check_custody(store)
    anchors = [
        each for folder in asked.bundle for each in check_bundle(store, checked.log, Path(folder))
    ]
    checked = checked._replace(findings=(*checked.findings, *anchors))
    events = list(events_of(store.root))
    lines = [*_table(events), "", *_said(checked)]
    if not asked.bundle:
        lines.append(_TAIL)
    return _as_json(checked, events), "\n".join(lines), 0 if checked.intact else 1


def row_of(event: Event) -> dict[str, Any]:
    """Return an event as one row: what went in and out by number."""
    return {
        **{name: getattr(event, name) for name in ("seq", "utc", "actor", "host", "tool")},
        "action": event.action,
        "about": "; ".join(f"{name} {value}" for name, value in sorted(event.about.items())),
        "inputs": len(event.inputs),
        "outputs": len(event.outputs),
        "prev": event.prev,
    }


def _as_json(checked: Checked, events: list[Event]) -> dict[str, Any]:
    found = {
        fault: [
            {"path": each.place, "what": each.what}
            for each in checked.findings
            if each.fault is fault
        ]
        for fault in (True, False)
    }
    return {
        "intact": checked.intact,
        "events": checked.log.events,
        "head": checked.log.head,
        "files": checked.files,
        "faults": found[True],
        "notes": found[False],
        "bundles": [dict(event.about) for event in checked.log.sealed],
        "log": [row_of(event) | {"about": dict(event.about)} for event in events],
    }


def _said(checked: Checked) -> Iterator[str]:
    for finding in checked.findings:
        yield f"{'FAULT' if finding.fault else 'note'}: {finding.place}: {finding.what}"
    faults = sum(finding.fault for finding in checked.findings)
    state = "the chain holds, and the run is as it says" if checked.intact else f"{faults} faults"
    yield f"{checked.log.events} events, {checked.files} files of the run in them: {state}"
    yield f"head of the log: {checked.log.head}"


def _table(events: list[Event]) -> Iterator[str]:
    rows = [dict(zip(_HEADER, _HEADER, strict=True)), *map(_cells, events)]
    widths = {name: max(len(row[name]) for row in rows) for name in _HEADER[:-1]}
    for row in rows:
        cells = [f"{row[name]:{widths[name]}}" for name in _HEADER[:-1]]
        yield "  ".join([*cells, row["about"]]).rstrip()


def _cells(event: Event) -> Mapping[str, str]:
    row = row_of(event)
    row |= {"in": row["inputs"], "out": row["outputs"]}
    most = dict.fromkeys(_HEADER, _WIDEST) | {"about": 100}
    return {name: on_one_line(str(row[name]), most[name]) for name in _HEADER}
