"""Read a folder: one image file, what lies beside it, and its line in a metadata file."""

import csv
import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from os.path import lexists
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from stages.contract import Rejected, StageError
from stages.images.fields import MAX_SIDECAR_BYTES, from_sidecars, pick
from stages.images.sources import File, Found, RefusedError, place_of, read_within, real_path

SIDECARS = (".json", ".txt")
METADATA = ("metadata.csv", "metadata.jsonl")

Rows = Mapping[str, Mapping[str, Any]]


def read_folder(file: File) -> Iterator[Found | Rejected]:
    """Yield the image of a file, then what is wrong with the files beside it.

    A sidecar that cannot be read does not cost the image: it goes without those fields, and a
    rejection says so.

    Raises:
        StageError: a metadata file cannot be used.
    """
    place = place_of(file)
    try:
        data = read_within(file.root, file.path, max_bytes=file.max_bytes)
    except RefusedError as error:
        yield Rejected(place, error.code, str(error))
        return
    sidecars = {}
    for suffix in SIDECARS:
        try:
            if beside := sidecar_of(file, suffix):
                sidecars[suffix] = read_within(file.root, beside, max_bytes=MAX_SIDECAR_BYTES)
        except RefusedError as error:
            yield Rejected(f"{place}{suffix}", "sidecar", f"{error}; the image goes without it")
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


def metadata_of(file: File) -> dict[str, Any]:
    """Return what the nearest metadata file says of an image, its own folder first.

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
    try:
        real = real_path(file.root, str(path))
        stat = real.stat()
        return _read_metadata(real, file.columns.image, (stat.st_mtime_ns, stat.st_size))
    except (ValueError, csv.Error) as error:
        raise StageError(f"{path}: {error}; mend the file or move it away") from error


@lru_cache(maxsize=4)
def _read_metadata(path: Path, image: str | None, _version: tuple[int, int]) -> Rows:
    # read once for the thousands of images that it describes, and again when it has changed
    out: dict[str, Mapping[str, Any]] = {}
    key = image or "file_name"
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        for number, row in enumerate(_csv(lines) if path.suffix == ".csv" else _jsonl(lines), 1):
            if not row.get(key):
                found = [str(name) for name in row]
                near = get_close_matches(key, found, n=1, cutoff=0.0)
                hint = f"; the nearest is {near[0]!r}: say columns: {{image: {near[0]}}}"
                raise ValueError(f"row {number} has no {key!r}; it has {found}{hint * bool(near)}")
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
