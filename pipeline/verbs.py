"""Verbs: what each word of the command does; returns (JSON value, text for a person, exit code)."""

import signal
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from pipeline import upkeep
from pipeline.custody_ledger import noting_gone
from pipeline.datasets import open_dataset, parts_of
from pipeline.errors import CaseError
from pipeline.estimate import estimate, human_bytes, human_seconds
from pipeline.flow import FLOW, SOURCES
from pipeline.lock import holder, locked
from pipeline.progress import Bars, Lines, quiet
from pipeline.project import Project, open_project, open_store, plan_all
from pipeline.report_file import check_finished, write_report
from pipeline.starter import starter_case
from pipeline.steps import Step
from pipeline.store import Store

TOO_MANY_REJECTED = 3


class Answer(NamedTuple):
    """What a verb gives back to the command."""

    found: dict[str, Any]
    """Printed as one JSON object with `--json`."""

    text: str
    """Printed otherwise."""

    code: int = 0
    """Exit code."""


def init(_: Namespace, path: Path | None) -> Answer:
    """Write a commented case file."""
    path = path or Path("case.yaml")
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(starter_case(path.stem))
    except FileExistsError as error:
        raise CaseError(f"{path} exists already; name another file") from error
    except OSError as error:
        raise CaseError(f"{path}: cannot be written: {error}") from error
    return Answer({"case": str(path)}, f"wrote {path}; fill in the paths, then `palimpsest show`")


def show(_: Namespace, path: Path) -> Answer:
    """Print the flow, what is still to do, and the disk and time to expect."""
    project = open_project(path)
    plans = plan_all(project)
    guess = estimate(project, plans)
    rows = []
    for plan, expected in zip(plans, guess.steps, strict=True):
        rows.append(
            {
                "step": plan.step.run.name,
                "reads": [name for names in plan.step.reads.values() for name in names],
                "writes": plan.step.writes,
                "done": len(plan.done),
                "todo": None if plan.waits_for else len(plan.todo),
                "waits_for": plan.waits_for or None,
                "seconds": expected.seconds,
                "bytes": expected.bytes,
            }
        )
    found = {
        "case": project.case.name,
        "steps": rows,
        "seconds": guess.seconds,
        "bytes": guess.bytes,
    }
    return Answer(found, "\n".join([*_flow_lines(rows), "", guess.sentence]))


def _flow_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        state = f"unknown until {row['waits_for']}" if row["waits_for"] else _todo(row)
        if row["seconds"] and not row["waits_for"] and row["todo"]:
            state += f", about {human_seconds(row['seconds'])}, {human_bytes(row['bytes'])}"
        yield f"{row['step']:14} -> {row['writes']:20} {state}"


def _todo(row: Mapping[str, Any]) -> str:
    return f"{row['todo']} to do, {row['done']} done" if row["todo"] else f"{row['done']} done"


def register(_: Namespace, path: Path) -> Answer:
    """Do everything that comes before sampling, and write down what was decided."""
    from pipeline import registration
    from pipeline.runner import run_flow

    store = open_store(path)[1]
    with locked(store.root), quiet(store.root / "logs" / "driver.log") as person, _terminable():
        bars = Bars(person) if person.isatty() else Lines(person)
        project = open_project(path)
        try:
            run_flow(_job(project, registration.before_making(FLOW), bars), store)
        finally:
            bars.close()
        written = registration.register(project)
    lists = registration.feasible(store, project.case)
    q = project.case.assess.q
    lines = [
        f"{half}: {each.units} units against {each.controls} control units; q = {q} can be reached"
        f" by {each.fewest} findings or more; a single one would need {each.for_one:,} controls"
        for half, each in lists.items()
    ]
    found = {
        "registration": str(registration.path_of(store)),
        "digest": written["digest"],
        "registered": written["registered"],
        "lists": {half: asdict(each) for half, each in lists.items()},
    }
    text = f"registered {written['registered']}: {written['digest']}"
    return Answer(found, "\n".join([*lines, text, found["registration"]]))


def _job(project: Project, flow: Sequence[Step], notify: Callable[[Any], None]) -> Any:
    from pipeline.runner import Job

    return Job(
        case=project.case,
        folder=project.folder,
        flow=flow,
        sources=project.sources,
        models=project.models,
        notify=notify,
        named={project.path.name: sha256(project.path.read_bytes()).hexdigest()},
    )


def run(asked: Namespace, path: Path) -> Answer:
    """Do what is still to do, then write the report."""
    from pipeline import registration
    from pipeline.erase_store import sweep_after
    from pipeline.runner import run_flow

    began = time.perf_counter()
    case, store = open_store(path)
    with locked(store.root), quiet(store.root / "logs" / "driver.log") as person, _terminable():
        bars = Bars(person) if person.isatty() else Lines(person)
        project = open_project(path)
        if asked.retry_rejected:
            with noting_gone(store, "withdrawn"):
                upkeep.withdraw_rejected(store, [step.writes for step in FLOW])
        try:
            totals = run_flow(_job(project, FLOW, bars), store)
            sweep_after(store)
        finally:
            bars.close()
        page = store.root / "report.html"
        if any(total.ran for total in totals) or not page.exists():
            page = write_report(project)
    seconds = round(time.perf_counter() - began, 3)
    lost = [t for t in totals if t.rejected > case.max_rejected * max(1, t.rows + t.rejected)]
    verdicts = _verdicts(store)
    registered = registration.read(store)
    departed = registration.departures(registered, project) if registered else []
    found = {
        "case": case.name,
        "ran": sum(total.ran for total in totals),
        "rejected": sum(total.rejected for total in totals),
        "verdicts": verdicts,
        "registered": registered["digest"] if registered else None,
        "departures": departed,
        "seconds": seconds,
        "report": str(page),
        "steps": [
            {"step": t.step, "dataset": t.dataset, "tasks": t.tasks, "ran": t.ran, "rows": t.rows}
            | {"rejected": t.rejected, "seconds": round(t.seconds, 3)}
            for t in totals
        ],
    }
    words = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items())) or "nothing"
    text = (
        f"{case.name}: {words}; {found['rejected']} rows rejected; {seconds:.1f} s\nreport: {page}"
    )
    if departed:
        text += f"\nnot as registered, so exploratory: {', '.join(departed)}"
    if lost:
        steps = ", ".join(f"{t.dataset} ({t.rejected})" for t in lost)
        text += f"\nmore rows were rejected than max_rejected = {case.max_rejected} allows: {steps}"
    return Answer(found, text, TOO_MANY_REJECTED if lost else 0)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _verdicts(store: Store) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in ("made.findings", "made.text_findings"):
        for part in parts_of(store.current(name)):
            for verdict in store.read(part, ["verdict"])["verdict"].to_pylist():
                counts[verdict] = counts.get(verdict, 0) + 1
    return counts


def status(_: Namespace, path: Path) -> Answer:
    """Say how far the run is, from records alone."""
    project = open_project(path)
    plans = plan_all(project)
    rows = [
        {
            "step": plan.step.run.name,
            "dataset": plan.step.writes,
            "done": len(plan.done),
            "todo": None if plan.waits_for else len(plan.todo),
            "rows": sum(part.rows for record in plan.done for part in record.parts),
            "rejected": sum(record.rejected for record in plan.done),
        }
        for plan in plans
    ]
    finished = all(plan.parts is not None for plan in plans)
    busy = holder(project.store.root)
    found = {"case": project.case.name, "finished": finished, "running": busy, "steps": rows}
    lines = [
        f"{row['dataset']:20} {row['done']:>6} done  "
        f"{'?' if row['todo'] is None else row['todo']:>6} to do  {row['rows']:>9,} rows  "
        f"{row['rejected']:>6} rejected"
        for row in rows
    ]
    state = "finished" if finished else "not finished"
    if busy is not None:
        state += f"; a run is at work: process {busy.get('pid')} on {busy.get('host')}"
    return Answer(found, "\n".join([*lines, state]))


def report(_: Namespace, path: Path) -> Answer:
    """Write the report of a finished run again."""
    page = write_report(open_project(path))
    return Answer({"report": str(page)}, f"report: {page}")


def lookup(asked: Namespace, path: Path) -> Answer:
    """Say what of one artist's or author's works is in the set and what came back."""
    from pipeline.lookup import READS, TEXT_READS
    from pipeline.lookup import lookup as look_up
    from pipeline.lookup_text import as_json, as_text

    store = open_store(path)[1]
    check_finished(store)
    reads = {**READS, **TEXT_READS}
    readers = {role: open_dataset(store, table, *names) for role, (table, names) in reads.items()}
    result = look_up(asked.name, readers)
    return Answer(as_json(result), as_text(result))


def check(_: Namespace, path: Path) -> Answer:
    """Read every file of the run again and compare digests."""
    store = open_store(path)[1]
    names = [*SOURCES, *(step.writes for step in FLOW)]
    faults = upkeep.damaged(store, names)
    found = {"files": faults.read, "intact": not faults.wrong, "faults": faults.wrong}
    lines = [f"{fault['what']}: {fault['path']}" for fault in faults.wrong]
    text = "\n".join([*lines, f"{faults.read} files read, {len(faults.wrong)} at fault"])
    return Answer(found, text, 1 if faults.wrong else 0)


def gc(_: Namespace, path: Path) -> Answer:
    """Remove superseded parts and what no record names."""
    store = open_store(path)[1]
    with locked(store.root), noting_gone(store, "swept"):
        done = [(plan.step.writes, plan) for plan in plan_all(open_project(path))]
        finished = [
            name
            for name, plan in done
            if plan.parts is not None and store.is_published(name, plan.done)
        ]
        complete = len(finished) == len(done)
        swept = upkeep.sweep(store, [*finished, *(SOURCES if complete else ())])
    text = f"removed {swept.files} files, {human_bytes(swept.bytes)}"
    return Answer({"files": swept.files, "bytes": swept.bytes}, text)
