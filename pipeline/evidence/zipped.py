"""Zipped: a bundle as one file, for transport; unpacked by rules that a hostile one cannot bend.

Everything is decided from the directory of the zip before a byte is unpacked, and held to while
unpacking: names that a bundle may have, no links, no two entries of one name, no bombs.
"""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.evidence.names import Fault, fault_of_path, shown

MOST_RATIO = 200
"""Times that a large entry may grow; deflated zeros grow 1,000 times, JSON 20 times."""

LARGE = 16 << 20
"""Bytes from which growing is looked at."""

_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_READ_ONLY = stat.S_IFREG | 0o644


def pack(folder: Path, path: Path) -> None:
    """Write a bundle as a zip whose bytes depend on the bundle alone.

    Raises:
        OSError: the zip cannot be written, or exists.
    """
    with path.open("xb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
            about = zipfile.ZipInfo(name, _DATE)
            about.external_attr = _READ_ONLY << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as opened, packed.open(about, "w", force_zip64=True) as entry:
                shutil.copyfileobj(opened, entry, _CHUNK)


def unpack(path: Path, into: Path) -> tuple[Path | None, list[Fault]]:
    """Unpack the one bundle of a zip into an empty folder.

    Returns:
        The bundle and nothing, or nothing and what is wrong with the zip.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            entries = packed.infolist()
            if faults := [*_faults(entries, shutil.disk_usage(into).free)]:
                return None, faults
            for entry in entries:
                _unpack(packed, entry, into)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
        return None, [Fault(path.name, f"cannot be unpacked: {shown(str(error)[:200])}")]
    return into / entries[0].filename.split("/")[0], []


def _faults(entries: Sequence[zipfile.ZipInfo], room: int) -> Iterator[Fault]:
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename.removesuffix("/")
        if fault := _fault(entry, name) or ("is there twice" if name.casefold() in seen else None):
            yield Fault(shown(entry.filename)[:200], fault)
        seen.add(name.casefold())
    total, packed = (sum(getattr(e, n) for e in entries) for n in ("file_size", "compress_size"))
    if total > room:
        yield Fault("", f"would unpack to {total:,} bytes; {room:,} are free")
    if total > LARGE and total > MOST_RATIO * packed:
        yield Fault("", f"would grow from {packed:,} to {total:,} bytes: a zip bomb")
    if len({entry.filename.split("/")[0] for entry in entries}) != 1:
        yield Fault("", "expected one folder, with the bundle inside")


def _fault(entry: zipfile.ZipInfo, name: str) -> str | None:
    """Say why an entry is not unpacked."""
    top, _, inside = name.partition("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if fault := fault_of_path(top) or (fault_of_path(inside) if inside else None):
        return fault
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a link or a device"
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        return "is encrypted, or packed in a way that is not read here"
    if entry.file_size > LARGE and entry.file_size > MOST_RATIO * entry.compress_size:
        return f"would grow from {entry.compress_size:,} to {entry.file_size:,} bytes: a zip bomb"
    return None if inside or entry.is_dir() else "is not in the folder of the bundle"


def _unpack(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, into: Path) -> None:
    place = into / entry.filename
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(entry) as opened, place.open("xb") as out:
        left = entry.file_size
        while chunk := opened.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"{entry.filename} is longer than it says")
            out.write(chunk)
