"""Wording: a text, its words, and what each word says.

Dimension key: N words of the text, W words looked at, P pages of words.

Words are told apart by their normal forms, never by their hashes: two words share an id if and only
if their normal forms are the same text. Forms of a long text are made only where they are needed.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.words import Words, normal, split

_PAGE = 256


class Lexicon:
    """Ids of normal forms; texts that are compared share one."""

    def __init__(self) -> None:
        self._of_form: dict[str, int] = {}
        self._of_raw: dict[str, int] = {}

    def ids(self, raws: Iterable[str]) -> list[int]:
        """Return one id per word; equal ids mean equal normal forms."""
        known = self._of_raw
        return [known[raw] if raw in known else self._add(raw) for raw in raws]

    def _add(self, raw: str) -> int:
        found = self._of_form.setdefault(normal(raw), len(self._of_form))
        self._of_raw[raw] = found
        return found


class Wording:
    """One text with its words; ids are made page by page, when they are asked for."""

    def __init__(self, text: str, lexicon: Lexicon, words: Words | None = None) -> None:
        """Take a text as it is.

        Args:
            text: the whole text.
            lexicon: shared by all texts that are to be compared with each other.
            words: the words of this one text, if they are known already.
        """
        words = split([text]) if words is None else words
        self.text = text
        self.words = words
        self.hashes_N: NDArray[np.uint64] = words.hashes_N
        self.starts_N: NDArray[np.int64] = words.starts_N
        self.ends_N: NDArray[np.int64] = words.ends_N
        self._lexicon = lexicon
        self._kept: dict[str, NDArray[Any]] = {}
        self._ids_N = np.full(len(words.hashes_N), -1, np.int32)
        self._made_P = np.zeros(-(-len(self._ids_N) // _PAGE), np.bool_)

    def __len__(self) -> int:
        return len(self._ids_N)

    def ids(self, first: int, end: int) -> NDArray[np.int32]:
        """Return int32[W], the ids of words first..end-1."""
        missing_P = np.flatnonzero(~self._made_P[first // _PAGE : -(-end // _PAGE)])
        for page in (missing_P + first // _PAGE).tolist():
            self._make(page)
        return self._ids_N[first:end]

    def _make(self, page: int) -> None:
        part = slice(page * _PAGE, (page + 1) * _PAGE)
        starts, ends = self.starts_N[part].tolist(), self.ends_N[part].tolist()
        text = self.text
        self._ids_N[part] = self._lexicon.ids(
            text[start:end] for start, end in zip(starts, ends, strict=True)
        )
        self._made_P[page] = True

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
            return int(self.starts_N[first]), int(self.ends_N[end - 1])
        place = int(self.ends_N[first - 1]) if first else 0
        return place, place
