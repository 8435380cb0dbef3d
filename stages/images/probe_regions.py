"""Probe regions: which works are copied in part, as a layout or as a region among other things.

A layout is what several images share, so that one copy of it is a group of images, the fewest that
give a verdict.
"""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.images.copied import asked, copied
from stages.images.region_edits import REGION_EDITS
from stages.probing import RegionProbesConfig, part_of
from stages.tables import PROMPTS, WORKS


def probe_regions(
    inputs: Mapping[str, Iterable[pa.Table]], config: RegionProbesConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the copies to plant.

    Args:
        inputs: `works`, WORKS of both halves.
        config: how many, and for which verdicts.
        kit: not used.

    Yields:
        PROMPTS in the order of the draw: one row per work, edit and image; `text` names the edit,
        `origin` the method that is to find it.

    Source: statistics of a verdict, section 7.
    """
    del kit
    seed = config.choice_seed
    rows = [
        work | asked(work["work_id"], name, seed, sample) | {"origin": part_of(edit.method)}
        for work in copied(inputs["works"], config.works, seed)
        for name, edit in REGION_EDITS.items()
        if edit.method in config.methods
        for sample in range(config.layout_seeds if edit.shared else 1)
    ]
    yield Out(PROMPTS.of_rows(rows))


STAGE = FoldStage(
    name="probe_regions",
    reads={"works": columns("work_id half mixed", WORKS)},
    writes=PROMPTS,
    config=RegionProbesConfig,
    run=probe_regions,
    cut=("block",),
)
