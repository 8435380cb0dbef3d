"""Sequences: the best alignment of two word sequences, and their longest common subsequence.

Dimension key: N words of the output, M words of the text, D distinct words of the output.

These are measures and no evidence, so words are compared by their hashes. The alignment is built
around the passages that follow each other on both sides: over a whole book the fewest edits alone
would scatter a copied passage, because any word is found somewhere.
"""

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

_WORTH_COMPILED = 20_000_000
"""Pairs of words from which on a compiled loop is worth its start: 1,000 words against 20,000."""

_SURROGATES, _NUM_SURROGATES = 0xD800, 0x800


def best_alignment(output: Wording, text: Wording, found: Overlap) -> Block:
    """Return the stretches of equal words of the whole output and the whole text.

    The passages that are in order are fixed; between them the fewest edits decide (Levenshtein).
    Where that would set few words against very many (16 times as many, over 2,000,000 pairs), what
    it finds is arbitrary, and nothing is matched.
    """
    kept: list[Stretch] = []
    end = Stretch(0, 0, 0)
    for anchor in [*_anchors(found), Stretch(len(output), len(text), 0)]:
        first = (end.output + end.words, end.text + end.words)
        if can_align(gap(end, anchor)):
            left, right = _coded(
                output.hashes(first[0], anchor.output), text.hashes(first[1], anchor.text)
            )
            kept += [
                Stretch(first[0] + out, first[1] + txt, words)
                for out, txt, words in equal_words(_as_text(left), _as_text(right))
            ]
        end = anchor
        kept.append(anchor)
    return joined([stretch for stretch in kept if stretch.words])


def can_align(between: Gap) -> bool:
    """Return whether the fewest edits say anything about so many words on either side."""
    cells = between.output * between.text
    balanced = max(between) <= _BALANCE * min(between) and cells <= MOST_CELLS
    return min(between) > 0 and (cells <= _FEW_CELLS or balanced)


def common_words(
    output: Wording, text: Wording, echoed_N: NDArray[np.bool_], alignment: Block
) -> int:
    """Return the length of the longest common subsequence, without the echoed words.

    Of texts too long to compare every word with every other, the matched words of `alignment`.
    """
    own = ~echoed_N
    matched = sum(int(own[s.output : s.output + s.words].sum()) for s in alignment)
    if matched == np.count_nonzero(own):
        return matched
    length = longest_common(output.hashes_N[own], text.hashes_N)
    return matched if length is None else length


def longest_common(left_N: NDArray[np.uint64], right_M: NDArray[np.uint64]) -> int | None:
    """Return the length of the longest common subsequence; None if it would take too long."""
    if len(left_N) * len(right_M) < _WORTH_COMPILED:
        from rapidfuzz.distance import LCSseq

        numbers_N, numbers_M = _coded(left_N, right_M)
        return int(LCSseq.similarity(_as_text(numbers_N), _as_text(numbers_M[numbers_M > 0])))
    # imported here: only long texts are worth what importing it takes
    from indexes.subsequence import code, longest

    codes_N, codes_M = code(left_N, right_M)
    codes_M = codes_M[codes_M > 0]
    return None if len(left_N) * len(codes_M) > MOST_CELLS else int(longest(codes_N, codes_M))


def _coded(
    left_N: NDArray[np.uint64], right_M: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both sides as small numbers; 0 is a word that the left side does not have."""
    distinct, codes_N = np.unique(left_N, return_inverse=True)
    if not len(distinct):
        return codes_N, np.zeros(len(right_M), np.int64)
    at_M = np.minimum(np.searchsorted(distinct, right_M), len(distinct) - 1)
    return codes_N + 1, np.where(distinct[at_M] == right_M, at_M + 1, 0)


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
