"""Store: datasets on disk. A part exists when its record does, and its record never changes.

    run/records/<dataset>/<task>-<identity>.json     who made it, from what, digests; published once
    run/data/<dataset>/<part>-<attempt>.parquet      rows; never overwritten, named by the attempt
    run/data/<dataset>/<part>-<attempt>.blobs.parquet    large columns, in row groups of 32 rows
    run/datasets/<dataset>.json                      which records make up the dataset now

Publishing a record is a hard link: it fails when the name exists, so of two workers that made
the same part the first one wins and the other removes its files. What is not named by a record is
litter that `gc` may sweep.
"""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.identity import column_digest
from stages.contract import Table
from stages.tables import REJECTED

ROWS_PER_GROUP = 50_000
BLOBS_PER_GROUP = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a part."""

    path: str
    """Path within the run folder."""

    sha256: str
    """Digest of its bytes."""

    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows of a dataset, or the folder of an artefact."""

    name: str
    """Unique within the dataset."""

    rows: int
    """Number of rows; 0 for an artefact."""

    files: tuple[File, ...] = ()
    """Rows first, then large columns; for an artefact every file of the folder."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Digest of each column's values; for an artefact the digest of each file."""

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Distinct values of the columns by which rows are brought together, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one finished task left: published once, never changed."""

    dataset: str
    """Dataset that the parts belong to."""

    task: str
    """Name of the task, unique within the dataset."""

    identity: str
    """sha256 of everything that could change the parts."""

    parts: tuple[Part, ...]
    """Parts that the task made; a map makes one."""

    rejected: int = 0
    """Rows that failed; they lie in `rejected_file`."""

    rejected_file: File | None = None
    """REJECTED rows, if any."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Stage, version, attempt, host, device, threads, seconds: recorded, not part of identity."""


class Store:
    """One run folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_part(self, table: Table, name: str, rows: pa.Table, *, place: Path) -> Part:
        """Check rows and write them under the attempt's own name.

        Args:
            table: what the rows claim to be.
            name: name of the part.
            rows: the rows, already in order.
            place: `data/<dataset>/<part>-<attempt>` under the root, without suffix.

        Raises:
            TableError: the rows do not match the table.
        """
        table.check(rows)
        place.parent.mkdir(parents=True, exist_ok=True)
        lean = [column for column in rows.column_names if column not in table.blobs]
        files = [self._write(rows.select(lean), place.with_name(place.name + ".parquet"))]
        if table.blobs:
            blobs = rows.select([*table.key, *table.blobs])
            files.append(self._write(blobs, place.with_name(place.name + ".blobs.parquet")))
        return Part(
            name=name,
            rows=rows.num_rows,
            files=tuple(files),
            columns={column: column_digest(rows[column]) for column in rows.column_names},
            groups={g: tuple(sorted(set(rows[g].to_pylist()))) for g in table.groups},
        )

    def _write(self, rows: pa.Table, path: Path) -> File:
        blobs = path.name.endswith(".blobs.parquet")
        with path.open("xb") as out:
            pq.write_table(
                rows,
                out,
                row_group_size=BLOBS_PER_GROUP if blobs else ROWS_PER_GROUP,
                compression="none" if blobs else "zstd",
                write_statistics=not blobs,
            )
            out.flush()
            os.fsync(out.fileno())
        return self.file(path)

    def file(self, path: Path) -> File:
        """Return the name, digest and size of a file of the run folder."""
        with path.open("rb") as data:
            sha = file_digest(data, "sha256").hexdigest()
        return File(path=str(path.relative_to(self.root)), sha256=sha, size=path.stat().st_size)

    def write_rejected(self, rows: Sequence[Mapping[str, str]], *, place: Path) -> File | None:
        """Write rejected rows beside the part they fell out of."""
        if not rows:
            return None
        place.parent.mkdir(parents=True, exist_ok=True)
        seen = {row["key"]: row for row in rows}
        table = REJECTED.check(REJECTED.of_rows(list(seen.values())))
        return self._write(table, place.with_name(place.name + ".rejected.parquet"))

    def commit(self, record: Record) -> bool:
        """Publish a record; return False if another attempt was first.

        The loser's files are removed.
        """
        path = self.record_path(record.dataset, record.task, record.identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        with draft.open("x") as out:
            json.dump(asdict(record), out, indent=1, sort_keys=True)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            self.discard(record)
            return False
        finally:
            draft.unlink()
        _sync_folder(path.parent)
        return True

    def discard(self, record: Record) -> None:
        """Remove the files of an attempt that lost."""
        for file in files_of(record):
            (self.root / file.path).unlink(missing_ok=True)

    def find(self, dataset: str, task: str, identity: str) -> Record | None:
        """Return the record of a finished task, or None if it is not done."""
        try:
            text = self.record_path(dataset, task, identity).read_text()
        except FileNotFoundError:
            return None
        return record_of(json.loads(text))

    def record_path(self, dataset: str, task: str, identity: str) -> Path:
        """Return where the record of a task lies, or would lie."""
        return self.root / "records" / dataset / f"{task}-{identity[:32]}.json"

    def records(self) -> Iterator[tuple[Path, Record]]:
        """Yield every published record, current or superseded."""
        for path in sorted((self.root / "records").glob("*/*.json")):
            yield path, record_of(json.loads(path.read_text()))

    def withdraw(self, record: Record) -> None:
        """Take a record back, so that its task counts as not done; its files stay until `gc`."""
        path = self.record_path(record.dataset, record.task, record.identity)
        path.replace(path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.withdrawn"))

    def publish(self, dataset: str, records: Iterable[Record]) -> None:
        """Say which records make up a dataset now."""
        names = sorted([record.task, record.identity] for record in records)
        path = self.root / "datasets" / f"{dataset}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        draft.write_text(json.dumps(names, indent=0))
        draft.replace(path)

    def is_published(self, dataset: str, records: Iterable[Record]) -> bool:
        """Return whether exactly these records make up a dataset now."""
        path = self.root / "datasets" / f"{dataset}.json"
        names = sorted([record.task, record.identity] for record in records)
        return path.exists() and json.loads(path.read_text()) == names

    def current(self, dataset: str) -> list[Record]:
        """Return the records that make up a dataset now; empty if it was never finished."""
        path = self.root / "datasets" / f"{dataset}.json"
        if not path.exists():
            return []
        found = [
            (task, self.find(dataset, task, sha)) for task, sha in json.loads(path.read_text())
        ]
        if missing := [task for task, record in found if record is None]:
            raise StoreError(f"{dataset}: the records of {missing[:3]} are gone; run again")
        return [record for _, record in found if record is not None]

    def read(self, part: Part, names: Sequence[str]) -> pa.Table:
        """Return the named columns of a part.

        Raises:
            StoreError: a file is missing or does not have the columns.
        """
        wanted = list(names)
        try:
            pieces = [
                pq.read_table(path, columns=have, memory_map=False)
                for path, have in self.projections(part, wanted)
            ]
        except FileNotFoundError as error:
            raise StoreError(f"part {part.name}: {error.filename or error} is gone") from error
        columns = {name: piece[name] for piece in pieces for name in piece.column_names}
        fields = {f.name: f for piece in pieces for f in piece.schema}
        schema = pa.schema([fields[name] for name in wanted])
        return pa.table([columns[name] for name in wanted], schema=schema)

    def projections(self, part: Part, names: Sequence[str]) -> list[tuple[Path, list[str]]]:
        """Return which columns to read from which file, each column once."""
        left = list(names)
        out = []
        for file in part.files:
            if not left:
                break  # a look at the metadata must not need the large columns
            have = set(pq.read_schema(self.root / file.path).names)
            take = [name for name in left if name in have]
            left = [name for name in left if name not in have]
            if take:
                out.append((self.root / file.path, take))
        if left:
            raise StoreError(f"part {part.name} has no column {left}")
        return out


def files_of(record: Record) -> list[File]:
    """Return every file that a record names."""
    rejected = [record.rejected_file] if record.rejected_file else []
    return [file for part in record.parts for file in part.files] + rejected


def record_of(value: Any) -> Record:
    """Return the record that JSON values describe."""
    parts = tuple(
        Part(
            name=part["name"],
            rows=part["rows"],
            files=tuple(File(**file) for file in part["files"]),
            columns=part["columns"],
            groups={name: tuple(values) for name, values in part["groups"].items()},
        )
        for part in value["parts"]
    )
    rejected = value["rejected_file"]
    return Record(
        **{**value, "parts": parts, "rejected_file": File(**rejected) if rejected else None}
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
