"""Wording: a text, its words, and what each word says.

Dimension key: N words of the text, W words looked at, S stretches of words.

Words are told apart by their normal forms, never by their hashes: two words share an id if and only
if their normal forms are the same text. Forms are made only where they are needed; where the places
of some words are known, so are the words: of a long text only the stretches looked at are split.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.words import Words, normal, split

_PAGE = 64
_AHEAD = 256


class Lexicon:
    """Ids of normal forms; texts that are compared share one."""

    def __init__(self) -> None:
        self._of_form: dict[str, int] = {}
        self._of_raw: dict[str, int] = {}

    def ids(self, raws: Sequence[str]) -> list[int]:
        """Return one id per word; equal ids mean equal normal forms."""
        of_raw, of_form = self._of_raw, self._of_form
        for raw in raws:
            if raw not in of_raw:
                of_raw[raw] = of_form.setdefault(normal(raw), len(of_form))
        return list(map(of_raw.__getitem__, raws))


class Places(NamedTuple):
    """Where some words of a text begin; between two of them the text can be split by itself."""

    words: Sequence[int]
    """Their numbers, ascending, from 0."""

    chars: Sequence[int]
    """Their first code points."""

    num_words: int
    """Words of the whole text."""


class Wording:
    """One text with its words; what is not known yet is read when it is asked for."""

    def __init__(
        self,
        text: str,
        lexicon: Lexicon,
        words: Words | None = None,
        places: Places | None = None,
    ) -> None:
        """Take a text as it is.

        Args:
            text: the whole text.
            lexicon: shared by all texts that are to be compared with each other.
            words: the words of this one text, if they are known already.
            places: where some of its words begin, if the words are to be read where needed.
        """
        self.text = text
        self._lexicon = lexicon
        self._kept: dict[str, NDArray[Any]] = {}
        if words is None and places is not None and len(places.words):
            self._begin(places)
            return
        words = split([text]) if words is None else words
        firsts = range(0, len(words.hashes_N), _PAGE)
        self._begin(Places(firsts, words.starts_N[::_PAGE].tolist(), len(words.hashes_N)))
        self._take(words)

    def _begin(self, places: Places) -> None:
        self._size = places.num_words
        self._words = [*places.words, self._size]
        # what stands before the first word may have to be seen to know where it begins
        self._chars = [0, *places.chars[1:], len(self.text)]
        self._hashes_N = np.zeros(self._size, np.uint64)
        self._starts_N = np.zeros(self._size, np.int64)
        self._ends_N = np.zeros(self._size, np.int64)
        self._ids_N = np.zeros(self._size, np.int32)
        self._is_read = bytearray(len(places.words))
        self._all_read = False
        self._has_ids = bytearray(len(places.words))

    def _take(self, words: Words) -> None:
        if len(words.hashes_N) != self._size:
            raise ValueError(
                f"the text has {len(words.hashes_N)} words, expected {self._size}: it is not the"
                " one whose words were counted; run again from its source"
            )
        self._hashes_N, self._starts_N = words.hashes_N, words.starts_N
        self._ends_N = words.ends_N
        self._is_read = bytearray(b"\1") * len(self._is_read)
        self._all_read = True

    def __len__(self) -> int:
        return self._size

    @property
    def hashes_N(self) -> NDArray[np.uint64]:
        """Hash of every word."""
        self._read_all()
        return self._hashes_N

    @property
    def starts_N(self) -> NDArray[np.int64]:
        """First code point of every word."""
        self._read_all()
        return self._starts_N

    @property
    def ends_N(self) -> NDArray[np.int64]:
        """Code point after the last of every word."""
        self._read_all()
        return self._ends_N

    @property
    def words(self) -> Words:
        """All words."""
        self._read_all()
        offsets_T = np.array([0, self._size], np.int64)
        return Words(self._hashes_N, self._starts_N, self._ends_N, offsets_T)

    def _read_all(self) -> None:
        if not self._all_read:
            self._take(split([self.text]))

    def _stretches(self, first: int, end: int) -> range:
        """Return the stretches that hold words first..end-1."""
        if first >= end:
            return range(0)
        return range(bisect_right(self._words, first) - 1, bisect_left(self._words, end))

    def read(self, spans: Iterable[tuple[int, int]]) -> None:
        """Read words first..end-1 of each span; together that is quicker than one by one."""
        if self._all_read:
            return
        wanted = {
            s
            for first, end in spans
            for s in self._stretches(max(0, first), min(end, self._size))
            if not self._is_read[s]
        }
        if not wanted:
            return
        # of stretches in a row each is one more than the one before
        rows = [
            [s for _, s in group]
            for _, group in groupby(enumerate(sorted(wanted)), lambda item: item[1] - item[0])
        ]
        texts = [self.text[self._chars[row[0]] : self._chars[row[-1] + 1]] for row in rows]
        found = split(texts)
        sizes = [self._words[row[-1] + 1] - self._words[row[0]] for row in rows]
        if np.diff(found.offsets_T).tolist() != sizes:
            self._read_all()
            return
        for row, start, end in zip(
            rows, found.offsets_T[:-1].tolist(), found.offsets_T[1:].tolist(), strict=True
        ):
            part, shift = slice(self._words[row[0]], self._words[row[-1] + 1]), self._chars[row[0]]
            self._hashes_N[part] = found.hashes_N[start:end]
            self._starts_N[part] = found.starts_N[start:end] + shift
            self._ends_N[part] = found.ends_N[start:end] + shift
            for s in row:
                self._is_read[s] = True

    def _look(self, first: int, end: int) -> None:
        """See to it that words are read; who looks there will look around."""
        if not self._all_read and not all(
            map(self._is_read.__getitem__, self._stretches(first, end))
        ):
            self.read([(first - _AHEAD, end + _AHEAD)])

    def hashes(self, first: int, end: int) -> NDArray[np.uint64]:
        """Return uint64[W], the hashes of words first..end-1."""
        self._look(first, end)
        return self._hashes_N[first:end]

    def ids(self, first: int, end: int) -> NDArray[np.int32]:
        """Return int32[W], the ids of words first..end-1."""
        missing = [s for s in self._stretches(first, end) if not self._has_ids[s]]
        if missing:
            # those between the first and the last are made again: seldom, and sooner than looked up
            self._make(missing[0], missing[-1] + 1)
        return self._ids_N[first:end]

    def _make(self, first: int, end: int) -> None:
        part = slice(self._words[first], self._words[end])
        self._look(part.start, part.stop)
        starts, ends = self._starts_N[part].tolist(), self._ends_N[part].tolist()
        text = self.text
        self._ids_N[part] = self._lexicon.ids(list(map(text.__getitem__, map(slice, starts, ends))))
        self._has_ids[first:end] = b"\1" * (end - first)

    def once(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return an array that depends on this text alone; made when first asked for."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def chars(self, first: int, end: int) -> tuple[int, int]:
        """Return where words first..end-1 stand, in code points; of no words, the place between.

        The place of no words is behind the word before, or at the start of the text.
        """
        if first < end:
            self._look(first, first + 1)
            self._look(end - 1, end)
            return int(self._starts_N[first]), int(self._ends_N[end - 1])
        self._look(max(0, first - 1), first)
        place = int(self._ends_N[first - 1]) if first else 0
        return place, place
