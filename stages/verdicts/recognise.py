"""Recognise: which planted copies of pictures would have counted as works that came back.

The rule is that of `flag`: closest to its own work, and below the threshold of the model. Where no
prompt of the run names a work, being led to it by the prompt of the copy is no recognition.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.probing import ProbesConfig
from stages.tables import COPIES, GENERATIONS, MATCHES, PROMPTS, THRESHOLDS, UNITS

METHOD = "adaptive_ratio"

Row = Mapping[str, Any]


def recognise(
    inputs: Mapping[str, Iterable[pa.Table]], config: ProbesConfig, kit: Kit
) -> Iterator[Out]:
    """Yield every copy that was to be planted, with what came of it.

    Args:
        inputs: `prompts` PROMPTS, `images` GENERATIONS and `matches` MATCHES of planted copies;
            `thresholds` THRESHOLDS and `units` UNITS of the run.
        config: not used.
        kit: not used.

    Yields:
        COPIES by model and work, edits in their order. An edit of which a model made no copy at all
        is left out: it cannot make such copies. One that is missing, or was not compared, is no
        hit.
    """
    del config, kit
    asked = {row["prompt_id"]: row for row in _rows(inputs["prompts"])}
    named = any(row["prompt_ids"] for row in _rows(inputs["units"]))
    marks = {
        row["model_id"]: row["threshold"]
        for row in _rows(inputs["thresholds"])
        if row["method"] == METHOD
    }
    own = {
        row["made_id"]: row
        for row in _rows(inputs["matches"])
        if row["work_id"] == asked[row["prompt_id"]]["work_id"]
    }
    for model_id, made in sorted(_made(inputs["images"]).items()):
        possible = {asked[prompt_id]["text"] for prompt_id in made}
        rows = [
            _found(own.get(made.get(prompt_id, "")), marks.get(model_id), named=named)
            | {"model_id": model_id, "method": METHOD, "made_id": made.get(prompt_id)}
            | {"work_id": prompt["work_id"], "half": prompt["half"], "edit": prompt["text"]}
            for prompt_id, prompt in asked.items()
            if prompt["text"] in possible
        ]
        rows.sort(key=lambda row: row["work_id"])
        yield Out(COPIES.of_rows(rows))


def _made(batches: Iterable[pa.Table]) -> dict[str, dict[str, str]]:
    """Return the copy of each prompt, by model; two entries of one model make the same twice."""
    made: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _rows(batches):
        first = made[row["model_id"]].get(row["prompt_id"], row["image_id"])
        made[row["model_id"]][row["prompt_id"]] = min(first, row["image_id"])
    return made


def _found(match: Row | None, threshold: float | None, *, named: bool) -> dict[str, Any]:
    if match is None or match["adaptive_ratio"] is None:
        return {"score": None, "hit": False}
    score = match["adaptive_ratio"]
    led = named or match["via"] != "caption"
    hit = match["best"] and threshold is not None and score < threshold and led
    return {"score": score, "hit": hit}


def _rows(batches: Iterable[pa.Table]) -> Iterator[Row]:
    for batch in batches:
        yield from batch.to_pylist()


STAGE = FoldStage(
    name="recognise",
    reads={
        "prompts": columns("prompt_id text work_id half", PROMPTS),
        "images": columns("image_id model_id prompt_id", GENERATIONS),
        "matches": columns("made_id prompt_id work_id via best adaptive_ratio", MATCHES),
        "thresholds": columns("model_id method threshold", THRESHOLDS),
        "units": columns("prompt_ids", UNITS),
    },
    writes=COPIES,
    config=ProbesConfig,
    run=recognise,
)
