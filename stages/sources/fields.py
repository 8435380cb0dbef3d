"""Fields: what a source says about a row, in our words.

Text is kept as delivered, markup, direction marks and length included. Only what cannot be stored
or would end a text early is replaced by U+FFFD: NUL, lone surrogates, bytes that are not UTF-8.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stages.sources.decoding import storable
from stages.sources.places import Columns

_YEAR = re.compile(r"\s*(-?\d{1,4})(-\d{2}(-\d{2}.*)?)?\s*", re.DOTALL)
_MAX_YEAR = 9999


def names_of(columns: Columns, field: str) -> tuple[str, ...]:
    """Return the names under which a source may hold one of our fields, first choice first."""
    given: str | None = getattr(columns, field)
    return (given,) if given is not None else columns.layout.usual.get(field, (field,))


def stated(row: Mapping[str, Any], columns: Columns, field: str) -> Any:
    """Return what a row of a source holds for one of our fields, untouched; None for nothing."""
    return next((row[name] for name in names_of(columns, field) if row.get(name) is not None), None)


def pick(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return those of our fields that a row of a source states: text, but the year a number."""
    out = {}
    for field in columns.layout.fields:
        value = stated(row, columns, field)
        said = year_of(value) if field == "year" else text_of(_dated(value, field))
        if said is not None:
            out[field] = said
    return out


def text_of(value: Any) -> str | None:
    """Return text that can be stored, or None where a source says nothing.

    Args:
        value: text, UTF-8 bytes, a number, or a list, of which the first item is taken.

    >>> text_of("<b>a</b> cat"), text_of(3), text_of(["a", "b"]), text_of("  "), text_of({})
    ('<b>a</b> cat', '3', 'a', None, None)
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = value[0] if value else None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, int | float):
        value = "" if math.isnan(value) else str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    return storable(value).replace("\0", "\ufffd")


def year_of(value: Any) -> int | None:
    """Return a year, or None where a source gives none that can be read without guessing.

    >>> year_of("1889"), year_of("1889-05-03"), year_of(1889.0), year_of("c. 1889"), year_of(-500)
    (1889, 1889, 1889, None, -500)
    """
    if isinstance(value, dt.date):
        return value.year
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    match = _YEAR.fullmatch(text_of(value) or "")
    year = int(match[1]) if match else None
    return year if year is not None and abs(year) <= _MAX_YEAR else None


def _dated(value: Any, field: str) -> Any:
    # Parquet gives dates as dates, and years as floats where one is missing
    if field == "date" and isinstance(value, dt.date):
        return value.isoformat()
    whole = field == "date" and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value
