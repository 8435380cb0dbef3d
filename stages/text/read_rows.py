"""Read rows: one text per line of a file of JSON lines, or per row of a Parquet file."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from stages.contract import Rejected
from stages.sources.decoding import storable
from stages.sources.fields import pick
from stages.sources.lines import read_lines
from stages.sources.parquet import Row, main_of, read_rows
from stages.sources.places import File, Found, place_of


def rows_of(file: File) -> Iterator[Row | Rejected]:
    """Yield the rows of a run of blocks or of row groups, and a rejection for each bad one.

    Raises:
        StageError: a column is missing.
        OSError: the disk failed; trying again may help.
    """
    return read_lines(file) if file.kind == "jsonl" else read_rows(file)


def read_rows_of_text(file: File) -> Iterator[Found | Rejected]:
    """Yield the texts of the rows of a file, and a rejection for each row without one.

    Raises:
        StageError: a column is missing.
        OSError: the disk failed; trying again may help.
    """
    for row in rows_of(file):
        if isinstance(row, Rejected):
            yield row
            continue
        place = place_of(file, row=row.number)
        main = main_of(list(row.values), file.columns)
        value = row.values.pop(main, None)
        if isinstance(value, str | bytes):
            yield Found(place, "", row.number, bytes_of(value), pick(row.values, file.columns))
        else:
            yield Rejected(place, "no-text", missing(main, value, row.values))


def bytes_of(value: str | bytes) -> bytes:
    """Return the bytes of a value: those that were no UTF-8 in a line are as they were."""
    if isinstance(value, bytes):
        return value
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, written as an escape of JSON: never was bytes
        return storable(value).encode()


def missing(main: str, value: Any, others: dict[str, Any]) -> str:
    """Return what to say of a row without its main value."""
    if value is not None:
        return f"expected text in {main!r}, got {type(value).__name__}"
    near = get_close_matches(main, others, n=1, cutoff=0.0)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    return f"nothing in {main!r}; besides it has {list(others)[:20]}{hint}"
