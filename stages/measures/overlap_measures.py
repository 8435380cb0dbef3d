"""Overlap measures: every published measure of an output against a text, from one alignment.

Dimension key: N words of the output, M words of the text, R runs, 3 of (first word in the output,
first word in the text, number of words).

Words echoed from the prompt or the context are taken out of every measure: a run counts by its
stretches between them. Thresholds are not applied here; what is stored allows them all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.measures.alignment import merged
from stages.measures.bags import jaccard, longest_short_run
from stages.measures.chaining import Gap, Stretch
from stages.measures.passages import Overlap
from stages.measures.selection import MIN_VERBATIM
from stages.measures.sequences import best_alignment, can_align, common_words
from stages.measures.wording import Wording

LENGTHS = (8, 13, 20, 32, 50)
"""Words of a run from which on the words in it are counted."""

MIN_COMMON = 4
"""Words of a common run that counts for ACS (CoTaEval, arXiv 2406.18664, uses 3 or more)."""

MIN_RECALLED = 100
"""Matched words of a block that counts for near-verbatim recall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """TEXT_MEASURES of one output and one text, as far as the two tell."""

    output_words: int
    """Words of the output, echoed ones too."""

    text_words: int
    """Words of the text."""

    run_words: int
    """Words of the longest exact run."""

    run_chars: int
    """Code points of that run in the output."""

    run_tokens: int | None
    """Tokens of that run; None if no tokenizer was given."""

    words_8: int
    """Output words in exact runs of 8 words or more."""

    words_13: int
    """The same for 13 words."""

    words_20: int
    """The same for 20 words."""

    words_32: int
    """The same for 32 words."""

    words_50: int
    """The same for 50 words."""

    near_words: int
    """Output words matched inside near-verbatim blocks, in those without edits too."""

    near_block_words: int
    """Matched words of the largest near-verbatim block, after the second pass."""

    near_recall: float
    """Matched words of blocks of 100 or more over words of the text; 0..1."""

    acs_words: int
    """Output words in common runs of 4 or more of the best alignment."""

    echoed_words: int
    """Output words in verbatim or near-verbatim passages that are echoed."""

    rouge_l: float
    """F1 of the longest common subsequence of words; 0..1."""

    jaccard: float
    """Jaccard similarity of the two sets of word 5-grams; 0..1."""

    run: Stretch
    """The longest exact run; no words if nothing is shared."""

    whole: bool
    """False if the text was not read whole: `rouge_l` and `jaccard` were not measured and are 0,
    and a longest run of fewer than 8 words is the longest of those that the search kept."""


def measure(
    output: Wording,
    text: Wording,
    found: Overlap,
    count_tokens: Callable[[str], int] | None = None,
    least: int = 0,
) -> Measures:
    """Return the measures of an output against a text.

    ROUGE-L and the alignment of ACS compare all words with all; where that would be more than
    `sequences.MOST_CELLS` pairs, only what lies between the passages found is looked at.
    ROUGE-L, Jaccard and runs of fewer than 8 words need the whole text. A long text with which the
    output shares little, by chance, is not worth that: see `least`.

    Args:
        output: the output.
        text: the whole text.
        found: what `passages.overlap` returned for the two.
        count_tokens: tokens of a piece of text, for the tokenizer that the reader cares about.
        least: words of the longest run from which on a text is read whole; one with a near-verbatim
            block, and one that is short enough to be aligned as a whole, always is.

    Source: ROUGE-L: Lin 2004, section 3; near-verbatim recall: Ahmed et al. 2026 (arXiv
    2601.02671); ACS: Wei et al. 2024 (arXiv 2406.18664).
    """
    echoed_N = found.echoed_N
    exact = fresh((Stretch(*run) for run in found.runs_R3.tolist()), echoed_N)
    run = _longest(exact)
    whole = run.words >= least or bool(found.blocks) or can_align(Gap(len(output), len(text)))
    if whole and run.words < MIN_VERBATIM:
        run = max(run, longest_short_run(output, text, echoed_N), key=lambda r: r.words)
    start, end = output.chars(run.output, run.output + run.words)
    in_blocks = fresh((stretch for block in found.blocks for stretch in block), echoed_N)
    passed = [fresh(block, echoed_N) for block in merged(found.blocks)]
    sizes = [sum(stretch.words for stretch in block) for block in passed]
    alignment = best_alignment(output, text, found)
    common = common_words(output, text, echoed_N, alignment) if whole else 0
    rest = len(output) - int(echoed_N.sum())
    return Measures(
        output_words=len(output),
        text_words=len(text),
        run_words=run.words,
        run_chars=end - start,
        run_tokens=count_tokens(output.text[start:end]) if count_tokens else None,
        **{f"words_{k}": _covered(output, exact, at_least=k) for k in LENGTHS},
        near_words=_covered(output, in_blocks),
        near_block_words=max(sizes, default=0),
        near_recall=_recall(len(text), passed, sizes),
        acs_words=_covered(output, fresh(alignment, echoed_N), at_least=MIN_COMMON),
        echoed_words=_echoed(found),
        rouge_l=_f1(common, rest + len(text)),
        jaccard=jaccard(output, text, echoed_N) if whole else 0.0,
        run=run,
        whole=whole,
    )


def fresh(stretches: Iterable[Stretch], echoed_N: NDArray[np.bool_]) -> list[Stretch]:
    """Return what is left of stretches when echoed words are cut out of them.

    >>> fresh([Stretch(0, 9, 5)], np.array([0, 0, 1, 0, 0], bool))
    [Stretch(output=0, text=9, words=2), Stretch(output=3, text=12, words=2)]
    """
    if not echoed_N.any():
        return list(stretches)
    kept = []
    for out, txt, words in stretches:
        own = np.concatenate([[False], ~echoed_N[out : out + words], [False]])
        for first, end in np.flatnonzero(np.diff(own)).reshape(-1, 2).tolist():
            kept.append(Stretch(out + first, txt + first, end - first))
    return kept


def _longest(stretches: Sequence[Stretch]) -> Stretch:
    return max(stretches, key=lambda s: (s.words, -s.output, -s.text), default=Stretch(0, 0, 0))


def _covered(output: Wording, stretches: Iterable[Stretch], at_least: int = 1) -> int:
    """Return the words of the output that lie in a stretch of a length or more."""
    change_N = np.zeros(len(output) + 1, np.int64)
    for out, _, words in stretches:
        if words >= at_least:
            change_N[out] += 1
            change_N[out + words] -= 1
    return int(np.count_nonzero(change_N.cumsum()))


def _recall(num_words: int, blocks: Sequence[Sequence[Stretch]], sizes: Sequence[int]) -> float:
    parts = [
        np.arange(stretch.text, stretch.text + stretch.words)
        for block, size in zip(blocks, sizes, strict=True)
        if size >= MIN_RECALLED
        for stretch in block
    ]
    return len(np.unique(np.concatenate(parts))) / num_words if parts else 0.0


def _echoed(found: Overlap) -> int:
    inside_N = np.zeros(len(found.echoed_N), np.bool_)
    for passage in found.passages:
        for out, _, words in passage.stretches:
            inside_N[out : out + words] = True
    return int(np.count_nonzero(inside_N & found.echoed_N))


def _f1(common: int, both: int) -> float:
    return 2 * common / both if both else 0.0
