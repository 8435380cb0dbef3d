"""Look-up: an answer for the name that was meant, and suggestions that stay suggestions."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from pipeline.lookup import READS, TEXT_READS, LookupResult, lookup
from pipeline.lookup_text import as_json, as_text
from stages.contract import Reader, Table
from stages.tables import (
    ARTISTS,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    OUTPUTS,
    SPANS,
    TEXT_WORKS,
    TEXTS,
    WORKS,
)
from tests.pipeline.test_report_claims import NEVER, NEVER_IN_A_PORTFOLIO, claims

ESCAPE = "\x1b[31m\u202e"


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


def judged(
    model_id: str, work_id: str, verdict: str, finding_id: str | None, **family: Any
) -> dict[str, Any]:
    row = {"model_id": model_id, "work_id": work_id, "half": "train", "artist": None}
    row |= {"title": None, "image_id": work_id, "num_images": 1, "verdict": verdict}
    looked = finding_id is not None
    untested = dict.fromkeys(("artist_units", "artist_q", "q"))
    return row | {"k": 3 * looked, "n": 8 * looked, "finding_id": finding_id} | untested | family


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
    "unit_id": "a1",
    "num_units": 30,
    "num_control_units": 999,
    "num_exceeding": 0,
    "p": 0.001,
    "p_bound": 0.006,
    "q": 0.01,
    "gamma_star": None,
    "reason": "3 of 8 images gave the work back",
}
FAMILY = {"artist": "Marchetti, Zoe", "artist_units": 4, "artist_q": 0.02, "q": 0.0312}
"""An artist of four tested units; the q of a work is that of the artist's own list."""

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
        judged("m", "a1", "verbatim", "f1", **FAMILY),
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
    nobody = LookupResult(name="Qqq", names=(), train=(), control=(), families=(), suggestions=())
    assert lookup("Qqq", data) == nobody
    assert lookup("", data).names == ()


def test_images_without_a_name_belong_to_nobody(data: dict[str, Reader]) -> None:
    for name in ("None", "null", "Unsigned", " "):
        assert lookup(name, data).names == ()


def text(text_id: str, author: str | None, *, piece: int = 0, **said: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(TEXTS.schema.names)
    row |= {"piece_id": f"{text_id}-{piece}", "text_id": text_id, "piece": piece, "num_pieces": 2}
    row |= dict.fromkeys(("first_char", "first_word", "own_from", "own_to", "num_words"), 0)
    row |= {"place": f"files/{text_id}.txt", "sha256": "0", "format": "txt", "text": "words"}
    return row | {"author": author} | said


def text_work(text_id: str, half: str) -> dict[str, Any]:
    row: dict[str, Any] = {"text_id": text_id, "half": half, "work_id": text_id, "sha256": "0"}
    return row | {"num_exact": 1, "num_near": 1, "mixed": False}


def span(words: int, start: int, **said: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "set": "s",
        "output_id": "o1",
        "prompt_id": "p",
        "text_id": "x1",
        "work_id": "x1",
    }
    row |= {"half": "train", "kind": "verbatim", "in_order": True, "words": words}
    row |= {"echoed_words": 0, "text_word": 0, "edits": "[]", "level": "exact", "tags": ""}
    row |= {"output_start": start, "output_end": start + 9, "surprisal": 1.0, "num_holders": 1}
    row |= {"output_start_byte": start, "output_end_byte": start + 9}
    row |= {"text_start": 1000 + start, "text_end": 1009 + start}
    row |= {"text_start_byte": 2000 + start, "text_end_byte": 2009 + start}
    return row | said


@pytest.fixture
def texts() -> dict[str, Reader]:
    finding = FINDING | {"finding_id": "t1", "method": "verbatim_words", "work_id": "x1"}
    finding |= {"verdict": "verbatim_text", "best_made_id": "o1", "neighbor_id": "x1"}
    output: dict[str, Any] = dict.fromkeys(OUTPUTS.schema.names)
    output |= {
        "output_id": "o1",
        "set": "s",
        "model_id": "m",
        "prompt_id": "p",
        "sample": 3,
        "phase": "confirmation",
        "settings": "{}",
        "origin": "file",
        "text": "It was the best\x1b[31m of times, it was the worst",
    }
    spans = [
        span(90, 0, tags="quoted"),
        span(60, 11),
        span(70, 5, echoed_words=20),
        span(99, 30, text_id="x2"),
    ]
    title: dict[str, Any] = {"title": "Two Towns\u202e", "date": "1859"}
    pieces = [
        text("x1", "Zoe Marchetti", **title),
        text("x1", "Zoe Marchetti", piece=1, **title),
        text("x2", "Zoe Marchetti", title="Unread"),
        text("x3", "Marchetti, Zoe", title="Control"),
        text("x4", "Yan Other"),
    ]
    works = [text_work("x1", "train"), text_work("x2", "train"), text_work("x4", "train")]
    shelves = {
        "texts": Shelf(TEXTS, pieces, "piece_id"),
        "text_works": Shelf(TEXT_WORKS, [*works, text_work("x3", "control")], "text_id"),
        "text_findings": Shelf(FINDINGS, [finding], "finding_id"),
        "authors": Shelf(
            ARTISTS,
            [
                judged("m", "x1", "verbatim_text", "t1", **FAMILY | {"artist": f"Zoe{ESCAPE}"}),
                *[judged("m", name, "not_examined", None) for name in ("x2", "x3", "x4")],
            ],
            "work_id",
        ),
        "outputs": Shelf(OUTPUTS, [output], "output_id"),
        "spans": Shelf(SPANS, spans, "output_id"),
    }
    assert shelves.keys() == TEXT_READS.keys()
    return dict(shelves)


def test_an_author_is_found_as_an_artist_is(texts: dict[str, Reader]) -> None:
    result = lookup("marchetti, zo\u00eb", texts)
    assert [found.work_id for found in result.train] == ["x1", "x2"]
    assert [found.work_id for found in result.control] == ["x3"]
    first, second = result.train
    assert first.came_back
    assert not second.came_back
    assert (first.kind, first.date, first.year) == ("text", "1859", None)
    assert first.places == ("files/x1.txt",)
    assert "no caption of this run asked for it, and no prompt" in second.judgements[0].reason


def test_a_text_shows_its_longest_passage_that_counts(texts: dict[str, Reader]) -> None:
    pair = lookup("Zoe Marchetti", texts).train[0].judgements[0].pair
    assert pair is not None
    assert (pair.generation_id, pair.sample, pair.seed) == ("o1", 3, None)
    assert (pair.image_id, pair.place) == ("x1", "files/x1.txt")
    assert pair.passage is not None
    # 90 words are quoted, and of 70 only 50 did not stand in the prompt
    assert (pair.passage.words, pair.passage.text_start, pair.passage.text_end_byte) == (
        60,
        1011,
        2020,
    )
    assert pair.passage.text == "best\x1b[31m"[:9]


def test_images_and_texts_of_one_name_stand_together(
    data: dict[str, Reader], texts: dict[str, Reader]
) -> None:
    result = lookup("Zoe Marchetti", {**data, **texts})
    assert [found.kind for found in result.train] == ["image", "text", "image", "text"]
    found = as_json(result)
    assert (found["works_in_set"], found["works_examined"], found["works_came_back"]) == (4, 2, 2)
    assert found["train"][0]["judgements"][0]["pair"]["passage"] is None
    alone = as_json(lookup("Zoe Marchetti", data))
    assert (alone["works_in_set"], alone["works_came_back"]) == (2, 1)


def test_a_terminal_is_told_where_and_obeys_nothing(texts: dict[str, Reader]) -> None:
    said = as_text(lookup("Zoe Marchetti", texts))
    assert "Two Towns, 1859" in said
    assert "verbatim_text: 3 of 8 attempts" in said
    assert "characters 1,011 to 1,020 of the work, bytes 2,011 to 2,020" in said
    assert "(attempt 3, no seed stated)" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert as_text(lookup("Nobody", texts)).startswith("nobody in this run is called Nobody")


def test_a_name_has_the_numbers_of_its_own_list_and_not_those_of_the_run(
    data: dict[str, Reader],
) -> None:
    result = lookup("Zoe Marchetti", data)
    (family,) = result.families
    assert (family.artist, family.model_id, family.method) == (
        "Marchetti, Zoe",
        "m",
        "adaptive_ratio",
    )
    assert (family.units, family.q) == (4, 0.02)
    (judgement,) = result.train[0].judgements
    assert judgement.q == 0.0312
    said = as_text(result)
    assert "4 units tested together, q 0.02 over artists" in said
    assert "at most 2 % are named wrongly, on average over runs" in said
    # rounded up, so that nothing is promised that does not hold
    assert "q 0.0312 in the list of this artist alone" in said
    assert "at most 3.2 % are false on average" in said
    assert "0.01" not in said.replace("0.0312", "")
    found = as_json(result)
    assert found["families"][0]["q"] == 0.02
    assert found["families"][0]["standing"] in said
    assert found["train"][0]["judgements"][0]["q"] == 0.0312
    assert found["train"][0]["judgements"][0]["standing"] in said
    assert found["train"][1]["judgements"][0]["q"] is None
    assert lookup("Someone Else", data).families == ()
    assert "no unit of theirs was tested" in as_text(lookup("Someone Else", data))


def test_a_work_outside_its_artists_list_says_so(data: dict[str, Reader]) -> None:
    rows = [judged("m", "a1", "verbatim", "f1", **FAMILY | {"q": 1.0})]
    data["artists"] = Shelf(ARTISTS, rows, "work_id")
    assert "it is on no such list" in as_text(lookup("Zoe Marchetti", data))


def test_what_was_made_elsewhere_has_no_p_and_no_q(data: dict[str, Reader]) -> None:
    rows = [judged("imported", "a1", "verbatim", "f1", **FAMILY)]
    data["artists"] = Shelf(ARTISTS, rows, "work_id")
    result = lookup("Zoe Marchetti", data)
    assert "made elsewhere, so there is no p and no q" in as_text(result)
    assert "q 0." not in as_text(result)
    assert result.families == ()
    assert as_json(result)["train"][0]["judgements"][0]["q"] is None


def test_a_look_up_says_nothing_that_must_not_be_said(
    data: dict[str, Reader], texts: dict[str, Reader]
) -> None:
    for name in ("Zoe Marchetti", "Someone Else", "Yan Other", "Nobody"):
        result = lookup(name, {**data, **texts})
        for said in (as_text(result), json.dumps(as_json(result))):
            assert not claims(said, (*NEVER, *NEVER_IN_A_PORTFOLIO))
        for line in as_text(result).splitlines():
            assert "interval" not in line or re.search(r"\d+ of \d+ (seeds|attempts)", line)
