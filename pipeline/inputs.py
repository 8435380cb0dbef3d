"""Inputs: the rows that one task receives, as its stage declared them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.store import Part, Store
from stages.contract import Columns, Rejected, Stage

KILLED = "processing this row killed its worker three times, alone"


def read_role(store: Store, wanted: Columns, parts: Sequence[Part]) -> pa.Table:
    """Return the wanted columns of some parts, in the declared types.

    Raises:
        pa.ArrowInvalid: a stored column does not have its declared type.
    """
    schema = pa.schema([wanted.of[0].schema.field(name) for name in wanted.names])
    pieces = [_cast(store.read(part, wanted.names), schema) for part in parts]
    return pa.concat_tables([schema.empty_table(), *pieces])


def _cast(piece: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table([piece[f.name].cast(f.type) for f in schema], schema=schema)


def row_keys(stage: Stage, rows: pa.Table) -> list[str]:
    """Return the key of each row of a stage's first role, in order."""
    table = stage.reads[next(iter(stage.reads))].of[0]
    key = [name for name in table.key if name in rows.column_names]
    return ["/".join(str(value) for value in row.values()) for row in rows.select(key).to_pylist()]


def leave_out(
    stage: Stage, inputs: Mapping[str, pa.Table], deadly: Sequence[str]
) -> tuple[dict[str, pa.Table], list[Rejected]]:
    """Return the inputs without the rows of the first role that killed their worker."""
    if not deadly:
        return dict(inputs), []
    first = next(iter(stage.reads))
    keep = [key not in deadly for key in row_keys(stage, inputs[first])]
    rows = inputs[first].filter(pa.array(keep, pa.bool_()))
    return {**inputs, first: rows}, [Rejected(key, "killed-worker", KILLED) for key in deadly]


def only_rows(
    stage: Stage, inputs: Mapping[str, pa.Table], span: tuple[int, int] | None
) -> dict[str, Any]:
    """Return the inputs with the given rows of the first role alone."""
    if span is None:
        return dict(inputs)
    first = next(iter(stage.reads))
    return {**inputs, first: inputs[first].slice(span[0], span[1] - span[0])}
