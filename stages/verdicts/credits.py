"""Credits: one row per work, with the strongest finding on it; shared by images and texts.

Every work of the set has a row for every model: a work for which nothing was tried says
`not_examined`. The piece that stands for a work comes from its training half if it has one, names
a maker if any does, and is otherwise the first by id.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Out
from stages.tables import ARTISTS
from stages.verdicts.kin import Kin, kin
from stages.verdicts.measures import larger
from stages.verdicts.shorter import raised
from stages.verdicts.trials import UNKNOWN_MODEL

STRENGTH = (
    "verbatim",
    "template",
    "partial",
    "verbatim_text",
    "near_text",
    "low_diversity",
    "none",
    "not_examined",
)
READ = "finding_id model_id work_id method verdict k n score unit_id p"
"""Columns of FINDINGS that are credited."""

BATCH_ROWS = 50_000


def credit(
    findings: Iterable[pa.Table],
    works: Iterable[pa.Table],
    signed: Iterable[pa.Table],
    *,
    level: float,
    families: bool = True,
) -> Iterator[Out]:
    """Yield the strongest verdict on every work, by model and work.

    Args:
        findings: the columns of `READ`.
        works: image_id, half and work_id of every piece.
        signed: image_id, artist and title of every piece.
        level: false discovery rate of the run.
        families: whether makers are tested as families; weighted p-values must not be.

    Yields:
        ARTISTS. The strongest finding of a work is the one with the strongest verdict, then the
        most hits, then the closest score.
    """
    strongest: dict[tuple[str, str], Mapping[str, Any]] = {}
    models: set[str] = set()
    tested: list[Mapping[str, Any]] = []
    for batch in findings:
        for row in batch.to_pylist():
            models.add(row["model_id"])
            if row["p"] is not None:
                tested.append(row)
            key = (row["model_id"], row["work_id"])
            if row["work_id"] is not None:
                both = (row, strongest.get(key, row))
                strongest[key] = min(both, key=_rank)
    known = _works(works, signed)
    names = known.select(["work_id", "artist"]).to_pylist()
    makers = {row["work_id"]: row["artist"] for row in names}
    family = kin(raised(tested if families else []), makers, level)
    for model_id in sorted(models) or [UNKNOWN_MODEL]:
        for start in range(0, known.num_rows, BATCH_ROWS):
            rows = known.slice(start, BATCH_ROWS).to_pylist()
            yield Out(
                ARTISTS.of_rows(
                    [
                        _row(row, model_id, strongest.get((model_id, row["work_id"])), family)
                        for row in rows
                    ]
                )
            )


def _rank(finding: Mapping[str, Any]) -> tuple[int, int, float, str]:
    score = finding["score"]
    distance = float("inf") if score is None else -score if larger(finding["method"]) else score
    return STRENGTH.index(finding["verdict"]), -finding["k"], distance, finding["finding_id"]


def _row(
    work: Mapping[str, Any],
    model_id: str,
    found: Mapping[str, Any] | None,
    family: Mapping[tuple[str, str, str], Kin],
) -> dict[str, Any]:
    verdict = found or {"verdict": "not_examined", "k": 0, "n": 0, "finding_id": None}
    judged = {name: verdict[name] for name in ("verdict", "k", "n", "finding_id")}
    stands = family.get((model_id, found["method"], found["unit_id"] or "")) if found else None
    numbers = {
        "artist_units": stands.artist_units if stands else None,
        "artist_q": stands.artist_q if stands else None,
        "q": stands.q if stands else None,
    }
    return {**work, "model_id": model_id, **judged, **numbers}


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
