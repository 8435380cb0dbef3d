"""Custody ledger: what a run writes into the custody log, by the driver alone.

A run with nothing to do writes nothing. Parts are written down while a step is at work, some
hundred at a time, and the last of them with the end of the step. Parts that are there and not in
the log, because a run was killed or is older than the log, are written down as found, not as made.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.custody import append
from pipeline.custody_log import events_of, read_log
from pipeline.environment import path_of
from pipeline.errors import DiskFullError, StoreError
from pipeline.evidence.safe import without_places
from pipeline.identity import Digests
from pipeline.plan import StepPlan
from pipeline.steps import Step
from pipeline.store import Record, Store, files_of, record_of

TOGETHER = 500
"""Paths in a line: some 100 kB, of which the next line's digest is taken."""

FOUND = "parts found"
"""Action for what was there and not in the log."""

PATIENCE_S = 60.0
"""Parts that were made are written down after this time at the latest."""


def digests_of(store: Store, records: Iterable[Record]) -> dict[str, str]:
    """Return path within the run folder -> sha256, of records and of everything they name.

    The digest of a record is taken from its file, those of data from the record.
    """
    out: dict[str, str] = {}
    for record in records:
        path = store.record_path(record.dataset, record.task, record.identity)
        out |= digests_within(store.root, [path])
        out |= {file.path: file.sha256 for file in files_of(record)}
        if isinstance(met := record.facts.get("environment"), str):
            out[path_of(store.root, met).relative_to(store.root).as_posix()] = met
    return out


def digests_within(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Return path within the run folder -> sha256, of those files that are there."""
    out = {}
    for path in paths:
        with suppress(FileNotFoundError), path.open("rb") as opened:
            out[path.relative_to(root).as_posix()] = file_digest(opened, "sha256").hexdigest()
    return out


def found_in(store: Store, holds: Mapping[str, str]) -> dict[str, str]:
    """Return path -> sha256 of what is in a run folder and has no line in its log.

    What has one and differs is left alone: that is for a check to say.
    """
    paths = (store.root / "records").glob("*/*.json")
    names = sorted(f"records/{path.parent.name}/{path.name}" for path in paths)
    out: dict[str, str] = {}
    for name in [each for each in names if each not in holds]:
        with suppress(ValueError, KeyError, TypeError):  # damaged: a check says so
            record = record_of(json.loads((store.root / name).read_bytes()))
            out |= digests_of(store, [record])
    others = [*(store.root / "datasets").glob("*.json"), *store.root.glob("registration.json")]
    out |= digests_within(store.root, sorted(others))
    return {path: sha for path, sha in out.items() if path not in holds}


def write_found(store: Store) -> None:
    """Write down what is in a run folder and not in its log; the caller holds the lock."""
    for piece in _pieces(found_in(store, read_log(store.root).holds)):
        append(store.root, FOUND, outputs=piece)


def name_models(models: Digests) -> dict[str, str]:
    """Return name -> sha256 of each model and file that a case names, without places."""
    out: dict[str, str] = {}
    for ref, digest in models.items():
        place = ref if isinstance(ref, str) else str(ref.hub or ref.path)
        name = f"{'file' if isinstance(ref, str) else 'model'} {without_places(place)}"
        out[name if out.get(name, digest) == digest else f"{name} {digest[:8]}"] = digest
    return out


class Ledger:
    """What one run has to write down."""

    def __init__(self, store: Store, started: Mapping[str, str]) -> None:
        self.store = store
        self.started = started
        self.began = False
        self.holds = read_log(store.root).holds
        self.waiting: dict[str, str] = {}
        self.about: dict[str, Any] = {}
        self.last = time.monotonic()

    def found(self) -> None:
        """Write down what is there and not in the log."""
        for piece in _pieces(found_in(self.store, self.holds)):
            self._write(FOUND, {}, piece)

    def made(self, step: Step, record: Record) -> None:
        """Note a part that this run made."""
        self.about = {"step": step.run.name, "dataset": step.writes}
        self.waiting |= self._new(digests_of(self.store, [record]))
        if len(self.waiting) >= TOGETHER or time.monotonic() - self.last > PATIENCE_S:
            self._flush()

    def listed(self, dataset: str, records: Sequence[Record]) -> None:
        """Write down files of the case that were listed."""
        outputs = digests_of(self.store, filter(self._is_new, records)) | self._list(dataset)
        for piece in _pieces(self._new(outputs)):
            self._write("sources listed", {"dataset": dataset}, piece)

    def finished(self, plan: StepPlan, ran: int) -> None:
        """Write down the end of a step, if anything is new."""
        step = plan.step
        about = {"step": step.run.name, "dataset": step.writes}
        made, self.waiting = self.waiting, {}
        pieces = _pieces(made | self._new(self._list(step.writes))) or [{}] * bool(ran)
        for piece in pieces[:-1]:
            self._write("parts made", about, piece)
        if pieces:
            self._finish(plan, ran, pieces[-1])

    def _finish(self, plan: StepPlan, ran: int, outputs: Mapping[str, str]) -> None:
        step = plan.step
        read = [name for names in chain(step.reads.values(), step.uses.values()) for name in names]
        about = {
            "step": step.run.name,
            "dataset": step.writes,
            "version": step.run.version,
            "tasks": len(plan.done),
            "ran": ran,
            "rows": sum(part.rows for record in plan.done for part in record.parts),
            "rejected": sum(record.rejected for record in plan.done),
        }
        inputs = digests_within(self.store.root, map(self._list_path, read))
        self._write("step finished", about, outputs, inputs)

    def end(self, outcome: str) -> None:
        """Write down how the run ended, if anything was written down of it."""
        self._flush()
        if self.began:
            append(self.store.root, "run ended", about={"outcome": outcome})

    def _flush(self) -> None:
        for piece in _pieces(self.waiting):
            self._write("parts made", self.about, piece)
        self.waiting = {}
        self.last = time.monotonic()

    def _write(
        self,
        action: str,
        about: Mapping[str, Any],
        outputs: Mapping[str, str],
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        if not self.began:
            append(self.store.root, "run started", inputs=self.started)
            self.began = True
        append(self.store.root, action, inputs=inputs, outputs=outputs, about=about)
        self.holds.update(outputs)

    def _new(self, digests: Mapping[str, str]) -> dict[str, str]:
        return {path: sha for path, sha in digests.items() if self.holds.get(path) != sha}

    def _is_new(self, record: Record) -> bool:
        path = self.store.record_path(record.dataset, record.task, record.identity)
        return path.relative_to(self.store.root).as_posix() not in self.holds

    def _list(self, dataset: str) -> dict[str, str]:
        return digests_within(self.store.root, [self._list_path(dataset)])

    def _list_path(self, dataset: str) -> Path:
        return self.store.root / "datasets" / f"{dataset}.json"


@contextmanager
def open_ledger(store: Store, started: Mapping[str, str]) -> Iterator[Ledger]:
    """Give a ledger for the time of a run, whose lock the caller holds.

    Args:
        store: the run folder.
        started: what the run starts from, name -> sha256.
    """
    ledger = Ledger(store, started)
    try:
        ledger.found()
        yield ledger
    except BaseException as error:
        # what stopped the run is what matters; that its end is missing in the log says the rest
        with suppress(DiskFullError, StoreError):
            ledger.end(type(error).__name__)
        raise
    ledger.end("done")


def missing_in(store: Store) -> dict[str, str]:
    """Return path -> sha256 of what should be in a run folder, by its log, and is not."""
    holds = read_log(store.root).holds
    return {path: sha for path, sha in holds.items() if not (store.root / path).exists()}


@contextmanager
def noting_gone(store: Store, action: str) -> Iterator[None]:
    """Write down what of the log's paths is no longer in the run folder afterwards.

    That it began stands in the log before, so that what was removed when the power failed is
    written down by the next time; what is missing for another reason is not.

    Args:
        store: the run folder, whose lock the caller holds.
        action: one of `custody.GONE`.
    """
    begun = f"to be {action}"
    last = [each.action for each in events_of(store.root) if each.action in {begun, action}]
    before = set() if last[-1:] == [begun] else missing_in(store).keys()
    append(store.root, begun)
    yield
    gone = {path: sha for path, sha in missing_in(store).items() if path not in before}
    for piece in _pieces(gone) or [{}]:
        append(store.root, action, inputs=piece)


def _pieces(digests: Mapping[str, str]) -> list[dict[str, str]]:
    paths = list(digests)
    cuts = range(0, len(paths), TOGETHER)
    return [{path: digests[path] for path in paths[cut : cut + TOGETHER]} for cut in cuts]
