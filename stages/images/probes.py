"""Probes: which pictures are copied on purpose, to measure what this run can see at all.

What is planted goes through the same stages as what the models make, so what is lost on the way is
lost here too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.images.edits import EDITS
from stages.probing import ProbesConfig, drawn
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import PROMPTS, WORKS

_PER_BLOCK = 8
"""Works whose copies are made and measured together."""


def probes(
    inputs: Mapping[str, Iterable[pa.Table]], config: ProbesConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the copies to plant.

    Args:
        inputs: `works`, WORKS of both halves. A work with images in both is never a finding, so it
            is not copied.
        config: how many.
        kit: not used.

    Yields:
        PROMPTS in the order of the draw: one row per work and edit; `text` names the edit, `seed`
        is that of its noise.

    Source: statistics of a verdict, section 7.
    """
    del kit
    halves: dict[str, str] = {}
    for batch in inputs["works"]:
        for row in batch.filter(pc.invert(batch["mixed"])).to_pylist():
            halves[row["work_id"]] = row["half"]
    rows = [
        {"work_id": work_id, "half": halves[work_id], "block": place // _PER_BLOCK}
        | _asked(work_id, edit, config.choice_seed)
        for place, work_id in enumerate(drawn(halves, config.works, config.choice_seed))
        for edit in EDITS
    ]
    yield Out(PROMPTS.of_rows(rows))


def _asked(work_id: str, edit: str, seed: int) -> dict[str, Any]:
    # no model is given a caption and a context both, so no prompt of a model has such an id
    prompt_id = prompt_id_of(text=edit, context=work_id)
    return {
        "prompt_id": prompt_id,
        "sample": 0,
        "phase": "confirmation",
        "seed": seed_of(seed, prompt_id, 0),
        "text": edit,
        "origin": "planted",
    }


STAGE = FoldStage(
    name="probes",
    reads={"works": columns("work_id half mixed", WORKS)},
    writes=PROMPTS,
    config=ProbesConfig,
    run=probes,
    cut=("block",),
)
