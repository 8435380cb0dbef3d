"""Chaining: which runs of equal words belong to one passage of a text.

Dimension key: R runs, 3 of (first word in the output, first word in the text, number of words).

Runs are chained where they lie close behind each other on both sides. It is linear in the runs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

REACH = 64
"""Words between two links of a chain."""

_DRIFT = 32
"""Words that one side may have more than the other between two links."""

_BEHIND = 256
"""Runs before a run that are tried as its predecessor; it bounds texts that repeat themselves."""


class Stretch(NamedTuple):
    """Equal words on both sides."""

    output: int
    """First word in the output."""

    text: int
    """First word in the text."""

    words: int
    """Number of words, 1 or more."""


Block = tuple[Stretch, ...]
"""Stretches in the order of both sides, with words between them that differ."""


class Gap(NamedTuple):
    """Words between two stretches."""

    output: int
    text: int


def matched(block: Sequence[Stretch]) -> int:
    """Return the matched words of a block."""
    return sum(stretch.words for stretch in block)


def gap(before: Stretch, after: Stretch) -> Gap:
    """Return how many words lie between two stretches, on either side."""
    return Gap(after.output - before.output - before.words, after.text - before.text - before.words)


def joined(stretches: Sequence[Stretch]) -> Block:
    """Return the stretches with those joined between which there is no word on either side."""
    kept: list[Stretch] = []
    for stretch in stretches:
        if kept and gap(kept[-1], stretch) == (0, 0):
            kept[-1] = kept[-1]._replace(words=kept[-1].words + stretch.words)
        else:
            kept.append(stretch)
    return tuple(kept)


def chains(runs_R3: NDArray[np.int64]) -> list[Block]:
    """Return chains of runs that follow each other closely on both sides, the heaviest first.

    Args:
        runs_R3: int64[R, 3], verified, sorted.

    Returns:
        Every run in exactly one chain, cut where it overlaps the one before.
    """
    weight_R, before_R = _links(runs_R3)
    chain: list[Block] = []
    used_R = np.zeros(len(runs_R3), np.bool_)
    for last in np.argsort(-weight_R, kind="stable").tolist():
        run, members = last, []
        while run >= 0 and not used_R[run]:
            used_R[run] = True
            members.append(Stretch(*runs_R3[run].tolist()))
            run = int(before_R[run])
        if members:
            chain.append(_cut(members[::-1]))
    return chain


def _links(runs_R3: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the weight of the heaviest chain that ends in each run, and the link before."""
    output_R, text_R, words_R = runs_R3.T
    ends_R, shift_R = output_R + words_R, text_R - output_R
    weight_R = words_R.astype(np.float64)
    before_R = np.full(len(runs_R3), -1, np.int64)
    for run in range(1, len(runs_R3)):
        past = slice(max(0, run - _BEHIND), run)
        drift = np.abs(shift_R[past] - shift_R[run])
        near = np.flatnonzero(
            (drift <= _DRIFT)
            & (ends_R[past] >= output_R[run] - REACH)
            & (output_R[past] < output_R[run])
            & (text_R[past] < text_R[run])
        )
        if not len(near):
            continue
        overlap = np.maximum(ends_R[past][near] - output_R[run], 0)
        overlap = np.maximum(overlap, (ends_R + shift_R)[past][near] - text_R[run])
        gain = weight_R[past][near] - overlap - drift[near] / _DRIFT
        gain[overlap >= words_R[run]] = -1
        best = int(gain.argmax())
        if gain[best] > 0:
            weight_R[run] += gain[best]
            before_R[run] = past.start + int(near[best])
    return weight_R, before_R


def _cut(members: list[Stretch]) -> Block:
    """Return the stretches without what overlaps the one before."""
    kept = members[:1]
    for stretch in members[1:]:
        over = max(0, -min(gap(kept[-1], stretch)))
        if over < stretch.words:
            output, text, words = stretch
            kept.append(Stretch(output + over, text + over, words - over))
    return tuple(kept)
