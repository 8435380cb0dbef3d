"""Fields: what a source says about an image, in our words.

Text is kept as delivered, markup, direction marks and length included. Only what cannot be stored
or would end a text early is replaced by U+FFFD: NUL, lone surrogates, bytes that are not UTF-8.
"""

import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stages.images.sources import RefusedError, SourceColumns

FIELDS = ("caption", "title", "artist", "year", "licence", "url")
MAX_SIDECAR_BYTES = 1 << 24

_USUAL = {"caption": ("caption", "text", "TEXT"), "licence": ("licence", "license")}
_YEAR = re.compile(r"\s*(-?\d{1,4})(-\d{2}(-\d{2}.*)?)?\s*", re.DOTALL)
_MAX_YEAR = 9999


def names_of(columns: SourceColumns, field: str) -> tuple[str, ...]:
    """Return the names under which a source may hold one of our fields, first choice first."""
    given: str | None = getattr(columns, field)
    return (given,) if given is not None else _USUAL.get(field, (field,))


def pick(row: Mapping[str, Any], columns: SourceColumns) -> dict[str, Any]:
    """Return those of our fields that a row of a source states.

    >>> pick({"TEXT": "a cat", "year": "1889", "title": ""}, SourceColumns())
    {'caption': 'a cat', 'year': 1889}
    """
    out = {}
    for field in FIELDS:
        stated = (row[name] for name in names_of(columns, field) if row.get(name) is not None)
        value = next(stated, None)
        said = year_of(value) if field == "year" else text_of(value)
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
    return (
        value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    )


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


def from_json(data: bytes, columns: SourceColumns) -> dict[str, Any]:
    """Return what a .json beside an image says.

    Raises:
        RefusedError: `sidecar`: it is not a JSON object.
    """
    try:
        row = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise RefusedError("sidecar", f"not JSON: {error}; the image goes without it") from error
    if not isinstance(row, dict):
        found = type(row).__name__
        raise RefusedError(
            "sidecar", f"expected a JSON object, got {found}; the image goes without it"
        )
    return pick(row, columns)


def from_text(data: bytes) -> dict[str, Any]:
    """Return what a .txt beside an image says: its caption, less the last line break."""
    caption = text_of(data.decode("utf-8-sig", "replace").rstrip("\r\n"))
    return {} if caption is None else {"caption": caption}


def from_sidecars(
    sidecars: Mapping[str, bytes], columns: SourceColumns
) -> tuple[dict[str, Any], str]:
    """Return what the files beside an image say, the .json before the .txt, and what is wrong.

    Args:
        sidecars: content by suffix, `.json` and `.txt`.
        columns: what the source calls our columns.
    """
    said = from_text(sidecars[".txt"]) if ".txt" in sidecars else {}
    wrong = ""
    if ".json" in sidecars:
        try:
            said |= from_json(sidecars[".json"], columns)
        except RefusedError as error:
            wrong = str(error)
    return said, wrong
