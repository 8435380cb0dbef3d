"""Plain words: where the words of plain text are, and their sums, in one compiled pass.

Dimension key: C code points of a block, N words, P code points of Unicode.

Plain is a block without combining marks, characters that vanish and scripts that do not space their
words: most blocks of most texts. What `indexes.segments` and `indexes.word_hashes` say of any block
in many passes, this says of a plain one in one, ten times sooner.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes import characters as ch
from indexes.compiled import compiled

_LONGEST_GAP = 64
"""White code points after a hyphen that may lead over one line end; as in `indexes.segments`."""

NOT_PLAIN = -1
"""Said of a block that has to go the slow way."""

NOT_KNOWN = -2
"""Said of a block with a code point that the tables do not know yet."""

# numba reads module constants, and gives what is not typed a type that would not wrap around
_APOSTROPHE, _HYPHEN, _LETTER, _WIDE = ch.APOSTROPHE, ch.HYPHEN, ch.LETTER, ch.WIDE
_SPACE, _RETURN, _BREAK, _UNKNOWN = ch.SPACE, ch.RETURN, ch.BREAK, ch.UNKNOWN
_OTHER, _IGNORED = ch.OTHER, ch.IGNORED
_ONE, _NONE = np.uint64(1), np.uint64(0)


class Tables(NamedTuple):
    """What `indexes.characters` says of each code point."""

    kind_P: NDArray[np.uint8]
    length_P: NDArray[np.uint8]
    """How many code points it stands for."""
    value_P: NDArray[np.uint64]
    """The sum of these."""
    power_M: NDArray[np.uint64]
    """Powers of the factor of the hash, from 0 on."""


class Found(NamedTuple):
    """Words of a block."""

    starts_N: NDArray[np.int64]
    """First code point."""
    ends_N: NDArray[np.int64]
    """Code point after the last."""
    sums_N: NDArray[np.uint64]
    """Hash, not yet mixed."""


@compiled
def _over_line_end(points_C: NDArray[Any], kind_P: NDArray[np.uint8], hyphen: int) -> int:
    """Return the steps from a hyphen to the letter behind one line end, 0 if there is none."""
    breaks = returns = 0
    for step in range(1, min(_LONGEST_GAP + 1, len(points_C) - hyphen - 1) + 1):
        kind = kind_P[points_C[hyphen + step]]
        if kind < _SPACE or kind > _BREAK:
            joins = _LETTER <= kind <= _WIDE and max(breaks, returns) == 1
            return NOT_PLAIN if kind == _IGNORED else step if joins else 0
        breaks += kind == _BREAK
        returns += kind == _RETURN
    return 0


@compiled
def _over_sign(points_C: NDArray[Any], kind_P: NDArray[np.uint8], sign: int) -> int:
    """Return the steps from a sign behind a letter to the next letter of the word, 0 if none."""
    after = kind_P[points_C[sign + 1]] if sign + 1 < len(points_C) else _OTHER
    if _LETTER <= after <= _WIDE:
        return 1
    if after == _IGNORED:
        return NOT_PLAIN
    if kind_P[points_C[sign]] == _HYPHEN and _SPACE <= after <= _BREAK:
        return int(_over_line_end(points_C, kind_P, sign))
    return 0


@compiled
def _over_ignored(points_C: NDArray[Any], kind_P: NDArray[np.uint8], ignored: int) -> int:
    """Return 0 if a word ends where something behind its letters is ignored."""
    place = ignored
    while place < len(points_C) and kind_P[points_C[place]] == _IGNORED:
        place += 1
    kind = kind_P[points_C[place]] if place < len(points_C) else _OTHER
    return NOT_PLAIN if kind >= _APOSTROPHE else 0


@compiled
def _over(points_C: NDArray[Any], kind_P: NDArray[np.uint8], place: int) -> int:
    """Return the steps from what stands behind a letter to the next one of its word, 0 if none."""
    if kind_P[points_C[place]] == _IGNORED:
        return int(_over_ignored(points_C, kind_P, place))
    return int(_over_sign(points_C, kind_P, place))


@compiled
def find_words(points_C: NDArray[Any], tables: Tables, found: Found) -> int:
    """Write the words of a block; return how many, or what stands in the way.

    Args:
        points_C: u8, u16 or u32[C], the code points of a block.
        tables: what each code point is to a word.
        found: where the words are written; room for C / 2 + 1 of them.
    """
    kind_P, length_P, value_P, power_M = tables
    starts_N, ends_N, sums_N = found
    count = place = 0
    while place < len(points_C):
        kind = kind_P[points_C[place]]
        if kind == _UNKNOWN:
            return NOT_KNOWN
        if _WIDE < kind != _IGNORED:
            return NOT_PLAIN
        if kind < _LETTER or kind > _WIDE:
            place += 1
            continue
        starts_N[count] = place
        total, power, letters = _NONE, _ONE, True
        while letters:
            point = points_C[place]
            total += value_P[point] * power
            power *= power_M[length_P[point]]
            place += 1
            kind = kind_P[points_C[place]] if place < len(points_C) else _OTHER
            letters = _LETTER <= kind <= _WIDE
            # a call costs as much as ten letters, and these are seldom behind one
            if _APOSTROPHE <= kind <= _HYPHEN or kind == _IGNORED:
                over = _over(points_C, kind_P, place)
                if over == NOT_PLAIN:
                    return NOT_PLAIN
                letters = over > 0
                place += over
        ends_N[count] = place
        sums_N[count] = total
        count += 1
    return count
