"""Attribute: what came back of each work of each artist; `stages.verdicts.credits` says how."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ARTISTS, FINDINGS, IMAGES, WORKS
from stages.verdicts.credits import credit


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeConfig:
    """The attribute stage has no knobs: the strongest verdict of a work is what the rows say."""


def attribute(
    inputs: Mapping[str, Iterable[pa.Table]], config: AttributeConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the strongest verdict on every work, by model and work.

    Args:
        inputs: `findings` FINDINGS, `works` WORKS, `images` IMAGES of both halves.
        config: nothing.
        kit: not used.

    Yields:
        ARTISTS. The strongest finding of a work is the one with the strongest verdict, then the
        most hits, then the smallest score.
    """
    del config, kit
    yield from credit(inputs["findings"], inputs["works"], inputs["images"], larger=False)


STAGE = FoldStage(
    name="attribute",
    reads={
        "findings": columns("finding_id model_id work_id verdict k n score", FINDINGS),
        "works": columns("image_id half work_id", WORKS),
        "images": columns("image_id artist title", IMAGES),
    },
    writes=ARTISTS,
    config=AttributeConfig,
    run=attribute,
)
