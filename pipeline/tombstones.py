"""Tombstones: what was erased on request, as salted digests, and how every run keeps to it.

    run/tombstones.json
        salt        32 random bytes, in hex; one for the run folder
        requests    what each `palimpsest erase` asked for, in order
            utc, by     when, and who did it
            state       begun, erased or swept: how far the erasure got
            datasets    what was made of the works, to be made again without them
            counts      what was erased, in numbers
            marks       salted digests: of the ids of works, prompts and generations, of their
                        bytes, of the name that was asked for, and of the parts that held them

A mark says nothing by itself. Who holds the file and already knows a name or a picture can tell
whether it is meant: without that no run could keep to it.
"""

import json
import os
import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b, sha256
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from indexes.names import normal_form
from pipeline.errors import StoreError
from stages.contract import Out, Rejected, Table
from stages.sources.places import id_of, kind_of
from stages.tables import GENERATIONS, IMAGES, OUTPUTS, PROMPTS, TEXTS

NAME = "tombstones.json"
"""The file, in the run folder."""

BEGUN, ERASED, SWEPT = "begun", "erased", "swept"
"""The request is written down; all of it is gone; a run has been through without it."""

KINDS: Mapping[str, str] = {
    **dict.fromkeys(("image_id", "text_id", "output_id", "made_id", "neighbor_id"), "id"),
    **dict.fromkeys(("work_id", "prompt_id"), "id"),
    "sha256": "sha256",
    "artist": "name",
    "author": "name",
}
"""Column -> kind of mark that its values may have."""

KEPT_TO = frozenset({table.name for table in (IMAGES, TEXTS, GENERATIONS, OUTPUTS, PROMPTS)})
"""Tables that come from outside or from models: marked rows never get into them."""

_FORMAT = "tombstones-1"
_SALT_BYTES = 32
_MARK_BYTES = 16
_BESIDE = (".json", ".txt")
_AGAIN = re.compile(r" \(\d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One erasure."""

    utc: str
    """When it was asked for."""

    by: str
    """Who did it."""

    state: str
    """begun, erased or swept."""

    datasets: tuple[str, ...]
    """Datasets that are made again."""

    counts: Mapping[str, int]
    """What was erased."""

    marks: frozenset[str]
    """Salted digests."""


@dataclass(frozen=True)
class Tombstones:
    """All erasures of a run folder."""

    salt: bytes
    """Key of the digests."""

    requests: tuple[Request, ...] = ()
    """In the order of asking."""

    @cached_property
    def marks(self) -> frozenset[str]:
        """Every mark of every request."""
        return frozenset().union(*(request.marks for request in self.requests))

    @property
    def pending(self) -> bool:
        """True if an erasure was begun and not ended."""
        return any(request.state == BEGUN for request in self.requests)

    def mark(self, kind: str, value: str) -> str:
        """Return the salted digest of a value.

        >>> Tombstones(bytes(32)).mark("id", "a") == Tombstones(bytes(32)).mark("name", "a")
        False
        """
        plain = normal_form(value) if kind == "name" else value
        keyed = blake2b(
            plain.encode("utf-8", "surrogatepass"),
            digest_size=_MARK_BYTES,
            key=self.salt,
            person=kind.encode(),
        )
        return keyed.hexdigest()

    def holds(self, kind: str, value: str | None) -> bool:
        """Return whether a value was erased."""
        return value is not None and bool(self.marks) and self.mark(kind, value) in self.marks

    def times(self, dataset: str, task: str) -> int:
        """Return how many erasures touched what a task had made."""
        wanted = self.mark("task", f"{dataset}/{task}") if self.requests else ""
        return sum(wanted in request.marks for request in self.requests)

    def marked(self, rows: pa.Table) -> list[bool]:
        """Return for each row whether one of its ids, digests or names was erased."""
        found = [False] * rows.num_rows
        for name, kind in KINDS.items():
            if name in rows.column_names:
                for place, value in enumerate(rows[name].to_pylist()):
                    found[place] = found[place] or self.holds(kind, value)
        return found

    def files_left(self, listed: pa.Table, config: Any) -> pa.Table:
        """Return FILES without the files that are an erased work by themselves.

        Args:
            listed: FILES of one section of the case.
            config: that section; its name is part of every id.
        """
        if not self.marks:
            return listed
        keep = []
        for row in listed.select(["source", "path"]).to_pylist():
            source = config.sources[row["source"]]
            alone = kind_of(row["path"], source.columns.layout, source.kind) == "folder"
            image_id = id_of(config.dataset, row["source"], row["path"], "", 0)
            keep.append(not (alone and self.holds("id", image_id)))
        return listed.filter(pa.array(keep, pa.bool_()))


def read_tombstones(root: Path) -> Tombstones:
    """Return the erasures of a run folder; a folder without any gets a fresh salt.

    Raises:
        StoreError: the file is damaged: nothing may be read or made before it is brought back.
    """
    path = root / NAME
    try:
        state = path.stat()
    except FileNotFoundError:
        return Tombstones(secrets.token_bytes(_SALT_BYTES))
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, _time: int, _size: int) -> Tombstones:
    # a worker asks for every part, and the file of ten thousand works is a megabyte
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {_FORMAT: _stones_of}[found["format"]](found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read as tombstones: {error}; without them erased works would come"
            " back: bring the file back from a copy"
        ) from error


def _stones_of(found: Mapping[str, Any]) -> Tombstones:
    requests = []
    for each in found["requests"]:
        sets = {"datasets": tuple(each["datasets"]), "marks": frozenset(each["marks"])}
        requests.append(Request(**{**each, **sets}))
    return Tombstones(bytes.fromhex(found["salt"]), tuple(requests))


def write_tombstones(root: Path, stones: Tombstones) -> None:
    """Write the file, down to the disk, in one step."""
    path = root / NAME
    value = {
        "format": _FORMAT,
        "salt": stones.salt.hex(),
        "requests": [
            {**asdict(request), "marks": sorted(request.marks)} for request in stones.requests
        ],
    }
    draft = path.with_name(f".{NAME}.{uuid.uuid4().hex[:8]}")
    with draft.open("x", encoding="utf-8") as out:
        json.dump(value, out, indent=0, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
    handle = os.open(root, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_to(stones: Tombstones, table: Table, out: Out) -> tuple[Out, int]:
    """Return what a stage made without what was erased, and how many rows were left out.

    Args:
        stones: the erasures.
        table: what the rows are.
        out: rows and rejections; a rejection that names an erased file goes too.
    """
    if table.name not in KEPT_TO or not stones.marks or not out.rows.num_rows:
        return out, 0
    gone = stones.marked(out.rows)
    if "output_id" in out.rows.column_names:
        texts = out.rows["text"].to_pylist()
        gone = [g or stones.holds("sha256", digest_of(t)) for g, t in zip(gone, texts, strict=True)]
    if not any(gone):
        return out, 0
    rows = out.rows.filter(pa.array([not each for each in gone], pa.bool_()))
    places = out.rows["place"].to_pylist() if "place" in out.rows.column_names else []
    lost = [place for place, each in zip(places, gone, strict=bool(places)) if each]
    return Out(rows, _without(out.rejected, lost)), sum(gone)


def digest_of(text: str | None) -> str | None:
    """Return the sha256 of a text that a model wrote, as UTF-8."""
    return None if text is None else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _without(rejected: Iterable[Rejected], places: Iterable[str]) -> list[Rejected]:
    """Return rejections but those of erased files and of what lies beside them."""
    lost = set[str]()
    for place in places:
        stem = str(PurePosixPath(place).with_suffix(""))
        lost |= {place, *(each + end for each in (place, stem) for end in _BESIDE)}
    return [row for row in rejected if not {row.key, _AGAIN.sub("", row.key)} & lost]


def counts_of(stones: Tombstones) -> dict[str, Any]:
    """Return what was erased on request from a run, in numbers."""
    total: dict[str, int] = {}
    for request in stones.requests:
        for name, many in request.counts.items():
            total[name] = total.get(name, 0) + many
    return {"requests": len(stones.requests), **dict(sorted(total.items()))}
