"""Attribute: every work has a row; the strongest finding speaks for it."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from stages.contract import Kit
from stages.tables import ARTISTS, FINDINGS, IMAGES, WORKS
from stages.verdicts.attribute import STAGE
from stages.verdicts.standing import AssessConfig


def work(image: str, half: str, work_id: str) -> dict[str, Any]:
    counts = dict.fromkeys(("num_exact", "num_near", "num_pdq", "num_clip"), 1)
    row = {"image_id": image, "half": half, "work_id": work_id, "sha256": image}
    return row | counts | {"mixed": False}


def finding(name: str, work_id: str | None, verdict: str, **more: Any) -> dict[str, Any]:
    row = {
        "finding_id": name,
        "model_id": "m",
        "work_id": work_id,
        "method": "adaptive_ratio",
        "unit_id": None,
        "p": None,
        "verdict": verdict,
        "k": 0,
        "n": 8,
        "score": None,
    }
    return row | more


def attributed(
    works: Sequence[dict[str, Any]],
    images: Sequence[tuple[str, str | None, str | None]],
    findings: Sequence[dict[str, Any]],
    **knobs: Any,
) -> list[dict[str, Any]]:
    names = list(STAGE.reads["findings"].names)
    schema = pa.schema([FINDINGS.schema.field(name) for name in names])
    images_schema = pa.schema([IMAGES.schema.field(n) for n in ("image_id", "artist", "title")])
    columns = [list(column) for column in zip(*images, strict=True)] or [[], [], []]
    table = pa.table(
        [pa.array(column, pa.large_string()) for column in columns], schema=images_schema
    )
    inputs = {
        "findings": [pa.Table.from_pylist([row], schema=schema) for row in findings],
        "works": [WORKS.of_rows(works).select(["image_id", "half", "work_id"])],
        "images": [table.slice(i, 2) for i in range(0, max(1, len(table)), 2)],
    }
    outs = list(STAGE.run(inputs, AssessConfig(**knobs), Kit()))
    rows = pa.concat_tables([ARTISTS.empty(), *[out.rows for out in outs]])
    return ARTISTS.check(rows).to_pylist()


WORK_ROWS = [work("a1", "train", "a1"), work("a2", "train", "a1"), work("b1", "control", "b1")]
IMAGE_ROWS = [("a1", None, "Untitled"), ("a2", "Ana", "Sea"), ("b1", "Bo", None)]


def test_every_work_has_a_row_and_the_unlooked_say_so() -> None:
    rows = attributed(WORK_ROWS, IMAGE_ROWS, [finding("f1", "a1", "verbatim", k=3, score=0.5)])
    assert [(row["work_id"], row["verdict"], row["k"], row["n"]) for row in rows] == [
        ("a1", "verbatim", 3, 8),
        ("b1", "not_examined", 0, 0),
    ]
    assert rows[0]["finding_id"] == "f1"
    assert rows[1]["finding_id"] is None


def test_weighted_p_values_make_no_families() -> None:
    found = [finding("f1", "a1", "verbatim", k=3, score=0.5, unit_id="a1", p=0.01)]
    for repair, units in (("none", 1), ("rematch", 1), ("strata", 1), ("weighted", None)):
        row = attributed(WORK_ROWS, IMAGE_ROWS, found, repair=repair)[0]
        assert row["artist_units"] == units
        assert (row["artist_q"] is None) == (row["q"] is None) == (units is None)
        assert row["verdict"] == "verbatim"


def test_a_signed_image_stands_for_the_work() -> None:
    row = attributed(WORK_ROWS, IMAGE_ROWS, [])[0]
    assert (row["image_id"], row["artist"], row["title"]) == ("a2", "Ana", "Sea")
    assert row["num_images"] == 2
    assert row["half"] == "train"


def test_a_work_in_both_halves_is_shown_by_its_training_image() -> None:
    works = [work("a1", "control", "a1"), work("z1", "train", "a1"), work("z2", "train", "a1")]
    (row,) = attributed(works, [("a1", "Ana", "x"), ("z1", None, "y"), ("z2", None, "w")], [])
    assert (row["half"], row["image_id"], row["num_images"]) == ("train", "z1", 2)
    assert row["artist"] is None


def test_strongest_verdict_then_hits_then_score() -> None:
    findings = [
        finding("f1", "a1", "none", k=8),
        finding("f2", "a1", "verbatim", k=2, score=0.1),
        finding("f3", "a1", "verbatim", k=5, score=0.4),
        finding("f4", "a1", "verbatim", k=5, score=0.3),
        finding("f5", None, "low_diversity", k=8),
    ]
    for order in (findings, findings[::-1]):
        assert attributed(WORK_ROWS, IMAGE_ROWS, order)[0]["finding_id"] == "f4"


def test_each_model_has_every_work() -> None:
    findings = [finding("f1", "a1", "none"), finding("f2", None, "none", model_id="n")]
    rows = attributed(WORK_ROWS, IMAGE_ROWS, findings)
    assert [(row["model_id"], row["work_id"]) for row in rows] == [
        ("m", "a1"),
        ("m", "b1"),
        ("n", "a1"),
        ("n", "b1"),
    ]


def test_empty_set_and_no_model() -> None:
    assert attributed([], [], []) == []
    assert {row["model_id"] for row in attributed(WORK_ROWS, IMAGE_ROWS, [])} == {"unknown"}
