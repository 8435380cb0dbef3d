"""Postings: the chosen grams of texts on disk, for looking up one output in milliseconds.

Dimension key: T texts, P postings, B buckets + 1, U grams of the outputs, H hits.

A posting is a chosen gram and its first word. They lie in the order of the leading bits of the gram
(the bucket, not stored) and keep the 32 bits after those: false ones are one in 2**32 of a bucket.
Beside them is what `indexes.stored` keeps: a byte of each word, which turns away nearly every lone
gram without a look at the texts, and the way to the words themselves. What `find` returns was
compared by the words of the texts, as in `indexes.runs.scan`, and is the same.
About 0.8 bytes per byte of English books; more than a third of it goes with ids if texts are tiny.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import indexes.grams
import indexes.words
from indexes.anchors import spread
from indexes.folder import FolderError, open_folder, seal
from indexes.grams import winnow
from indexes.query import Hits, Query
from indexes.runs import Runs, connect
from indexes.sorting import Column, Pool, Portion
from indexes.stored import ReadAgain, StoredTexts, first_samples, samples
from indexes.words import Words

KIND = "postings"
"""Kind of the index folder."""

_SCHEMES = [indexes.words.SCHEME, indexes.grams.SCHEME]
_PER_BUCKET = 8
_FEWEST_BITS = 4
_MOST_WORDS = 2**32
_GRAMS_AT_A_TIME = 1 << 14


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

    def find(self, query: Query, text_of: Callable[[int], str]) -> Runs:
        """Return the runs of outputs and the texts, the same as `scan` of the texts.

        Args:
            query: the outputs; any number, memory grows with their hits.
            text_of: text of a number 0 .. T-1, as it was given to `build`; asked for texts that
                probably have runs.

        Raises:
            FolderError: a text is not the one that was indexed.
        """
        return connect(query, self._hits(query), ReadAgain(self.texts, text_of))

    def _hits(self, query: Query) -> Hits:
        bits = (len(self.bucket_B) - 1).bit_length() - 1
        gram, word = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for first in range(0, len(query.gram_U), _GRAMS_AT_A_TIME):
            gram_U = query.gram_U[first : first + _GRAMS_AT_A_TIME]
            bucket_U = (gram_U >> np.uint64(64 - bits)).astype(np.int64)
            start_U = self.bucket_B[bucket_U].astype(np.int64)
            times_U = self.bucket_B[bucket_U + 1].astype(np.int64) - start_U
            row, owner = spread(start_U, times_U)
            same = self.rest_P[row] == _rest(gram_U, bits)[owner]
            gram.append(owner[same] + first)
            word.append(self.word_P[row[same]].astype(np.int64))
        word_H = np.concatenate(word)
        order_H = np.argsort(word_H, kind="stable")
        return Hits(np.concatenate(gram)[order_H], word_H[order_H])


def load(path: Path) -> Postings:
    """Return a built index.

    Raises:
        FolderError: it is not whole, or was made by other rules than this program's.
    """
    folder = open_folder(path, kind=KIND)
    if folder.facts.get("schemes") != _SCHEMES:
        raise FolderError(
            f"{path} was made by {folder.facts.get('schemes')}, this program's rules are"
            f" {_SCHEMES}; build it again"
        )
    with folder.file("ids.jsonl").open(encoding="utf-8") as lines:
        ids = tuple(json.loads(line) for line in lines)
    # plain arrays over the map: a memmap costs microseconds with every look
    offsets, marks, samples, buckets, rests, words = (
        np.asarray(folder.array(f"{name}.npy"))
        for name in ("offsets", "marks", "samples", "buckets", "rests", "words")
    )
    stored = StoredTexts(ids, offsets, marks, samples, first_samples(offsets))
    return Postings(stored, buckets, rests, words)


def build(path: Path, batches: Iterable[tuple[Sequence[str], Words]]) -> None:
    """Write an index of texts.

    Args:
        path: a folder that does not exist yet.
        batches: ids of some whole texts and their words; memory holds one batch at a time, so
            some MB of text are a good size.

    Raises:
        ValueError: there are more than 2**32 words, or other ids than texts.
        FileExistsError: the folder exists.
    """
    path.mkdir(parents=True)
    with TemporaryDirectory(dir=path) as name:
        pool = Pool(Path(name))
        offsets_T = _read(path, batches, pool)
        bits = max(_FEWEST_BITS, (pool.total // _PER_BUCKET).bit_length() - 1)
        bucket_B = np.zeros((1 << bits) + 1, np.uint32)
        with (
            Column(path / "rests.npy", np.uint32) as rests,
            Column(path / "words.npy", np.uint32) as numbers,
        ):
            for part in pool.in_order():
                rests.add(_rest(part.gram_P, bits))
                numbers.add(part.word_P)
                bucket, times = np.unique(part.gram_P >> np.uint64(64 - bits), return_counts=True)
                bucket_B[bucket.astype(np.int64) + 1] += times.astype(np.uint32)
    np.save(path / "buckets.npy", np.cumsum(bucket_B, dtype=np.uint32))
    np.save(path / "offsets.npy", offsets_T)
    facts = {"texts": len(offsets_T) - 1, "words": int(offsets_T[-1]), "postings": pool.total}
    seal(path, kind=KIND, facts={"schemes": _SCHEMES, **facts})


def _read(
    path: Path, batches: Iterable[tuple[Sequence[str], Words]], pool: Pool
) -> NDArray[np.int64]:
    """Write what is kept of texts, put their postings into the pool, return their offsets."""
    offsets, before = [np.zeros(1, np.int64)], 0
    with (
        (path / "ids.jsonl").open("x", encoding="utf-8") as lines,
        Column(path / "marks.npy", np.uint8) as marks,
        Column(path / "samples.npy", np.uint32) as starts,
    ):
        for ids, texts in batches:
            after = before + _checked(ids, texts, before)
            lines.writelines(json.dumps(text_id) + "\n" for text_id in ids)
            marks.add(texts.hashes_N)
            starts.add(samples(texts))
            for chosen in winnow(texts):
                numbers = (chosen.word_C + before).astype(np.uint32)
                pool.add(Portion(chosen.gram_C, numbers))
            offsets.append(texts.offsets_T[1:] + before)
            before = after
    return np.concatenate(offsets)


def _checked(ids: Sequence[str], texts: Words, before: int) -> int:
    """Return the number of words of a batch."""
    if len(ids) != len(texts.offsets_T) - 1:
        raise ValueError(f"{len(ids)} ids of {len(texts.offsets_T) - 1} texts; give an id to each")
    size = len(texts.hashes_N)
    if before + size > _MOST_WORDS:
        raise ValueError(
            f"an index holds at most {_MOST_WORDS} words, found more than {before};"
            " build an index of each part of the texts"
        )
    return size


def _rest(gram_P: NDArray[np.uint64], bits: int) -> NDArray[np.uint32]:
    return (gram_P >> np.uint64(32 - bits)).astype(np.uint32)
