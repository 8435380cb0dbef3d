"""What belongs to a person, or to a work: every occurrence of it, and all that was made of it.

A work is all its occurrences: what lies in one cluster with it, and what has the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexes.names import Names, Person, normal_form
from pipeline.case import Case
from pipeline.erase_made import add_made
from pipeline.erase_traces import FROM_FILES, Traces, rows
from pipeline.errors import CaseError
from pipeline.store import Store

_NAMES = ("artist", "author")
_IDS = ("image_id", "text_id")
_SHORTEST_ID = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose works, or which."""

    artist: str = ""
    """Name of an artist or author; empty if works are named one by one."""

    ids: tuple[str, ...] = ()
    """Ids of works, images or texts, their first 12 digits or more; or sha256 of files."""


def find_traces(store: Store, case: Case, wanted: Wanted) -> Traces:
    """Return everything in a run folder that is, or was made of, some works.

    Args:
        store: the run folder.
        case: says from when on a generation gave a text back.
        wanted: whose works.

    Raises:
        CaseError: nobody of that name is in the run, or an id means several things.
    """
    traces = _named(store, wanted.artist) if wanted.artist else _listed(store, wanted.ids)
    _close(store, traces)
    add_made(store, case, traces)
    return traces


def _named(store: Store, artist: str) -> Traces:
    known = {
        row[name] for row in rows(store, FROM_FILES, _NAMES) for name in _NAMES if row.get(name)
    }
    form = normal_form(artist)
    names = tuple(sorted(name for name in known if form and normal_form(name) == form))
    if not names:
        near = Names(Person(name, name) for name in known).find(artist).suggestions
        like = ", ".join(repr(each.person.name) for each in near) or "none is like it"
        raise CaseError(f"--artist {artist!r}: nobody in this run bears that name; {like}")
    found = rows(store, FROM_FILES, _IDS, dict.fromkeys(_NAMES, names))
    return Traces(names=names, ids={row.get("image_id") or row["text_id"] for row in found})


def _listed(store: Store, wanted: Sequence[str]) -> Traces:
    traces = Traces(unknown=())
    whole = {each for each in wanted if len(each) == len("0" * 64)}
    means: dict[str, set[str]] = {each: set() for each in wanted}
    names = (*_IDS, "sha256", "work_id")
    for row in rows(store, (*FROM_FILES, "input.works", "input.text_works"), names):
        own = row.get("image_id") or row["text_id"]
        for value in {own, row.get("work_id") or own, row["sha256"]}:
            for asked in {value} & whole or _short(value, means):
                means[asked].add(value)
                traces.ids.add(own)
    for asked, values in means.items():
        if len(values) > 1:
            raise CaseError(f"{asked}: {len(values)} things begin so; give more of its digits")
    traces.unknown = tuple(asked for asked, values in means.items() if not values)
    # what is not here yet is never to come in either
    traces.sha256 |= set(traces.unknown) & whole
    return traces


def _short(value: str, means: Mapping[str, Any]) -> set[str]:
    sizes = {len(asked) for asked in means}
    return {value[:size] for size in sizes if size >= _SHORTEST_ID} & means.keys()


def _close(store: Store, traces: Traces) -> None:
    """Add every occurrence of the works: of one cluster with them, or of the same bytes."""
    clusters = ("input.works", "input.text_works")
    before = -1
    while len(traces.ids) + len(traces.works) > before:
        before = len(traces.ids) + len(traces.works)
        named = ("image_id", "text_id", "work_id")
        keep = {**dict.fromkeys(_IDS, traces.ids), "work_id": traces.works}
        for row in rows(store, clusters, named, keep):
            traces.ids.add(row.get("image_id") or row["text_id"])
            traces.works.add(row["work_id"])
        keep = {**dict.fromkeys(_IDS, traces.ids), "sha256": traces.sha256}
        for row in rows(store, FROM_FILES, (*_IDS, "sha256", *_NAMES), keep):
            traces.ids.add(row.get("image_id") or row["text_id"])
            traces.sha256.add(row["sha256"])
            traces.others |= {row[n] for n in _NAMES if row.get(n)} - set(traces.names)
