"""Recognise regions: which planted parts of works would have counted as parts that came back.

The rule is that of `flag_regions`, which has looked at them like at anything else. A layout is
recognised if every image of the copy shows it: they are as few as a verdict takes. Where no prompt
of the run names a work, `partial` looks only where a descriptor leads it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.probing import RegionProbesConfig, wanted_by
from stages.tables import COPIES, FINDINGS, GENERATIONS, MATCHES, PROMPTS, UNITS
from stages.verdicts.measures import fewest

Row = Mapping[str, Any]


def recognise_regions(
    inputs: Mapping[str, Iterable[pa.Table]], config: RegionProbesConfig, kit: Kit
) -> Iterator[Out]:
    """Yield every copy that was to be planted, with what came of it.

    Args:
        inputs: `prompts` PROMPTS, `images` GENERATIONS, `matches` MATCHES and `candidates` FINDINGS
            of planted parts; `units` UNITS of the run.
        config: how many works `partial` looks at.
        kit: not used.

    Yields:
        COPIES by model, one row per work and edit; of the images of a layout `made_id` names the
        closest. One that is missing, or was not compared, is no hit.
    """
    del kit
    planned: dict[str, list[Row]] = {}
    for row in _rows(inputs["prompts"]):
        planned.setdefault(row["prompt_id"], []).append(row)
    own = {prompt_id: rows[0]["work_id"] for prompt_id, rows in planned.items()}
    models = sorted({row["model_id"] for row in _rows(inputs["images"])})
    named = any(row["prompt_ids"] for row in _rows(inputs["units"]))
    led = None if named else _led(inputs["matches"], own, config.per_half)
    found = {
        (row["model_id"], row["prompt_id"], row["method"]): row
        for row in _rows(inputs["candidates"])
        if row["work_id"] == own[row["prompt_id"]]
    }
    for model_id in models:
        yield Out(
            COPIES.of_rows(
                [_copy(model_id, rows, found, led) for _, rows in sorted(planned.items())]
            )
        )


def _copy(
    model_id: str,
    planned: list[Row],
    found: Mapping[tuple[str, str, str], Row],
    led: set[str] | None,
) -> dict[str, Any]:
    first = planned[0]
    method = wanted_by(first["origin"])
    row = found.get((model_id, first["prompt_id"], method), {"k": 0})
    made_id = row.get("best_made_id")
    seen = led is None or fewest(method) > 1 or made_id in led
    return {
        "model_id": model_id,
        "method": method,
        "work_id": first["work_id"],
        "half": first["half"],
        "edit": first["text"],
        "made_id": made_id,
        "score": row.get("score"),
        "hit": row["k"] >= len(planned) and seen,
    }


def _led(batches: Iterable[pa.Table], own: Mapping[str, str], per_half: int) -> set[str]:
    """Return the images whose own work is among those of its half that are most alike."""
    alike: dict[str, list[Row]] = {}
    for row in _rows(batches):
        if row["similarity"] is not None:
            alike.setdefault(row["made_id"], []).append(row)
    led = set()
    for made_id, rows in alike.items():
        for mine in (row for row in rows if row["work_id"] == own[row["prompt_id"]]):
            rivals = [row for row in rows if row["half"] == mine["half"]]
            if sum(row["similarity"] > mine["similarity"] for row in rivals) < per_half:
                led.add(made_id)
    return led


def _rows(batches: Iterable[pa.Table]) -> Iterator[Row]:
    for batch in batches:
        yield from batch.to_pylist()


STAGE = FoldStage(
    name="recognise_regions",
    reads={
        "prompts": columns("prompt_id sample text work_id half origin", PROMPTS),
        "images": columns("image_id model_id", GENERATIONS),
        "matches": columns("made_id prompt_id work_id half similarity", MATCHES),
        "candidates": columns("model_id prompt_id method work_id k score best_made_id", FINDINGS),
        "units": columns("prompt_ids", UNITS),
    },
    writes=COPIES,
    config=RegionProbesConfig,
    run=recognise_regions,
)
