"""Postings: the chosen grams of texts on disk, for looking up one output in milliseconds.

Dimension key: T texts, P postings, B buckets + 1, U grams of the outputs, H hits.

A posting is a chosen gram and its first word. They lie in the order of the leading bits of the gram
(the bucket, not stored) and keep the 32 bits after those: false ones are one in 2**32 of a bucket.
Beside them is what `indexes.stored` keeps: a byte of each word, which turns away nearly every lone
gram without a look at the texts, and the way to the words themselves. What `find` returns was
compared by the words of the texts, as in `indexes.runs.scan`, and is the same.
About 0.8 bytes per byte of English books, and 1 more if the texts are kept beside the index; more
than a third of it goes with ids if texts are tiny.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import indexes.grams
import indexes.words
from indexes.anchors import BESIDE, spread
from indexes.folder import FolderError, IndexFolder, open_folder
from indexes.query import Hits, Query
from indexes.reading import ReadAgain
from indexes.runs import Runs, connect
from indexes.stored import InMemory, OnDisk, Source, StoredTexts, first_samples
from indexes.strings import opened

KIND = "postings"
"""Kind of the index folder."""

IDS, TEXTS = "ids", "texts"
"""Names of the files with the id of each text, and with the texts themselves."""

SCHEMES = [indexes.words.SCHEME, indexes.grams.SCHEME]
"""How words are told apart and grams chosen; an index made in another way does not fit."""

_GRAMS_AT_A_TIME = 1 << 14


class Answer(NamedTuple):
    """What a look-up found, and the way to more."""

    runs: Runs
    """Runs of the outputs and the texts."""

    reading: ReadAgain
    """The words of the texts; those around the runs were read."""


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """An opened index; its arrays are memory-mapped."""

    texts: StoredTexts
    """What is kept of the texts beside their grams."""

    bucket_B: NDArray[np.uint32]
    """First posting of each bucket."""

    rest_P: NDArray[np.uint32]
    """The 32 bits of the gram after those of its bucket."""

    word_P: NDArray[np.uint32]
    """First word of the gram, counted through all texts."""

    source: Source | None = None
    """The texts, if they are kept beside the index."""

    def find(self, query: Query, text_of: Callable[[int], str] | None = None) -> Runs:
        """Return the runs of outputs and the texts, the same as `scan` of the texts.

        Args:
            query: the outputs; any number, memory grows with their hits.
            text_of: text of a number 0 .. T-1, as it was given to `build`; asked for texts that
                probably have runs. None if the index keeps the texts.

        Raises:
            FolderError: a text is not the one that was indexed, or there is none.
        """
        return self.look_up(query, text_of).runs

    def look_up(
        self,
        query: Query,
        text_of: Callable[[int], str] | None = None,
        *,
        beside: int = BESIDE,
    ) -> Answer:
        """Return the runs of outputs and the texts, and what was read to find them.

        Args:
            query: as for `find`.
            text_of: as for `find`.
            beside: words to read on both sides of what is looked at, at least as many as runs need.

        Raises:
            FolderError: a text is not the one that was indexed, or there is none.
        """
        source = self.source if text_of is None else InMemory(self.texts, text_of)
        if source is None:
            raise FolderError("the index was built without its texts; say where they are")
        reading = ReadAgain(self.texts, source, max(beside, BESIDE))
        return Answer(connect(query, self._hits(query), reading), reading)

    def _hits(self, query: Query) -> Hits:
        bits = (len(self.bucket_B) - 1).bit_length() - 1
        gram, word = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for first in range(0, len(query.gram_U), _GRAMS_AT_A_TIME):
            gram_U = query.gram_U[first : first + _GRAMS_AT_A_TIME]
            bucket_U = (gram_U >> np.uint64(64 - bits)).astype(np.int64)
            start_U = self.bucket_B[bucket_U].astype(np.int64)
            times_U = self.bucket_B[bucket_U + 1].astype(np.int64) - start_U
            row, owner = spread(start_U, times_U)
            same = self.rest_P[row] == rest_of(gram_U, bits)[owner]
            gram.append(owner[same] + first)
            word.append(self.word_P[row[same]].astype(np.int64))
        word_H = np.concatenate(word)
        order_H = np.argsort(word_H, kind="stable")
        return Hits(np.concatenate(gram)[order_H], word_H[order_H])


def load(path: Path, *, verify: bool = True) -> Postings:
    """Return a built index.

    Args:
        path: its folder.
        verify: read every file again and compare its digest; without, what is read is checked
            where it is used, and opening takes no longer for a larger index.

    Raises:
        FolderError: it is not whole, or was made by other rules than this program's.
    """
    folder = open_folder(path, kind=KIND, verify=verify)
    if folder.facts.get("schemes") != SCHEMES:
        raise FolderError(
            f"{path} was made by {folder.facts.get('schemes')}, this program's rules are"
            f" {SCHEMES}; build it again"
        )
    # plain arrays over the map: a memmap costs microseconds with every look
    offsets, marks, sample, buckets, rests, words, ends = (
        np.asarray(folder.array(f"{name}.npy"))
        for name in ("offsets", "marks", "samples", "buckets", "rests", "words", f"{IDS}-ends")
    )
    ids = opened(folder.file(f"{IDS}.utf8"), ends)
    stored = StoredTexts(ids, offsets, marks, sample, first_samples(offsets))
    return Postings(stored, buckets, rests, words, _source(folder, stored))


def _source(folder: IndexFolder, stored: StoredTexts) -> Source | None:
    if f"{TEXTS}.utf8" not in folder.files:
        return None
    ends, places = (np.asarray(folder.array(name)) for name in (f"{TEXTS}-ends.npy", "bytes.npy"))
    return OnDisk(stored, opened(folder.file(f"{TEXTS}.utf8"), ends), places)


def rest_of(gram_P: NDArray[np.uint64], bits: int) -> NDArray[np.uint32]:
    """Return the 32 bits of grams after those that name the bucket."""
    return (gram_P >> np.uint64(32 - bits)).astype(np.uint32)
