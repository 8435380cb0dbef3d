"""Strings: many texts in one file, from which one, or a part of one, is read without the others.

Dimension key: T texts.

`NAME.utf8` holds them one after the other, `NAME-ends.npy` says where each ends.
"""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

_ERRORS = "surrogatepass"
"""Lone surrogates are no text, but they come."""


class Strings:
    """Texts on disk, memory-mapped."""

    def __init__(self, data: NDArray[np.uint8], ends_T: NDArray[np.int64]) -> None:
        """Take arrays as they were written.

        Args:
            data: uint8, all bytes.
            ends_T: int64[T + 1], byte after each text; the first is 0.
        """
        self._data = data
        self._ends_T = ends_T

    def __len__(self) -> int:
        return len(self._ends_T) - 1

    def __getitem__(self, number: int) -> str:
        return self.part(number, 0, None)

    def size(self, number: int) -> int:
        """Return the bytes of a text."""
        return int(self._ends_T[number + 1]) - int(self._ends_T[number])

    def part(self, number: int, start: int, end: int | None) -> str:
        """Return a part of a text, by its bytes; the whole rest if there is no end.

        Raises:
            ValueError: the bytes are not those of whole characters.
        """
        first = int(self._ends_T[number])
        last = int(self._ends_T[number + 1]) if end is None else first + end
        return self._data[first + start : last].tobytes().decode("utf-8", _ERRORS)


class StringsWriter:
    """Writes texts one after the other."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = (folder / f"{name}.utf8").open("xb")
        self._ends = folder / f"{name}-ends.npy"
        self._sizes = [np.zeros(1, np.int64)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            np.save(self._ends, np.cumsum(np.concatenate(self._sizes)))

    def add(self, texts: Iterable[str]) -> None:
        """Append texts."""
        sizes = [self._file.write(text.encode("utf-8", _ERRORS)) for text in texts]
        self._sizes.append(np.array(sizes, np.int64))


def opened(path: Path, ends_T: NDArray[np.int64]) -> Strings:
    """Return the texts of a file that lies there."""
    size = path.stat().st_size
    # nothing can be mapped of an empty file
    data = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
    return Strings(np.asarray(data), ends_T)
