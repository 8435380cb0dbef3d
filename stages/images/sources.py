"""Sources: what a case may name as input, and how a file of it is reached on this machine.

A source is a folder, a file or a pattern on a disk that every worker sees. Paths of its files are
relative to its root, so that a case can move; nothing outside the root is ever read.
"""

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from stages.contract import FileText, PathText
from stages.pixels import MAX_PIXELS, MAX_PIXELS_EVER, MIN_SIDE

Kind = Literal["folder", "webdataset", "parquet"]

_MAGIC = re.compile(r"[*?\[]")
_LOST = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}


class RefusedError(ValueError):
    """Something in a source cannot be used, for a reason that trying again would not mend.

    Attributes:
        code: one word for the reason.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumns:
    """What a source calls our columns: Parquet columns, JSON keys, or heads of a metadata file.

    A name that is not given is looked up under its usual names and may be missing.
    """

    image: str | None = None
    """Parquet: column with the image, as bytes or as {bytes, path}; usual name `image`.
    metadata.csv or metadata.jsonl: column with the file name; usual name `file_name`."""

    caption: str | None = None
    """Caption; usual names `caption`, `text`, `TEXT`. A .txt beside an image is its caption too."""

    title: str | None = None
    """Title of the work; usual name `title`."""

    artist: str | None = None
    """Artist as the source writes the name; usual name `artist`."""

    year: str | None = None
    """Year of the work: a number, text of digits, or a date; usual name `year`."""

    licence: str | None = None
    """Licence as the source states it; usual names `licence`, `license`."""

    url: str | None = None
    """Address of the image; usual name `url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place with images."""

    path: PathText
    """Folder (searched with its subfolders), single file, or pattern with `*`, `**`, `?` or `[ ]`.
    Files and folders whose names begin with a dot are left out."""

    kind: Literal["auto", "folder", "webdataset", "parquet"] = "auto"
    """`folder`: image files, each with an optional .json and .txt of the same name beside it, and
    an optional metadata.csv or metadata.jsonl in its folder or above. `webdataset`: tars as
    img2dataset writes them. `parquet`: one image per row. `auto` goes by the names of the files
    and asks when they are of several kinds."""

    columns: SourceColumns = field(default_factory=SourceColumns)
    """What the source calls our columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """Knobs of the ingest stage."""

    sources: tuple[Source, ...] = ()
    """Places with images. Append new ones at the end: the number of a source is part of the id of
    each of its images."""

    never: FileText | None = None
    """File with one sha256 in hex per line, as `sha256sum` writes them: images with these bytes are
    rejected as `withheld` and neither stored nor shown. Empty lines and `#` lines are skipped."""

    max_pixels: int = MAX_PIXELS
    """Largest image, in pixels, 4 to 178,956,970; larger ones are rejected from their header. The
    default is Pillow's own guard against decompression bombs."""

    max_bytes: int = 1 << 28
    """Largest image file, in bytes, at least 1; larger ones are rejected unread. The default,
    256 MiB, is the largest part of a dataset."""

    dataset: str = ""
    """Name of the set, part of the id of each image: the same file as training and as control
    image is two images. Left empty, the case fills in the name of its section."""

    def __post_init__(self) -> None:
        if not MIN_SIDE**2 <= self.max_pixels <= MAX_PIXELS_EVER:
            raise ValueError(f"max_pixels: expected 4 to {MAX_PIXELS_EVER}, got {self.max_pixels}")
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes: expected 1 or more bytes, got {self.max_bytes}")


class File(NamedTuple):
    """One row of FILES, with what the case says of its source."""

    source: int
    path: str
    kind: Kind
    first: int
    num_groups: int
    root: Path
    columns: SourceColumns
    max_bytes: int


class Found(NamedTuple):
    """An image as found in a source, not yet decoded."""

    place: str
    member: str
    row: int
    data: bytes
    said: Mapping[str, Any]


def place_of(file: File, *, member: str = "", row: int | None = None) -> str:
    """Return where in the sources something lies, for a person: `0:cats/1.tar!1.jpg`, `0:a#7`."""
    end = f"!{member}" if member else ""
    return f"{file.source}:{file.path}{end}" + ("" if row is None else f"#{row}")


def root_of(path: str) -> Path:
    """Return the folder that the paths of a source are relative to: the plain part of a pattern."""
    found = Path(path)
    if found.is_dir():
        return found
    if found.exists() or not is_pattern(path):
        return found.parent
    return Path(*takewhile(lambda part: not _MAGIC.search(part), found.parts))


def is_pattern(path: str) -> bool:
    """Return whether a path is a pattern rather than the name of something that is there."""
    return bool(_MAGIC.search(path)) and not Path(path).exists()


def kind_of(path: str, kind: str = "auto") -> Kind:
    """Return how a file is read.

    >>> kind_of("a/00001.tar"), kind_of("b.parquet"), kind_of("c.PNG"), kind_of("x", "parquet")
    ('webdataset', 'parquet', 'folder', 'parquet')
    """
    name = PurePosixPath(path).name.lower()
    if kind == "parquet" or (kind == "auto" and name.endswith(".parquet")):
        return "parquet"
    if kind == "webdataset" or (kind == "auto" and name.endswith((".tar", ".tar.gz", ".tgz"))):
        return "webdataset"
    return "folder"


def real_path(root: Path, path: str) -> Path:
    """Return the real path of a readable file within a source.

    Raises:
        RefusedError: `outside` if a link leads out of the source, `unreadable` if it is no file.
        OSError: the disk failed; trying again may help.
    """
    try:
        real = (root / path).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise _refusal(error) from error
    if not real.is_relative_to(root.resolve()):
        raise RefusedError("outside", "a link that leads out of the source; copy the file into it")
    if not real.is_file():
        raise RefusedError("unreadable", "not a file; folders behind links are not followed")
    return real


def read_within(root: Path, path: str, *, max_bytes: int) -> bytes:
    """Return the bytes of a file within a source.

    Raises:
        RefusedError: as `real_path`, and `too-large` beyond max_bytes.
        OSError: the disk failed; trying again may help.
    """
    real = real_path(root, path)
    try:
        with real.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _refusal(error) from error
    if len(data) > max_bytes:
        raise RefusedError("too-large", f"more than {max_bytes} bytes, the limit")
    return data


def _refusal(error: OSError | RuntimeError) -> Exception:
    if isinstance(error, OSError) and error.errno not in _LOST:
        return error
    why = error.strerror if isinstance(error, OSError) else "a loop of links"
    return RefusedError("unreadable", f"cannot be opened: {why}")
