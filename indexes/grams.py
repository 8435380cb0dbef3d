"""Grams: five words in a row as one number, and which of them stand for a text.

Dimension key: N words of T texts, B positions of a block, C chosen positions, E ends of texts.

A gram is named by its first word. Grams are winnowed: of every `WINDOW` in a row the smallest is
chosen, ties all, so every `GRAM + WINDOW - 1` = 8 equal words share a chosen gram. There are no
grams beyond the ends of a text: what is chosen depends on this text alone, never on how texts are
batched, and a text of five words has a chosen gram.
Source: Schleimer, Wilkerson and Aiken 2003, "Winnowing", section 3.

Text that repeats itself ("a a a a ...") matches itself everywhere. A gram is dull if each of the
`DULL` words that end with it equals the word before it by one of `LAGS`, which are multiples of all
periods from 1 to 20 words. Dull grams are left out on both sides. What this misses: nothing in a
repetition of up to `DULL` words and a lag; of a longer one only that beginning and the last few
words are found. Other periods are not dull; there the cap of `indexes.query` holds.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.words import Words

GRAM = 5
"""Words of a gram: anchors of 5 words find 0.99 of a passage with an edit at every 8th word."""

WINDOW = 4
"""Grams in a row of which at least one is chosen; of prose 40 in 100 are."""

DULL = 120
"""Words of a repetition, after its first round, from which on it is left out."""

LAGS = (120, 126, 112, 110, 117, 119, 114)
"""Distances, in words, of what is the same word in a repetition of any period up to 20."""

SIGHT = DULL + max(LAGS) + GRAM + 2 * WINDOW
"""Words to both sides that can decide whether a position is chosen: overlap of cut texts."""

SCHEME = "grams-1"
"""Name of this way to hash and to choose; an index made in another way must be built again."""

NONE = np.uint64(2**64 - 1)
"""Hash of a position that has no gram: the largest, so never the smallest of a window."""

_PROBES = 4
_BLOCK = 1 << 15
_BASE = 0x9E3779B97F4A7C15
_BASE_1 = np.uint64(_BASE)
_BASE_2 = np.uint64(_BASE * _BASE % 2**64)


class Chosen(NamedTuple):
    """Chosen grams of a block of words."""

    word_C: NDArray[np.int64]
    """First word of each, counted through all texts; ascending."""

    gram_C: NDArray[np.uint64]
    """Its hash."""


def hash_grams(words: Words, first: int, last: int) -> NDArray[np.uint64]:
    """Return the hash of the gram at each position, `NONE` where there is none.

    Args:
        words: words of the texts.
        first: position of the first gram, counted through all texts.
        last: position after that of the last gram, at most N.

    Returns:
        uint64[B]: a polynomial in the five word hashes, modulo 2**64.
    """
    part = words.hashes_N[first : last + GRAM - 1]
    pairs = part[:-1] * _BASE_1
    pairs += part[1:]
    fours = pairs[:-2] * _BASE_2
    fours += pairs[2:]
    grams_B = fours[:-1]
    grams_B *= _BASE_1
    grams_B += part[GRAM - 1 :]
    if len(grams_B) < last - first:
        grams_B = np.append(grams_B, np.full(last - first - len(grams_B), NONE))
    ends_E = _between(words.offsets_T, first, last + GRAM - 1)
    crossing = (ends_E[:, None] - np.arange(1, GRAM)).ravel() - first
    grams_B[crossing[(crossing >= 0) & (crossing < last - first)]] = NONE
    _drop_dull(words, first, grams_B)
    return grams_B


def winnow(words: Words) -> Iterator[Chosen]:
    """Yield the chosen grams of the texts, block by block.

    A block is small enough that its few arrays stay in the processor's cache.
    """
    size, halo = len(words.hashes_N), WINDOW - 1
    for first in range(0, size, _BLOCK):
        last = min(first + _BLOCK, size)
        low, high = max(first - halo, 0), min(last + halo, size)
        grams = hash_grams(words, low, high)
        if high - low < last - first + 2 * halo:
            grams = np.pad(grams, (halo - first + low, halo + last - high), constant_values=NONE)
        twos = np.minimum(grams[:-1], grams[1:])
        least = np.minimum(twos[:-2], twos[2:])
        twos = np.maximum(least[:-1], least[1:])
        own_B = grams[halo:-halo]
        word_C = np.flatnonzero(own_B == np.maximum(twos[:-2], twos[2:]))
        gram_C = own_B[word_C]
        if (none_C := gram_C == NONE).any():
            word_C, gram_C = word_C[~none_C], gram_C[~none_C]
        yield Chosen(word_C + first, gram_C)


def _between(offsets_T: NDArray[np.int64], after: int, until: int) -> NDArray[np.int64]:
    low, high = np.searchsorted(offsets_T, (after, until), side="right")
    return offsets_T[low:high]


def _drop_dull(words: Words, first: int, grams_B: NDArray[np.uint64]) -> None:
    """Set the dull ones of the grams at `first` and after it to `NONE`."""
    longest, stride = max(LAGS), DULL // _PROBES
    low = max(first + GRAM - DULL - longest, 0)
    part = words.hashes_N[low : first + len(grams_B) + GRAM - 1]
    # DULL equal words hold so many probes in a row, which prose hardly ever has: nearly free
    probed = np.arange(min(LAGS), len(part), stride)
    alike = np.zeros(len(probed), np.bool_)
    values = part[probed]
    for lag in LAGS:
        alike |= values == part[np.maximum(probed - lag, 0)]
    if not (alike[:-3] & alike[1:-2] & alike[2:-1] & alike[3:]).any():
        return
    starts = _between(words.offsets_T, low - 1, low + len(part) - 1) - low
    for lag in LAGS:
        dull = _repeated(part, starts, lag)[first - low + GRAM - 1 :][: len(grams_B)] >= DULL
        grams_B[: len(dull)][dull] = NONE


def _repeated(part: NDArray[np.uint64], starts: NDArray[np.int64], lag: int) -> NDArray[np.int64]:
    """Return how many words in a row, up to this one, equal the word `lag` before in their text."""
    same = np.zeros(len(part), np.bool_)
    same[lag:] = part[lag:] == part[:-lag]
    for start in starts:
        same[start : start + lag] = False
    places = np.arange(len(part))
    return places - np.maximum.accumulate(np.where(same, -1, places))
