"""A table as a stage looks things up in it."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


class Shelf:
    """A dataset for look-ups, by its first column."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def read(self, names: Sequence[str]) -> pa.Table:
        return self.table.select(list(names))

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        keys = self.table[0].combine_chunks()
        places = pc.index_in(pa.array(ids, keys.type), value_set=keys)
        if places.null_count:
            raise KeyError(ids)
        return self.table.select(list(names)).take(places)
