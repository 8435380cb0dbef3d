"""Assess texts: how many words each unit gave back of its own works, beside the control units."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ASSESSMENTS, BALANCE, MATCHES, OUTPUTS, SPANS, UNITS
from stages.verdicts.blindfold import PLACES, places
from stages.verdicts.excuses import KINDS, Excuses, score_of
from stages.verdicts.standing import (
    PLACE,
    AssessConfig,
    Close,
    Level,
    Measure,
    Roll,
    confirmations,
    keep,
    standing,
)
from stages.verdicts.trials import CONFIRMATION

_SPANS = ["output_id", "work_id", "kind", "words", "echoed_words", "tags"]
_LONG = 20
"""Words from which on a passage that says little speaks against what stands beside it; it is the
least of near-verbatim ones."""

MEASURES = {kind: Measure(kind.method, larger=True, primary=True) for kind in KINDS}
"""Kind of passage -> method; each has a verdict of its own, so each is primary."""


def assess_texts(
    inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit
) -> Iterator[Out]:
    """Yield how each unit stands against the control units, by runs and by near-verbatim blocks.

    Args:
        inputs: `units` UNITS, `made` OUTPUTS, `matches` MATCHES of texts, `spans` SPANS,
            `balance` BALANCE.
        config: the level.
        kit: not used.

    Yields:
        ASSESSMENTS by model, method and unit. A passage that says little of its work (quoted,
        common, boilerplate) scores for no unit, test or control.

    Source: statistics of a verdict, sections 2, 4 and 5.
    """
    del kit
    roll, counts = Roll(inputs["units"], config), confirmations(inputs["made"])
    excuses = Excuses.of(_spans(inputs["spans"], roll), {kind.name: _LONG for kind in KINDS})
    closest: dict[tuple[str, str], dict[str, Close]] = {}
    for batch in inputs["matches"]:
        for row in batch.filter(pc.equal(batch["phase"], CONFIRMATION)).to_pylist():
            unit = roll.unit_of(row["prompt_id"], row["work_id"])
            if unit is None or row["model_id"] not in counts or row["run_words"] is None:
                continue
            for kind, measure in MEASURES.items():
                if (score := score_of(row, kind, excuses)) is not None:
                    keep(closest, measure, unit, Close.of(row, float(score)))
    # only images are made in rounds
    fixed = replace(config, design="fixed")
    level = Level(fixed, places(inputs["balance"]))
    rows = standing(roll, counts, closest, list(MEASURES.values()), level)
    yield Out(ASSESSMENTS.of_rows(list(rows)))


def _spans(batches: Iterable[pa.Table], roll: Roll) -> pa.Table:
    """Return the passages in works of a unit."""
    works = pa.array(sorted(roll.works), pa.large_string())
    kept = [batch.filter(pc.is_in(batch["work_id"], value_set=works)) for batch in batches]
    blank = SPANS.empty().select(_SPANS)
    return pa.concat_tables([each.replace_schema_metadata() for each in (blank, *kept)])


STAGE = FoldStage(
    name="assess_texts",
    reads={
        "units": columns("work_id unit_id label prompt_ids", UNITS),
        "made": columns("model_id prompt_id phase", OUTPUTS),
        "matches": columns(" ".join(PLACE) + " phase run_words near_block_words tags", MATCHES),
        "spans": columns(" ".join(_SPANS), SPANS),
        "balance": columns(" ".join(PLACES), BALANCE),
    },
    writes=ASSESSMENTS,
    config=AssessConfig,
    run=assess_texts,
)
