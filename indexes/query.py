"""Query: all grams of a set of outputs, ready to be looked for in any number of texts.

Dimension key: N words, U distinct grams of the outputs, G their places, H hits, P anchors, K = 11
words around an anchor.

An output is looked up at the first `CAP` places of a gram only. What this misses: runs that have no
other grams than those which stood in this output `CAP` times before (the same words are found at
those places). Without it, an output and a text that go round in circles would meet everywhere.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from indexes.anchors import Pairs, around, changes, owners, spread
from indexes.grams import NONE, hash_grams, winnow
from indexes.words import Words

CAP = 64
"""Places of a gram in one output; more are those of a text that goes round in circles."""

_BITS_PER_GRAM = 8


class Hits(NamedTuple):
    """Chosen grams of the texts that some output has."""

    gram_H: NDArray[np.int64]
    """Row of the gram in the query."""

    word_H: NDArray[np.int64]
    """First word, counted through all texts; ascending."""


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """All grams of a set of outputs; never changed, so that threads and processes may share it."""

    words: Words
    """Words of the outputs."""

    marks_N: NDArray[np.uint8]
    """Last byte of the hash of each word."""

    gram_U: NDArray[np.uint64]
    """Hashes of the distinct grams, ascending."""

    first_U: NDArray[np.int64]
    """Places of gram u are rows [first_U[u], first_U[u + 1]); U + 1 numbers."""

    place_G: NDArray[np.int64]
    """First word of each place, counted through all outputs; by gram, then ascending."""

    output_G: NDArray[np.int32]
    """Its output."""

    bits: NDArray[np.uint8]
    """Two bits per gram are set, by its first and by its last half; of about eight bits per gram
    most are clear, so the rest of the way is seldom gone, and they lie in the cache."""

    @classmethod
    def of(cls, words: Words) -> Self:
        """Return the query of outputs."""
        grams_N = hash_grams(words, 0, len(words.hashes_N))
        place_G = np.flatnonzero(grams_N != NONE)
        place_G = place_G[np.argsort(grams_N[place_G], kind="stable")]
        output_G = owners(words.offsets_T, place_G).astype(np.int32)
        gram_G = grams_N[place_G]
        fresh_G = changes(gram_G, output_G)
        starts_G = np.maximum.accumulate(np.where(fresh_G, np.arange(len(gram_G)), 0))
        kept_G = np.arange(len(gram_G)) - starts_G < CAP
        place_G, output_G, gram_G = place_G[kept_G], output_G[kept_G], gram_G[kept_G]
        rows_U = np.flatnonzero(changes(gram_G))
        gram_U = gram_G[rows_U]
        return cls(
            words=words,
            marks_N=words.hashes_N.astype(np.uint8),
            gram_U=gram_U,
            first_U=np.append(rows_U, len(gram_G)).astype(np.int64),
            place_G=place_G,
            output_G=output_G,
            bits=_bits(gram_U),
        )

    def around(self, pairs: Pairs) -> NDArray[np.int64]:
        """Return int64[P, K]: positions of the words -3 .. 7 from the places of anchors."""
        return around(pairs.place_P, len(self.marks_N))

    def pairs(self, hits: Hits) -> Pairs:
        """Return the anchors of hits: one for each place of the gram."""
        first_H = self.first_U[hits.gram_H]
        row_P, hit_P = spread(first_H, self.first_U[hits.gram_H + 1] - first_H)
        return Pairs(self.output_G[row_P], self.place_G[row_P], hits.word_H[hit_P])

    def hits(self, texts: Words) -> Hits:
        """Return the chosen grams of texts that some output has."""
        gram, word = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for chosen in winnow(texts) if len(self.gram_U) else ():
            rows = np.flatnonzero(_has(self.bits, chosen.gram_C))
            rows = rows[_has(self.bits, _turned(chosen.gram_C[rows])) > 0]
            # neighbours in the sorted grams are neighbours in memory: several times faster
            rows = rows[np.argsort(chosen.gram_C[rows])]
            sought = chosen.gram_C[rows]
            found = np.searchsorted(self.gram_U[:-1], sought)
            same = self.gram_U[found] == sought
            gram.append(found[same])
            word.append(chosen.word_C[rows[same]])
        word_H = np.concatenate(word)
        order_H = np.argsort(word_H)
        return Hits(np.concatenate(gram)[order_H], word_H[order_H])


def _bits(gram_U: NDArray[np.uint64]) -> NDArray[np.uint8]:
    size = max(10, (len(gram_U) * _BITS_PER_GRAM).bit_length())
    bits = np.zeros(1 << size, np.bool_)
    for value in (gram_U, _turned(gram_U)):
        bits[(value >> np.uint64(64 - size)).view(np.int64)] = True
    return np.packbits(bits, bitorder="little")


def _turned(gram_M: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes with their last half in front, for a second look."""
    return gram_M << np.uint64(32)


def _has(bits: NDArray[np.uint8], value_M: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return a number that is not 0 where the bit of the value is set."""
    lead_M = value_M >> np.uint64(62 - len(bits).bit_length())
    bit_M: NDArray[np.uint8] = np.left_shift(np.uint8(1), lead_M.astype(np.uint8) & np.uint8(7))
    lead_M >>= np.uint64(3)
    bit_M &= bits[lead_M.view(np.int64)]
    return bit_M
