"""Credit texts: every work of words has a row; the author is the artist, more words are closer."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from stages.contract import Kit
from stages.tables import ARTISTS, FINDINGS, TEXT_WORKS
from stages.verdicts.credit_texts import STAGE
from stages.verdicts.standing import AssessConfig
from tests.stages.tiny_texts import batches, rows_of

Row = dict[str, Any]


def work(text: str, half: str, work_id: str) -> Row:
    counts = {"num_exact": 1, "num_near": 1, "mixed": False}
    return {"text_id": text, "half": half, "work_id": work_id, "sha256": text, **counts}


def finding(name: str, work_id: str | None, verdict: str, **more: Any) -> Row:
    row = {"finding_id": name, "model_id": "m", "work_id": work_id, "verdict": verdict}
    return {**row, "method": "verbatim_words", "k": 0, "n": 8, "score": None, **more}


def credited(works: Sequence[Row], texts: Sequence[Row], findings: Sequence[Row]) -> list[Row]:
    names = list(STAGE.reads["findings"].names)
    schema = pa.schema([FINDINGS.schema.field(name) for name in names])
    wanted = STAGE.reads["texts"]
    inputs = {
        "findings": [pa.Table.from_pylist([row], schema=schema) for row in findings],
        "works": batches(STAGE, "works", TEXT_WORKS.of_rows(works)),
        "texts": batches(STAGE, "texts", wanted.of[0].of_rows(texts), 2),
    }
    outs = list(STAGE.run(inputs, AssessConfig(), Kit()))
    rows = pa.concat_tables([ARTISTS.empty(), *[out.rows for out in outs]])
    return ARTISTS.check(rows).to_pylist()


WORKS = [work("a1", "train", "a1"), work("a2", "train", "a1"), work("b1", "control", "b1")]
TEXTS = [
    *rows_of("a1", "no name", title="Sea"),
    *rows_of("a2", "one two three four five six", cut=2, author="Ana", title="The Sea"),
    *rows_of("b1", "a b", author="Bo"),
]


def test_every_work_has_a_row_signed_by_its_author() -> None:
    rows = credited(WORKS, TEXTS, [finding("f1", "a1", "verbatim_text", k=3, score=40.0)])
    shown = ("work_id", "artist", "title", "image_id", "num_images", "verdict", "k", "finding_id")
    assert [tuple(row[name] for name in shown) for row in rows] == [
        ("a1", "Ana", "The Sea", "a2", 2, "verbatim_text", 3, "f1"),
        ("b1", "Bo", None, "b1", 1, "not_examined", 0, None),
    ]
    assert [row["half"] for row in rows] == ["train", "control"]


def test_strongest_verdict_then_hits_then_more_words() -> None:
    findings = [
        finding("f1", "a1", "none", k=8, score=99.0),
        finding("f2", "a1", "near_text", k=8, score=300.0),
        finding("f3", "a1", "verbatim_text", k=2, score=90.0),
        finding("f4", "a1", "verbatim_text", k=5, score=40.0),
        finding("f5", "a1", "verbatim_text", k=5, score=50.0),
        finding("f6", None, "none", k=8),
    ]
    for order in (findings, findings[::-1]):
        assert credited(WORKS, TEXTS, order)[0]["finding_id"] == "f5"
    assert credited(WORKS, TEXTS, findings[:2])[0]["finding_id"] == "f2"
    no_score = [finding("f7", "a1", "none"), finding("f8", "a1", "none", score=9.0)]
    assert credited(WORKS, TEXTS, no_score)[0]["finding_id"] == "f8"


def test_each_model_has_every_work_and_nothing_has_none() -> None:
    findings = [finding("f1", "a1", "none"), finding("f2", None, "none", model_id="n")]
    rows = credited(WORKS, TEXTS, findings)
    assert [(row["model_id"], row["work_id"]) for row in rows] == [
        ("m", "a1"),
        ("m", "b1"),
        ("n", "a1"),
        ("n", "b1"),
    ]
    assert credited([], [], []) == []
