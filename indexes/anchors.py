"""Anchors: a gram of an output and an equal chosen gram of a text, and the words around them.

Dimension key: N words of T texts or outputs, M positions or spots, P pairs, S unbroken chains, K =
11 words around an anchor.

Winnowing chooses a gram of every `WINDOW` in a row, so anchors of one run of equal words are at
most `WINDOW` words apart and the first and last at most `WINDOW - 1` words from its ends: nothing
else has to be looked at to know a run of any length.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from indexes.grams import GRAM, WINDOW

BESIDE = WINDOW - 1
"""Words of a run to the left of its first anchor, or to the right of its last, at most."""

STEPS = 256
"""Spots to each side with which one is compared."""


class Pairs(NamedTuple):
    """Anchors, in the order of the texts."""

    output_P: NDArray[np.int32]
    """Row of the output."""

    place_P: NDArray[np.int64]
    """First word in the outputs, counted through all of them."""

    word_P: NDArray[np.int64]
    """First word in the texts, counted through all of them."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return some of the pairs."""
        return type(self)(self.output_P[rows], self.place_P[rows], self.word_P[rows])


class Spots(NamedTuple):
    """Where anchors or runs begin."""

    owner_M: NDArray[np.integer]
    """A number of the output, or of the output and the text: only equal ones are compared."""

    word_M: NDArray[np.int64]
    """First word in the texts."""

    place_M: NDArray[np.int64]
    """First word in the outputs."""


class Reach(NamedTuple):
    """How far words are equal around anchors."""

    left_P: NDArray[np.int64]
    """Equal words before the gram, 0 .. `BESIDE`."""

    right_P: NDArray[np.int64]
    """Equal words after the gram, 0 .. `BESIDE`."""

    equal_P: NDArray[np.bool_]
    """Whether the words of the gram are equal."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return that of some of the anchors."""
        return type(self)(self.left_P[rows], self.right_P[rows], self.equal_P[rows])


def around(word_M: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return int64[M, K]: positions -3 .. 7 from each, cut to [0, size).

    >>> around(np.array([1, 90]), 100)[:, :4].tolist()
    [[0, 0, 0, 1], [87, 88, 89, 90]]
    """
    places_MK = word_M[:, None] + np.arange(-BESIDE, GRAM + BESIDE)
    return np.clip(places_MK, 0, max(size - 1, 0), out=places_MK)


def strike(
    same_PK: NDArray[np.bool_], word_P: NDArray[np.int64], offsets_T: NDArray[np.int64]
) -> None:
    """Set words that lie beyond the text (or output) of an anchor to unequal, in place.

    Args:
        same_PK: bool[P, K], whether the words around are equal.
        word_P: int64[P], first words of the grams.
        offsets_T: int64[T + 1], first words of the texts.
    """
    owner_P = owners(offsets_T, word_P)
    room_P, rest_P = word_P - offsets_T[owner_P], offsets_T[owner_P + 1] - word_P - GRAM
    for step in range(1, BESIDE + 1):
        same_PK[:, BESIDE - step] &= room_P >= step
        same_PK[:, BESIDE + GRAM - 1 + step] &= rest_P >= step


def reach(same_PK: NDArray[np.bool_]) -> Reach:
    """Return how far words are equal to both sides, without a gap, from bool[P, K].

    >>> reach(np.array([[1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0]], bool))
    Reach(left_P=array([1]), right_P=array([2]), equal_P=array([ True]))
    """
    left, right = same_PK[:, BESIDE - 1 :: -1], same_PK[:, BESIDE + GRAM :]
    return Reach(
        np.logical_and.accumulate(left, axis=1).sum(axis=1),
        np.logical_and.accumulate(right, axis=1).sum(axis=1),
        np.logical_and.reduce(same_PK[:, BESIDE : BESIDE + GRAM], axis=1),
    )


def neighboured(
    spots: Spots, asked_M: NDArray[np.bool_], near: int, drift: int
) -> NDArray[np.bool_]:
    """Return whether another run begins near spots, as far as it was asked.

    A spot of the same owner is near if it is at most `near` words off on both sides and at most
    `drift` words off the diagonal; one of the same run does not count. Each spot is compared with
    `STEPS` before and after it: more stand there only where output and text go round in circles.

    Args:
        spots: anchors or runs, in the order of word, then place.
        asked_M: bool[M], for which an answer is wanted; the others get False.
        near: words.
        drift: words.

    Returns:
        bool[M].
    """
    order = np.argsort(spots.owner_M, kind="stable")
    owner, word, place = (column[order] for column in spots)
    asked, found = asked_M[order], np.zeros(len(order), np.bool_)
    for way in (1, -1):
        row = np.flatnonzero(asked & ~found)
        for step in range(way, way * (STEPS + 1), way):
            row = row[(row + step >= 0) & (row + step < len(order))]
            off = np.abs(word[row + step] - word[row])
            row = row[(owner[row + step] == owner[row]) & (off <= near)]
            if not len(row):
                break
            apart = place[row + step] - place[row]
            turn = word[row + step] - word[row] - apart
            close = (np.abs(apart) <= near) & (np.abs(turn) <= drift)
            close &= (turn != 0) | (np.abs(apart) > WINDOW)
            found[row[close]] = True
            row = row[~close]
    found_M = np.zeros(len(order), np.bool_)
    found_M[order] = found
    return found_M


def chain(pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return int64[S], int64[S]: the rows of the first and last anchors of unbroken chains."""
    diagonal_P = pairs.word_P - pairs.place_P
    rows = np.lexsort((pairs.word_P, diagonal_P))
    fresh = changes(diagonal_P[rows])
    fresh[1:] |= np.diff(pairs.word_P[rows]) > WINDOW
    starts = np.flatnonzero(fresh)
    return rows[starts], rows[np.append(starts[1:], len(rows))[: len(starts)] - 1]


def spread(
    first_M: NDArray[np.int64], times_M: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of many stretches one after the other, and for each row its stretch.

    >>> [rows.tolist() for rows in spread(np.array([10, 0, 20]), np.array([2, 0, 3]))]
    [[10, 11, 20, 21, 22], [0, 0, 2, 2, 2]]
    """
    before_M = np.cumsum(times_M) - times_M
    stretch = np.repeat(np.arange(len(times_M)), times_M)
    return np.arange(len(stretch)) + (first_M - before_M)[stretch], stretch


def owners(offsets_T: NDArray[np.int64], word_M: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[M]: the text in which each position lies.

    >>> owners(np.array([0, 3, 3, 5]), np.array([2, 3])).tolist()
    [0, 2]
    """
    return np.searchsorted(offsets_T, word_M, side="right") - 1


def changes(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return bool[M]: whether a row differs from the one before; the first one does.

    >>> changes(np.array([4, 4, 5, 5]), np.array([1, 1, 1, 2])).tolist()
    [True, False, True, True]
    """
    fresh = np.zeros(len(columns[0]), np.bool_)
    fresh[:1] = True
    for column in columns:
        fresh[1:] |= column[1:] != column[:-1]
    return fresh
