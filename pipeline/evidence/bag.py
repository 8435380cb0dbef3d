"""Bag: a folder in BagIt form, written beside its place and moved there when it is whole.

    bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt  data/...

Files are copied and digested in one pass, a megabyte at a time; only paths and digests are kept.
The payload is not forced down to the disk file by file, which would take minutes for 100,000 files:
if the power fails right after, `palimpsest verify` says what is missing.

Source: RFC 8493 (BagIt 1.0).
"""

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import CaseError, DiskFullError, RunError
from pipeline.evidence.manifests import MANIFEST, TAG_MANIFEST, as_lines
from pipeline.evidence.names import fault_of_path

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""The whole of bagit.txt."""

INFO = "bag-info.txt"
OXUM = "Payload-Oxum"
"""Label of bag-info.txt that says bytes and files under data/, as `bytes.files`."""

PREVIOUS = "Previous-Bundle-SHA256"
"""Label of bag-info.txt that holds the fingerprint of the bundle before this one."""

Content = bytes | Path | BinaryIO
"""What a file is made of: its bytes, a file to copy, or something open to be read."""

_CHUNK = 1 << 20
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SealError(RunError):
    """A bundle could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What bag-info.txt says of a bundle."""

    identifier: str
    """Name of the bundle, such as `EB-tiny-20261122-1`; External-Identifier."""

    group: str
    """Name of the case; Bag-Group-Identifier."""

    date: str
    """Day of sealing, YYYY-MM-DD; Bagging-Date. It is this machine's word, not attested."""

    software: str
    """Name and version of the program; Bag-Software-Agent."""

    previous: str | None = None
    """Fingerprint of the bundle before this one, or None for the first."""

    more: tuple[tuple[str, str], ...] = ()
    """Further labels and values, in this order."""


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder` that takes its place when nothing was raised.

    Raises:
        CaseError: `folder` exists already.
        DiskFullError: no room was left; nothing stays behind.
        SealError: something could not be written or read; nothing stays behind.
    """
    if os.path.lexists(folder):
        raise CaseError(f"{folder} exists already; name another folder")
    draft = folder.with_name(f".{folder.name}.draft-{uuid.uuid4().hex[:8]}")
    try:
        draft.mkdir(parents=True)
        yield draft
        draft.rename(folder)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFullError(
                f"{folder}: no room is left on the disk; nothing was kept: make room and try again"
            ) from error
        raise SealError(f"{folder}: {error}; nothing was kept") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_bag(
    draft: Path,
    payload: Iterable[tuple[str, Content]],
    facts: Facts,
    tags: Mapping[str, bytes],
) -> str:
    """Write a bag into an empty folder and return its fingerprint.

    Args:
        draft: the empty folder.
        payload: path under data/ and content of each file, in any order; taken one at a time.
        facts: what bag-info.txt says.
        tags: path and content of further files about the bag, which the tag manifest lists.

    Returns:
        The fingerprint: sha256 of tagmanifest-sha256.txt, 64 hex digits.

    Raises:
        SealError: a path is not allowed or given twice, or a fact cannot stand on one line.
    """
    digests: dict[str, str] = {}
    folded: set[str] = set()
    size = 0
    for name, content in payload:
        path = f"data/{name}"
        if fault := fault_of_path(path):
            raise SealError(f"{path!r} cannot stand in a bundle: {fault}")
        # a file of one case and its twin of another become one on most laptops
        if path.casefold() in folded:
            raise SealError(f"{path} is given twice, or differs from another in case alone")
        folded.add(path.casefold())
        digests[path], written = _copy(content, f"{draft}/{path}")
        size += written
    if not digests:
        raise SealError("nothing was given to seal; a bundle holds at least one file")
    about = {
        "bagit.txt": BAGIT,
        INFO: _info(facts, f"{size}.{len(digests)}"),
        MANIFEST: as_lines(digests),
        **tags,
    }
    for path, raw in about.items():
        write_through(draft / path, raw)
    tag_manifest = as_lines({path: sha256(raw).hexdigest() for path, raw in about.items()})
    write_through(draft / TAG_MANIFEST, tag_manifest)
    return sha256(tag_manifest).hexdigest()


def write_through(path: Path, raw: bytes) -> None:
    """Write a new file down to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        out.write(raw)
        out.flush()
        os.fsync(out.fileno())


def _copy(content: Content, path: str) -> tuple[str, int]:
    """Write one file and return its digest and size."""
    with _new(path) as out:
        if isinstance(content, bytes):
            _write(out, content)
            return sha256(content).hexdigest(), len(content)
        if isinstance(content, Path):
            with content.open("rb") as opened:
                return _stream(opened, out)
        return _stream(content, out)


def _new(path: str) -> FileIO:
    try:
        return FileIO(path, "xb")
    except FileNotFoundError:
        # asked for when it is missing, and not for each of a hundred thousand files
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, "xb")


def _write(out: FileIO, raw: bytes) -> None:
    left = memoryview(raw)
    while left:
        left = left[out.write(left) :]


def _stream(opened: BinaryIO, out: FileIO) -> tuple[str, int]:
    digest, size = sha256(), 0
    while chunk := opened.read(_CHUNK):
        _write(out, chunk)
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _info(facts: Facts, oxum: str) -> bytes:
    if facts.previous is not None and not _FINGERPRINT.fullmatch(facts.previous):
        raise SealError(
            f"previous bundle: {facts.previous!r}: expected a fingerprint, 64 hex digits as"
            " `palimpsest verify` prints them"
        )
    rows = [
        ("External-Identifier", facts.identifier),
        ("Bag-Group-Identifier", facts.group),
        ("Bagging-Date", facts.date),
        ("Bag-Software-Agent", facts.software),
        (OXUM, oxum),
        *([(PREVIOUS, facts.previous)] if facts.previous else []),
        *facts.more,
    ]
    for label, value in rows:
        plain = label.isascii() and label.replace("-", "").isalnum()
        if not plain or not value.isprintable() or value != value.strip() or not value:
            raise SealError(
                f"bag-info: {label!r}: {value!r} cannot stand on one line: expected a label of"
                " letters, digits and hyphens, and printable text without blanks around it"
            )
    return "".join(f"{label}: {value}\n" for label, value in rows).encode()
