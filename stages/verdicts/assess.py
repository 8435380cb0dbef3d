"""Assess: how near each unit of images came to its own works, beside the control units."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ASSESSMENTS, BALANCE, GENERATIONS, MATCHES, SCORES, UNITS
from stages.verdicts.blindfold import PLACES, places
from stages.verdicts.measures import measure_of
from stages.verdicts.standing import (
    PLACE,
    AssessConfig,
    Close,
    Level,
    Measure,
    Roll,
    Row,
    Unit,
    confirmations,
    keep,
    standing,
)
from stages.verdicts.trials import CONFIRMATION

COLUMNS = {
    "adaptive_ratio": measure_of("adaptive_ratio"),
    "similarity": measure_of("clip"),
    "l2": measure_of("l2"),
    "tiled_l2": measure_of("tiled_l2"),
}
"""Column of MATCHES -> method."""

Closest = dict[tuple[str, str], dict[str, Close]]


def assess(
    inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit
) -> Iterator[Out]:
    """Yield how each unit stands against the control units, by every measure.

    Args:
        inputs: `units` UNITS, `made` GENERATIONS, `matches` MATCHES, `scores` SCORES,
            `balance` BALANCE.
        config: the level.
        kit: not used.

    Yields:
        ASSESSMENTS by model, method and unit. Imported generations have no n and are not here.

    Source: statistics of a verdict, sections 2, 4 and 5.
    """
    del kit
    roll, counts = Roll(inputs["units"], config), confirmations(inputs["made"])
    closest: Closest = {}
    for row, unit in _judged(inputs["matches"], roll, counts):
        for name, measure in COLUMNS.items():
            if row[name] is not None:
                keep(closest, measure, unit, Close.of(row, row[name]))
    asked: dict[str, Measure] = {}
    for row, unit in _judged(_named(inputs["scores"], asked), roll, counts):
        if row["score"] is not None:
            keep(closest, asked[row["method"]], unit, Close.of(row, row["score"]))
    measures = [*COLUMNS.values(), *(asked[name] for name in sorted(asked))]
    rows = standing(roll, counts, closest, measures, Level(config, places(inputs["balance"])))
    yield Out(ASSESSMENTS.of_rows(list(rows)))


def _judged(
    batches: Iterable[pa.Table], roll: Roll, counts: Collection[str]
) -> Iterator[tuple[Row, Unit]]:
    """Yield the rows that score a unit, with the unit."""
    for batch in batches:
        for row in batch.filter(pc.equal(batch["phase"], CONFIRMATION)).to_pylist():
            unit = roll.unit_of(row["prompt_id"], row["work_id"])
            if unit is not None and row["model_id"] in counts:
                yield row, unit


def _named(batches: Iterable[pa.Table], asked: dict[str, Measure]) -> Iterator[pa.Table]:
    """Yield the batches, and note every method in them, also one that scores nothing."""
    for batch in batches:
        for name in pc.unique(batch["method"]).to_pylist():
            asked.setdefault(name, measure_of(name))
        yield batch


STAGE = FoldStage(
    name="assess",
    reads={
        "units": columns("work_id unit_id label prompt_ids", UNITS),
        "made": columns("model_id prompt_id phase", GENERATIONS),
        "matches": columns(" ".join(PLACE) + " phase " + " ".join(COLUMNS), MATCHES),
        "scores": columns(" ".join(PLACE) + " phase method score", SCORES),
        "balance": columns(" ".join(PLACES), BALANCE),
    },
    writes=ASSESSMENTS,
    config=AssessConfig,
    run=assess,
)
