"""Segments: where words start and end, from the kinds of code points.

Dimension key: C code points of a block, N words, M marks, J joints, G code points after a joint.

What stands before a place decides whether a word starts there, what stands after never does: a
block may begin with any word and gives the words that the whole text gives.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes import characters as ch

_LONGEST_GAP = 64
"""Code points after a hyphen that may be white and still lead over one line end."""


class Segments(NamedTuple):
    """The words of a block, in order."""

    starts_N: NDArray[np.int64]
    """First code point."""

    ends_N: NDArray[np.int64]
    """Code point after the last."""

    marks_M: NDArray[np.int64]
    """Places of the marks that are in words."""


def segment(kinds_C: NDArray[np.uint8]) -> Segments:
    """Find the words of a block.

    Args:
        kinds_C: what each code point is, without what is ignored; changed in place: what is part of
            a word of letters (a mark, what joins) becomes `WIDE`, a mark on nothing `OTHER`.
    """
    spaced = kinds_C.max(initial=0) < ch.SINGLE
    marks_M = np.empty(0, np.int64) if spaced else _marks(kinds_C)
    kinds_C[_joints(kinds_C)] = ch.WIDE
    return Segments(*(_runs(kinds_C) if spaced else _clusters(kinds_C)), marks_M)


def is_white(kinds_C: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return what is white space, at or between line ends."""
    white_C: NDArray[np.bool_] = (kinds_C >= ch.SPACE) & (kinds_C <= ch.BREAK)
    return white_C


def flat(starts_N: NDArray[np.int64], ends_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return every place from each start to its end, one after the other."""
    sizes_N = ends_N - starts_N
    shifts_N = starts_N - (np.cumsum(sizes_N) - sizes_N)
    places: NDArray[np.int64] = np.repeat(shifts_N, sizes_N) + np.arange(sizes_N.sum())
    return places


def _is_letter(kinds_C: NDArray[np.uint8]) -> NDArray[np.bool_]:
    letter_C: NDArray[np.bool_] = (kinds_C == ch.LETTER) | (kinds_C == ch.WIDE)
    return letter_C


def _marks(kinds_C: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give each mark to what stands before it; return the places of the marks that are in words."""
    marks_M = np.flatnonzero(kinds_C >= ch.MARK)
    first_M = np.diff(marks_M, prepend=-1) != 1
    bases_M = marks_M[np.maximum.accumulate(np.where(first_M, np.arange(len(marks_M)), 0))] - 1
    base_M = kinds_C[bases_M]
    letter_M = _is_letter(base_M) & (bases_M >= 0)
    single_M = ((base_M == ch.SINGLE) | (base_M == ch.CONSONANT)) & (bases_M >= 0)
    kinds_C[marks_M[letter_M]] = ch.WIDE
    kinds_C[marks_M[~letter_M & ~single_M]] = ch.OTHER
    inside_M: NDArray[np.int64] = marks_M[letter_M | single_M]
    return inside_M


def _joints(kinds_C: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the places of what stands between two letters without separating them."""
    # one comparison for both kinds: what is smaller wraps around
    signs_J = np.flatnonzero(kinds_C - np.uint8(ch.APOSTROPHE) <= ch.HYPHEN - ch.APOSTROPHE)
    signs_J = signs_J[(signs_J > 0) & (signs_J < len(kinds_C) - 1)]
    signs_J = signs_J[_is_letter(kinds_C[signs_J - 1])]
    after_J = kinds_C[signs_J + 1]
    inner_J = signs_J[_is_letter(after_J)]
    trailing_J = signs_J[(kinds_C[signs_J] == ch.HYPHEN) & is_white(after_J)]
    if not len(trailing_J):
        return inner_J
    return np.concatenate([inner_J, _line_ends(kinds_C, trailing_J)])


def _line_ends(kinds_C: NDArray[np.uint8], hyphens_J: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the hyphens that only end a line, and of the white space after them."""
    steps_G = np.arange(1, _LONGEST_GAP + 2)
    after_JG = kinds_C[np.minimum(hyphens_J[:, None] + steps_G, len(kinds_C) - 1)]
    size_J = is_white(after_JG).argmin(axis=1)
    next_J = after_JG[np.arange(len(hyphens_J)), size_J]
    gap_JG = steps_G <= size_J[:, None]
    breaks_J = (gap_JG & (after_JG == ch.BREAK)).sum(axis=1)
    returns_J = (gap_JG & (after_JG == ch.RETURN)).sum(axis=1)
    joins_J = _is_letter(next_J) & (np.maximum(breaks_J, returns_J) == 1)
    starts_J = hyphens_J[joins_J]
    return flat(starts_J, starts_J + size_J[joins_J] + 1)


def _runs(kinds_C: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    word_C = np.zeros(len(kinds_C) + 2, np.bool_)
    np.greater_equal(kinds_C, ch.LETTER, out=word_C[1:-1])
    edges = np.flatnonzero(word_C[1:] != word_C[:-1])
    return edges[::2], edges[1::2]


def _clusters(kinds_C: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    letter_C = _is_letter(kinds_C)
    start_C = (kinds_C == ch.SINGLE) | (kinds_C == ch.CONSONANT) | letter_C
    start_C[1:] &= ~(letter_C[1:] & letter_C[:-1])
    start_C[_bound(kinds_C)] = False
    end_C = kinds_C >= ch.LETTER
    end_C[:-1] &= ~end_C[1:] | start_C[1:]
    return np.flatnonzero(start_C), np.flatnonzero(end_C) + 1


def _bound(kinds_C: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the places of consonants that a linker binds to the consonant before (rule GB9c)."""
    linker_C = kinds_C == ch.LINKER
    consonants = np.flatnonzero(kinds_C == ch.CONSONANT)[1:]
    if not linker_C.any():
        return consonants[:0]
    stops = np.flatnonzero(~linker_C & (kinds_C != ch.MARK))
    before = stops[np.searchsorted(stops, consonants) - 1]
    links_C = np.cumsum(linker_C)
    linked = links_C[consonants] > links_C[before]
    bound: NDArray[np.int64] = consonants[linked & (kinds_C[before] == ch.CONSONANT)]
    return bound
