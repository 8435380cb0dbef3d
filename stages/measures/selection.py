"""Selection: which runs hold when read as text, and which of several places is shown.

Dimension key: R runs, 3 of (first word in the output, first word in the text, number of words),
N words of the output.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures.alignment import MIN_MATCHED, aligned, blocks
from stages.measures.chaining import REACH, Block, Stretch, chains, matched
from stages.measures.wording import Wording

MIN_VERBATIM = 8
"""Words of a verbatim passage; the shortest run that every search is sure to find."""

_HYPHENATED = re.compile(r"[^!-,.-~\s\u2019\u201d\u2014]\s")
"""White space behind a hyphen, or behind anything that is not known to be none."""

_MIN_RUN = 5
_MOST_RUNS = 100_000
_MOST_CHAINS = 4096


def verified(output: Wording, text: Wording, runs_R3: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return runs as long as they can be, every word compared by its normal form, not its hash.

    A search may cut short the runs of texts that repeat themselves, and of texts cut into pieces.
    """
    longest_R = np.argsort(-runs_R3[:, 2], kind="stable")[:_MOST_RUNS]
    kept: list[tuple[int, int, int]] = []
    for out, txt, words in _extended(output, text, runs_R3[longest_R]):
        same = same_words(output, text, Stretch(out, txt, words))
        if same.all():
            kept.append((out, txt, words))
            continue
        steps = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]])))
        kept += [
            (out + first, txt + first, end - first)
            for first, end in steps.reshape(-1, 2).tolist()
            if end - first >= _MIN_RUN
        ]
    return np.array(sorted(set(kept)), np.int64).reshape(-1, 3)


def same_words(output: Wording, text: Wording, run: Stretch) -> NDArray[np.bool_]:
    """Return whether the words are equal, one by one."""
    out, txt, words = run
    left = output.text[slice(*output.chars(out, out + words))]
    right = text.text[slice(*text.chars(txt, txt + words))]
    # no word goes on after white space, if not behind a hyphen: equal letters are equal words
    if left.split() == right.split() and not _HYPHENATED.search(left + "\n" + right):
        return np.ones(words, np.bool_)
    same_W: NDArray[np.bool_] = output.ids(out, out + words) == text.ids(txt, txt + words)
    return same_W


def _extended(output: Wording, text: Wording, runs_R3: NDArray[np.int64]) -> list[list[int]]:
    """Return runs that no equal word could lengthen, one of those that thereby become the same."""
    shift_R = runs_R3[:, 1] - runs_R3[:, 0]
    found: list[list[int]] = []
    end = (-len(output), 0)
    for run in runs_R3[np.lexsort((runs_R3[:, 0], shift_R))].tolist():
        out, txt, words = run
        if (txt - out, out) < end:
            continue
        words += _num_same(output, text, (out + words, txt + words), forward=True)
        more = _num_same(output, text, (out, txt), forward=False)
        found.append([out - more, txt - more, words + more])
        end = (txt - out, out + words)
    return found


def _num_same(output: Wording, text: Wording, at: tuple[int, int], *, forward: bool) -> int:
    """Return how many words from a place on are equal on both sides, or before it."""
    most = min(len(output) - at[0], len(text) - at[1]) if forward else min(at)
    num, step = 0, 1
    while num < most:
        size = min(step, most - num)
        shift = num if forward else -num - size
        left, right = (
            side.hashes(place + shift, place + shift + size)
            for side, place in zip((output, text), at, strict=True)
        )
        differ = np.flatnonzero(left != right)
        if len(differ):
            return num + int(differ[0] if forward else size - 1 - differ[-1])
        num, step = num + size, step * 8
    return num


def near_blocks(output: Wording, text: Wording, runs_R3: NDArray[np.int64]) -> list[Block]:
    """Return near-verbatim blocks; of several places of the same words the heaviest, then first."""
    covered_N = np.zeros(len(output), np.bool_)
    text_at_N = np.full(len(output), -1, np.int64)
    kept: list[Block] = []
    for chain in chains(runs_R3)[:_MOST_CHAINS]:
        around = slice(max(0, chain[0].output - REACH), chain[-1].output + REACH)
        is_known = all(text_at_N[stretch.output] == stretch.text for stretch in chain)
        if is_known or np.count_nonzero(~covered_N[around]) < MIN_MATCHED:
            continue
        for block in blocks(aligned(chain, output, text)):
            words = np.concatenate([np.arange(s.output, s.output + s.words) for s in block])
            if np.count_nonzero(~covered_N[words]) >= MIN_MATCHED:
                covered_N[words] = True
                kept.append(block)
            for stretch in block:
                _note(text_at_N, stretch)
    return sorted(kept)


def _note(text_at_N: NDArray[np.int64], stretch: Stretch) -> None:
    out, txt, words = stretch
    text_at_N[out : out + words] = np.arange(txt, txt + words)


class Pairs(NamedTuple):
    """What each word of an output is matched with inside near-verbatim blocks."""

    text_at_N: NDArray[np.int64]
    """int64[N], its word in the text, or -1."""

    block_at_N: NDArray[np.int64]
    """int64[N], the number of its block, or -1; of several the heaviest."""


def pairs(blocks: list[Block], num: int) -> Pairs:
    """Return for each word of the output its word in the text and its block, or -1."""
    text_at_N, block_at_N = np.full(num, -1, np.int64), np.full(num, -1, np.int64)
    for number in sorted(range(len(blocks)), key=lambda i: matched(blocks[i])):
        for stretch in blocks[number]:
            _note(text_at_N, stretch)
            block_at_N[stretch.output : stretch.output + stretch.words] = number
    return Pairs(text_at_N, block_at_N)


def block_of(run: Stretch, paired: Pairs) -> int:
    """Return the block that a run is part of, or -1; its beginning may have been cut off there."""
    last = run.words - 1
    inside = paired.text_at_N[run.output + last] == run.text + last
    return int(paired.block_at_N[run.output + last]) if inside else -1


def verbatim_runs(runs_R3: NDArray[np.int64], paired: Pairs) -> list[Stretch]:
    """Return verbatim runs that hold a word which no longer run holds, by their place.

    Of runs of one length, one inside a near-verbatim block comes first, then the first place.
    """
    covered_N = np.zeros(len(paired.text_at_N), np.bool_)
    runs = [Stretch(*run) for run in runs_R3[runs_R3[:, 2] >= MIN_VERBATIM].tolist()]
    kept = []
    for run in sorted(runs, key=lambda r: (-r.words, block_of(r, paired) < 0, r)):
        part = slice(run.output, run.output + run.words)
        if not covered_N[part].all():
            covered_N[part] = True
            kept.append(run)
    return sorted(kept)
