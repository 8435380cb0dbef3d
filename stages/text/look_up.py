"""Look up: what of one text stands in the texts of an index, read where they are alike alone.

Dimension key: R runs, T texts of the index, N words of the text looked up.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.postings import Postings
from indexes.query import Query
from indexes.reading import ReadAgain, Stretch
from indexes.runs import Runs
from indexes.words import split
from stages.measures.excerpts import BESIDE, Excerpt, overlap_of_excerpt
from stages.measures.passages import Overlap
from stages.measures.wording import Lexicon, Wording


class Shared(NamedTuple):
    """What one text of the index has of the text looked up."""

    number: int
    """Its number in the index."""

    text: Excerpt
    """The text where they are alike."""

    inside: Overlap
    """What they share, as places in the excerpt."""

    overlap: Overlap
    """The same, as places in the whole text."""


class Found(NamedTuple):
    """The answer to one look-up."""

    wording: Wording
    """The text looked up."""

    runs: Runs
    """Runs of equal words, the same as a scan finds."""

    shared: tuple[Shared, ...]
    """A row for each text that has a run, in the order of the index."""


def look_up(
    index: Postings,
    text: str,
    *,
    lexicon: Lexicon | None = None,
    text_of: Callable[[int], str] | None = None,
) -> Found:
    """Return the passages of a text that stand in the texts of an index.

    Args:
        index: the opened index.
        text: what is looked up.
        lexicon: words known from look-ups before; it makes the next ones faster, and grows.
        text_of: gives a text by its number, if the index was built without them.

    Raises:
        FolderError: a text is not the one that was indexed.
    """
    words = split([text])
    runs, reading = index.look_up(Query.of(words), text_of, beside=BESIDE)
    whole = Stretch(0, 0, text, words.hashes_N, words.starts_N, words.ends_N)
    lexicon = lexicon or Lexicon()
    wording = Excerpt([whole], (0, len(words.hashes_N)), lexicon)
    echoed_N = np.zeros(len(wording), np.bool_)
    shared = []
    for number, runs_R3, windows in _texts(runs, reading):
        read = _Reader(reading, number, runs_R3, windows, lexicon).around
        found = overlap_of_excerpt(wording, read, runs_R3=runs_R3, echoed_N=echoed_N)
        shared.append(Shared(number, *found))
    return Found(wording, runs, tuple(shared))


def _texts(
    runs: Runs, reading: ReadAgain
) -> Iterator[tuple[int, NDArray[np.int64], Sequence[Stretch]]]:
    """Yield number, runs and windows of each text that has a run."""
    first_R = runs.text_word_R + reading.offsets_T[runs.text_R]
    windows = reading.windows(first_R, first_R + runs.words_R, BESIDE)
    runs_R3 = np.stack((runs.output_word_R, runs.text_word_R, runs.words_R), 1).astype(np.int64)
    numbers = np.unique(runs.text_R)
    ends = reading.offsets_T[numbers + 1].tolist()
    at = 0
    for number, end in zip(numbers.tolist(), ends, strict=True):
        first = at
        while at < len(windows) and windows[at].first < end:
            at += 1
        yield number, runs_R3[runs.text_R == number], windows[first:at]


class _Reader(NamedTuple):
    """The way to the words of one text around its runs."""

    reading: ReadAgain
    number: int
    runs_R3: NDArray[np.int64]
    windows: Sequence[Stretch]
    """What is read already."""
    lexicon: Lexicon

    def around(self, beside: int) -> Excerpt:
        """Return the text with so many words on both sides of every run."""
        first, last = self.reading.offsets_T[self.number : self.number + 2].tolist()
        windows = self.windows
        if beside > BESIDE:
            left_R = self.runs_R3[:, 1] + first
            windows = self.reading.windows(left_R, left_R + self.runs_R3[:, 2], beside)
        return Excerpt(windows, (first, last), self.lexicon)
