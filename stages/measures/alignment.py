"""Alignment: which words of two texts stand for each other, around what they share exactly.

Between the links of a chain of runs and beyond its ends the words are aligned one by one
(Levenshtein); what is matched there is kept as long as it brings more words than it costs. The
blocks of near-verbatim recall (Ahmed et al. 2026) are then made of what is matched.
"""

from collections.abc import Sequence
from itertools import pairwise

from stages.measures.chaining import REACH, Block, Gap, Stretch, gap, joined, matched
from stages.measures.wording import Wording

MIN_MATCHED = 20
"""Matched words of a near-verbatim block, from the first pass of near-verbatim recall."""


def aligned(chain: Block, output: Wording, text: Wording) -> Block:
    """Return a chain with the words between its links and beyond its ends aligned one by one."""
    found = [*_beyond(chain[0], output, text, forward=False), chain[0]]
    for before, after in pairwise(chain):
        between = gap(before, after)
        if min(between) > 0:
            starts = (before.output + before.words, before.text + before.words)
            found += [
                Stretch(starts[0] + out, starts[1] + txt, words)
                for out, txt, words in equal_words(
                    output.ids(starts[0], starts[0] + between.output).tolist(),
                    text.ids(starts[1], starts[1] + between.text).tolist(),
                )
            ]
        found.append(after)
    return joined([*found, *_beyond(chain[-1], output, text, forward=True)])


def equal_words(left: Sequence[int] | str, right: Sequence[int] | str) -> list[Stretch]:
    """Return the stretches that the fewest edits leave alone (Levenshtein).

    >>> equal_words([1, 2, 3, 4], [1, 9, 3, 4])
    [Stretch(output=0, text=0, words=1), Stretch(output=2, text=2, words=2)]
    """
    from rapidfuzz.distance import Levenshtein

    return [
        Stretch(code.src_start, code.dest_start, code.src_end - code.src_start)
        for code in Levenshtein.opcodes(left, right)
        if code.tag == "equal"
    ]


def _beyond(end: Stretch, output: Wording, text: Wording, *, forward: bool) -> list[Stretch]:
    """Return what is matched beyond one end, in the order of the texts.

    Going outwards, a matched word counts +1 and a word that differs -1; the best sum is kept.
    """
    found: list[Stretch] = []
    at = (end.output + end.words, end.text + end.words) if forward else end[:2]
    while True:
        left = _outwards(output, at[0], forward=forward)
        right = _outwards(text, at[1], forward=forward)
        kept = _worth(equal_words(left, right))
        if not kept:
            return found if forward else found[::-1]
        for out, txt, words in kept:
            if forward:
                found.append(Stretch(at[0] + out, at[1] + txt, words))
            else:
                found.append(Stretch(at[0] - out - words, at[1] - txt - words, words))
        out, txt, words = kept[-1]
        step = words if forward else -words
        at = (at[0] + (out if forward else -out) + step, at[1] + (txt if forward else -txt) + step)


def _outwards(side: Wording, at: int, *, forward: bool) -> list[int]:
    first, end = (at, min(len(side), at + REACH)) if forward else (max(0, at - REACH), at)
    ids: list[int] = side.ids(first, end).tolist()
    return ids if forward else ids[::-1]


def _worth(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the beginning of the stretches that brings the most over what it costs."""
    score, best, keep = 0, 0, 0
    before = Stretch(0, 0, 0)
    for count, stretch in enumerate(stretches, start=1):
        score += stretch.words - max(gap(before, stretch))
        before = stretch
        if score > best:
            best, keep = score, count
    return list(stretches[:keep])


def blocks(chain: Block) -> list[Block]:
    """Return the near-verbatim blocks of one aligned chain: gaps of at most 2 words, 20 matched.

    Source: Ahmed et al. 2026 (arXiv 2601.02671), first pass. Ends that differ more than they match
    are cut off, so that what two texts share by chance around a passage is not part of it.
    """
    found: list[Block] = []
    for part in _merged([(stretch,) for stretch in chain], max_gap=2, max_difference=1):
        found += _densest(part)
    return found


def merged(parts: Sequence[Block]) -> list[Block]:
    """Return blocks of the second pass: gaps of at most 10 words, which differ by at most 3.

    Args:
        parts: blocks of the first pass, sorted by their place in the output.
    """
    return _merged(parts, max_gap=10, max_difference=3)


def _merged(parts: Sequence[Block], *, max_gap: int, max_difference: int) -> list[Block]:
    kept: list[Block] = []
    for part in parts:
        between = gap(kept[-1][-1], part[0]) if kept else Gap(-1, -1)
        close = min(between) >= 0 and max(between) <= max_gap
        if close and abs(between.output - between.text) <= max_difference:
            kept[-1] += part
        else:
            kept.append(part)
    return kept


def _densest(part: Block) -> list[Block]:
    """Return the pieces that match more than they differ at both ends, in order."""
    waiting, found = [part], []
    while waiting:
        piece = waiting.pop()
        if matched(piece) < MIN_MATCHED:
            continue
        first, end = _heaviest(piece)
        if matched(piece[first:end]) >= MIN_MATCHED:
            found.append(piece[first:end])
        waiting += [piece[:first], piece[end:]]
    return sorted(found)


def _heaviest(piece: Block) -> tuple[int, int]:
    """Return [first, end) of the stretches with the largest sum (Kadane)."""
    best, best_part, score, first = 0, (0, 0), 0, 0
    for at, stretch in enumerate(piece):
        score -= max(gap(piece[at - 1], stretch)) if at else 0
        if score <= 0:
            score, first = 0, at
        score += stretch.words
        if score > best:
            best, best_part = score, (first, at + 1)
    return best_part
