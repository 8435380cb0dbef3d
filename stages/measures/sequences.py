"""Sequences: the best alignment of two word sequences, and their longest common subsequence.

Dimension key: N words of the output, M words of the text, G words of the output in a gap.

These are measures and no evidence, so words are compared by their hashes. The alignment is built
around the passages that follow each other on both sides: over a whole book the fewest edits alone
would scatter a copied passage, because any word is found somewhere.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures.alignment import equal_words
from stages.measures.chaining import Block, Gap, Stretch, gap, joined
from stages.measures.passages import Overlap
from stages.measures.wording import Wording

MOST_CELLS = 4_000_000_000
"""Pairs of words that are compared; about a second. 20,000 words against 200,000 are below it."""

_FEW_CELLS = 2_000_000
_BALANCE = 16

_SURROGATES, _NUM_SURROGATES = 0xD800, 0x800


class Coded(NamedTuple):
    """Two texts with a small number for each word that they share; 0 is a foreign word."""

    left_N: NDArray[np.int64]
    """int64[N], words of the output, 1 and above."""

    right_M: NDArray[np.int64]
    """int64[M], words of the text, 0 for one that the output does not have."""


def coded(output: Wording, text: Wording) -> Coded:
    """Return the words of both as numbers; equal hashes have equal numbers."""
    distinct, codes_N = np.unique(output.hashes_N, return_inverse=True)
    if not len(distinct):
        return Coded(codes_N, np.zeros(len(text), np.int64))
    at_M = np.minimum(np.searchsorted(distinct, text.hashes_N), len(distinct) - 1)
    return Coded(codes_N + 1, np.where(distinct[at_M] == text.hashes_N, at_M + 1, 0))


def best_alignment(both: Coded, found: Overlap) -> Block:
    """Return the stretches of equal words of the whole output and the whole text.

    The passages that are in order are fixed; between them the fewest edits decide (Levenshtein).
    Where that would set few words against very many (16 times as many, over 2,000,000 pairs), what
    it finds is arbitrary, and nothing is matched.
    """
    anchors = _anchors(found)
    left, right = _as_text(both.left_N), _as_text(both.right_M)
    kept: list[Stretch] = []
    end = Stretch(0, 0, 0)
    for anchor in [*anchors, Stretch(len(left), len(right), 0)]:
        between = gap(end, anchor)
        first = (end.output + end.words, end.text + end.words)
        if _can_align(between):
            kept += [
                Stretch(first[0] + out, first[1] + txt, words)
                for out, txt, words in equal_words(
                    left[first[0] : anchor.output], right[first[1] : anchor.text]
                )
            ]
        end = anchor
        kept.append(anchor)
    return joined([stretch for stretch in kept if stretch.words])


def _can_align(between: Gap) -> bool:
    cells = between.output * between.text
    balanced = max(between) <= _BALANCE * min(between) and cells <= MOST_CELLS
    return min(between) > 0 and (cells <= _FEW_CELLS or balanced)


def common_words(both: Coded, echoed_N: NDArray[np.bool_], alignment: Block) -> int:
    """Return the length of the longest common subsequence, without the echoed words.

    Of texts too long to compare every word with every other, the matched words of `alignment`.
    """
    from rapidfuzz.distance import LCSseq

    own = ~echoed_N
    left_N, right_M = both.left_N[own], both.right_M[both.right_M > 0]
    if len(left_N) * len(right_M) > MOST_CELLS:
        return sum(int(own[s.output : s.output + s.words].sum()) for s in alignment)
    return int(LCSseq.similarity(_as_text(left_N), _as_text(right_M)))


def _anchors(found: Overlap) -> list[Stretch]:
    """Return the stretches of the passages in order, without what overlaps on either side."""
    ordered = {s for passage in found.passages if passage.in_order for s in passage.stretches}
    kept: list[Stretch] = []
    for stretch in sorted(ordered, key=lambda s: (s.output, s.text, -s.words)):
        over = max(0, -min(gap(kept[-1], stretch))) if kept else 0
        if over < stretch.words:
            out, txt, words = stretch
            kept.append(Stretch(out + over, txt + over, words - over))
    return kept


def _as_text(codes: NDArray[np.int64]) -> str:
    """Return one character per word: rapidfuzz is quickest on text."""
    points = codes + np.where(codes >= _SURROGATES, _NUM_SURROGATES, 0)
    return points.astype("<u4").tobytes().decode("utf-32-le")
