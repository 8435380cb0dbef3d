"""Chance: how often text that the model cannot have seen shares a run with the corpus all the same.

Dimension key: B blocks, W works that they come from, N words, T texts of a batch, K lengths of run,
R resamples.

Blocks of 1,000 words of control works are searched for in the training half, by the same code as
the outputs. A work in both halves is left out, and of near-duplicates only one text speaks: a block
has no copy of its own work in the corpus, so what it shares is quotation, phrase and chance. What
many works of the corpus hold is left out, as it is no finding either. The
last block of a text is shorter; blocks are counted in words, so it counts for its part.

The curve begins at the length that the search is sure to find; shorter runs are kept only beside
others, so their rate would be told too low. Of each block the longest run counts, hence the curve
falls with the length. Works, not blocks, are drawn again for the interval, as an author who quotes
does so in many blocks. Where nothing was seen, at most 3 of B blocks could have it (95 % limit).
The rate grows with the corpus: it holds for this corpus, and for outputs of 1,000 words.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexes.runs import LONG, Query, scan
from indexes.words import Words
from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, columns
from stages.measures.holders import common, works_of_words
from stages.tables import CHANCES, TEXT_WORKS, TEXTS
from stages.text.own_words import own_words

BLOCK = 1000
"""Words of a block; less than the words that pieces of a text share on both sides together, so at
least one piece shows a whole run of a block."""

LAST = 64
"""The curve goes at least as far as this length, and one word beyond the longest run."""

_LEVEL = (0.025, 0.975)
_NONE_SEEN = 3.0
_LEAST = (("common_works", 2), ("max_blocks", 1), ("resamples", 100), ("seed", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceConfig:
    """Knobs of the chance stage."""

    common_works: int = 3
    """Distinct training works that must hold most of a run before it counts for nothing, 2 or more:
    what everybody holds is no finding either (`passages.common_works`)."""

    max_blocks: int = 5000
    """Blocks that are searched for, from 1; of more, a random choice. 5,000 take 0.2 GB of memory,
    and tell a rate of 0.6 in 1,000 from none."""

    resamples: int = 2000
    """Times that the works are drawn again for the interval, from 100."""

    seed: int = 0
    """Seed of the choice of blocks and of the resamples, from 0."""

    def __post_init__(self) -> None:
        """Refuse what gives no curve.

        Raises:
            ValueError: a knob is out of range.
        """
        for name, least in _LEAST:
            if (found := getattr(self, name)) < least:
                raise ValueError(f"chance.{name}: expected {least} or more, got {found}")


def chance(
    inputs: Mapping[str, Iterable[pa.Table]], config: ChanceConfig, kit: Kit
) -> Iterator[Out]:
    """Yield how often a block of unseen words has a run of each length in the training half.

    Args:
        inputs: `works` TEXT_WORKS; `control` and `train`, TEXTS of the two halves.
        config: how many blocks, and the seed.
        kit: not used.

    Yields:
        CHANCES by length, from 8 words; nothing if there are no thousand words of unseen works.

    Source: null rate of held-out works; no event in B blocks reads "at most 3/B" (rule of three:
    Hanley and Lippman-Hand 1983); bootstrap over works after Efron 1979.
    """
    del kit
    works = list(inputs["works"])
    blocks = _choose(inputs["control"], _unseen(works), config)
    found = _search(inputs["train"], blocks, _numbers(works))
    longest_B, corpus_words = _longest(found.spans_R4, blocks, config), found.corpus_words
    if int(blocks.words_B.sum()) < BLOCK:
        yield Out(CHANCES.empty())
        return
    yield Out(_curve(blocks, longest_B, corpus_words, config))


class _Blocks(NamedTuple):
    """The blocks that are searched for."""

    words: Words
    """Their words; where they stand is not kept."""
    words_B: NDArray[np.int64]
    """Words of each block."""
    work_B: NDArray[np.int64]
    """Number of the work."""


def _unseen(works: Iterable[pa.Table]) -> Any:
    """Return one text of each work that lies in the control half alone, sorted."""
    found: set[str] = set()
    for batch in works:
        pure = pc.and_(pc.equal(batch["half"], "control"), pc.invert(batch["mixed"]))
        first = pc.and_(pure, pc.equal(batch["text_id"], batch["work_id"]))
        found.update(batch.filter(first)["text_id"].to_pylist())
    return pa.array(sorted(found), pa.large_string())


def _choose(batches: Iterable[pa.Table], unseen: Any, config: ChanceConfig) -> _Blocks:
    """Return the blocks with the smallest keyed digests: random, and the same in any order."""
    kept: list[tuple[int, str, int, NDArray[np.uint64]]] = []
    key = config.seed.to_bytes(16, "big")
    for batch in batches:
        mine = batch.filter(pc.is_in(batch["text_id"], value_set=unseen))
        for text_id, first, hashes_N in _blocks(mine):
            place = f"{text_id}\x1f{first}".encode()
            rank = int.from_bytes(blake2b(place, digest_size=8, key=key).digest(), "big")
            entry = (-rank, text_id, first, hashes_N)
            if len(kept) < config.max_blocks:
                heappush(kept, entry)
            else:
                heappushpop(kept, entry)
    kept.sort(key=lambda entry: entry[1:3])
    words_B = np.array([len(entry[3]) for entry in kept], np.int64)
    hashes_N = np.concatenate([np.empty(0, np.uint64), *(entry[3] for entry in kept)])
    nowhere_N = np.zeros(len(hashes_N), np.int64)
    offsets_B = np.concatenate([[0], np.cumsum(words_B)]).astype(np.int64)
    names = np.array([entry[1] for entry in kept], np.str_)
    work_B = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return _Blocks(Words(hashes_N, nowhere_N, nowhere_N, offsets_B), words_B, work_B)


def _blocks(batch: pa.Table) -> Iterator[tuple[str, int, NDArray[np.uint64]]]:
    """Yield text, first word and hashes of each block of the own words of these pieces."""
    for rows, words, own_T2 in own_words(batch):
        places = zip(texts(rows, "text_id"), rows["first_word"].to_pylist(), strict=True)
        for row, (text_id, before) in enumerate(places):
            start, end = own_T2[row].tolist()
            hashes_N = words.hashes_N[words.offsets_T[row] :]
            for first in range(start, end, BLOCK):
                # a copy, so that the rest of the piece can be let go
                yield text_id, before + first, hashes_N[first : min(first + BLOCK, end)].copy()


class _Found(NamedTuple):
    """What of the blocks stands in the corpus."""

    spans_R4: NDArray[np.int64]
    """Block, first word, word after the last, number of the work; by block."""
    corpus_words: int


def _numbers(works: Iterable[pa.Table]) -> dict[str, int]:
    """Return the number of the work of each text."""
    numbers: dict[str, int] = {}
    return {
        row["text_id"]: numbers.setdefault(row["work_id"], len(numbers))
        for batch in works
        for row in batch.select(["text_id", "work_id"]).to_pylist()
    }


def _search(batches: Iterable[pa.Table], blocks: _Blocks, numbers: Mapping[str, int]) -> _Found:
    """Return where the blocks stand in the corpus, and the words of the corpus."""
    query, corpus_words = Query.of(blocks.words), 0
    found = [np.empty((0, 4), np.int64)]
    for batch in batches:
        for rows, words, own_T2 in own_words(batch):
            runs = scan(query, words, own_T2)
            work_T = np.array([numbers[text_id] for text_id in texts(rows, "text_id")], np.int64)
            ends_R = runs.output_word_R + runs.words_R
            spans = (runs.output_R, runs.output_word_R, ends_R, work_T[runs.text_R])
            found.append(np.unique(np.stack(spans, axis=1).astype(np.int64), axis=0))
            corpus_words += int((own_T2[:, 1] - own_T2[:, 0]).sum())
    return _Found(np.unique(np.concatenate(found), axis=0), corpus_words)


def _longest(
    spans_R4: NDArray[np.int64], blocks: _Blocks, config: ChanceConfig
) -> NDArray[np.int64]:
    """Return the longest run of each block that is not everybody's."""
    longest_B = np.zeros(len(blocks.words_B), np.int64)
    starts = np.flatnonzero(np.diff(spans_R4[:, 0], prepend=-1))
    for spans_R3 in np.split(spans_R4, starts[1:]) if len(spans_R4) else []:
        works_N = works_of_words(spans_R3[:, 1:])
        longest_B[spans_R3[0, 0]] = max(
            (
                end - start
                for start, end in np.unique(spans_R3[:, 1:3], axis=0).tolist()
                if not common(works_N, start, end, config.common_works)
            ),
            default=0,
        )
    return longest_B


def _curve(
    blocks: _Blocks, longest_B: NDArray[np.int64], corpus_words: int, config: ChanceConfig
) -> pa.Table:
    lengths_K = np.arange(LONG, max(LAST, int(longest_B.max()) + 1) + 1)
    words_W = np.bincount(blocks.work_B, blocks.words_B)
    num_blocks = int(words_W.sum()) // BLOCK
    seen = longest_B >= LONG
    work, bucket = blocks.work_B[seen], longest_B[seen] - LONG
    events_K = _at_least(bucket, None, len(lengths_K))
    rng = np.random.default_rng(config.seed)
    rates_RK = np.empty((config.resamples, len(lengths_K)))
    for resample in range(config.resamples):
        times_W = np.bincount(rng.integers(0, len(words_W), len(words_W)), minlength=len(words_W))
        events = _at_least(bucket, times_W[work], len(lengths_K))
        rates_RK[resample] = events / (times_W @ words_W / BLOCK)
    low_K, high_K = np.quantile(rates_RK, _LEVEL, axis=0)
    size = len(lengths_K)
    return CHANCES.make(
        {
            "words": lengths_K.astype(np.int32),
            "num_events": events_K.astype(np.int64),
            "num_blocks": np.full(size, num_blocks),
            "num_works": np.full(size, len(words_W), np.int32),
            "rate": events_K / num_blocks,
            "low": low_K,
            # one event more than none can never say less than none does
            "high": np.maximum(high_K, _NONE_SEEN / num_blocks),
            "corpus_words": np.full(size, corpus_words),
        }
    )


def _at_least(
    bucket: NDArray[np.int64], times: NDArray[np.int64] | None, size: int
) -> NDArray[np.float64]:
    """Return how many have bucket k or a later one, for each k."""
    counts_K = np.bincount(bucket, times, minlength=size).astype(np.float64)
    return np.cumsum(counts_K[::-1])[::-1]


_READ = "text_id first_word own_from own_to text"

STAGE = FoldStage(
    name="chance",
    reads={
        "works": columns("text_id half work_id mixed", TEXT_WORKS),
        "control": columns(_READ, TEXTS),
        "train": columns(_READ, TEXTS),
    },
    writes=CHANCES,
    config=ChanceConfig,
    run=chance,
)
