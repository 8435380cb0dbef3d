"""Upkeep of a run folder: check every digest, take back rejected parts, sweep what nobody names."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.store import File, Record, Store, files_of

YOUNG_S = 600
"""A worker that outlives its driver may still publish; younger files are left alone."""


class Faults(NamedTuple):
    """What a check found."""

    read: int
    wrong: list[dict[str, str]]


class Swept(NamedTuple):
    """What a sweep removed."""

    files: int
    bytes: int


def damaged(store: Store, datasets: Sequence[str]) -> Faults:
    """Read every file of the current datasets and compare its digest with its record."""
    files = [f for name in datasets for record in store.current(name) for f in files_of(record)]
    wrong = []
    for file in files:
        what = _fault(store, file)
        if what:
            wrong.append({"path": file.path, "what": what})
    return Faults(len(files), wrong)


def _fault(store: Store, file: File) -> str:
    path = store.root / file.path
    if not path.is_file():
        return "missing"
    return "" if store.file(path).sha256 == file.sha256 else "changed"


def withdraw_rejected(store: Store, datasets: Sequence[str]) -> int:
    """Take back every record with rejected rows, so that the next run makes its part again."""
    taken = 0
    for name in datasets:
        for record in store.current(name):
            if record.rejected:
                store.withdraw(record)
                taken += 1
    return taken


def sweep(store: Store, finished: Sequence[str]) -> Swept:
    """Remove superseded records with their files, and old files that no record names.

    Args:
        store: the run folder.
        finished: datasets that are complete and published. In others nothing that has a record is
            touched: an interrupted run goes on from it.
    """
    current: list[Record] = [record for name in finished for record in store.current(name)]
    keep = {(record.dataset, record.task, record.identity) for record in current}
    kept_files: set[str] = set()
    removed, size = 0, 0
    for path, record in list(store.records()):
        known = (record.dataset, record.task, record.identity) in keep
        if known or record.dataset not in finished:
            kept_files |= {file.path for file in files_of(record)}
        else:
            path.unlink()
    young = time.time() - YOUNG_S
    for path in sorted((store.root / "data").glob("*/*")):
        inside = [path] if path.is_file() else list(path.rglob("*"))
        names = {str(file.relative_to(store.root)) for file in inside}
        if names & kept_files or _newest(path, inside) > young:
            continue
        removed += len(inside)
        size += sum(file.stat().st_size for file in inside if file.is_file())
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Swept(removed, size)


def _newest(path: Path, inside: Sequence[Path]) -> float:
    return max(file.stat().st_mtime for file in (path, *inside))
