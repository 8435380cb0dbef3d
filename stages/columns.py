"""Where Arrow columns become arrays and back; the only module that does so.

Dimension key: B rows of a batch, D dimensions of a vector.
"""

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def blobs(table: pa.Table, name: str) -> list[bytes]:
    """Return a column of bytes without nulls."""
    return cast("list[bytes]", table[name].to_pylist())


def texts(table: pa.Table, name: str) -> list[str]:
    """Return a column of text without nulls."""
    return cast("list[str]", table[name].to_pylist())


def vectors(table: pa.Table, name: str) -> NDArray[np.float32]:
    """Return a list<float32> column as f32[B, D].

    Raises:
        ValueError: rows have different lengths.

    >>> t = pa.table({"v": pa.array([[1, 2], [3, 4]], pa.large_list(pa.float32()))})
    >>> vectors(t, "v").shape
    (2, 2)
    """
    column: Any = table[name].combine_chunks()
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        raise ValueError(f"{name}: rows of different lengths {sorted(lengths)}")
    flat = cast("NDArray[np.float32]", column.flatten().to_numpy())
    return flat.reshape(len(column), lengths[0] if lengths else 0)


def vector_column(values_BD: NDArray[np.float32]) -> "pa.Array[Any]":
    """Return f32[B, D] as a large_list<float32> column."""
    rows, dims = values_BD.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int64) * dims)
    flat = pa.array(np.ascontiguousarray(values_BD, np.float32).ravel(), pa.float32())
    return pa.LargeListArray.from_arrays(offsets, flat)
