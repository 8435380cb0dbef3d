"""Probes: which pictures are copied on purpose, to measure what this run can see at all.

What is planted goes through the same stages as what the models make, so what is lost on the way is
lost here too.
"""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.images.copied import asked, copied
from stages.images.edits import EDITS
from stages.probing import PLANTED, ProbesConfig
from stages.tables import PROMPTS, WORKS


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
    seed = config.choice_seed
    rows = [
        work | asked(work["work_id"], edit, seed) | {"origin": PLANTED}
        for work in copied(inputs["works"], config.works, seed)
        for edit in EDITS
    ]
    yield Out(PROMPTS.of_rows(rows))


STAGE = FoldStage(
    name="probes",
    reads={"works": columns("work_id half mixed", WORKS)},
    writes=PROMPTS,
    config=ProbesConfig,
    run=probes,
    cut=("block",),
)
