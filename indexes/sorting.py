"""Sorting: put more grams in order than memory holds, and write columns of unknown length.

Dimension key: P postings, E portions.

Postings are sorted a portion at a time and written; portions are merged by ranges of grams, each
small enough to be sorted at once. The order is that of the leading 40 bits of the gram, then of the
words; a gram that alone would pass a portion is copied portion by portion, it is in order already.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

PORTION = 1 << 22
"""Postings that are sorted at a time, about: 150 MB with what sorting takes."""

_PACKED = 24
_LOW = np.uint64((1 << _PACKED) - 1)
_ALL = 1 << (64 - _PACKED)


class Portion(NamedTuple):
    """Some postings."""

    gram_P: NDArray[np.uint64]
    """Hash of the gram."""

    word_P: NDArray[np.uint32]
    """Its first word, counted through all texts."""

    def sorted(self) -> Self:
        """Return at most 2**24 postings, whose words ascend, in order."""
        # one number to sort, in place, is several times faster than an order to sort by
        packed = self.gram_P & ~_LOW
        packed |= np.arange(len(packed), dtype=np.uint64)
        packed.sort()
        packed &= _LOW
        order = packed.view(np.int64)
        return type(self)(self.gram_P[order], self.word_P[order])


class Pool:
    """Postings that wait to be sorted, and those that were, on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[Portion] = []
        self._size = 0
        self._portions: list[Portion] = []
        self.total = 0

    def add(self, portion: Portion) -> None:
        """Take in postings; their words come after those before."""
        self._waiting.append(portion)
        self._size += len(portion.word_P)
        self.total += len(portion.word_P)
        if self._size >= PORTION:
            self._sort()

    def in_order(self) -> Iterator[Portion]:
        """Yield all postings in order, at most about `PORTION` at a time."""
        self._sort()
        portions = self._portions
        todo = [(0, _ALL)] if portions else []
        while todo:
            low, high = todo.pop()
            bounds = [_bounds(portion, low, high) for portion in portions]
            parts = [
                Portion(portion.gram_P[first:last], portion.word_P[first:last])
                for portion, (first, last) in zip(portions, bounds, strict=True)
                if last > first
            ]
            if sum(len(part.word_P) for part in parts) <= PORTION:
                yield from [_joined(parts).sorted()] if parts else []
            elif high - low == 1:
                yield from parts
            else:
                middle = (low + high) // 2
                todo += [(middle, high), (low, middle)]

    def _sort(self) -> None:
        if not self._size:
            return
        portion = _joined(self._waiting).sorted()
        self._waiting, self._size = [], 0
        self._portions.append(Portion(*(self._kept(column) for column in portion)))

    def _kept(self, column: NDArray[Any]) -> NDArray[Any]:
        path = self._folder / f"{column.dtype}-{len(self._portions)}.npy"
        np.save(path, column)
        return np.asarray(np.load(path, mmap_mode="r"))


class Column:
    """Writes a one-dimensional array whose length is not known before."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self._file = path.open("xb")
        self._dtype = np.dtype(dtype)
        self._size = 0

    def __enter__(self) -> Self:
        self._header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._header()
        self._file.close()

    def add(self, values: NDArray[Any]) -> None:
        """Append values."""
        self._file.write(values.astype(self._dtype).tobytes())
        self._size += len(values)

    def _header(self) -> None:
        # numpy pads its header so that the first axis may grow, hence it can be written again
        self._file.seek(0)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._size,)}
        np.lib.format.write_array_header_1_0(self._file, header)


def _bounds(portion: Portion, low: int, high: int) -> tuple[int, int]:
    first, last = (
        len(portion.gram_P)
        if edge == _ALL
        else int(np.searchsorted(portion.gram_P, np.uint64(edge << _PACKED)))
        for edge in (low, high)
    )
    return first, last


def _joined(portions: Sequence[Portion]) -> Portion:
    return Portion(*(np.concatenate(column) for column in zip(*portions, strict=True)))
