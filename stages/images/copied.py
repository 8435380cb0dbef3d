"""Copied: works that are copied on purpose, and what planting has to know of each copy."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stages.probing import drawn
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of

_PER_BLOCK = 8
"""Works whose copies are made and measured together."""


def copied(batches: Iterable[pa.Table], number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield work_id, half and block of the works that are copied, in the order of the draw.

    Args:
        batches: work_id, half and mixed of WORKS. A work with images in both halves is never a
            finding, so it is not copied.
        number: works to take.
        seed: of the draw.
    """
    halves: dict[str, str] = {}
    for batch in batches:
        for row in batch.filter(pc.invert(batch["mixed"])).to_pylist():
            halves[row["work_id"]] = row["half"]
    for place, work_id in enumerate(drawn(halves, number, seed)):
        yield {"work_id": work_id, "half": halves[work_id], "block": place // _PER_BLOCK}


def asked(work_id: str, edit: str, seed: int, sample: int = 0) -> dict[str, Any]:
    """Return the columns of PROMPTS that say what is done to a work.

    Args:
        work_id: the work.
        edit: its name.
        seed: of the draw.
        sample: number of the image, where a copy is several.
    """
    # no model is given a caption and a context both, so no prompt of a model has such an id
    prompt_id = prompt_id_of(text=edit, context=work_id)
    return {
        "prompt_id": prompt_id,
        "sample": sample,
        "phase": "confirmation",
        "seed": seed_of(seed, prompt_id, sample),
        "text": edit,
    }
