"""Stored texts: a byte of each word, and the place of every 64th, from which words are read again.

Dimension key: T texts, N words, S samples, M positions, E stretches, K = 11 words around a gram.

A word that begins at a sample begins there whatever stood before it, so a stretch of text between
two samples has the words that the whole text has there. It is checked against the stored bytes all
the same; if they differ the whole text is split, and if they differ still, it is another text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.anchors import BESIDE, around, changes, owners
from indexes.folder import FolderError
from indexes.grams import GRAM
from indexes.words import Words, split

SAMPLE = 64
"""Words from one sample to the next: 0.01 bytes per byte of text, some 350 letters to read."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredTexts:
    """What an index keeps of its texts."""

    ids: tuple[str, ...]
    """Id of each text, in the order they were given: `Runs.text_R` counts these."""

    offsets_T: NDArray[np.int64]
    """Words of text t are [offsets_T[t], offsets_T[t + 1]); T + 1 numbers."""

    marks_N: NDArray[np.uint8]
    """Last byte of the hash of each word."""

    sample_S: NDArray[np.uint32]
    """First code point of every 64th word of a text, text after text."""

    first_T: NDArray[np.int64]
    """First sample of each text; T + 1 numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadAgain:
    """Stored texts and the way to their words; see `indexes.runs.Sought`."""

    stored: StoredTexts
    """What was kept of them."""

    text_of: Callable[[int], str]
    """Text of a number."""

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
        found = _stretches(self.stored, word_M)
        hashes_N = np.concatenate(list(self._read(found)))
        size_E = found.last_E - found.first_E
        row_M = np.searchsorted(found.first_E, word_M, side="right") - 1
        first_M1, last_M1 = found.first_E[row_M, None], found.last_E[row_M, None] - 1
        shift_E = np.cumsum(size_E) - size_E - found.first_E
        places_MK = np.clip(places_MK, first_M1, last_M1) + shift_E[row_M, None]
        around_MK: NDArray[np.uint64] = hashes_N[places_MK]
        return around_MK

    def _read(self, found: "_Stretches") -> Iterator[NDArray[np.uint64]]:
        """Yield the hashes of the words of each stretch."""
        texts = {number: self.text_of(number) for number in np.unique(found.text_E).tolist()}
        rows = list(zip(*(column.tolist() for column in found), strict=True))
        words = split([texts[text][start : end or None] for text, _, _, start, end in rows])
        for row, (text, first, last, _, _) in enumerate(rows):
            hashes = _part(words, row)
            if not self._fits(hashes, first, last):
                before = int(self.offsets_T[text])
                hashes = split([texts[text]]).hashes_N[first - before : last - before]
                if not self._fits(hashes, first, last):
                    raise FolderError(
                        f"text {self.stored.ids[text]} is not the one that was indexed: its words"
                        f" {first - before} to {last - before} differ; build the index again"
                    )
            yield hashes

    def _fits(self, hashes: NDArray[np.uint64], first: int, last: int) -> bool:
        return np.array_equal(hashes.astype(np.uint8), self.stored.marks_N[first:last])


class _Stretches(NamedTuple):
    """Stretches of text between samples, in the order of the texts."""

    text_E: NDArray[np.int64]
    first_E: NDArray[np.int64]
    last_E: NDArray[np.int64]
    start_E: NDArray[np.int64]
    end_E: NDArray[np.int64]
    """Code point after the last; 0 for the end of the text."""


def samples(words: Words) -> NDArray[np.int64]:
    """Return the first code point of every 64th word of each text."""
    place_N = np.arange(len(words.hashes_N))
    place_N -= np.repeat(words.offsets_T[:-1], np.diff(words.offsets_T))
    starts_S: NDArray[np.int64] = words.starts_N[place_N % SAMPLE == 0]
    return starts_S


def first_samples(offsets_T: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first sample of each text, T + 1 numbers.

    >>> first_samples(np.array([0, 64, 64, 65, 194])).tolist()
    [0, 1, 1, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(-(-np.diff(offsets_T) // SAMPLE))]).astype(np.int64)


def _stretches(stored: StoredTexts, word_M: NDArray[np.int64]) -> _Stretches:
    """Return the stretches that hold the words around positions; none touches the next."""
    text_M = owners(stored.offsets_T, word_M)
    start_M, end_M = stored.offsets_T[text_M], stored.offsets_T[text_M + 1]
    left_M = np.maximum(word_M - BESIDE, start_M)
    right_M = np.minimum(word_M + GRAM + BESIDE, end_M) - 1
    wanted = [stored.first_T[text_M] + (edge_M - start_M) // SAMPLE for edge_M in (left_M, right_M)]
    sample = np.unique(np.concatenate(wanted))
    text = owners(stored.first_T, sample)
    fresh = changes(text, sample - np.arange(len(sample)))
    firsts = np.flatnonzero(fresh)
    text_E, low_E = text[firsts], sample[firsts]
    high_E = sample[np.append(firsts[1:], len(sample)) - 1] + 1
    base_E, own_E = stored.offsets_T[text_E], stored.first_T[text_E]
    whole_E = high_E == stored.first_T[text_E + 1]
    begun_E, start_E = low_E == own_E, stored.sample_S[low_E].astype(np.int64)
    end_E = stored.sample_S[np.where(whole_E, 0, high_E)].astype(np.int64)
    return _Stretches(
        text_E,
        base_E + (low_E - own_E) * SAMPLE,
        np.minimum(base_E + (high_E - own_E) * SAMPLE, stored.offsets_T[text_E + 1]),
        np.where(begun_E, 0, start_E),
        np.where(whole_E, 0, end_E),
    )


def _part(words: Words, text: int) -> NDArray[np.uint64]:
    return words.hashes_N[words.offsets_T[text] : words.offsets_T[text + 1]]
