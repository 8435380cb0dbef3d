"""Erasing in a run folder: the request is written down first, then everything that it names goes.

Parts that are made from one file or one prompt alone go only if they hold a trace; everything that
is made of such parts together (works, indexes, matches, findings) goes whole, and the next run
makes it again without the works. What was begun and not ended is ended by the next run: the request
says all that is to go.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline import rounds
from pipeline.custody import append
from pipeline.erase_traces import FROM_FILES, MADE, Traces, records_of, tables
from pipeline.flow import FLOW, SOURCES
from pipeline.store import Record, Store, files_of
from pipeline.tombstones import (
    BEGUN,
    ERASED,
    KINDS,
    SWEPT,
    Request,
    Tombstones,
    read_tombstones,
    write_tombstones,
)

PART_BY_PART = frozenset(
    {
        *FROM_FILES,
        *MADE,
        *("train.embeddings", "control.embeddings", "made.signals", "made.runs"),
        *("made.embeddings", *(f"made.embeddings_{n}" for n in range(2, len(rounds.SAMPLED) + 1))),
    }
)
"""Datasets whose parts are made from one file or one prompt alone; made again, they cost most."""

_TOGETHER = 500


def request_of(store: Store, stones: Tombstones, traces: Traces, said: tuple[str, str]) -> Request:
    """Return what is to be written down before anything goes.

    Args:
        store: the run folder.
        stones: what was erased before, and the salt.
        traces: what is to go.
        said: when, UTC, and by whom.
    """
    ids = traces.ids | traces.works | traces.prompts | traces.made
    marks = {stones.mark("id", each) for each in ids}
    marks |= {stones.mark("sha256", each) for each in traces.sha256}
    marks |= {stones.mark("name", each) for each in traces.names}
    tasks = list(_touched(store, Tombstones(stones.salt, (_request(said, marks),))))
    files = [(_listing(dataset), task) for dataset, task in tasks if dataset in _LISTED]
    marks |= {stones.mark("task", f"{dataset}/{task}") for dataset, task in [*tasks, *files]}
    return replace(
        _request(said, marks),
        datasets=tuple(sorted({dataset for dataset, _ in [*tasks, *files]} | _made_of(tasks))),
        counts={
            "works": len(traces.works) or len(traces.ids),
            "images_and_texts": len(traces.ids),
            "prompts": len(traces.asked),
            "generations": len(traces.made),
            "of_which_hold_a_work": len(traces.holding),
        },
    )


def _request(said: tuple[str, str], marks: Iterable[str]) -> Request:
    utc, by = said
    return Request(utc=utc, by=by, state=BEGUN, datasets=(), counts={}, marks=frozenset(marks))


def _touched(store: Store, stones: Tombstones) -> Iterator[tuple[str, str]]:
    """Yield dataset and name of each task of single parts that left a marked row."""
    for record in records_of(store, sorted(PART_BY_PART)):
        if _is_marked(store, record, stones):
            yield record.dataset, record.task


def _is_marked(store: Store, record: Record, stones: Tombstones) -> bool:
    if any(any(stones.marked(table)) for table in tables(store, record, list(KINDS))):
        return True
    file = record.rejected_file
    if file is None or not (store.root / file.path).is_file():
        return False
    keys = pq.read_table(store.root / file.path, columns=["key"])["key"].to_pylist()
    return any(stones.holds("id", piece) for key in keys for piece in key.split("/"))


_LISTED = frozenset(
    name
    for step in FLOW
    for files in step.reads.values()
    for name in [step.writes]
    if set(files) <= SOURCES.keys()
)
"""Datasets that are read from the files of the case."""


def _listing(dataset: str) -> str:
    """Return the dataset that lists the files of another, part by part."""
    (step,) = (step for step in FLOW if step.writes == dataset)
    ((name,),) = step.reads.values()
    return name


def _made_of(tasks: Iterable[tuple[str, str]]) -> set[str]:
    """Return every dataset that is made of some, by way of others too."""
    found = {dataset for dataset, _ in tasks}
    for step in FLOW:
        read = {name for names in (*step.reads.values(), *step.uses.values()) for name in names}
        if read & found:
            found.add(step.writes)
    return found


def erase(store: Store, stones: Tombstones, request: Request) -> int:
    """Write a request down and do it; return how many files went.

    Args:
        store: the run folder; the caller has the lock.
        stones: what was erased before, with the salt that the request was made with.
        request: what is to go.
    """
    write_tombstones(store.root, Tombstones(stones.salt, (*stones.requests, request)))
    return finish_erasing(store)


def finish_erasing(store: Store) -> int:
    """Do what was asked for and not ended; return how many files went. The caller has the lock."""
    stones = read_tombstones(store.root)
    many = 0
    for number, request in enumerate(stones.requests, start=1):
        if request.state == BEGUN:
            alone = Tombstones(stones.salt, (request,))
            many += _remove(
                store, _doomed_by(store, alone), "erased", {"request": number, **request.counts}
            )
            stones = _with_state(stones, request, ERASED)
            write_tombstones(store.root, stones)
    return many


def sweep_after(store: Store) -> int:
    """Remove all that is not current, once a run has been through without the erased works.

    Args:
        store: a run folder all of whose datasets are complete; the caller has the lock.

    Returns:
        How many files went.
    """
    stones = read_tombstones(store.root)
    left = [request for request in stones.requests if request.state == ERASED]
    if not left:
        return 0
    current = {
        (record.dataset, record.task, record.identity)
        for name in (*SOURCES, *(step.writes for step in FLOW))
        for record in store.current(name)
    }

    def is_old(record: Record) -> bool:
        return (record.dataset, record.task, record.identity) not in current

    many = _remove(store, _doomed(store, (), is_old), "swept", {"after": "erased"})
    for request in left:
        stones = _with_state(stones, request, SWEPT)
    write_tombstones(store.root, stones)
    return many


def _with_state(stones: Tombstones, request: Request, state: str) -> Tombstones:
    done = replace(request, state=state)
    return Tombstones(
        stones.salt, tuple(done if each is request else each for each in stones.requests)
    )


def _doomed_by(store: Store, stones: Tombstones) -> dict[Path, str]:
    """Return the files that one request names, lists of datasets first, with their digests."""
    (request,) = stones.requests
    lists = [store.root / "datasets" / f"{name}.json" for name in request.datasets]
    pages = [store.root / "report.html", store.root / "report.draft"]

    def goes(record: Record) -> bool:
        if record.dataset in PART_BY_PART or record.dataset in SOURCES:
            return stones.times(record.dataset, record.task) > 0
        return record.dataset in request.datasets

    return _doomed(store, [*lists, *pages, *(store.root / "logs").rglob("*")], goes)


def _doomed(store: Store, first: Iterable[Path], goes: Callable[[Record], bool]) -> dict[Path, str]:
    """Return files with their digests: some, then records with what they name, then the rest.

    The rest is what no record names: drafts, litter of attempts, records that were withdrawn.
    """
    doomed = dict.fromkeys(first, "")
    kept: set[Path] = set()
    for path, record in store.records():
        files = {store.root / file.path: file.sha256 for file in files_of(record)}
        if goes(record):
            doomed |= {path: "", **files}
        else:
            kept |= {path, *files}
    for folder in ("records", "data"):
        for path in sorted((store.root / folder).rglob("*")):
            if path not in kept:
                doomed.setdefault(path, "")
    return {path: sha or store.file(path).sha256 for path, sha in doomed.items() if path.is_file()}


def _remove(store: Store, doomed: Mapping[Path, str], action: str, about: dict[str, Any]) -> int:
    """Write down what goes, and remove it: in this order, as a run may be stopped at any moment."""
    items = [(path.relative_to(store.root).as_posix(), sha) for path, sha in doomed.items()]
    for start in range(0, max(1, len(items)), _TOGETHER):
        append(store.root, action, inputs=dict(items[start : start + _TOGETHER]), about=about)
    for path in doomed:
        path.unlink(missing_ok=True)
        folder = path.parent
        if folder.parent.parent == store.root / "data" and not any(folder.iterdir()):
            folder.rmdir()  # of an artefact
    return len(doomed)
