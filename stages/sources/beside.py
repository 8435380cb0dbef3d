"""Beside: one file by itself, what lies beside it, and its line in a metadata file."""

import csv
import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from os.path import lexists
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from stages.contract import Rejected, StageError
from stages.sources.fields import pick, text_of
from stages.sources.places import Columns, File, Found, place_of, read_within, real_path
from stages.sources.refused import RefusedError

METADATA = ("metadata.csv", "metadata.jsonl")
MAX_SIDECAR_BYTES = 1 << 24

Rows = Mapping[str, Mapping[str, Any]]


def read_folder(file: File) -> Iterator[Found | Rejected]:
    """Yield what is wrong with the files beside a file, then the file.

    A sidecar that cannot be read does not cost the file: it goes without those fields, and a
    rejection says so.

    Raises:
        StageError: a metadata file cannot be used.
    """
    place, noun = place_of(file), file.columns.layout.noun
    try:
        data = read_within(file.root, file.path, max_bytes=file.max_bytes)
    except RefusedError as error:
        yield Rejected(place, error.code, str(error))
        return
    sidecars = {}
    for suffix in file.columns.layout.sidecars:
        try:
            if beside := sidecar_of(file, suffix):
                sidecars[suffix] = read_within(file.root, beside, max_bytes=MAX_SIDECAR_BYTES)
        except RefusedError as error:
            yield Rejected(f"{place}{suffix}", "sidecar", f"{error}; the {noun} goes without it")
    said, wrong = from_sidecars(sidecars, file.columns)
    if wrong:
        yield Rejected(f"{place}.json", "sidecar", wrong)
    yield Found(place, "", 0, data, metadata_of(file) | said)


def sidecar_of(file: File, suffix: str) -> str | None:
    """Return the path of the sidecar `cat.json` or `cat.png.json` of `cat.png`, if there is one."""
    path = PurePosixPath(file.path)
    for beside in (path.with_suffix(suffix), path.with_name(path.name + suffix)):
        if lexists(file.root / beside):
            return str(beside)
    return None


def from_sidecars(sidecars: Mapping[str, bytes], columns: Columns) -> tuple[dict[str, Any], str]:
    """Return what the files beside a file say, the JSON before the others, and what is wrong.

    Args:
        sidecars: content by suffix, such as `.json` and `.txt`.
        columns: what the source calls our columns.
    """
    said: dict[str, Any] = {}
    wrong = ""
    for suffix, field in columns.layout.sidecars.items():
        if suffix not in sidecars:
            continue
        if field:
            said = from_text(sidecars[suffix], field) | said
            continue
        try:
            said |= from_json(sidecars[suffix], columns)
        except RefusedError as error:
            wrong = str(error)
    return said, wrong


def from_json(data: bytes, columns: Columns) -> dict[str, Any]:
    """Return what a .json beside a file says.

    Raises:
        RefusedError: `sidecar`: it is not a JSON object.
    """
    without = f"the {columns.layout.noun} goes without it"
    try:
        row = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise RefusedError("sidecar", f"not JSON: {error}; {without}") from error
    if not isinstance(row, dict):
        found = type(row).__name__
        raise RefusedError("sidecar", f"expected a JSON object, got {found}; {without}")
    return pick(row, columns)


def from_text(data: bytes, field: str) -> dict[str, Any]:
    """Return what a .txt beside a file says: one field, less the last line break."""
    text = text_of(data.decode("utf-8-sig", "replace").rstrip("\r\n"))
    return {} if text is None else {field: text}


def metadata_of(file: File) -> dict[str, Any]:
    """Return what the nearest metadata file says of a file, its own folder first.

    Raises:
        StageError: a metadata file cannot be used.
    """
    path = PurePosixPath(file.path)
    for folder in path.parents:
        for name in METADATA:
            if lexists(file.root / folder / name):
                row = _rows_of(file, folder / name).get(str(path.relative_to(folder)))
                if row is not None:
                    return pick(row, file.columns)
    return {}


def _rows_of(file: File, path: PurePosixPath) -> Rows:
    main = file.columns.layout.main
    try:
        real = real_path(file.root, str(path))
        stat = real.stat()
        version = (stat.st_mtime_ns, stat.st_size)
        return _read_metadata(real, main, getattr(file.columns, main), version)
    except (ValueError, csv.Error) as error:
        raise StageError(f"{path}: {error}; mend the file or move it away") from error


@lru_cache(maxsize=4)
def _read_metadata(path: Path, main: str, given: str | None, _version: tuple[int, int]) -> Rows:
    # read once for the thousands of files that it describes, and again when it has changed
    out: dict[str, Mapping[str, Any]] = {}
    key = given or "file_name"
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        for number, row in enumerate(_csv(lines) if path.suffix == ".csv" else _jsonl(lines), 1):
            if not row.get(key):
                found = [str(name) for name in row]
                near = get_close_matches(key, found, n=1, cutoff=0.0)
                say = f": say columns: {{{main}: {near[0]}}}" if near else ""
                hint = f"; the nearest is {near[0]!r}{say}" if near else ""
                raise ValueError(f"row {number} has no {key!r}; it has {found}{hint}")
            out.setdefault(str(PurePosixPath(str(row[key]))), row)
    return out


def _csv(lines: TextIO) -> Iterator[Mapping[str, Any]]:
    yield from csv.DictReader(lines)


def _jsonl(lines: TextIO) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = dict(json.loads(line))
            except (TypeError, ValueError, RecursionError) as error:
                raise ValueError(f"line {number} is no JSON object: {error}") from error
            yield row
