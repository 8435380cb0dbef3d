"""Attribute: what came back of each work of each artist; `stages.verdicts.credits` says how."""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ARTISTS, FINDINGS, IMAGES, WORKS
from stages.verdicts.credits import READ, credit
from stages.verdicts.standing import AssessConfig


def attribute(
    inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the strongest verdict on every work, by model and work.

    Args:
        inputs: `findings` FINDINGS, `works` WORKS, `images` IMAGES of both halves.
        config: the level.
        kit: not used.

    Yields:
        ARTISTS. The strongest finding of a work is the one with the strongest verdict, then the
        most hits, then the closest score.
    """
    del kit
    families = config.repair != "weighted"
    yield from credit(
        inputs["findings"], inputs["works"], inputs["images"], level=config.q, families=families
    )


STAGE = FoldStage(
    name="attribute",
    reads={
        "findings": columns(READ, FINDINGS),
        "works": columns("image_id half work_id", WORKS),
        "images": columns("image_id artist title", IMAGES),
    },
    writes=ARTISTS,
    config=AssessConfig,
    run=attribute,
)
