"""Runner: plan -> tasks -> records, step by step; the only place where effects are ordered.

Each step waits for the one before it. A cluster is started when there is something to do, not
before. What is committed survives whatever happens to this process; running again goes on.
"""

import errno
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.cluster import Crew, open_crew
from pipeline.crew import Death, find_deadly, work_through
from pipeline.custody_ledger import Ledger, name_models, open_ledger
from pipeline.erase_store import finish_erasing
from pipeline.errors import DiskFullError, RunError, StoreError
from pipeline.identity import Digests, digest, schema_value
from pipeline.inputs import read_role, row_keys
from pipeline.parse import located
from pipeline.plan import StepPlan, Task, plan_step, variants
from pipeline.sources import SourcePart
from pipeline.steps import Step
from pipeline.store import Part, Record, Store
from pipeline.tombstones import read_tombstones
from pipeline.worker import Order
from stages.contract import Columns, FoldStage, Table
from stages.tables import FILES

TRIES = 3
BACKOFF_S = 0.3
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TRANSIENT = (OSError, MemoryError, TimeoutError)

Notify = Callable[[Mapping[str, Any]], None]
"""Called with one event: `event`, `step`, `dataset` and numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that a run is about."""

    case: Any
    """The case."""

    folder: Path
    """Folder of the case file."""

    flow: Sequence[Step]
    """The steps."""

    sources: Mapping[str, Sequence[SourcePart]]
    """Datasets that the driver lists itself."""

    models: Digests
    """Digest of each model that the case names."""

    notify: Notify
    """Who hears what happens."""

    named: Mapping[str, str] = field(default_factory=dict)
    """What else the run starts from, name -> sha256: the case file."""


@dataclass(frozen=True, slots=True)
class StepTotal:
    """What a finished step amounts to."""

    step: str
    dataset: str
    tasks: int
    ran: int
    rows: int
    rejected: int
    seconds: float
    phases: Mapping[str, float] = field(default_factory=dict)


def run_flow(job: Job, store: Store) -> list[StepTotal]:
    """Do what is to do and return the totals of each step, in order.

    Raises:
        RunError: a task failed for good; everything committed stays.
    """
    finish_erasing(store)
    stones = read_tombstones(store.root)
    parts: dict[str, Sequence[Part] | None] = {}
    totals = []
    with ExitStack() as stack:
        started = {**job.named, **name_models(job.models)}
        ledger = stack.enter_context(open_ledger(store, started))
        for dataset, listed in job.sources.items():
            parts[dataset] = _write_source(store, dataset, listed, ledger)
        crews: list[Crew] = []

        def crew() -> Crew:
            if not crews:
                logs = store.root / "logs"
                crews.append(stack.enter_context(open_crew(job.case.cluster, logs)))
            return crews[0]

        for number, step in enumerate(job.flow):
            began = time.perf_counter()
            known = (parts, job.models, store.find)
            plan = plan_step(number, step, job.case, known, stones.times)
            _tell(job, "step", step, todo=len(plan.todo), done=len(plan.done))
            if plan.todo:
                _do(job, store, (crew(), ledger), plan)
                ran = len(plan.todo)
                plan = plan_step(number, step, job.case, known, stones.times)
            else:
                ran = 0
            if not store.is_published(step.writes, plan.done):
                check_keys(store, step, plan.parts or [])
            if plan.parts is None:
                raise StoreError(f"{step.writes}: a finished task has no record; run again")
            store.publish(step.writes, plan.done)
            ledger.finished(plan, ran)
            parts[step.writes] = plan.parts
            totals.append(_total(plan, ran, time.perf_counter() - began))
            _tell(job, "step-done", step, rows=totals[-1].rows, rejected=totals[-1].rejected)
    return totals


def _tell(job: Job, event: str, step: Step, **numbers: float) -> None:
    job.notify({"event": event, "step": step.run.name, "dataset": step.writes, **numbers})


def _tell_part(job: Job, store: Store, step: Step, task: Task) -> Record:
    record = store.find(task.dataset, task.name, task.identity)
    if record is None:
        raise StoreError(f"{task.dataset}: part {task.name} was made, but its record is not there")
    rows = sum(part.rows for part in record.parts)
    _tell(job, "part", step, rows=rows, rejected=record.rejected)
    return record


def _write_source(
    store: Store, dataset: str, listed: Iterable[SourcePart], ledger: Ledger
) -> list[Part]:
    """Commit the listed files as parts, so that workers read them like any other."""
    records = []
    for part, rows in listed:
        identity = digest({"source": schema_value(FILES), "columns": dict(part.columns)})
        record = store.find(dataset, part.name, identity)
        if record is None:
            place = store.root / "data" / dataset / f"{part.name}-{identity[:8]}"
            place.with_name(place.name + ".parquet").unlink(missing_ok=True)
            written = store.write_part(FILES, part.name, rows, place=place)
            record = Record(dataset=dataset, task=part.name, identity=identity, parts=(written,))
            store.commit(record)
        records.append(record)
    store.publish(dataset, records)
    ledger.listed(dataset, records)
    return [part for record in records for part in record.parts]


def _do(job: Job, store: Store, hands: tuple[Crew, Ledger], plan: StepPlan) -> None:
    """Make every task of a step, or raise."""
    step, (crew, ledger) = plan.step, hands
    configs = {name: located(config, job.folder) for name, config in variants(step, job.case)}
    orders = deque(_order(task, configs[task.variant], step, (store, crew)) for task in plan.todo)
    tries: Counter[str] = Counter()
    while orders:
        suspects = []
        for order, outcome in work_through(crew, orders):
            name = order.task.name
            if outcome is None:
                ledger.made(step, _tell_part(job, store, step, order.task))
                continue
            tries[name] += 1
            if isinstance(outcome, Death) and tries[name] > 1:
                suspects.append(order)
                continue
            if isinstance(outcome, Exception):
                _raise_if_final(step, order.task, outcome, tries[name])
                time.sleep(BACKOFF_S * tries[name])
            orders.appendleft(order)
        orders.extend(_without_deadly(store, crew, order) for order in suspects)


def _order(task: Task, config: Any, step: Step, where: tuple[Store, Crew]) -> Order:
    store, crew = where
    return Order(
        task=task,
        stage=step.run,
        config=config,
        root=str(store.root.resolve()),
        device=crew.device,
        threads=crew.threads,
    )


def _without_deadly(store: Store, crew: Crew, order: Order) -> Order:
    stage = order.stage
    if isinstance(stage, FoldStage) or order.deadly:
        raise RunError(f"{stage.name}: {order.task.name} killed its worker again; see run/logs")
    first = next(iter(stage.reads))
    wanted = stage.reads[first]
    table = wanted.of[0]
    names = tuple(name for name in wanted.names if name in table.key)
    rows = read_role(store, Columns(names, wanted.of), order.task.inputs[first])
    deadly, error = find_deadly(crew, order, row_keys(stage, rows))
    if error is not None:
        raise RunError(f"{stage.name}: {order.task.name} failed: {error}") from error
    return replace(order, deadly=tuple(deadly))


def _raise_if_final(step: Step, task: Task, error: Exception, tries: int) -> None:
    where = f"{step.run.name}, part {task.name} of {step.writes}"
    if isinstance(error, OSError) and error.errno in FULL:
        raise DiskFullError(
            f"{where}: no room left ({error}). What was committed is safe: make room, for example"
            " with `palimpsest gc`, and run again"
        ) from error
    if not isinstance(error, TRANSIENT) or tries >= TRIES:
        raise RunError(f"{where}: {type(error).__name__}: {error}") from error


def check_keys(store: Store, step: Step, parts: Sequence[Part]) -> None:
    """Check that the key identifies a row over the whole dataset.

    Raises:
        StoreError: a key stands in two rows.
    """
    table = step.run.writes
    if not isinstance(table, Table) or not parts:
        return
    schema = pa.schema([table.schema.field(name) for name in table.key])
    keys = pa.concat_tables([store.read(part, table.key).cast(schema) for part in parts])
    distinct = keys.group_by(list(table.key)).aggregate([]).num_rows
    if distinct != keys.num_rows:
        raise StoreError(
            f"{step.writes}: {keys.num_rows - distinct} rows repeat the key {table.key} of another"
        )


def _total(plan: StepPlan, ran: int, seconds: float) -> StepTotal:
    phases: Counter[str] = Counter()
    for record in plan.done:
        phases.update(record.facts.get("seconds", {}))
    return StepTotal(
        step=plan.step.run.name,
        dataset=plan.step.writes,
        tasks=len(plan.done),
        ran=ran,
        rows=sum(part.rows for record in plan.done for part in record.parts),
        rejected=sum(record.rejected for record in plan.done),
        seconds=seconds,
        phases=dict(phases),
    )
