"""Tags: why a passage may say little; it is marked, never left out.

`echoed`: half of it stood in the prompt or the context. `quoted`: it stands in quotation marks on
either side. `common` and `boilerplate`: several works hold it, a short or a long one. `twin`: the
work has near-duplicates, so the file that it came from is not known.

Dimension key: R runs of one output.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.measures.chaining import Stretch
from stages.text.pairs import Pair, PassagesConfig

_LOOK_BACK = 2000
_OPENING, _CLOSING = "\u201c\u00ab\u201e", "\u201d\u00bb"


class Holders:
    """Which works hold which words of each output, after the runs of a search."""

    def __init__(self, runs: pa.Table, works: Mapping[str, Mapping[str, Any]]) -> None:
        held: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for row in runs.to_pylist():
            start = row["output_word"]
            work_id = works[row["text_id"]]["work_id"]
            held[row["output_id"]][work_id].append((start, start + row["words"]))
        self._held = {
            output_id: [np.array(spans, np.int64) for spans in by_work.values()]
            for output_id, by_work in held.items()
        }

    def count(self, output_id: str, longest: Stretch) -> int:
        """Return the distinct works that hold all words of a stretch of an output."""
        start, end = longest.output, longest.output + longest.words
        return sum(_covers(spans_R2, start, end) for spans_R2 in self._held.get(output_id, ()))


def _covers(spans_R2: NDArray[np.int64], start: int, end: int) -> bool:
    return bool(((spans_R2[:, 0] <= start) & (spans_R2[:, 1] >= end)).any())


def tags_of(pair: Pair, longest: Stretch, num_holders: int, config: PassagesConfig) -> str:
    """Return the tags of a passage by its longest stretch, sorted, with commas between."""
    found = set()
    echoed = pair.overlap.echoed_N[longest.output : longest.output + longest.words].sum()
    if 2 * echoed >= max(1, longest.words):
        found.add("echoed")
    if num_holders >= config.common_works:
        long = longest.words >= config.boilerplate_words
        found.add("boilerplate" if long else "common")
    if pair.text.work["num_near"] > 1:
        found.add("twin")
    output, text = pair.output.wording, pair.text.wording
    ends = (longest.output + longest.words, longest.text + longest.words)
    sides = ((output, longest.output, ends[0]), (text, longest.text, ends[1]))
    if any(quoted(side.text, side.chars(first, end)[0]) for side, first, end in sides):
        found.add("quoted")
    return ",".join(sorted(found))


def quoted(text: str, start: int) -> bool:
    """Return whether a place lies inside quotation marks of its paragraph.

    >>> quoted('He said: "Go home." Then he left.', 10), quoted('He said: "Go." Then', 15)
    (True, False)
    """
    before = text[max(0, start - _LOOK_BACK) : start].rpartition("\n\n")[2]
    curved = sum(before.count(mark) for mark in _OPENING)
    return before.count('"') % 2 == 1 or curved > sum(before.count(mark) for mark in _CLOSING)
