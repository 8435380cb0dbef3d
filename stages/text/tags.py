"""Tags: why a passage may say little; it is marked, never left out.

`echoed`: half of it stood in the prompt or the context. `quoted`: it stands in quotation marks on
either side, as a whole. `common` and `boilerplate`: several works hold half of it or more, a short
or a long one. `twin`: the work has near-duplicates, so the file that it came from is not known.

Dimension key: R runs of one output, 3 of (first word, word after the last, work).
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.measures.chaining import Stretch
from stages.measures.holders import common, works_of_words
from stages.text.pairs import Pair, PassagesConfig

_LOOK_BACK = 2000
_OPENING, _CLOSING = "\u201c\u00ab\u201e", "\u201d\u00bb"


class Holders:
    """Which works hold which words of each output, after the runs of a search."""

    def __init__(self, runs: pa.Table, works: Mapping[str, Mapping[str, Any]]) -> None:
        numbers: dict[str, int] = {}
        held: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for row in runs.to_pylist():
            work = numbers.setdefault(works[row["text_id"]]["work_id"], len(numbers))
            start = row["output_word"]
            held[row["output_id"]].append((start, start + row["words"], work))
        self._held = {
            output_id: np.unique(np.array(spans, np.int64), axis=0)
            for output_id, spans in held.items()
        }
        self._works_of_words: dict[str, NDArray[np.int64]] = {}

    def count(self, output_id: str, stretch: Stretch) -> int:
        """Return the distinct works with a run that holds all words of a stretch of an output."""
        if output_id not in self._held:
            return 0
        start_R, end_R, work_R = self._held[output_id].T
        holds_R = (start_R <= stretch.output) & (end_R >= stretch.output + stretch.words)
        return len(np.unique(work_R[holds_R]))

    def common(self, output_id: str, stretch: Stretch, least: int) -> bool:
        """Return whether so many works or more hold most of a stretch of an output."""
        if output_id not in self._held:
            return False
        if output_id not in self._works_of_words:
            self._works_of_words[output_id] = works_of_words(self._held[output_id])
        end = stretch.output + stretch.words
        return common(self._works_of_words[output_id], stretch.output, end, least)


def tags_of(pair: Pair, longest: Stretch, held: Holders, config: PassagesConfig) -> str:
    """Return the tags of a passage by its longest stretch, sorted, with commas between."""
    found = set()
    echoed = pair.overlap.echoed_N[longest.output : longest.output + longest.words].sum()
    if 2 * echoed >= max(1, longest.words):
        found.add("echoed")
    if held.common(pair.output.row["output_id"], longest, config.common_works):
        long = longest.words >= config.boilerplate_words
        found.add("boilerplate" if long else "common")
    if pair.text.work["num_near"] > 1:
        found.add("twin")
    output, text = pair.output.wording, pair.text.wording
    ends = (longest.output + longest.words, longest.text + longest.words)
    sides = ((output, longest.output, ends[0]), (text, longest.text, ends[1]))
    if any(quoted(side.text, *side.chars(first, end)) for side, first, end in sides):
        found.add("quoted")
    return ",".join(sorted(found))


def quoted(text: str, start: int, end: int) -> bool:
    """Return whether a passage lies inside one quotation of its paragraph, as a whole.

    >>> said = 'He said: "Go home." Then he left.'
    >>> quoted(said, 10, 17), quoted(said, 10, 24), quoted(said, 20, 24)
    (True, False, False)
    """
    before = text[max(0, start - _LOOK_BACK) : start].rpartition("\n\n")[2]
    inside = text[start:end]
    if before.count('"') % 2 == 1 and '"' not in inside:
        return True
    opened = sum(before.count(mark) for mark in _OPENING)
    closed = sum(before.count(mark) for mark in _CLOSING)
    return opened > closed and not any(mark in inside for mark in _CLOSING)
