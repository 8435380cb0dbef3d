"""Sources: the files that a case names, as datasets of FILES rows, listed anew at every run.

Parts are cut by content: a file added or removed changes the part it falls into and leaves the
others as they were.
"""

from hashlib import sha256
from typing import NamedTuple

import pyarrow as pa

from pipeline.errors import CaseError
from pipeline.identity import column_digest
from pipeline.store import Part
from pipeline.tombstones import Tombstones
from stages.contract import StageError
from stages.sources.listing import list_files
from stages.sources.places import Sources
from stages.tables import FILES

PART_FILES = 2048
CUT_ONE_IN = 64


class SourcePart(NamedTuple):
    """A part that the driver makes itself, before or after it is written."""

    part: Part
    rows: pa.Table


def list_source(config: Sources, stones: Tombstones | None = None) -> list[SourcePart]:
    """Return the files that a section of the case names, cut into parts.

    Args:
        config: the section.
        stones: what was erased on request; such files are not listed.

    Raises:
        CaseError: a source is missing, empty or cannot be read.
    """
    try:
        table = list_files(config)
        if stones is not None:
            table = stones.files_left(table, config)
        table = FILES.check(table)
    except (StageError, OSError) as error:
        raise CaseError(str(error)) from error
    full = config.sources[0].columns.layout.part_bytes if config.sources else 0
    return [_part(table.slice(start, stop - start)) for start, stop in cuts(table, full)]


def cuts(table: pa.Table, full: int) -> list[tuple[int, int]]:
    """Return the row ranges of the parts of a FILES table.

    A part ends after a file whose name hashes to one in `CUT_ONE_IN`, or when it has `full` bytes:
    so the cuts after an inserted file fall where they fell before.
    """
    out, start, size = [], 0, 0
    places, sizes = table["place"].to_pylist(), table["size"].to_pylist()
    for row, (place, nbytes) in enumerate(zip(places, sizes, strict=True)):
        size += nbytes
        chosen = sha256(place.encode("utf-8", "surrogatepass")).digest()[0] % CUT_ONE_IN == 0
        if chosen or size >= full or row - start + 1 >= PART_FILES:
            out.append((start, row + 1))
            start, size = row + 1, 0
    if start < len(places):
        out.append((start, len(places)))
    return out


def _part(rows: pa.Table) -> SourcePart:
    first = rows["place"][0].as_py()
    name = sha256(first.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    columns = {column: column_digest(rows[column]) for column in rows.column_names}
    return SourcePart(Part(name=name, rows=rows.num_rows, columns=columns), rows)
