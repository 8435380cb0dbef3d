"""Walk: every file of a folder, read once; what no bundle holds is a fault and is not followed."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import FileIO
from pathlib import Path

from pipeline.evidence.names import LONGEST, Fault, fault_of_name, shown

PAYLOAD = "data/"

_CHUNK = 1 << 18
_SMALL = 1 << 20
_LISTED = 64 + 2 + LONGEST + 1
"""Bytes of the longest line of a manifest."""


@dataclass(slots=True, kw_only=True)
class Files:
    """What a folder holds."""

    digests: dict[str, str] = field(default_factory=dict)
    """Path -> sha256 of every file that could be read."""

    kept: dict[str, bytes] = field(default_factory=dict)
    """Path -> content of every file that is not under data/, the same bytes that were digested."""

    size: int = 0
    """Bytes under data/."""

    faults: list[Fault] = field(default_factory=list)
    """Links, devices, empty folders, names that are not allowed, what cannot be read."""


def read_files(folder: Path) -> Files:
    """Return the digests of all files of a folder; nothing is followed out of it."""
    files = Files()
    found = sorted(_walk(str(folder), "", files.faults))
    most = max(_SMALL, (len(found) + 1000) * _LISTED)
    buffer = memoryview(bytearray(_CHUNK))
    for path, size in found:
        try:
            if path.startswith(PAYLOAD):
                files.digests[path], read = _digest(f"{folder}/{path}", size, buffer)
                files.size += read
            elif size > most:
                files.faults.append(Fault(path, f"has {size} bytes, more than any such file needs"))
            else:
                with FileIO(f"{folder}/{path}") as data:
                    raw = data.read()
                files.kept[path], files.digests[path] = raw, sha256(raw).hexdigest()
        except OSError as error:
            files.faults.append(Fault(path, f"cannot be read: {error.strerror}"))
    return files


def _digest(path: str, expected: int, buffer: memoryview) -> tuple[str, int]:
    digest, size = sha256(), 0
    with FileIO(path) as data:
        if expected < _CHUNK:
            # most files are small: one read that asks for more than there is also sees the end
            raw = data.read(expected + 1)
            if len(raw) <= expected:
                return sha256(raw).hexdigest(), len(raw)
            digest, size = sha256(raw), len(raw)
        while count := data.readinto(buffer):
            digest.update(buffer[:count])
            size += count
    return digest.hexdigest(), size


def _walk(folder: str, prefix: str, faults: list[Fault]) -> Iterator[tuple[str, int]]:
    """Yield path and size of every plain file with an allowed name."""
    try:
        with os.scandir(f"{folder}/{prefix}") as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        faults.append(Fault(shown(prefix), f"cannot be read: {error.strerror}"))
        return
    if not found and prefix:
        faults.append(Fault(prefix.rstrip("/"), "is an empty folder, which no manifest can list"))
    for name, about in found:
        path = prefix + name
        if fault := _fault(path, name, about):
            faults.append(Fault(shown(path)[:_LISTED], fault))
        elif stat.S_ISDIR(about.st_mode):
            yield from _walk(folder, path + "/", faults)
        else:
            yield path, about.st_size


def _fault(path: str, name: str, about: os.stat_result) -> str | None:
    """Say why something in a folder cannot be part of a bundle."""
    if len(path) > LONGEST:
        return f"the path has {len(path)} characters; at most {LONGEST} are allowed"
    if fault := fault_of_name(name):
        return fault
    if stat.S_ISREG(about.st_mode):
        # a second name outside would let somebody change the file without touching the bundle
        return "is one of several names of a file (hard link)" if about.st_nlink > 1 else None
    if stat.S_ISDIR(about.st_mode):
        return None
    return "is a link" if stat.S_ISLNK(about.st_mode) else "is neither a file nor a folder"
