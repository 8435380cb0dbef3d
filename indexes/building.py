"""Building: write an index of postings, whatever memory there is.

Dimension key: T texts, P postings, B buckets + 1.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.folder import seal
from indexes.grams import winnow
from indexes.postings import IDS, KIND, SCHEMES, TEXTS, rest_of
from indexes.sorting import Column, Pool, Portion
from indexes.stored import sample_bytes, samples
from indexes.strings import StringsWriter
from indexes.words import Words

_PER_BUCKET = 8
_FEWEST_BITS = 4
_MOST_WORDS = 2**32


class Batch(NamedTuple):
    """Some whole texts to index."""

    ids: Sequence[str]
    """Id of each."""

    words: Words
    """Their words."""

    texts: Sequence[str] = ()
    """The texts, to be kept beside the index; none if whoever looks up has them."""


def build(path: Path, batches: Iterable[Batch], *, keep_texts: bool = False) -> None:
    """Write an index of texts.

    Args:
        path: a folder that does not exist yet, or is empty.
        batches: whole texts; memory holds one batch at a time, so some MB of text are a good size.
        keep_texts: whether the texts are kept beside the index, so that a look-up needs no other.

    Raises:
        ValueError: there are more than 2**32 words, or other ids than texts.
        FileExistsError: the folder holds something.
    """
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise FileExistsError(f"{path} is not empty; an index is built in a folder of its own")
    with TemporaryDirectory(dir=path) as name:
        pool = Pool(Path(name))
        offsets_T = _read(path, batches, pool, keep_texts=keep_texts)
        bits = max(_FEWEST_BITS, (pool.total // _PER_BUCKET).bit_length() - 1)
        bucket_B = np.zeros((1 << bits) + 1, np.uint32)
        with (
            Column(path / "rests.npy", np.uint32) as rests,
            Column(path / "words.npy", np.uint32) as numbers,
        ):
            for part in pool.in_order():
                rests.add(rest_of(part.gram_P, bits))
                numbers.add(part.word_P)
                bucket, times = np.unique(part.gram_P >> np.uint64(64 - bits), return_counts=True)
                bucket_B[bucket.astype(np.int64) + 1] += times.astype(np.uint32)
    np.save(path / "buckets.npy", np.cumsum(bucket_B, dtype=np.uint32))
    np.save(path / "offsets.npy", offsets_T)
    facts = {"texts": len(offsets_T) - 1, "words": int(offsets_T[-1]), "postings": pool.total}
    seal(path, kind=KIND, facts={"schemes": SCHEMES, **facts})


def _read(
    path: Path, batches: Iterable[Batch], pool: Pool, *, keep_texts: bool
) -> NDArray[np.int64]:
    """Write what is kept of texts, put their postings into the pool, return their offsets."""
    offsets, before = [np.zeros(1, np.int64)], 0
    with ExitStack() as files:
        lines = files.enter_context(StringsWriter(path, IDS))
        marks = files.enter_context(Column(path / "marks.npy", np.uint8))
        starts = files.enter_context(Column(path / "samples.npy", np.uint32))
        if keep_texts:
            kept = files.enter_context(StringsWriter(path, TEXTS))
            places = files.enter_context(Column(path / "bytes.npy", np.uint32))
        for ids, words, texts in batches:
            after = before + _checked(ids, words, before)
            lines.add(ids)
            marks.add(words.hashes_N)
            starts.add(samples(words))
            if keep_texts:
                kept.add(texts)
                places.add(sample_bytes(texts, words))
            for chosen in winnow(words):
                numbers = (chosen.word_C + before).astype(np.uint32)
                pool.add(Portion(chosen.gram_C, numbers))
            offsets.append(words.offsets_T[1:] + before)
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
