"""Places: what a case may name as input, and how a file of it is reached on this machine.

A source is a folder, a file or a pattern on a disk that every worker sees. Paths of its files are
relative to its root, so that a case can move; nothing outside the root is ever read.
"""

import errno
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple, Protocol

import pyarrow as pa

from stages.sources.refused import RefusedError

_MAGIC = re.compile(r"[*?\[]")
_LOST = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What files of one sort of source look like: images, texts, outputs."""

    noun: str
    """What one row of the source is, for messages."""

    endings: Mapping[str, tuple[str, ...]]
    """Kind of file -> how names of that kind end, in lower case; the kind of other names first."""

    main: str
    """Our name for the thing itself: the column without which a row is nothing."""

    fields: tuple[str, ...]
    """Our names for what a source says about the thing."""

    usual: Mapping[str, tuple[str, ...]]
    """Our name -> what sources usually call it, first choice first; left out: the same."""

    misfit: Callable[[Any], str]
    """Arrow type of the main column -> what was expected instead; empty if it fits."""

    sidecars: Mapping[str, str]
    """Ending of a file beside one of kind `folder` -> the field that it holds; empty: JSON."""

    part_bytes: int
    """Bytes from which on a part is full, of files as they lie there and of row groups unpacked."""


class Columns(Protocol):
    """A dataclass with a name, or None, for each of our names; it knows its layout."""

    layout: ClassVar[Layout]


class AnySource(Protocol):
    """One place, as a case names it."""

    @property
    def path(self) -> str:
        """Folder, single file or pattern."""

    @property
    def kind(self) -> str:
        """A kind of its layout, or `auto`."""

    @property
    def columns(self) -> Columns:
        """What the source calls our columns."""


class Sources(Protocol):
    """A config that names sources."""

    @property
    def sources(self) -> Sequence[AnySource]:
        """Places; the number of a source is part of the id of each of its rows."""

    @property
    def max_bytes(self) -> int:
        """Largest file, or line of a file, that is read."""


class File(NamedTuple):
    """One row of FILES, with what the case says of its source."""

    source: int
    path: str
    kind: str
    first: int
    num_groups: int
    root: Path
    columns: Columns
    max_bytes: int


class Found(NamedTuple):
    """An image or a text as found in a source, not yet decoded."""

    place: str
    member: str
    row: int
    data: bytes
    said: Mapping[str, Any]


def files_of(table: pa.Table, config: Sources) -> Iterator[File]:
    """Yield the files of a FILES table in order, with what a config says of them."""
    for row in table.to_pylist():
        source = config.sources[row["source"]]
        yield File(
            source=row["source"],
            path=row["path"],
            kind=kind_of(row["path"], source.columns.layout, source.kind),
            first=row["first"],
            num_groups=row["count"],
            root=root_of(source.path),
            columns=source.columns,
            max_bytes=config.max_bytes,
        )


def id_of(*place: str | int) -> str:
    """Return the id of something in a source: sha256 of where it came from.

    Args:
        place: dataset, number of the source, path within it, member of a tar, row.
    """
    return sha256(json.dumps(place, separators=(",", ":")).encode()).hexdigest()


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


def kind_of(path: str, layout: Layout, kind: str = "auto") -> str:
    """Return how a file is read: as the case says, else by its name."""
    if kind != "auto":
        return kind
    name = PurePosixPath(path).name.lower()
    fitting = (each for each, endings in layout.endings.items() if name.endswith(endings))
    return next(fitting, next(iter(layout.endings)))


def real_path(root: Path, path: str) -> Path:
    """Return the real path of a readable file within a source.

    Raises:
        RefusedError: `outside` if a link leads out of the source, `unreadable` if it is no file.
        OSError: the disk failed; trying again may help.
    """
    try:
        real = (root / path).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise refusal(error) from error
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
        raise refusal(error) from error
    if len(data) > max_bytes:
        raise RefusedError("too-large", f"more than {max_bytes} bytes, the limit")
    return data


def refusal(error: OSError | RuntimeError) -> Exception:
    """Return the refusal of a file that cannot be opened, or the error if the disk failed."""
    if isinstance(error, OSError) and error.errno not in _LOST:
        return error
    why = error.strerror if isinstance(error, OSError) else "a loop of links"
    return RefusedError("unreadable", f"cannot be opened: {why}")
