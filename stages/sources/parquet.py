"""Parquet: rows from a run of row groups, the columns checked before anything is read."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from stages.contract import Rejected, StageError
from stages.sources.fields import names_of
from stages.sources.places import Columns, File, place_of, real_path
from stages.sources.refused import RefusedError

BATCH_ROWS = 64
_DAMAGE = (pa.ArrowException, OSError, ValueError)


class Row(NamedTuple):
    """One row of a Parquet file, or one line of a file of JSON lines."""

    number: int
    """Row of a Parquet file from 0; line of a file from 1, as editors count."""

    values: dict[str, Any]
    """By the source's own names."""


def open_parquet(file: File) -> pq.ParquetFile:
    """Return the Parquet file of a source, its columns checked.

    Raises:
        RefusedError: it lies outside the source, is unreadable, or is not a whole Parquet file.
        StageError: it lacks a column that the case names, or the main one.
        OSError: the disk failed; trying again may help.
    """
    real = real_path(file.root, file.path)
    try:
        opened = pq.ParquetFile(real)
    except _DAMAGE as error:
        raise RefusedError("truncated", f"not a whole Parquet file: {said_by(error)}") from error
    check_columns(file.path, opened.schema_arrow, file.columns)
    return opened


def main_of(names: list[str], columns: Columns) -> str:
    """Return what a source with these columns calls the main one: the first that is there."""
    usual = names_of(columns, columns.layout.main)
    return next((name for name in usual if name in names), usual[0])


def check_columns(path: str, schema: pa.Schema, columns: Columns) -> None:
    """Check that a Parquet file has the main column, of a fitting type, and all that are named.

    Raises:
        StageError: names the columns that exist and the nearest one.
    """
    main = main_of(schema.names, columns)
    given = [main, *(getattr(columns, field) for field in columns.layout.fields)]
    for name in given:
        if name is not None and schema.names.count(name) != 1:
            times = schema.names.count(name)
            near = get_close_matches(name, schema.names, n=1, cutoff=0.0)
            hint = f"; the nearest is {near[0]!r}" if near and not times else ""
            found = ", ".join(schema.names)
            raise StageError(f"{path}: {times} columns {name!r}; it has: {found}{hint}")
    kind = schema.field(main).type
    if expected := columns.layout.misfit(kind):
        raise StageError(f"{path}: column {main!r} is {kind}; {expected}")


def read_rows(file: File) -> Iterator[Row | Rejected]:
    """Yield the rows of a run of row groups in their order, with the columns that have a meaning.

    Text comes as bytes, so that a value that is not UTF-8 does not cost its neighbours. A broken
    row group keeps the rows before the break; one rejection says so, and the next group is read.

    Raises:
        StageError: a column is missing.
        OSError: the disk failed; trying again may help.
    """
    try:
        with open_parquet(file) as opened:
            row = sum(opened.metadata.row_group(group).num_rows for group in range(file.first))
            for group in range(file.first, file.first + file.num_groups):
                yield from _group(file, opened, group, row)
                row += opened.metadata.row_group(group).num_rows
    except RefusedError as error:
        yield Rejected(place_of(file), error.code, str(error))


def _group(
    file: File, opened: pq.ParquetFile, group: int, first_row: int
) -> Iterator[Row | Rejected]:
    layout = file.columns.layout
    present = opened.schema_arrow.names
    wanted = {name for field in layout.fields for name in names_of(file.columns, field)}
    wanted.add(main_of(present, file.columns))
    row = first_row
    try:
        for batch in opened.iter_batches(
            BATCH_ROWS, row_groups=[group], columns=[name for name in present if name in wanted]
        ):
            for values in _rows(batch):
                yield Row(row, values)
                row += 1
    except _DAMAGE as error:
        num_rows = opened.metadata.row_group(group).num_rows
        kept = f"{row - first_row} of {num_rows} rows are kept"
        message = f"row group {group} is damaged: {said_by(error)}; {kept}"
        yield Rejected(f"{place_of(file)}@{group}", "truncated", message)


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    # text as bytes: one value that is not UTF-8 must not cost the batch
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        flat = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        is_text = pa.types.is_string(flat.type) or pa.types.is_large_string(flat.type)
        columns[name] = flat.cast(pa.large_binary()) if is_text else flat
    return cast("list[dict[str, Any]]", pa.table(columns).to_pylist())


def said_by(error: Exception) -> str:
    """Return what Arrow says of damage, without the path; an error of the disk is raised.

    Raises:
        OSError: the disk failed; trying again may help.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    # Arrow repeats the path, which is another one on every machine
    return str(error).splitlines()[0].partition("'/")[0].strip()[:200]
