"""Credit texts: what came back of each work of each author; `stages.verdicts.credits` says how."""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ARTISTS, FINDINGS, TEXT_WORKS, TEXTS
from stages.verdicts.credits import READ, credit
from stages.verdicts.standing import AssessConfig


def credit_texts(
    inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the strongest verdict on every work of words, by model and work.

    Args:
        inputs: `findings` FINDINGS of texts, `works` TEXT_WORKS, `texts` TEXTS of both halves.
        config: the level.
        kit: not used.

    Yields:
        ARTISTS; the author is the artist, and `image_id` names the text that stands for the work.
        The strongest finding of a work is the one with the strongest verdict, then the most hits,
        then the largest score.
    """
    del kit
    works = (batch.rename_columns(["image_id", "half", "work_id"]) for batch in inputs["works"])
    # a text of several pieces is one text
    first = (batch.filter(pc.equal(batch["piece"], 0)) for batch in inputs["texts"])
    signed = (
        batch.select(["text_id", "author", "title"]).rename_columns(["image_id", "artist", "title"])
        for batch in first
    )
    families = config.repair != "weighted"
    yield from credit(inputs["findings"], works, signed, level=config.q, families=families)


STAGE = FoldStage(
    name="credit_texts",
    reads={
        "findings": columns(READ, FINDINGS),
        "works": columns("text_id half work_id", TEXT_WORKS),
        "texts": columns("text_id piece author title", TEXTS),
    },
    writes=ARTISTS,
    config=AssessConfig,
    run=credit_texts,
)
