"""Traces of works in a run folder: what is found of them, and the rows of every part, old too."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import rounds
from pipeline.store import Record, Store, record_of

FROM_FILES = ("train.images", "control.images", "suspect.images", "train.texts", "control.texts")
"""Datasets with what was found in the user's files."""

MADE = (*rounds.IMAGES, "made.written", "made.imported")
"""Datasets with what models made."""


@dataclass(slots=True, kw_only=True)
class Traces:
    """Everything that is to go."""

    names: tuple[str, ...] = ()
    """The name that was asked for, as the sources write it."""

    ids: set[str] = field(default_factory=set)
    """Images and texts."""

    works: set[str] = field(default_factory=set)
    """Works that they belong to."""

    sha256: set[str] = field(default_factory=set)
    """Digests of their bytes, and of generations that hold them."""

    prompts: set[str] = field(default_factory=set)
    """Prompts that are captions of them, were cut from them, or bear the name."""

    asked: set[str] = field(default_factory=set)
    """Of these, prompts that the run asked."""

    made: set[str] = field(default_factory=set)
    """Generations of these prompts, and those that gave a work back."""

    holding: set[str] = field(default_factory=set)
    """Of these, those that gave a work back."""

    others: set[str] = field(default_factory=set)
    """Other names that the sources give for the same works."""

    unknown: tuple[str, ...] = ()
    """Ids that stand for nothing in the run."""

    def names_in(self, text: str | None) -> bool:
        """Return whether a text bears the name."""
        folded = (text or "").casefold()
        return any(
            re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", folded) for name in self.names
        )


def rows(
    store: Store,
    datasets: Collection[str],
    names: Sequence[str],
    keep: Mapping[str, Collection[str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield rows of every record of some datasets, current or not; columns that are there.

    Args:
        store: the run folder.
        datasets: their names.
        names: columns, if a part has them.
        keep: column -> values of the rows to keep; a row is kept for any of them.
    """
    columns = list(dict.fromkeys((*names, *(keep or ()))))
    for record in records_of(store, datasets):
        for table in tables(store, record, columns):
            yield from _kept(table, keep).to_pylist()


def records_of(store: Store, datasets: Iterable[str]) -> Iterator[Record]:
    """Yield every record of some datasets, current or superseded."""
    for dataset in datasets:
        for path in sorted((store.root / "records" / dataset).glob("*.json")):
            yield record_of(json.loads(path.read_text()))


def tables(store: Store, record: Record, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield some columns of the parts of a record whose files are there."""
    for part in record.parts:
        have = [name for name in names if name in part.columns]
        if have and all((store.root / file.path).is_file() for file in part.files):
            yield store.read(part, have)


def _kept(table: pa.Table, keep: Mapping[str, Collection[str]] | None) -> pa.Table:
    if keep is None:
        return table
    mask = pa.array([False] * table.num_rows, pa.bool_())
    for name, values in keep.items():
        if name in table.column_names:
            wanted = pa.array(sorted(values), pa.large_string())
            mask = pc.or_(mask, pc.is_in(table[name], value_set=wanted))
    return table.filter(mask)
