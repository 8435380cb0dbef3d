"""Assess: how near each unit of images came to its own works, beside the control units."""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ASSESSMENTS, GENERATIONS, MATCHES, UNITS
from stages.verdicts.standing import (
    PLACE,
    AssessConfig,
    Close,
    Measure,
    Roll,
    confirmations,
    keep,
    standing,
)
from stages.verdicts.trials import CONFIRMATION

COLUMNS = {
    "adaptive_ratio": Measure("adaptive_ratio", larger=False, primary=True),
    "similarity": Measure("clip", larger=True, primary=False),
    "l2": Measure("l2", larger=False, primary=False),
    "tiled_l2": Measure("tiled_l2", larger=False, primary=False),
}
"""Column of MATCHES -> method."""


def assess(
    inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit
) -> Iterator[Out]:
    """Yield how each unit stands against the control units, by every measure.

    Args:
        inputs: `units` UNITS, `made` GENERATIONS, `matches` MATCHES.
        config: the level.
        kit: not used.

    Yields:
        ASSESSMENTS by model, method and unit. Imported generations have no n and are not here.

    Source: statistics of a verdict, sections 2, 4 and 5.
    """
    del kit
    roll, counts = Roll(inputs["units"], config), confirmations(inputs["made"])
    closest: dict[tuple[str, str], dict[str, Close]] = {}
    for batch in inputs["matches"]:
        for row in batch.filter(pc.equal(batch["phase"], CONFIRMATION)).to_pylist():
            unit = roll.unit_of(row["prompt_id"], row["work_id"])
            if unit is None or row["model_id"] not in counts:
                continue
            for name, measure in COLUMNS.items():
                if row[name] is not None:
                    keep(closest, measure, unit, Close.of(row, row[name]))
    rows = standing(roll, counts, closest, list(COLUMNS.values()), config)
    yield Out(ASSESSMENTS.of_rows(list(rows)))


STAGE = FoldStage(
    name="assess",
    reads={
        "units": columns("work_id unit_id label prompt_ids", UNITS),
        "made": columns("model_id prompt_id phase", GENERATIONS),
        "matches": columns(" ".join(PLACE) + " phase " + " ".join(COLUMNS), MATCHES),
    },
    writes=ASSESSMENTS,
    config=AssessConfig,
    run=assess,
)
