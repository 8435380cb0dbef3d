"""A table as a stage looks things up in it."""

from collections.abc import Sequence

import pyarrow as pa


class Shelf:
    """A dataset for look-ups."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def read(self, names: Sequence[str]) -> pa.Table:
        return self.table.select(list(names))

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        raise NotImplementedError
