"""Passages: what of an output stands in a text, where on both sides, and what differs.

Dimension key: R runs, 3 of (first word in the output, first word in the text, number of words),
N words of the output, B passages in the order of the output.

Runs come from an index of hashes; here every word of them is compared as text. Of several places
that hold the same words one is chosen: the longest run, then one inside a near-verbatim block, then
the first place. Words that the output has from its prompt or its context are counted as echoed.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures import selection
from stages.measures.chaining import Block, gap, matched
from stages.measures.levels import LEVELS, level
from stages.measures.order import Placed, in_order
from stages.measures.wording import Wording


class Edit(NamedTuple):
    """Words that differ between two stretches of a near-verbatim passage; code points."""

    kind: str
    """`replace`; `insert`: only the output has them; `delete`: only the text has them."""

    output_start: int
    output_end: int
    text_start: int
    text_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One passage of an output that stands in a text: a row of SPANS, as far as two texts tell."""

    kind: str
    """`verbatim`: all words are equal; `near`: all but the edits."""

    in_order: bool
    """False if the text has it before an earlier, heavier passage of the output."""

    level: str
    """`exact`, `spacing` or `folded`: what must be evened out to make what is matched equal."""

    words: int
    """Matched words."""

    echoed_words: int
    """Of these, words that stand in prompt or context."""

    output_start: int
    """First code point in the output."""

    output_end: int
    """Code point after the last in the output."""

    text_start: int
    """First code point in the text."""

    text_end: int
    """Code point after the last in the text."""

    edits: tuple[Edit, ...]
    """What differs, in order; none in a verbatim passage."""

    stretches: Block
    """Equal words, in order; one stretch in a verbatim passage."""

    @property
    def output_word(self) -> int:
        """First word in the output, 0.."""
        return self.stretches[0].output

    @property
    def text_word(self) -> int:
        """First word in the text, 0.."""
        return self.stretches[0].text


class Overlap(NamedTuple):
    """Everything that an output and a text share."""

    passages: tuple[Passage, ...]
    """By their start in the output; a near-verbatim one before the verbatim ones in it."""

    blocks: tuple[Block, ...]
    """Near-verbatim blocks by their start in the output, those without an edit too."""

    runs_R3: NDArray[np.int64]
    """int64[R, 3], the verified runs, sorted."""

    echoed_N: NDArray[np.bool_]
    """bool[N], words of the output that stand in its prompt or context."""


class _Pair(NamedTuple):
    output: Wording
    text: Wording
    echoed_N: NDArray[np.bool_]


def overlap(
    output: Wording, text: Wording, *, runs_R3: NDArray[np.int64], echoed_N: NDArray[np.bool_]
) -> Overlap:
    """Return the passages of an output that stand in a text.

    Args:
        output: the output, with the lexicon of the text.
        text: the whole text.
        runs_R3: int64[R, 3], runs of the two from a search, in any order; not trusted.
        echoed_N: bool[N], see `echoes.echoed`.

    Returns:
        Verbatim passages of 8 words or more, and near-verbatim ones of 20 matched words or more
        that have at least one edit. Of runs beyond 100,000 the longest are looked at.
    """
    runs_R3 = selection.verified(output, text, runs_R3)
    blocks = selection.near_blocks(output, text, runs_R3)
    paired = selection.pairs(blocks, len(output))
    runs = selection.verbatim_runs(runs_R3, paired)
    inside = [selection.block_of(run, paired) for run in runs]
    alone = [run for run, block in zip(runs, inside, strict=True) if block < 0]
    units: list[Block] = [*blocks, *((run,) for run in alone)]
    ordered = in_order([Placed(unit[0].output, unit[0].text, matched(unit)) for unit in units])
    rest = iter(ordered[len(blocks) :])
    pair = _Pair(output, text, echoed_N)
    found = [
        _passage("near", block, pair, ordered=fits)
        for block, fits in zip(blocks, ordered[: len(blocks)], strict=True)
        if len(block) > 1
    ]
    found += [
        _passage("verbatim", (run,), pair, ordered=next(rest) if block < 0 else ordered[block])
        for run, block in zip(runs, inside, strict=True)
    ]
    found.sort(key=lambda p: (p.output_start, p.kind, p.text_start))
    return Overlap(tuple(found), tuple(blocks), runs_R3, echoed_N)


def _passage(kind: str, block: Block, pair: _Pair, *, ordered: bool) -> Passage:
    output, text, echoed_N = pair
    first, last = block[0], block[-1]
    output_start, output_end = output.chars(first.output, last.output + last.words)
    text_start, text_end = text.chars(first.text, last.text + last.words)
    levels = {
        level(
            output.text[slice(*output.chars(s.output, s.output + s.words))],
            text.text[slice(*text.chars(s.text, s.text + s.words))],
        )
        for s in block
    }
    return Passage(
        kind=kind,
        in_order=ordered,
        level=max(levels, key=LEVELS.index),
        words=matched(block),
        echoed_words=sum(int(echoed_N[s.output : s.output + s.words].sum()) for s in block),
        output_start=output_start,
        output_end=output_end,
        text_start=text_start,
        text_end=text_end,
        edits=tuple(_edits(block, output, text)),
        stretches=block,
    )


def _edits(block: Block, output: Wording, text: Wording) -> list[Edit]:
    found = []
    for before, after in pairwise(block):
        between = gap(before, after)
        kind = "replace" if all(between) else "insert" if between.output else "delete"
        found.append(
            Edit(
                kind,
                *output.chars(before.output + before.words, after.output),
                *text.chars(before.text + before.words, after.text),
            )
        )
    return found
