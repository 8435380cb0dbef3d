"""Runs: where outputs and texts have the same words in a row, by one pass over the texts.

Dimension key: O outputs, T texts, N words, U distinct grams of the outputs, G their places, H hits,
M positions, P anchors, R runs, K = 11 words around an anchor.

All grams of the outputs are compared with the chosen grams of the texts, so every run of `LONG` = 8
equal words is found. A shorter one is kept if another run of the same output and text starts within
`NEAR` words of it on both sides and is off its diagonal by at most `DRIFT`: several such crumbs are
what an edited passage leaves, a lone one is an idiom.

Dull grams (`indexes.grams`) and the cap on places (`indexes.query`) keep time linear in the texts,
whatever they hold, and say what is missed; anchors are made `_PAIRS` at a time, so memory is that
of the texts given and of the runs found.
Equality rests on 64-bit hashes of words; who gives evidence compares the texts.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from indexes.anchors import (
    BESIDE,
    Pairs,
    Reach,
    Spots,
    around,
    chain,
    changes,
    neighboured,
    owners,
    reach,
    strike,
)
from indexes.grams import GRAM, WINDOW
from indexes.query import Hits, Query
from indexes.words import Words

__all__ = ["Hits", "Query", "Runs", "Sought", "connect", "join", "scan"]

LONG = GRAM + WINDOW - 1
"""Words of a run that is kept on its own: what winnowing is sure to find."""

NEAR = 32
"""Words between the starts of two short runs, in the output and in the text, that are kept."""

DRIFT = 16
"""Words by which the diagonals (text word - output word) of two such runs may differ."""

CONTEXT = 48
"""Words beside one's own whose anchors decide about short runs."""

_PAIRS = 1 << 18
_FLOOR = 16


class Runs(NamedTuple):
    """Equal words; sorted by (output, text, output_word, text_word), unique."""

    output_R: NDArray[np.int32]
    """Row of the output."""

    output_word_R: NDArray[np.int32]
    """First word in the output."""

    text_R: NDArray[np.int32]
    """Row of the text."""

    text_word_R: NDArray[np.int64]
    """First word in the text."""

    words_R: NDArray[np.int32]
    """Number of words."""

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return some of the runs."""
        return type(self)(
            self.output_R[rows],
            self.output_word_R[rows],
            self.text_R[rows],
            self.text_word_R[rows],
            self.words_R[rows],
        )


class Sought(Protocol):
    """The texts as far as runs are made of them: in memory, or on disk."""

    @property
    def offsets_T(self) -> NDArray[np.int64]:
        """Words of text t are [offsets_T[t], offsets_T[t + 1])."""

    def marks(self, word_M: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the last byte of the hash of the words at these positions, of any shape."""

    def around(self, word_M: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return uint64[M, K]: hashes of the words -3 .. 7 from positions; any beyond the text."""


def scan(query: Query, texts: Words, own: NDArray[np.int64] | None = None) -> Runs:
    """Return the runs of outputs and texts.

    A text may come in pieces that overlap by 512 words on each side: give `own`, move
    `text_word_R` by the words before the piece, and `join`. Where texts are cut changes nothing.

    Args:
        query: the outputs.
        texts: whole texts or pieces.
        own: int64[T, 2], words [from, to) that a piece speaks for: a run is returned, as long
            as the piece shows it, if it meets them. None if texts are whole.

    Returns:
        Runs of at least 5 words, as long as they can be; see this module for which and the caps.
    """
    runs = connect(query, query.hits(texts), _InMemory(texts))
    if own is None:
        return runs
    first_R, last_R = own[runs.text_R].T
    meets = (runs.text_word_R < last_R) & (runs.text_word_R + runs.words_R > first_R)
    return runs.take(meets)


def connect(query: Query, hits: Hits, texts: Sought) -> Runs:
    """Return the runs to which hits belong; for `scan` and the index alike."""
    times_H = query.first_U[hits.gram_H + 1] - query.first_U[hits.gram_H]
    costs_H = np.concatenate([[0], np.cumsum(times_H)])
    todo = [(0, int(texts.offsets_T[-1]))] if len(hits.word_H) else []
    found = [_no_runs()]
    while todo:
        first, last = todo.pop()
        low, high = np.searchsorted(hits.word_H, (first - CONTEXT, last + CONTEXT))
        if costs_H[high] - costs_H[low] > _PAIRS and last - first > _FLOOR:
            middle = (first + last) // 2
            todo += [(first, middle), (middle, last)]
            continue
        runs = _connect(query, Hits(hits.gram_H[low:high], hits.word_H[low:high]), texts)
        start_R = texts.offsets_T[runs.text_R] + runs.text_word_R
        meets = (start_R < last) & (start_R + runs.words_R > first)
        found.append(runs.take(meets))
    return join(Runs(*(np.concatenate(values) for values in zip(*found, strict=True))))


def join(runs: Runs) -> Runs:
    """Return the runs with those of one output, text and diagonal joined that touch or overlap."""
    diagonal_R = runs.text_word_R - runs.output_word_R
    order_R = np.lexsort((runs.text_word_R, diagonal_R, runs.text_R, runs.output_R))
    runs, diagonal_R = runs.take(order_R), diagonal_R[order_R]
    lines_R = np.cumsum(changes(runs.output_R, runs.text_R, diagonal_R))
    end_R = runs.text_word_R + runs.words_R
    # ends of one line never reach those of the next, so one running maximum serves all
    apart_R = lines_R * (end_R.max(initial=0) + 1)
    reach_R = np.maximum.accumulate(end_R + apart_R)
    fresh = np.ones(len(end_R), np.bool_)
    fresh[1:] = runs.text_word_R[1:] + apart_R[1:] > reach_R[:-1]
    starts = np.flatnonzero(fresh)
    stops = np.append(starts[1:], len(end_R))[: len(starts)] - 1
    words = (reach_R - apart_R)[stops] - runs.text_word_R[starts]
    joined = runs.take(starts)._replace(words_R=words.astype(np.int32))
    order = np.lexsort((joined.text_word_R, joined.output_word_R, joined.text_R, joined.output_R))
    return joined.take(order)


@dataclass(frozen=True, slots=True)
class _InMemory:
    """Words of texts, all at hand."""

    words: Words

    @property
    def offsets_T(self) -> NDArray[np.int64]:
        return self.words.offsets_T

    def marks(self, word_M: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.words.hashes_N[word_M].astype(np.uint8)

    def around(self, word_M: NDArray[np.int64]) -> NDArray[np.uint64]:
        return self.words.hashes_N[around(word_M, len(self.words.hashes_N))]


def _connect(query: Query, hits: Hits, texts: Sought) -> Runs:
    pairs = query.pairs(hits)
    # nearly all pairs are lone grams: a byte of two words drops most of them, one of six the rest
    longer = _goes_on(query, pairs, texts)
    pairs = pairs.take(np.flatnonzero(longer | _near_others(pairs, ~longer)))
    marks = texts.marks(around(pairs.word_P, int(texts.offsets_T[-1])))
    found = _reach(query, pairs, texts, marks == query.marks_N[query.around(pairs)])
    long = found.left_P + found.right_P + GRAM >= LONG
    pairs = pairs.take(np.flatnonzero(found.equal_P & (long | _near_others(pairs, ~long))))
    hashes = texts.around(pairs.word_P)
    found = _reach(query, pairs, texts, hashes == query.words.hashes_N[query.around(pairs)])
    rows = np.flatnonzero(found.equal_P)
    runs = _chained(query, pairs.take(rows), found.take(rows), texts)
    return _without_crumbs(join(runs))


def _goes_on(query: Query, pairs: Pairs, texts: Sought) -> NDArray[np.bool_]:
    """Return whether the word before or after the gram may be equal, too."""
    last, last_place = int(texts.offsets_T[-1]) - 1, len(query.marks_N) - 1
    same = [
        texts.marks(np.clip(pairs.word_P + step, 0, last))
        == query.marks_N[np.clip(pairs.place_P + step, 0, last_place)]
        for step in (-1, GRAM)
    ]
    same_P: NDArray[np.bool_] = same[0] | same[1]
    return same_P


def _near_others(pairs: Pairs, asked_P: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether the run of an anchor, if it is short, may be kept for another."""
    spots = Spots(pairs.output_P, pairs.word_P, pairs.place_P)
    return neighboured(spots, asked_P, NEAR + BESIDE, DRIFT)


def _reach(query: Query, pairs: Pairs, texts: Sought, same_PK: NDArray[np.bool_]) -> Reach:
    strike(same_PK, pairs.place_P, query.words.offsets_T)
    strike(same_PK, pairs.word_P, texts.offsets_T)
    return reach(same_PK)


def _chained(query: Query, pairs: Pairs, found: Reach, texts: Sought) -> Runs:
    """Return a run for each chain of anchors, with the equal words beside it."""
    firsts, lasts = chain(pairs)
    output, left = pairs.output_P[firsts], found.left_P[firsts]
    start, place = pairs.word_P[firsts] - left, pairs.place_P[firsts] - left
    end = pairs.word_P[lasts] + GRAM + found.right_P[lasts]
    text = owners(texts.offsets_T, start)
    return Runs(
        output,
        (place - query.words.offsets_T[output]).astype(np.int32),
        text.astype(np.int32),
        start - texts.offsets_T[text],
        (end - start).astype(np.int32),
    )


def _without_crumbs(runs: Runs) -> Runs:
    """Return the runs that are long, or near another one of the same output and text."""
    runs = runs.take(np.lexsort((runs.output_word_R, runs.text_word_R)))
    owner_R = runs.output_R.astype(np.int64) << 32 | runs.text_R
    spots = Spots(owner_R, runs.text_word_R, runs.output_word_R.astype(np.int64))
    short_R = runs.words_R < LONG
    return runs.take(~short_R | neighboured(spots, short_R, NEAR, DRIFT))


def _no_runs() -> Runs:
    few, many = np.empty(0, np.int32), np.empty(0, np.int64)
    return Runs(few, few, few, many, few)
