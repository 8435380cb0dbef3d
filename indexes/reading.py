"""Reading: words of stored texts, read again where they are wanted and nowhere else.

Dimension key: T texts, N words, M positions, E stretches, K = 11 words around a gram.

What is read is checked against the stored bytes; if they differ the whole text is split, and if
they differ still, it is another text.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.anchors import BESIDE, around
from indexes.folder import FolderError
from indexes.grams import GRAM
from indexes.stored import Source, StoredTexts, Stretches, stretches
from indexes.words import Words, split


class Stretch(NamedTuple):
    """Words of a text in a row."""

    first: int
    """First word, counted through all texts."""

    start: int
    """Its text begins at this code point of the whole text."""

    text: str
    """The raw text, up to the word after the last."""

    hashes_N: NDArray[np.uint64]
    """Hash of each word."""

    starts_N: NDArray[np.int64]
    """First code point of each word, counted in the raw text here."""

    ends_N: NDArray[np.int64]
    """Code point after its last."""


@dataclass(slots=True, eq=False)
class ReadAgain:
    """Stored texts and the way to their words, for one look-up; see `indexes.runs.Sought`."""

    stored: StoredTexts
    """What was kept of them."""

    source: Source
    """Where they are read."""

    beside: int = BESIDE
    """Words to read beside an anchor; what comes after may want more of them than runs do."""

    known: list[Stretch] = field(default_factory=list)
    """What was read, by its first word."""

    @property
    def offsets_T(self) -> NDArray[np.int64]:
        """Words of text t are [offsets_T[t], offsets_T[t + 1])."""
        return self.stored.offsets_T

    def marks(self, word_M: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the last byte of the hash of the words at these positions, of any shape."""
        return self.stored.marks_N[word_M]

    def around(self, word_M: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return uint64[M, K]: hashes of the words around positions, read from the texts.

        Raises:
            FolderError: a text is not the one that was indexed.
        """
        places_MK = around(word_M, int(self.offsets_T[-1]))
        if not places_MK.size:
            return np.empty(places_MK.shape, np.uint64)
        found = self._around(word_M, word_M + GRAM, self.beside)
        read = list(self._read(found))
        self.known = sorted([*self.known, *read], key=lambda stretch: stretch.first)
        hashes_N = np.concatenate([stretch.hashes_N for stretch in read])
        size_E = found.last_E - found.first_E
        row_M = np.searchsorted(found.first_E, word_M, side="right") - 1
        first_M1, last_M1 = found.first_E[row_M, None], found.last_E[row_M, None] - 1
        shift_E = np.cumsum(size_E) - size_E - found.first_E
        places_MK = np.clip(places_MK, first_M1, last_M1) + shift_E[row_M, None]
        around_MK: NDArray[np.uint64] = hashes_N[places_MK]
        return around_MK

    def _around(
        self, left_M: NDArray[np.int64], end_M: NDArray[np.int64], beside: int
    ) -> Stretches:
        text_M = np.searchsorted(self.offsets_T, left_M, side="right")
        first_M = np.maximum(left_M - beside, self.offsets_T[text_M - 1])
        last_M = np.minimum(end_M + beside, self.offsets_T[text_M]) - 1
        return stretches(self.stored, first_M, last_M)

    def windows(
        self, left_M: NDArray[np.int64], end_M: NDArray[np.int64], beside: int
    ) -> list[Stretch]:
        """Return stretches that hold words and those beside them, in the order of the texts.

        Args:
            left_M: int64[M], first words, counted through all texts.
            end_M: int64[M], words after the last, of the same texts.
            beside: words of the same text to hold on both sides.

        Raises:
            FolderError: a text is not the one that was indexed.
        """
        if not len(left_M):
            return []
        found = self._around(left_M, end_M, beside)
        firsts = [stretch.first for stretch in self.known]
        have: dict[int, Stretch] = {}
        for row, (first, last) in enumerate(zip(found.first_E, found.last_E, strict=True)):
            at = bisect_right(firsts, first) - 1
            if at >= 0 and firsts[at] + len(self.known[at].hashes_N) >= last:
                have[row] = _cut(self.known[at], int(first), int(last))
        missing = np.array([row for row in range(len(found.text_E)) if row not in have], np.int64)
        if len(missing):
            more = self._read(Stretches(*(column[missing] for column in found)))
            have.update(zip(missing.tolist(), more, strict=True))
        return [have[row] for row in range(len(found.text_E))]

    def _read(self, found: Stretches) -> Iterator[Stretch]:
        """Yield the words of stretches."""
        rows = list(zip(*(column.tolist() for column in found), strict=True))
        texts = [self.source.part(text, low, high) for text, low, high, _, _ in rows]
        words = split(texts)
        for row, (text, low, _, first, last) in enumerate(rows):
            own = slice(int(words.offsets_T[row]), int(words.offsets_T[row + 1]))
            own_words = (words.hashes_N[own], words.starts_N[own], words.ends_N[own])
            start = self._start(text, low)
            stretch = Stretch(first, start, texts[row], *own_words)
            yield stretch if self._fits(stretch, last) else self._again(text, first, last)

    def _start(self, text: int, low: int) -> int:
        return int(self.stored.sample_S[self.stored.first_T[text] + low]) if low else 0

    def _again(self, text: int, first: int, last: int) -> Stretch:
        """Return a stretch out of the words of the whole text."""
        before, end = int(self.offsets_T[text]), int(self.stored.first_T[text + 1])
        whole = self.source.part(text, 0, end - int(self.stored.first_T[text]))
        stretch = Stretch(before, 0, whole, *_columns(split([whole])))
        if not self._fits(stretch, int(self.offsets_T[text + 1])):
            raise FolderError(
                f"text {self.stored.ids[text]} is not the one that was indexed: its words differ;"
                " build the index again"
            )
        return _cut(stretch, first, last)

    def _fits(self, stretch: Stretch, last: int) -> bool:
        marks = self.stored.marks_N[stretch.first : last]
        return np.array_equal(stretch.hashes_N.astype(np.uint8), marks)


def _columns(
    words: Words,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    return words.hashes_N, words.starts_N, words.ends_N


def _cut(stretch: Stretch, first: int, last: int) -> Stretch:
    """Return some of the words; the text stays as it is."""
    own = slice(first - stretch.first, last - stretch.first)
    columns = (stretch.hashes_N[own], stretch.starts_N[own], stretch.ends_N[own])
    return Stretch(first, stretch.start, stretch.text, *columns)
