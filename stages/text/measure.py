"""Measure: every published measure of each output against each work that shares words with it.

Of several texts of one work the one that is closest stands for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import pyarrow as pa

from stages.contract import Kit, MapStage, Out
from stages.measures import overlap_measures
from stages.models.tokens import open_counter
from stages.tables import MATCHES
from stages.text.pairs import (
    READS,
    USES,
    Pair,
    PairTools,
    PassagesConfig,
    open_pairs,
    pairs,
    surprisal_of,
)
from stages.text.tags import Holders, tags_of

_CLOSEST = ("run_words", "near_block_words", "acs_words")
_MEASURED = tuple({f.name for f in fields(overlap_measures.Measures)} & set(MATCHES.schema.names))


class MeasureTools(NamedTuple):
    """What `measure` needs besides its rows."""

    pairs: PairTools
    count_tokens: Callable[[str], int] | None


def open_measure(config: PassagesConfig, kit: Kit) -> MeasureTools:
    """Open the texts and the tokenizer, if one is named."""
    counter = None if config.tokenizer is None else open_counter(config.tokenizer)
    return MeasureTools(open_pairs(config, kit), counter)


def measure(inputs: Mapping[str, pa.Table], tools: MeasureTools) -> Out:
    """Return how close each output of a set is to each work that it shares a run with.

    Args:
        inputs: `outputs`: OUTPUTS and `runs`: RUNS of whole sets.
        tools: texts, works, word frequencies, tokenizer and the rule of the tags.

    Returns:
        MATCHES by output and work; the measures of images are null. `best` marks the work with the
        longest run; among those that share none but in blocks, the largest block.
    """
    held = Holders(inputs["runs"], tools.pairs.works)
    closest: dict[tuple[str, str], dict[str, Any]] = {}
    for pair in pairs(inputs, tools.pairs):
        row = _row(pair, tools, held)
        key = (row["made_id"], row["work_id"])
        if key not in closest or _rank(row) < _rank(closest[key]):
            closest[key] = row
    best: dict[str, tuple[int, ...]] = {}
    for (output_id, _), row in closest.items():
        best[output_id] = max(_closeness(row), best.get(output_id, ()))
    rows = [
        row | {"best": _closeness(row) == best[output_id]}
        for (output_id, _), row in sorted(closest.items())
    ]
    return Out(MATCHES.of_rows(rows))


def _closeness(row: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in _CLOSEST)


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(-value for value in _closeness(row)), row["neighbor_id"])


def _row(pair: Pair, tools: MeasureTools, held: Holders) -> dict[str, Any]:
    made, text = pair.output.row, pair.text
    found = overlap_measures.measure(
        pair.output.wording,
        text.wording,
        pair.overlap,
        tools.count_tokens,
        tools.pairs.config.whole_words,
    )
    run = found.run
    measured = {name: getattr(found, name) for name in _MEASURED}
    if not found.whole:
        measured |= dict.fromkeys(("rouge_l", "jaccard"))
    return {
        **{name: made[name] for name in ("model_id", "prompt_id", "sample", "phase")},
        **measured,
        "made_id": made["output_id"],
        "work_id": text.work["work_id"],
        "half": text.work["half"],
        "neighbor_id": text.text_id,
        "via": "words",
        "surprisal": surprisal_of(pair, [run], tools.pairs),
        "num_holders": held.count(made["output_id"], run),
        "tags": tags_of(pair, run, held, tools.pairs.config),
    }


STAGE = MapStage(
    name="measure",
    reads=READS,
    writes=MATCHES,
    config=PassagesConfig,
    open=open_measure,
    run=measure,
    uses=USES,
    per=("set",),
    version=2,
)
