"""Attribute: what came back of each work of each artist.

Every work of the set has a row for every model: a work for which nothing was tried says
`not_examined`. The image that stands for a work comes from its training half if it has one, names
an artist if any does, and is otherwise the first by id.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import ARTISTS, FINDINGS, IMAGES, WORKS

UNKNOWN_MODEL = "unknown"
STRENGTH = ("verbatim", "low_diversity", "none", "not_examined")
BATCH_ROWS = 50_000


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
    strongest: dict[tuple[str, str], Mapping[str, Any]] = {}
    models: set[str] = set()
    for batch in inputs["findings"]:
        for row in batch.to_pylist():
            models.add(row["model_id"])
            key = (row["model_id"], row["work_id"])
            if row["work_id"] is not None:
                strongest[key] = min(row, strongest.get(key, row), key=_rank)
    works = _works(inputs["works"], inputs["images"])
    for model_id in sorted(models) or [UNKNOWN_MODEL]:
        for start in range(0, works.num_rows, BATCH_ROWS):
            rows = works.slice(start, BATCH_ROWS).to_pylist()
            yield Out(
                ARTISTS.of_rows(
                    [_row(row, model_id, strongest.get((model_id, row["work_id"]))) for row in rows]
                )
            )


def _rank(finding: Mapping[str, Any]) -> tuple[int, int, float, str]:
    score = float("inf") if finding["score"] is None else finding["score"]
    return STRENGTH.index(finding["verdict"]), -finding["k"], score, finding["finding_id"]


def _row(work: Mapping[str, Any], model_id: str, found: Mapping[str, Any] | None) -> dict[str, Any]:
    verdict = found or {"verdict": "not_examined", "k": 0, "n": 0, "finding_id": None}
    judged = {name: verdict[name] for name in ("verdict", "k", "n", "finding_id")}
    return {**work, "model_id": model_id, **judged}


def _works(works: Iterable[pa.Table], images: Iterable[pa.Table]) -> pa.Table:
    """Return one row per work, sorted: half, artist, title, image_id, num_images of its half."""
    named = _whole(images, ("image_id", "artist", "title"))
    rows = _whole(works, ("image_id", "half", "work_id")).join(named, "image_id")
    counts = rows.group_by(["work_id", "half"]).aggregate([([], "count_all")])
    unsigned = rows["artist"].is_null()
    order = [("work_id", "ascending"), ("half", "descending"), ("unsigned", "ascending")]
    rows = rows.append_column("unsigned", unsigned.cast(pa.int8()))
    rows = rows.sort_by([*order, ("image_id", "ascending")])
    first = ("half", "artist", "title", "image_id")
    keep_nulls = pc.ScalarAggregateOptions(skip_nulls=False)
    chosen = rows.group_by("work_id", use_threads=False).aggregate(
        [(name, "first", keep_nulls) for name in first]
    )
    chosen = chosen.rename_columns(["work_id", *first])
    counted = chosen.join(
        counts.rename_columns(["work_id", "half", "num_images"]), ["work_id", "half"]
    )
    return counted.sort_by("work_id")


def _whole(batches: Iterable[pa.Table], names: tuple[str, ...]) -> pa.Table:
    tables = [batch.select(list(names)) for batch in batches]
    blank = pa.table({name: pa.array([], pa.large_string()) for name in names})
    return pa.concat_tables(
        [t.replace_schema_metadata() for t in [blank, *tables]], promote_options="permissive"
    )


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
