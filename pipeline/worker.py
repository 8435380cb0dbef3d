"""Worker: what one worker does with one task: read, open tools once, run, check, write, commit.

Everything that a task leaves bears the name of its own attempt until its record is published, so a
worker may die, or outlive its driver, at any moment.
"""

import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.datasets import Dataset
from pipeline.environment import note_environment
from pipeline.identity import digest
from pipeline.inputs import leave_out, only_rows, read_role
from pipeline.plan import Task
from pipeline.store import Part, Record, Store, files_of
from pipeline.tombstones import keep_to, read_tombstones
from stages.contract import Artefact, Columns, FoldStage, Kit, MapStage, Out, Rejected, Stage, Table

PART_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A task as it is sent to a worker."""

    task: Task
    """What to make."""

    stage: Stage
    """How."""

    config: Any
    """Config of the stage, with absolute paths."""

    root: str
    """Run folder."""

    device: str = "cpu"
    """torch device of the worker."""

    threads: int = 1
    """Threads that the worker may use."""

    deadly: tuple[str, ...] = ()
    """Keys of rows that killed their worker; they are rejected without being touched."""

    only: tuple[int, int] | None = None
    """Try these rows of the first role and commit nothing: how a deadly row is found."""


class _Made(NamedTuple):
    parts: list[Part]
    rejected: list[Rejected]
    erased: int = 0
    """Rows that were left out, as somebody asked for it."""


@dataclass(slots=True)
class _Tools:
    """The tools that this process holds: one set at a time, for a model may fill its device."""

    key: str = ""
    value: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_HELD = _Tools()


class _Attempt:
    """One attempt at one order: where it writes and how long it takes."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.store = Store(Path(order.root))
        self.name = uuid.uuid4().hex[:8]
        self.folder = self.store.root / "data" / order.task.dataset
        self.clock = Clock()
        self.began = round(time.time(), 3)

    def place(self, name: str) -> Path:
        """Return the path of a part of this attempt, without suffix."""
        return self.folder / f"{name}-{self.name}"

    def kit(self) -> Kit:
        """Return what the stage gets besides its rows."""
        folders, datasets = {}, {}
        for role, wanted in self.order.stage.uses.items():
            parts = self.order.task.uses[role]
            if not isinstance(wanted, Artefact):
                datasets[role] = Dataset(self.store, wanted.of[0], parts)
            elif parts:  # an artefact of nothing was not made
                folders[role] = (self.store.root / parts[0].files[0].path).parent
        device, threads = self.order.device, self.order.threads
        return Kit(folders=folders, datasets=datasets, device=device, threads=threads)

    def sweep(self) -> None:
        """Remove what a failed attempt wrote."""
        for path in self.folder.glob(f"*-{self.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def run(order: Order) -> None:
    """Make one task and commit it; a task that is committed already is left alone.

    Nothing is sent back: what came of it stands in the record, which outlives this worker.
    """
    task, attempt = order.task, _Attempt(order)
    store, clock = attempt.store, attempt.clock
    if order.only is None and store.find(task.dataset, task.name, task.identity):
        return
    try:
        with clock("run"):
            stage = order.stage
            made = _fold(stage, attempt) if isinstance(stage, FoldStage) else _map(stage, attempt)
        if order.only is not None:
            return
        record = _record(attempt, made)
        _sync_folders(store, record)
    except BaseException:
        attempt.sweep()
        raise
    store.commit(record)


def _map(stage: MapStage[Any, Any], attempt: _Attempt) -> _Made:
    order, store, clock = attempt.order, attempt.store, attempt.clock
    with clock("read"):
        inputs: Mapping[str, pa.Table] = {
            role: read_role(store, wanted, order.task.inputs[role])
            for role, wanted in stage.reads.items()
        }
        inputs, left_out = leave_out(stage, only_rows(stage, inputs, order.only), order.deadly)
    out = stage.run(inputs, _opened(stage, attempt))
    if order.only is not None:
        return _Made([], [])
    (rows, rejected), erased = keep_to(read_tombstones(store.root), stage.writes, out)
    with clock("write"):
        name = order.task.name
        part = store.write_part(stage.writes, name, rows, place=attempt.place(name))
    return _Made([part], [*left_out, *rejected], erased)


def _fold(stage: FoldStage[Any], attempt: _Attempt) -> _Made:
    order, store = attempt.order, attempt.store
    streams = {
        role: _stream(store, wanted, order.task.inputs[role])
        for role, wanted in stage.reads.items()
    }
    if isinstance(stage.writes, Artefact):
        folder = attempt.place("all")
        folder.mkdir(parents=True)
        kit = replace(attempt.kit(), folder=folder)
        outs = list(stage.run(streams, order.config, kit))
        return _Made([_artefact(store, folder)], [row for out in outs for row in out.rejected])
    rejected, erased = list[Rejected](), list[int]()
    made = stage.run(streams, order.config, attempt.kit())
    batches = _noting(_kept(store, stage.writes, made, erased), rejected)
    parts = [
        store.write_part(stage.writes, name, rows, place=attempt.place(name))
        for name, rows in _cut(stage.writes, stage.cut, batches)
    ]
    return _Made(parts, rejected, sum(erased))


def _stream(store: Store, wanted: Columns, parts: tuple[Part, ...]) -> Iterator[pa.Table]:
    for part in parts:
        yield read_role(store, wanted, (part,))


def _opened(stage: MapStage[Any, Any], attempt: _Attempt) -> Any:
    with _HELD.lock:
        key = f"{attempt.order.root} {attempt.order.task.tools} {attempt.order.device}"
        if key != _HELD.key:
            _HELD.key, _HELD.value = "", None
            with attempt.clock("open"):
                _HELD.value = stage.open(attempt.order.config, attempt.kit())
            _HELD.key = key
        return _HELD.value


def _artefact(store: Store, folder: Path) -> Part:
    files = tuple(store.file(path) for path in sorted(folder.iterdir()))
    columns = {Path(file.path).name: file.sha256 for file in files}
    return Part(name="all", rows=0, files=files, columns=columns)


def _kept(store: Store, table: Table, outs: Iterator[Out], erased: list[int]) -> Iterator[Out]:
    """Yield what a fold gives without what was erased, and count it."""
    stones = read_tombstones(store.root)
    for each in outs:
        out, many = keep_to(stones, table, each)
        erased.append(many)
        yield out


def _noting(outs: Iterator[Out], rejected: list[Rejected]) -> Iterator[pa.Table]:
    for out in outs:
        rejected += out.rejected
        yield out.rows


def _cut(
    table: Table, by: tuple[str, ...], batches: Iterator[pa.Table]
) -> Iterator[tuple[str, pa.Table]]:
    """Yield named parts: one for each value of the columns, or as many as their bytes ask for."""
    if by:
        rows = pa.concat_tables([table.empty(), *batches])
        places: dict[str, list[int]] = {}
        for row, values in enumerate(rows.select(list(by)).to_pylist()):
            places.setdefault(digest(values)[:16], []).append(row)
        for name, taken in sorted(places.items()):
            yield name, rows.take(pa.array(taken, pa.int64()))
        return
    held, size, number = [], 0, 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= PART_BYTES:
            yield f"{number:05d}", pa.concat_tables(held)
            held, size, number = [], 0, number + 1
    if held:
        yield f"{number:05d}", pa.concat_tables(held)


def _record(attempt: _Attempt, made: _Made) -> Record:
    order, task = attempt.order, attempt.order.task
    rows = [{"stage": order.stage.name, **row._asdict()} for row in made.rejected]
    return Record(
        dataset=task.dataset,
        task=task.name,
        identity=task.identity,
        parts=tuple(made.parts),
        rejected=len({row.key for row in made.rejected}),
        rejected_file=attempt.store.write_rejected(rows, place=attempt.place(task.name)),
        facts={
            "stage": order.stage.name,
            "version": order.stage.version,
            "variant": task.variant,
            "attempt": attempt.name,
            "host": socket.gethostname(),
            "device": order.device,
            "threads": order.threads,
            "environment": note_environment(attempt.store.root),
            "rows_in": task.rows,
            "began": attempt.began,
            "ended": round(time.time(), 3),
            "seconds": attempt.clock.seconds,
            "deadly": list(order.deadly),
            **({"erased": made.erased} if made.erased else {}),
        },
    )


def _sync_folders(store: Store, record: Record) -> None:
    for folder in {(store.root / file.path).parent for file in files_of(record)}:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


class Clock:
    """Seconds by phase; an outer phase does not count what its inner ones took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._phases: list[str] = []
        self._last = time.perf_counter()

    def __call__(self, phase: str) -> "Clock":
        """Name the phase that the next `with` measures."""
        self._tick()
        self._phases.append(phase)
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._tick()
        self._phases.pop()

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._phases:
            phase = self._phases[-1]
            self.seconds[phase] = round(self.seconds.get(phase, 0.0) + now - self._last, 6)
        self._last = now
