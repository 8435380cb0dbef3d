"""Stored texts: a byte of each word, and the place of every 32nd, from which words are read again.

Dimension key: T texts, N words, S samples, M positions, E stretches.

A word that begins at a sample begins there whatever stood before it, so a stretch of text between
two samples has the words that the whole text has there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.anchors import changes, owners, spread
from indexes.folder import FolderError
from indexes.strings import Strings
from indexes.words import Words

SAMPLE = 32
"""Words from one sample to the next: 0.02 bytes per byte of text, some 180 letters to read."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredTexts:
    """What an index keeps of its texts."""

    ids: Strings
    """Id of each text, in the order they were given: `Runs.text_R` counts these."""

    offsets_T: NDArray[np.int64]
    """Words of text t are [offsets_T[t], offsets_T[t + 1]); T + 1 numbers."""

    marks_N: NDArray[np.uint8]
    """Last byte of the hash of each word."""

    sample_S: NDArray[np.uint32]
    """First code point of every 32nd word of a text, text after text."""

    first_T: NDArray[np.int64]
    """First sample of each text; T + 1 numbers."""


class Source(Protocol):
    """Where the texts themselves are read."""

    def part(self, text: int, first: int, last: int) -> str:
        """Return the text between two samples of it.

        Args:
            text: 0 .. T-1.
            first: number of the first sample in the text; 0 is the beginning of the text, whatever
                stands before its first word.
            last: number of the sample after the last; that of the samples is the end of the text.
        """


class InMemory:
    """Texts that somebody else holds."""

    def __init__(self, stored: StoredTexts, text_of: Callable[[int], str]) -> None:
        self._stored = stored
        self._text_of = text_of

    def part(self, text: int, first: int, last: int) -> str:
        """Return the text between two samples of it."""
        stored, base = self._stored, int(self._stored.first_T[text])
        start = int(stored.sample_S[base + first]) if first else 0
        whole = base + last == stored.first_T[text + 1]
        return self._text_of(text)[start : None if whole else int(stored.sample_S[base + last])]


class OnDisk:
    """Texts that lie beside their index, memory-mapped; only what is asked for is read."""

    def __init__(
        self, stored: StoredTexts, texts: Strings, sample_byte_S: NDArray[np.uint32]
    ) -> None:
        """Take what was opened.

        Args:
            stored: what the index keeps.
            texts: the texts.
            sample_byte_S: uint32[S], first byte of every 32nd word in its text as UTF-8.
        """
        self._stored = stored
        self._texts = texts
        self._sample_byte_S = sample_byte_S

    def part(self, text: int, first: int, last: int) -> str:
        """Return the text between two samples of it.

        Raises:
            FolderError: the bytes there are no text.
        """
        base = int(self._stored.first_T[text])
        start = int(self._sample_byte_S[base + first]) if first else 0
        whole = base + last == self._stored.first_T[text + 1]
        end = None if whole else int(self._sample_byte_S[base + last])
        try:
            return self._texts.part(text, start, end)
        except UnicodeDecodeError as error:
            raise FolderError(
                f"text {self._stored.ids[text]} is not the one that was indexed: {error};"
                " build the index again"
            ) from error


class Stretches(NamedTuple):
    """Stretches of text between samples, in the order of the texts; none touches the next."""

    text_E: NDArray[np.int64]
    """The text."""

    low_E: NDArray[np.int64]
    """First sample, counted in the text."""

    high_E: NDArray[np.int64]
    """Sample after the last."""

    first_E: NDArray[np.int64]
    """First word, counted through all texts."""

    last_E: NDArray[np.int64]
    """Word after the last."""


def samples(words: Words) -> NDArray[np.int64]:
    """Return the first code point of every 32nd word of each text."""
    place_N = np.arange(len(words.hashes_N))
    place_N -= np.repeat(words.offsets_T[:-1], np.diff(words.offsets_T))
    starts_S: NDArray[np.int64] = words.starts_N[place_N % SAMPLE == 0]
    return starts_S


def sample_bytes(texts: Sequence[str], words: Words) -> NDArray[np.int64]:
    r"""Return the first byte of every 32nd word of each text, as UTF-8.

    >>> from indexes.words import split
    >>> sample_bytes(texts := ["\u00e9 " * 33], split(texts)).tolist()
    [0, 96]
    """
    starts_S = samples(words)
    first_T = first_samples(words.offsets_T)
    for number, text in enumerate(texts):
        own = slice(first_T[number], first_T[number + 1])
        if not text.isascii():
            places = [0, *starts_S[own].tolist()]
            parts = pairwise(places)
            sizes = [len(text[start:end].encode("utf-8", "surrogatepass")) for start, end in parts]
            starts_S[own] = np.cumsum(sizes, dtype=np.int64)
    return starts_S


def first_samples(offsets_T: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first sample of each text, T + 1 numbers.

    >>> first_samples(np.array([0, 32, 32, 33, 98])).tolist()
    [0, 1, 1, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(-(-np.diff(offsets_T) // SAMPLE))]).astype(np.int64)


def stretches(
    stored: StoredTexts, left_M: NDArray[np.int64], right_M: NDArray[np.int64]
) -> Stretches:
    """Return the stretches that hold all words from some to others.

    Args:
        stored: what the index keeps.
        left_M: int64[M], first words, counted through all texts.
        right_M: int64[M], last words, of the same texts.
    """
    text_M = owners(stored.offsets_T, left_M)
    start_M, base_M = stored.offsets_T[text_M], stored.first_T[text_M]
    low_M = base_M + (left_M - start_M) // SAMPLE
    high_M = base_M + (right_M - start_M) // SAMPLE
    sample = np.unique(spread(low_M, high_M - low_M + 1)[0])
    text = owners(stored.first_T, sample)
    firsts = np.flatnonzero(changes(text, sample - np.arange(len(sample))))
    text_E, own_E = text[firsts], stored.first_T[text[firsts]]
    low_E = sample[firsts] - own_E
    high_E = sample[np.append(firsts[1:], len(sample)) - 1] + 1 - own_E
    begin_E = stored.offsets_T[text_E]
    last_E = np.minimum(begin_E + high_E * SAMPLE, stored.offsets_T[text_E + 1])
    return Stretches(text_E, low_E, high_E, begin_E + low_E * SAMPLE, last_E)
