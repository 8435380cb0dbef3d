"""Look-up: an answer for the name that was meant, and suggestions that stay suggestions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from pipeline.lookup import READS, LookupResult, lookup
from stages.contract import Reader, Table
from stages.tables import ARTISTS, FINDINGS, GENERATIONS, IMAGES, WORKS


class Shelf:
    """A dataset in memory that has one key."""

    def __init__(self, table: Table, rows: Sequence[Mapping[str, Any]], key: str) -> None:
        self.rows = table.check(table.of_rows(rows))
        self.key = key

    def read(self, names: Sequence[str]) -> pa.Table:
        return self.rows.select(list(names))

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        places = {key: row for row, key in enumerate(self.rows[self.key].to_pylist())}
        rows = pa.array([places[key] for key in ids], pa.int64())
        return self.rows.take(rows).select(list(names))


def image(image_id: str, artist: str | None, **said: Any) -> dict[str, Any]:
    row = {"image_id": image_id, "place": f"files/{image_id}.png", "sha256": "0", "format": "png"}
    row |= {"width": 8, "height": 8, "pdq": "0", "pdq_quality": 100, "caption": None}
    row |= {"title": None, "year": None, "licence": None, "url": None, "bytes": b"x"}
    return row | {"artist": artist} | said


def work(image_id: str, work_id: str, half: str) -> dict[str, Any]:
    counts = dict.fromkeys(("num_exact", "num_near", "num_pdq", "num_clip"), 1)
    row = {"image_id": image_id, "half": half, "work_id": work_id, "sha256": "0"}
    return row | counts | {"mixed": False}


def judged(model_id: str, work_id: str, verdict: str, finding_id: str | None) -> dict[str, Any]:
    row = {"model_id": model_id, "work_id": work_id, "half": "train", "artist": None}
    row |= {"title": None, "image_id": work_id, "num_images": 1, "verdict": verdict}
    looked = finding_id is not None
    return row | {"k": 3 * looked, "n": 8 * looked, "finding_id": finding_id}


FINDING = {
    "finding_id": "f1",
    "model_id": "m",
    "prompt_id": "p",
    "work_id": "a1",
    "half": "train",
    "method": "adaptive_ratio",
    "verdict": "verbatim",
    "k": 3,
    "n": 8,
    "k_low": 0.125,
    "k_high": 0.75,
    "score": 0.5,
    "threshold": 1.0,
    "control_best": 1.25,
    "num_controls": 9,
    "best_made_id": "g1",
    "neighbor_id": "a2",
    "clique_size": 3,
    "own_caption": True,
    "reason": "3 of 8 images gave the work back",
}
GENERATION = {
    "image_id": "g1",
    "model_id": "m",
    "prompt_id": "p",
    "sample": 5,
    "phase": "confirmation",
    "seed": 77,
    "sha256": "0",
    "format": "png",
    "width": 8,
    "height": 8,
    "guidance_norms": None,
    "bytes": b"x",
}


@pytest.fixture
def data() -> dict[str, Reader]:
    images = [
        image(
            "a1", "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} Marchetti", title="Ridge", year=1996
        ),
        image("a2", "Marchetti, Zoe", title=None),
        image("b1", "Zoe Marchetti", title="Another"),
        image("c1", "zoe marchetti", title="Control"),
        image("d1", "Zoe Marchett", title="Near miss"),
        image("e1", None, title="Unsigned"),
        image("f1", "Someone Else"),
    ]
    works = [
        work("a1", "a1", "train"),
        work("a2", "a1", "train"),
        work("b1", "b1", "train"),
        work("c1", "c1", "control"),
        *[work(name, name, "train") for name in ("d1", "e1", "f1")],
    ]
    none = FINDING | {"finding_id": "f2", "verdict": "none", "work_id": "c1", "half": "control"}
    artists = [
        judged("m", "a1", "verbatim", "f1"),
        judged("m", "c1", "none", "f2"),
        *[judged("m", name, "not_examined", None) for name in ("b1", "d1", "e1", "f1")],
    ]
    shelves = {
        "images": Shelf(IMAGES, images, "image_id"),
        "works": Shelf(WORKS, works, "image_id"),
        "findings": Shelf(FINDINGS, [FINDING, none], "finding_id"),
        "artists": Shelf(ARTISTS, artists, "work_id"),
        "generations": Shelf(GENERATIONS, [GENERATION], "image_id"),
    }
    assert shelves.keys() == READS.keys()
    return dict(shelves)


@pytest.mark.parametrize("name", ["Zoe Marchetti", "MARCHETTI,  zo\u00eb", "zoe  marchetti"])
def test_every_way_of_writing_a_name_finds_the_works(data: dict[str, Reader], name: str) -> None:
    result = lookup(name, data)
    assert [found.work_id for found in result.train] == ["a1", "b1"]
    assert [found.work_id for found in result.control] == ["c1"]
    assert len(result.names) == 4
    assert result.name == name


def test_what_came_back_has_its_numbers_and_its_pair(data: dict[str, Reader]) -> None:
    found = lookup("Zoe Marchetti", data).train[0]
    assert found.came_back
    assert (found.title, found.year) == ("Ridge", 1996)
    assert found.places == ("files/a1.png", "files/a2.png")
    (judgement,) = found.judgements
    assert (judgement.verdict, judgement.k, judgement.n) == ("verbatim", 3, 8)
    assert (judgement.k_low, judgement.k_high) == (0.125, 0.75)
    assert judgement.pair is not None
    assert (judgement.pair.generation_id, judgement.pair.sample) == ("g1", 5)
    assert (judgement.pair.image_id, judgement.pair.place) == ("a2", "files/a2.png")
    assert judgement.pair.seed == 77


def test_a_work_nobody_looked_for_says_so(data: dict[str, Reader]) -> None:
    unseen = lookup("Zoe Marchetti", data).train[1]
    assert not unseen.came_back
    assert unseen.judgements[0].verdict == "not_examined"
    assert unseen.judgements[0].finding_id is None
    assert "no caption of this run" in unseen.judgements[0].reason


def test_a_control_work_is_judged_but_has_no_pair(data: dict[str, Reader]) -> None:
    (control,) = lookup("Zoe Marchetti", data).control
    assert control.judgements[0].verdict == "none"
    assert control.judgements[0].pair is None


def test_a_near_miss_is_a_suggestion_and_no_answer(data: dict[str, Reader]) -> None:
    result = lookup("Zoe Marchettini", data)
    assert (result.names, result.train, result.control) == ((), (), ())
    assert "Zoe Marchett" in result.suggestions
    answered = lookup("Zoe Marchetti", data)
    assert answered.suggestions == ("Zoe Marchett",)
    assert "d1" not in {found.work_id for found in answered.train}


def test_an_unknown_name_finds_nobody(data: dict[str, Reader]) -> None:
    nobody = LookupResult(name="Qqq", names=(), train=(), control=(), suggestions=())
    assert lookup("Qqq", data) == nobody
    assert lookup("", data).names == ()


def test_images_without_a_name_belong_to_nobody(data: dict[str, Reader]) -> None:
    for name in ("None", "null", "Unsigned", " "):
        assert lookup(name, data).names == ()
