"""Align: the passages of each output that stand in a work, where on both sides, and what differs.

No threshold is applied: what is short or common is tagged, never left out.
"""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from stages.contract import MapStage, Out
from stages.measures.passages import Passage
from stages.tables import SPANS
from stages.text.pairs import (
    READS,
    USES,
    Pair,
    PairTools,
    PassagesConfig,
    open_pairs,
    pairs,
    surprisal_of,
    utf8_at,
)
from stages.text.tags import Holders, tags_of


def align(inputs: Mapping[str, pa.Table], tools: PairTools) -> Out:
    """Return the passages of the outputs of a set.

    Args:
        inputs: `outputs`: OUTPUTS and `runs`: RUNS of whole sets.
        tools: texts, works, word frequencies and the rule of the tags.

    Returns:
        SPANS by output, place in it, and text.
    """
    held = Holders(inputs["runs"], tools.works)
    rows = [
        _row(pair, passage, tools, held)
        for pair in pairs(inputs, tools)
        for passage in pair.overlap.passages
    ]
    rows.sort(key=lambda row: (row["output_id"], row["output_start"], row["text_id"], row["kind"]))
    return Out(SPANS.of_rows(rows))


def _row(pair: Pair, passage: Passage, tools: PairTools, held: Holders) -> dict[str, Any]:
    made, text = pair.output.row, pair.text
    output_bytes = utf8_at(pair.output.wording.text, passage.output_start, passage.output_end)
    text_bytes = text.bytes_at(passage.text_start, passage.text_end)
    longest = max(passage.stretches, key=lambda stretch: stretch.words)
    seen = ("kind", "in_order", "words", "echoed_words", "text_word", "level")
    places = ("output_start", "output_end", "text_start", "text_end")
    return {
        **{name: made[name] for name in ("set", "output_id", "prompt_id")},
        **{name: getattr(passage, name) for name in (*seen, *places)},
        "text_id": text.text_id,
        "work_id": text.work["work_id"],
        "half": text.work["half"],
        "output_start_byte": output_bytes[0],
        "output_end_byte": output_bytes[1],
        "text_start_byte": text_bytes[0],
        "text_end_byte": text_bytes[1],
        "edits": json.dumps([list(edit) for edit in passage.edits], separators=(",", ":")),
        "surprisal": surprisal_of(pair, passage.stretches, tools),
        "num_holders": held.count(made["output_id"], longest),
        "tags": tags_of(pair, longest, held, tools.config),
    }


STAGE = MapStage(
    name="align",
    reads=READS,
    writes=SPANS,
    config=PassagesConfig,
    open=open_pairs,
    run=align,
    uses=USES,
    per=("set",),
)
