"""Datasets opened for look-ups: whole columns, or the rows of some ids.

Only the row groups that hold a wanted row are read, so that a picture costs a few hundred kilobytes
and not its part.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import Part, Record, Store
from stages.contract import Table


class Dataset:
    """The parts of one or more datasets of one table, as `stages.contract.Reader`."""

    def __init__(self, store: Store, table: Table, parts: Sequence[Part]) -> None:
        self.store = store
        self.table = table
        self.parts = parts
        self._places: dict[str, tuple[int, int]] | None = None

    def read(self, names: Sequence[str]) -> pa.Table:
        """Return the named columns of all rows, in part order."""
        empty = self.table.schema.empty_table().select(list(names))
        pieces = [self.store.read(part, names).cast(empty.schema) for part in self.parts]
        return pa.concat_tables([empty, *pieces])

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        """Return the named columns of the rows with these keys, in the order of the ids.

        Raises:
            KeyError: an id is not in the dataset.
        """
        places = self._find()
        wanted = [places[key] for key in ids]
        schema = self.table.schema.empty_table().select(list(names)).schema
        by_part: dict[int, list[int]] = {}
        for number, row in wanted:
            by_part.setdefault(number, []).append(row)
        pieces = [schema.empty_table()]
        index: dict[tuple[int, int], int] = {}
        for number, rows in by_part.items():
            ordered = sorted(set(rows))
            index.update({(number, row): len(index) + i for i, row in enumerate(ordered)})
            pieces.append(self._rows(self.parts[number], ordered, names).cast(schema))
        return pa.concat_tables(pieces).take(
            pa.array([index[place] for place in wanted], pa.int64())
        )

    def _rows(self, part: Part, rows: Sequence[int], names: Sequence[str]) -> pa.Table:
        columns: dict[str, Any] = {}
        for path, have in self.store.projections(part, names):
            with pq.ParquetFile(path) as file:
                sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
                ends = np.cumsum(sizes)
                groups = np.searchsorted(ends, rows, side="right")
                pieces = []
                # one after the other, so that one row group of pictures at a time is in memory
                for group in np.unique(groups).tolist():
                    within = np.asarray(rows)[groups == group] - (ends[group] - sizes[group])
                    piece = file.read_row_group(group, columns=have)
                    pieces.append(piece.take(pa.array(within, pa.int64())))
                found = pa.concat_tables(pieces)
            columns.update({name: found[name] for name in have})
        return pa.table({name: columns[name] for name in names})

    def _find(self) -> dict[str, tuple[int, int]]:
        if self._places is None:
            (key,) = self.table.key
            self._places = {
                value: (number, row)
                for number, part in enumerate(self.parts)
                for row, value in enumerate(self.store.read(part, [key])[key].to_pylist())
            }
        return self._places


def open_dataset(store: Store, table: Table, *names: str) -> Dataset:
    """Return the current rows of some datasets of one table."""
    records = chain.from_iterable(store.current(name) for name in names)
    return Dataset(store, table, parts_of(records))


def parts_of(records: "Sequence[Record] | chain[Record]") -> list[Part]:
    """Return the parts of some records, in record order."""
    return [part for record in records for part in record.parts]
