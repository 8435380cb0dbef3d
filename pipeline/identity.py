"""Identity: canonical JSON and column digests, so that done means identity, not existence.

The identity of a part is the sha256 of the canonical JSON of everything that could change it:
stage, version, schema, config, digests of the columns it reads, of artefacts and of model files.
A digest of a column depends on its values alone, not on chunks, offsets, compression or file.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import PurePath
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Table
from stages.models.files import ModelRef

Digests = Mapping[ModelRef | str, str]
"""Digest of the content of each model and file that a config names."""


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys, no spaces, and floats in their shortest exact form.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON cannot say.

    >>> canonical({"b": 1, "a": [1.5, None]})
    b'{"a":[1.5,null],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """Return the sha256 of the canonical JSON of a value, in hex."""
    return sha256(canonical(value)).hexdigest()


def plain(value: Any, models: Digests) -> Any:
    """Return a config as JSON values, each model named by the digest of its files.

    Args:
        value: a frozen dataclass, or what its fields may hold.
        models: digest of each model and file that the config names.
    """
    if isinstance(value, ModelRef):
        return {"model": models[value], "torchscript": value.torchscript}
    if is_dataclass(value):
        out = {f.name: plain(getattr(value, f.name), models) for f in fields(value)}
        return out | {name: {"file": models[path]} for name, path in _files_of(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, models) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item, models) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def contents_of(value: Any) -> list[ModelRef | str]:
    """Return every model and file whose content belongs to a config, in field order."""
    if isinstance(value, ModelRef):
        return [value]
    if is_dataclass(value):
        inner = [ref for f in fields(value) for ref in contents_of(getattr(value, f.name))]
        return [*inner, *(path for _, path in _files_of(value))]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in contents_of(item)]
    return [ref for item in value for ref in contents_of(item)] if isinstance(value, tuple) else []


def _files_of(record: Any) -> list[tuple[str, str]]:
    """Return the fields of a dataclass that are `FileText`, with their paths."""
    names = _content_fields(type(record))
    return [(name, getattr(record, name)) for name in names if getattr(record, name) is not None]


def _content_fields(record: type) -> tuple[str, ...]:
    hints = get_type_hints(record, include_extras=True)
    return tuple(name for name, hint in hints.items() if marked(hint, "content"))


def marked(hint: Any, mark: str) -> bool:
    """Return whether a type hint, or an option of a union, is annotated with a word.

    >>> marked(Annotated[str, "path"] | None, "path")
    True
    """
    return any(
        get_origin(option) is Annotated and mark in get_args(option)[1:]
        for option in (hint, *get_args(hint))
    )


def schema_value(table: Table) -> Any:
    """Return what of a table's schema changes the data: names, types, nullability, units, key.

    The wording of a column's meaning is left out: mending a sentence must not sample again.
    """
    columns = [
        [f.name, str(f.type), f.nullable, (f.metadata or {}).get(b"unit", b"").decode()]
        for f in table.schema
    ]
    return {"name": table.name, "key": list(table.key), "columns": columns}


def column_digest(column: Any) -> str:
    """Return the sha256 of the values of an Arrow column, in hex.

    >>> a = pa.chunked_array([["x"], ["yz", None]], pa.large_string())
    >>> b = pa.chunked_array([["x", "yz", None]], pa.large_string())
    >>> column_digest(a) == column_digest(b) != column_digest(b.slice(1))
    True
    """
    state = sha256(f"{column.type} {len(column)}".encode())
    _feed(state, column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return state.hexdigest()


def _feed(state: Any, values: Any) -> None:
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else values.type
    state.update(np.packbits(values.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    kind = values.type
    if pa.types.is_large_list(kind):
        state.update(_numbers(pc.fill_null(pc.list_value_length(values), 0)))
        _feed(state, values.flatten())
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        values = values.cast(pa.large_binary()).fill_null(b"")
        state.update(_numbers(pc.binary_length(values)))
        _, offsets, data = values.buffers()
        ends = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
        if data is not None and len(values):
            state.update(memoryview(data)[ends[0] : ends[-1]])
    else:
        wide = values.cast(pa.uint8()) if pa.types.is_boolean(kind) else values
        state.update(_numbers(wide.fill_null(0)))


def _numbers(values: Any) -> bytes:
    return bytes(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())
