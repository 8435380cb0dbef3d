"""Lines: rows of a file of JSON lines, plain or compressed, from a run of its blocks.

A block is 64 MiB of the lines themselves, unpacked; a line belongs to the block that it begins in.
So a file of any size is read in parts, each part in bounded memory. A packed file has to be
unpacked from its beginning for every part; the lines before a part are counted and nothing more.
"""

import json
from collections.abc import Iterator
from math import inf
from typing import Any, NamedTuple

import pyarrow as pa

from stages.contract import Rejected
from stages.sources.parquet import Row, said_by
from stages.sources.places import File, place_of, real_path, refusal
from stages.sources.refused import RefusedError

BLOCK_BYTES = 64 << 20
PACKED = 4
"""Lines are taken to be this many times as large unpacked, when parts are cut; where that is wrong,
the last part is larger, or some are empty."""

_CHUNK = 1 << 16
_PACKERS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SHOWN = 80


class Line(NamedTuple):
    """One line as bytes, or None if it is longer than the limit."""

    number: int
    data: bytes | None


def read_lines(file: File) -> Iterator[Row | Rejected]:
    """Yield the objects of the lines that begin in a run of blocks; rejections for bad ones.

    Bytes that are not UTF-8 are lone surrogates, as `surrogateescape` makes them, so that a text
    can be told in its original bytes. A file that is cut short keeps the lines before the break.

    Raises:
        OSError: the disk failed; trying again may help.
    """
    number = 0
    try:
        for line in _lines(file):
            number = line.number
            item = _parsed(file, line)
            if item is not None:
                yield item
    except RefusedError as error:
        yield Rejected(_place(file), error.code, str(error))
    except (pa.ArrowException, OSError, ValueError) as error:
        where = f"cut short or damaged after line {number}"
        message = f"{where}: {said_by(error)}; the lines before are kept"
        yield Rejected(_place(file), "truncated", message)


def _place(file: File) -> str:
    return place_of(file) + (f"@{file.first}" if file.first else "")


def _parsed(file: File, line: Line) -> Row | Rejected | None:
    place = place_of(file, row=line.number)
    if line.data is None:
        return Rejected(place, "too-large", f"more than {file.max_bytes} bytes, a line's limit")
    text = line.data.decode("utf-8", "surrogateescape")
    text = text.removeprefix("\ufeff") if line.number == 1 else text
    if not text.strip():
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Rejected(place, "not-json", f"line {line.number} is not JSON: {error}")
    if not isinstance(values, dict):
        found = f"expected a JSON object, got {type(values).__name__}"
        return Rejected(place, "not-json", f"line {line.number}: {found}")
    return Row(line.number, values)


def _lines(file: File) -> Iterator[Line]:
    splitter = _Splitter(file)
    with _unpacked(file) as stream:
        while chunk := stream.read(_CHUNK):
            yield from splitter.feed(chunk)
            if splitter.start >= splitter.stop:
                return
    yield from splitter.end()


def _unpacked(file: File) -> Any:
    real = real_path(file.root, file.path)
    try:
        with real.open("rb") as raw:
            head = raw.read(4)
        packer = next((name for magic, name in _PACKERS.items() if head.startswith(magic)), None)
        plain = pa.OSFile(str(real), "rb")
    except OSError as error:
        raise refusal(error) from error
    return pa.CompressedInputStream(plain, packer) if packer else plain


class _Splitter:
    """Bytes in, lines out: those that begin in the run of blocks of a file."""

    def __init__(self, file: File) -> None:
        self.first = file.first * BLOCK_BYTES
        self.stop = (file.first + file.num_groups) * BLOCK_BYTES if file.num_groups else inf
        self.limit = file.max_bytes
        self.start = 0  # where the line begins that is being read
        self._number, self._at = 1, 0
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end in the next bytes."""
        if self._at + len(chunk) < self.first:
            self._skip(chunk)
            return
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._hold(piece)
            yield from self.end()
            self._at += len(piece) + 1
            self.start, self._number = self._at, self._number + 1
        self._hold(rest)
        self._at += len(rest)

    def end(self) -> Iterator[Line]:
        """Yield the line that is being read, if it is one of this run."""
        if self.first <= self.start < self.stop:
            whole = b"".join(self._held) if self._size <= self.limit else None
            yield Line(self._number, whole)
        self._held, self._size = [], 0

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self.limit:
            self._held.append(piece)
        else:
            self._held = []

    def _skip(self, chunk: bytes) -> None:
        last = chunk.rfind(b"\n")
        if last >= 0:
            self._number += chunk.count(b"\n")
            self.start = self._at + last + 1
        self._at += len(chunk)
