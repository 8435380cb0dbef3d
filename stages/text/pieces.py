"""Pieces: a long text cut at words, each piece with the words around it.

Dimension key: N words of a text, P pieces.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLE = 64
"""Words from one sample to the next; 0.01 bytes per byte of text."""

FEW = 512
"""Words of a piece that is as well read whole."""

_BLOCK = 1 << 22
_CONTINUES, _LEADS = 0x80, 0xC0


class Piece(NamedTuple):
    """A stretch of a text; words and code points are counted in the whole text."""

    start: int
    """First code point."""

    end: int
    """Code point after the last."""

    first_word: int
    """Words before it."""

    own_from: int
    """First word that is this piece's to report."""

    own_to: int
    """Word after the last that is."""

    samples: NDArray[np.int64] | None
    """Where every 64th word begins, in code points of the piece; None if it has few words."""


def cut(
    data: bytes, num_chars: int, starts_N: NDArray[np.int64], *, size: int, margin: int
) -> list[Piece]:
    """Return the pieces of a text.

    Own words partition the words, and own stretches (from the first own word, or the beginning, to
    the first word of the next piece, or the end) the text. A word is never cut in two, so a piece
    grows beyond the size where a word is longer.

    Args:
        data: the text as UTF-8.
        num_chars: its code points.
        starts_N: code point at which each word begins, int64[N].
        size: bytes of UTF-8 in the own stretch of a piece, about.
        margin: words of the pieces around it that each piece holds besides its own.

    Returns:
        P pieces in text order; one where the text is no longer than the size.
    """
    num_words = len(starts_N)
    near_P = _chars_at(data, np.arange(size, len(data), size))
    edges_P = np.unique([0, *np.searchsorted(starts_N, near_P), num_words])
    out = []
    for own_from, own_to in zip(edges_P[:-1].tolist(), edges_P[1:].tolist(), strict=True):
        first, last = max(0, own_from - margin), own_to + margin
        start = int(starts_N[first]) if first else 0
        end = int(starts_N[last]) if last < num_words else num_chars
        inside_N = starts_N[first : min(last, num_words)]
        samples = inside_N[::SAMPLE] - start if len(inside_N) > FEW else None
        out.append(Piece(start, end, first, own_from, own_to, samples))
    return out


def _chars_at(data: bytes, bytes_P: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many code points begin before each of some bytes, ascending."""
    units = np.frombuffer(data, np.uint8)
    out, at, chars = np.zeros(len(bytes_P), np.int64), 0, 0
    for number, stop in enumerate(bytes_P.tolist()):
        while at < stop:
            block = units[at : min(at + _BLOCK, stop)]
            chars += int(np.count_nonzero((block & _LEADS) != _CONTINUES))
            at += len(block)
        out[number] = chars
    return out
