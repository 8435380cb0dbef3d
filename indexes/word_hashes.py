"""Word hashes: one number for the normal form of each word of a block of text.

Dimension key: N words, C code points of a block, M places that need care.

The hash is a polynomial in the code points of the normal form, so it can be summed up from raw code
points wherever each says what it adds (`indexes.characters`). Words of ASCII letters, most of many
texts, are summed eight letters at a time instead of one; the numbers are the same.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes import characters as ch
from indexes.segments import flat

_Hashes = NDArray[np.uint64]
_Places = NDArray[np.int64]

_FACTOR = 251
"""Of the hash. Up to eight letters of ASCII lose nothing, as 251 is more than any of them, and they
are summed at once: two sums of two fit into 16 bits, two of four into 32."""

_INVERSE = pow(_FACTOR, -1, 2**64)

_SELDOM = 8
"""Where fewer than one code point of so many is beyond ASCII, words of ASCII go a quicker way."""

_EIGHT, _PACKED = 8, 32
_MASKS = np.array([2 ** (8 * size) - 1 for size in range(_EIGHT + 1)], np.uint64)
_LANES = [
    (8, np.uint64(0x00FF00FF00FF00FF)),
    (16, np.uint64(0x0000FFFF0000FFFF)),
    (32, np.uint64(0x00000000FFFFFFFF)),
]

TABLES = ch.Tables(_FACTOR)

_MOST_KEPT = 32
"""More code points than one can stand for in a normal form: the longest has 18."""

_POWERS = np.array([pow(_FACTOR, size, 2**64) for size in range(_MOST_KEPT)], np.uint64)
_ASCII_KINDS = TABLES.kinds(np.arange(256) % ch.ASCII).tobytes()
_ASCII_FOLDED = bytes(range(256)).lower()
_POWER_TABLES: dict[int, _Hashes] = {}


class Hashed(NamedTuple):
    """The words of a block."""

    starts_N: _Places
    """First code point."""
    ends_N: _Places
    """Code point after the last."""
    hashes_N: _Hashes


def plain_words(points_C: NDArray[Any]) -> Hashed | None:
    """Return the words of a block by the quick way, or None where it cannot be gone.

    Args:
        points_C: u8, u16 or u32[C], the code points of a block.
    """
    # imported here: only long texts are worth what importing it takes
    from indexes.plain_words import NOT_KNOWN, Found, Tables, find_words

    room = len(points_C) // 2 + 1
    found = Found(np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint64))
    tables = Tables(TABLES.kind, TABLES.lengths, TABLES.values, _POWERS)
    count = find_words(points_C, tables, found)
    if count == NOT_KNOWN:
        TABLES.kinds(points_C)
        count = find_words(points_C, tables, found)
    if count < 0:
        return None
    own = slice(count)
    # copied: what is kept of a block shall not hold on to the room for more
    starts_N, ends_N = found.starts_N[own].copy(), found.ends_N[own].copy()
    return Hashed(starts_N, ends_N, ch.scatter(found.sums_N[own]))


def kinds(points_C: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the kind of each code point; ASCII, that is most of many texts, by a small table."""
    wide_M = _wide(points_C)
    if len(wide_M) > len(points_C) // _SELDOM:
        return TABLES.kinds(points_C)
    kinds_C = np.frombuffer(bytearray(_low(points_C)).translate(_ASCII_KINDS), np.uint8)
    kinds_C[wide_M] = TABLES.kinds(points_C[wide_M])
    return kinds_C


def _wide(points_C: NDArray[Any]) -> _Places:
    if points_C.dtype == np.uint8:
        return np.empty(0, np.int64)
    return np.flatnonzero(points_C >= ch.ASCII)


def _low(points_C: NDArray[Any]) -> bytes:
    return points_C.astype(np.uint8).tobytes()


def hashes(
    points_C: NDArray[Any], kinds_C: NDArray[np.uint8], starts_N: _Places, ends_N: _Places
) -> _Hashes:
    """Return the hash of each word: number times factor^place of its code points, summed, mixed.

    Args:
        points_C: the code points of a block.
        kinds_C: what each is, as `segment` left it.
        starts_N: first code point of each word.
        ends_N: code point after its last.
    """
    wide_M = _wide(points_C)
    odd_M = np.flatnonzero(kinds_C > ch.LETTER)
    if len(wide_M) > len(points_C) // _SELDOM:
        sums_N = even_sums(points_C, starts_N, ends_N)
        odd_M = odd_M[TABLES.lengths.take(points_C[odd_M]) != 1]
    else:
        sums_N = _packed_sums(_low(points_C).translate(_ASCII_FOLDED), starts_N, ends_N)
        letters_M = wide_M[kinds_C[wide_M] == ch.LETTER]
        long_M = starts_N[ends_N - starts_N > _PACKED]
        odd_M = np.concatenate([odd_M, letters_M, long_M])
        odd_M.sort()
    odd = words_at(odd_M, starts_N)
    if len(odd):
        # where one code point stands for none or several the places shift: those words once more
        odd_C = points_C[flat(starts_N[odd], ends_N[odd])]
        sizes = ends_N[odd] - starts_N[odd]
        last = np.cumsum(sizes)
        lengths_C = TABLES.lengths.take(odd_C)
        places_C = np.cumsum(lengths_C, dtype=np.int64) - lengths_C
        places_C -= np.repeat(places_C[last - sizes], sizes)
        weights_C = _power_table(_FACTOR, int(places_C.max()) + 1).take(places_C)
        sums_N[odd] = _sums(odd_C, weights_C, last - sizes, last)
    return ch.scatter(sums_N)


def _packed_sums(folded: bytes, starts_N: _Places, ends_N: _Places) -> _Hashes:
    """Return the sums of words of up to 32 ASCII letters and digits, eight of them at a time."""
    room = -len(folded) % _EIGHT + 2 * _EIGHT
    eights = np.frombuffer(folded + bytes(room), "<u8")
    sizes_N = ends_N - starts_N
    sums_N = _eight(eights, starts_N, sizes_N)
    for step in range(_EIGHT, _PACKED, _EIGHT):
        longer = np.flatnonzero(sizes_N > step)
        part = _eight(eights, starts_N[longer] + step, sizes_N[longer] - step)
        sums_N[longer] += part * np.uint64(pow(_FACTOR, step, 2**64))
    return sums_N


def _eight(eights: _Hashes, starts_N: _Places, sizes_N: _Places) -> _Hashes:
    """Return the sums of up to eight letters from each start."""
    row_N = starts_N >> 3
    shift_N = ((starts_N & 7) << 3).view(np.uint64)
    packed_N = eights.take(row_N + 1)
    packed_N <<= np.uint64(63) - shift_N
    packed_N <<= np.uint64(1)
    packed_N |= eights.take(row_N) >> shift_N
    packed_N &= _MASKS.take(np.minimum(sizes_N, _EIGHT))
    for bits, lanes in _LANES:
        high_N = packed_N >> np.uint64(bits)
        high_N &= lanes
        high_N *= np.uint64(_FACTOR ** (bits // 8))
        packed_N &= lanes
        packed_N += high_N
    return packed_N


def even_sums(points_C: NDArray[Any], starts_N: _Places, ends_N: _Places) -> _Hashes:
    """Return the sums of words all of whose code points stand for one each, not yet mixed."""
    size = len(points_C)
    sums_N = _sums(points_C, _power_table(_FACTOR, size)[:size], starts_N, ends_N)
    return sums_N * _power_table(_INVERSE, size).take(starts_N)


def _sums(
    points_C: NDArray[Any], weights_C: _Hashes, starts_N: _Places, ends_N: _Places
) -> _Hashes:
    values_C = TABLES.values.take(points_C)
    values_C *= weights_C
    # differences of running sums are exact modulo 2^64, and cheaper than a sum for each word
    totals_C = np.empty(len(values_C) + 1, np.uint64)
    totals_C[0] = 0
    np.add.accumulate(values_C, out=totals_C[1:])
    return totals_C.take(ends_N) - totals_C.take(starts_N)


def words_at(places_M: _Places, starts_N: _Places) -> _Places:
    """Return the words that have the places in them, each once; places ascend."""
    words_M = np.searchsorted(starts_N, places_M, side="right") - 1
    other_M = np.ones(len(words_M), np.bool_)
    np.not_equal(words_M[1:], words_M[:-1], out=other_M[1:])
    return words_M[other_M]


def _power_table(factor: int, size: int) -> _Hashes:
    table = _POWER_TABLES.get(factor)
    if table is None or len(table) < size:
        table = np.full(2 ** size.bit_length(), factor, np.uint64)
        table[0] = 1
        table = _POWER_TABLES[factor] = np.multiply.accumulate(table)
    return table
