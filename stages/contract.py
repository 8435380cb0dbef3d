"""What a stage is: a pure function between declared tables.

A stage is a value, never a subclass. There are two kinds. A `MapStage` turns each part of its input
into one part of its output; a `FoldStage` reads whole datasets and writes a table or a folder.
Neither knows where its data lives: `pipeline` reads, checks, runs and commits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

ConfigT = TypeVar("ConfigT")
ToolsT = TypeVar("ToolsT")

PathText = Annotated[str, "path"]
"""A config field that names a file or folder; in a case it is relative to the case file."""

FileText = Annotated[str, "path", "content"]
"""A `PathText` whose file is part of the config: its digest enters the identity of parts."""


class TableError(ValueError):
    """A batch does not match the table it claims to be."""


class StageError(ValueError):
    """A stage cannot do what its config asks; the case must change."""


def column(
    name: str, dtype: pa.DataType, meaning: str, *, unit: str = "", null: str = ""
) -> "pa.Field[Any]":
    """Return a column that carries its meaning in its metadata.

    Args:
        name: column name.
        dtype: Arrow type; text and bytes are `large_*`, so that a part may pass 2 GB.
        meaning: what a value says.
        unit: unit or range, empty for none.
        null: what a null says; empty means that the column has no nulls.
    """
    metadata = {"meaning": meaning, "unit": unit, "null": null}
    return pa.field(name, dtype, nullable=bool(null), metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of table: what a row is, what identifies it, and its columns."""

    name: str
    """Plural noun, unique among tables."""

    grain: str
    """What one row is."""

    key: tuple[str, ...]
    """Columns that identify a row; unique over a whole dataset."""

    schema: pa.Schema
    """Columns in order, made with `column`."""

    groups: tuple[str, ...] = ()
    """Text columns whose distinct values are kept in the record of each part, so that the planner
    can bring together rows that must share a part without reading data."""

    blobs: tuple[str, ...] = ()
    """Large columns, kept in a file of their own beside the rest."""

    def check(self, batch: pa.Table) -> pa.Table:
        """Return the batch if it has this schema, no forbidden null, finite floats, unique keys.

        Raises:
            TableError: names the table, the column and what was found.
        """
        if not batch.schema.equals(self.schema, check_metadata=True):
            raise TableError(f"{self.name}: expected {self.schema}, got {batch.schema}")
        for described in self.schema:
            _check_column(self.name, described, batch[described.name])
        if batch.group_by(list(self.key)).aggregate([]).num_rows != batch.num_rows:
            raise TableError(f"{self.name}: {self.key} does not identify a row")
        return batch

    def make(self, columns: Mapping[str, Any]) -> pa.Table:
        """Return a table of this schema from one sequence or Arrow array per column."""
        missing = [name for name in self.schema.names if name not in columns]
        extra = [name for name in columns if name not in self.schema.names]
        if missing or extra:
            raise TableError(f"{self.name}: missing columns {missing}, unknown columns {extra}")
        return pa.table(
            [_column_of(columns[f.name], f.type) for f in self.schema], schema=self.schema
        )

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Return a table of this schema from one mapping per row."""
        return pa.Table.from_pylist(list(rows), schema=self.schema)

    def empty(self) -> pa.Table:
        """Return a table of this schema without rows."""
        return self.schema.empty_table()


def _column_of(values: Any, dtype: pa.DataType) -> Any:
    if isinstance(values, pa.ChunkedArray | pa.Array):
        return values.cast(dtype)
    return pa.array(values, dtype)


def _check_column(table: str, described: Any, values: Any) -> None:
    if values.null_count and not described.nullable:
        raise TableError(f"{table}.{described.name}: {values.null_count} nulls, none are allowed")
    if pa.types.is_list(described.type) or pa.types.is_large_list(described.type):
        values = pc.list_flatten(values)
        if values.null_count:
            raise TableError(f"{table}.{described.name}: nulls inside lists")
    if pa.types.is_floating(values.type) and pc.all(pc.is_finite(values)).as_py() is False:
        raise TableError(f"{table}.{described.name}: NaN or infinite values")


@dataclass(frozen=True, slots=True)
class Columns:
    """A projection: the named columns of any of some tables; only these are read."""

    names: tuple[str, ...]
    """Columns in the order in which the stage receives them."""

    of: tuple[Table, ...]
    """Tables that may stand here; each has all the columns."""

    def __post_init__(self) -> None:
        for table in self.of:
            if missing := set(self.names) - set(table.schema.names):
                raise TableError(f"{table.name} has no column {sorted(missing)}")


def columns(names: str, *of: Table) -> Columns:
    """Return a projection written as words: `columns("image_id bytes", IMAGES)`."""
    return Columns(tuple(names.split()), of)


def whole(*of: Table) -> Columns:
    """Return the projection on every column of a table."""
    return Columns(tuple(of[0].schema.names), of)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A folder of files that a fold writes and stages open, such as an index."""

    name: str
    """What the folder holds."""


class Reader(Protocol):
    """A dataset opened for look-ups."""

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        """Return the named columns of the rows with these keys, in the order of the ids.

        Raises:
            KeyError: an id is not in the dataset.
        """
        ...

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return the named columns of all rows, in part order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What the worker hands to a stage besides its rows."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    """Artefacts by role."""

    datasets: Mapping[str, Reader] = field(default_factory=dict)
    """Datasets by role, for `take`."""

    folder: Path | None = None
    """Empty folder into which a fold writes its artefact."""

    device: str = "cpu"
    """torch device of this worker; recorded, not config."""

    threads: int = 1
    """Threads that this worker may use; recorded, not config."""


class Rejected(NamedTuple):
    """A row that could not be processed; it is kept and counted, never dropped in silence."""

    key: str
    """Key of the row, or its place in the source."""

    code: str
    """One of a short list of words, such as `truncated` or `too-large`."""

    message: str
    """What was found and what was expected, for a person."""


class Out(NamedTuple):
    """What a stage gives back."""

    rows: pa.Table
    """Rows of the table that the stage writes."""

    rejected: Sequence[Rejected] = ()
    """Rows that failed, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStage(Generic[ConfigT, ToolsT]):
    """A stage that turns each part of its input into one part of its output."""

    name: str
    """Verb, unique among stages."""

    reads: Mapping[str, Columns]
    """Role -> columns that `run` receives; several roles are joined by `per`."""

    writes: Table
    """Table of the rows that `run` returns."""

    config: type[ConfigT]
    """Frozen dataclass of every knob that can change the output."""

    open: Callable[[ConfigT, Kit], ToolsT]
    """Build what `run` needs; once per worker; the only impure part."""

    run: Callable[[Mapping[str, pa.Table], ToolsT], Out]
    """The work: the same rows and tools give the same rows."""

    uses: Mapping[str, Columns | Artefact] = field(default_factory=dict)
    """Role -> artefact (a folder) or columns of a dataset (a reader) that `open` receives."""

    per: tuple[str, ...] = ()
    """Columns whose equal values must meet in one part; each role has them among its `groups`."""

    version: int = 1
    """Raise by one when the meaning of the output changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldStage(Generic[ConfigT]):
    """A stage that reads whole datasets and writes a table or an artefact."""

    name: str
    """Verb, unique among stages."""

    reads: Mapping[str, Columns]
    """Role -> columns of the batches that `run` receives, in part order."""

    writes: Table | Artefact
    """Table of the rows that `run` yields, or the artefact that it leaves in `kit.folder`."""

    config: type[ConfigT]
    """Frozen dataclass of every knob that can change the output."""

    run: Callable[[Mapping[str, Iterable[pa.Table]], ConfigT, Kit], Iterator[Out]]
    """The work; a stage that writes an artefact yields nothing but rejections."""

    cut: tuple[str, ...] = ()
    """Columns that name the parts of the output: equal values share a part, and a part whose rows
    did not change keeps its identity. Empty: cut by bytes."""

    uses: Mapping[str, Columns | Artefact] = field(default_factory=dict)
    """As in `MapStage`."""

    version: int = 1
    """Raise by one when the meaning of the output changes."""


Stage = MapStage[Any, Any] | FoldStage[Any]


def only_config(config: ConfigT, _: Kit) -> ConfigT:
    """Return the config itself; the `open` of a stage that needs no model and no index."""
    return config
