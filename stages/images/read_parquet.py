"""Read Parquet: one image per row, as bytes or as {bytes, path}, from a run of row groups."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from stages.contract import Rejected, StageError
from stages.images.fields import FIELDS, names_of, pick
from stages.images.sources import (
    File,
    Found,
    RefusedError,
    SourceColumns,
    place_of,
    real_path,
)

BATCH_ROWS = 64
_DAMAGE = (pa.ArrowException, OSError, ValueError)


def open_parquet(file: File) -> pq.ParquetFile:
    """Return the Parquet file of a source, its columns checked.

    Raises:
        RefusedError: it lies outside the source, is unreadable, or is not a whole Parquet file.
        StageError: it lacks a column that the case names, or the image.
        OSError: the disk failed; trying again may help.
    """
    real = real_path(file.root, file.path)
    try:
        opened = pq.ParquetFile(real)
    except _DAMAGE as error:
        raise RefusedError("truncated", f"not a whole Parquet file: {_said(error)}") from error
    check_columns(file.path, opened.schema_arrow, file.columns)
    return opened


def check_columns(path: str, schema: pa.Schema, columns: SourceColumns) -> None:
    """Check that a Parquet file has the image, as bytes, and every column that the case names.

    Raises:
        StageError: names the columns that exist and the nearest one.
    """
    image = columns.image or "image"
    given = [image, *(getattr(columns, field) for field in FIELDS)]
    for name in given:
        if name is not None and schema.names.count(name) != 1:
            times = schema.names.count(name)
            near = get_close_matches(name, schema.names, n=1, cutoff=0.0)
            hint = f"; the nearest is {near[0]!r}" if near and not times else ""
            found = ", ".join(schema.names)
            raise StageError(f"{path}: {times} columns {name!r}; it has: {found}{hint}")
    kind = schema.field(image).type
    inner = kind.field("bytes").type if _is_struct(kind) else kind
    fits = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_null)
    if not any(fit(inner) for fit in fits):
        expected = "expected binary, or a struct with binary `bytes`"
        raise StageError(f"{path}: column {image!r} is {kind}; {expected}")


def _is_struct(kind: Any) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def read_parquet(file: File) -> Iterator[Found | Rejected]:
    """Yield the images of a run of row groups in their order, and a rejection for each that fails.

    A broken row group keeps the rows before the break; one rejection says so, and the next group
    is read.

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
) -> Iterator[Found | Rejected]:
    image = file.columns.image or "image"
    wanted = {name for field in FIELDS for name in names_of(file.columns, field)} | {image}
    names = [name for name in opened.schema_arrow.names if name in wanted]
    row = first_row
    try:
        for batch in opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=names):
            for values in _rows(batch):
                data = values.pop(image)
                data = data.get("bytes") if isinstance(data, dict) else data
                said = pick(values, file.columns)
                yield Found(place_of(file, row=row), "", row, data or b"", said)
                row += 1
    except _DAMAGE as error:
        num_rows = opened.metadata.row_group(group).num_rows
        kept = f"{row - first_row} of {num_rows} rows are kept"
        message = f"row group {group} is damaged: {_said(error)}; {kept}"
        yield Rejected(f"{place_of(file)}@{group}", "truncated", message)


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    # text as bytes: one value that is not UTF-8 must not cost the batch
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        flat = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        is_text = pa.types.is_string(flat.type) or pa.types.is_large_string(flat.type)
        columns[name] = flat.cast(pa.large_binary()) if is_text else flat
    return cast("list[dict[str, Any]]", pa.table(columns).to_pylist())


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    # Arrow repeats the path, which is another one on every machine
    return str(error).splitlines()[0].partition("'/")[0].strip()[:200]
