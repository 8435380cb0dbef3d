"""Caption file: the captions that somebody wrote down, one per line, as CSV or as JSON lines."""

import csv
import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from stages.contract import Rejected, StageError
from stages.sources.fields import text_of

_DELIMITERS = ",;\t"


def read_caption_file(path: str, column: str) -> Iterator[str | Rejected]:
    """Yield the captions of a file in its order, and a rejection for each line without one.

    Args:
        path: .csv, .tsv or .jsonl with a column of captions; any other file has one per line.
        column: name of that column.

    Raises:
        StageError: the file cannot be read, or a CSV has no such column.
    """
    name = Path(path).name
    try:
        with Path(path).open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            yield from _read(name, lines, column)
    except OSError as error:
        raise StageError(f"file: {path} cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise StageError(f"file: {path} is not CSV: {error}") from error


def _read(name: str, lines: TextIO, column: str) -> Iterator[str | Rejected]:
    if name.lower().endswith((".csv", ".tsv")):
        yield from _csv(name, lines, column)
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _json(line) if name.lower().endswith(".jsonl") else {column: line.rstrip("\r\n")}
            yield text_of(row.get(column)) or _rejected(name, number, column)


def _csv(name: str, lines: TextIO, column: str) -> Iterator[str | Rejected]:
    head = lines.readline()
    lines.seek(0)
    # the head has no text of its own, so its most frequent separator is the file's
    rows = csv.DictReader(lines, delimiter=max(_DELIMITERS, key=head.count), strict=True)
    if column not in (rows.fieldnames or ()):
        found = list(rows.fieldnames or ())
        near = get_close_matches(column, found, n=1, cutoff=0.0)
        hint = f"; the nearest is {near[0]!r}: say file_column: {near[0]}" if near else ""
        raise StageError(f"file: {name} has no column {column!r}; it has {found}{hint}")
    for row in rows:
        yield text_of(row[column]) or _rejected(name, rows.line_num, column)


def _json(line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _rejected(name: str, line: int, column: str) -> Rejected:
    return Rejected(f"{name}#{line}", "no-caption", f"line {line} has no text in {column!r}")
