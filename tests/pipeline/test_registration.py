"""Registration: decided before anything is made, and every departure is named."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import registration, verbs
from pipeline.errors import CaseError
from pipeline.flow import FLOW, SOURCES
from pipeline.project import open_project
from pipeline.steps import check
from tests.stages.tiny_writers import save

WORDS = ["amber", "birch", "cedar", "dune", "elm", "fern", "grove", "heath", "iris", "juniper"]


WRITER = {
    "model": {"path": "writer"},
    "prompt_tokens": 20,
    "new_tokens": 8,
    "suffix_tokens": 8,
}


def line(number: int, half: str) -> str:
    """Return a work of words that no other work has in this order."""
    words = [f"{WORDS[(place * (3 + number)) % 10]}{half}{number}{place}" for place in range(60)]
    return json.dumps({"text": " ".join(words), "title": f"{half} {number}", "author": half})


@pytest.fixture(name="case")
def a_case(tmp_path: Path) -> Path:
    for half, count in (("train", 4), ("control", 9)):
        rows = [line(number, half) for number in range(count)]
        (tmp_path / f"{half}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    save("llama", tmp_path / "writer")
    return write(tmp_path)


def write(folder: Path, **sections: Any) -> Path:
    case = {
        "name": "tiny",
        "train_texts": {"sources": [{"path": "train.jsonl"}]},
        "control_texts": {"sources": [{"path": "control.jsonl"}]},
        "writers": {"tiny": WRITER},
        "openings": {"works": 9, "seeds": 3, "discovery": 1, "prefix_words": 6, "suffix_words": 6},
        "assess": {"q": 0.2},
        "cluster": {"kind": "inline"},
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(case | sections))
    return path


def test_what_comes_before_making_fits_together_by_itself() -> None:
    steps = registration.before_making(FLOW)
    check(steps, SOURCES)
    written = {step.writes for step in steps}
    assert {"made.prompts", "made.units", "input.index", "made.openings"} <= written
    assert not written & {*registration.MADE, "made.matches", "made.findings", "made.assessments"}


def test_a_registered_run_says_so_and_names_its_departures(case: Path) -> None:
    answer = verbs.register(Namespace(), case)
    assert answer.found["lists"]["texts"] == {
        "units": 4,
        "controls": 9,
        "fewest": 2,
        "for_one": 19,
    }
    assert answer.found["digest"] in answer.text
    again = verbs.register(Namespace(), case)
    assert again.found == answer.found
    ran = verbs.run(Namespace(retry_rejected=False), case).found
    assert (ran["registered"], ran["departures"]) == (answer.found["digest"], [])
    write(
        case.parent,
        assess={"q": 0.3},
        writers={"tiny": WRITER | {"new_tokens": 9}},
    )
    project = open_project(case)
    registered = registration.read(project.store)
    assert registered is not None
    assert registration.departures(registered, project) == [
        "case.assess.q",
        "case.writers.tiny.new_tokens",
    ]
    with pytest.raises(CaseError, match="rows are there already"):
        verbs.register(Namespace(), case)


def test_a_level_out_of_reach_is_refused_and_says_what_it_needs(case: Path) -> None:
    write(case.parent, assess={"q": 0.01})
    with pytest.raises(CaseError, match="needs 99 controls, and a single finding 399"):
        verbs.register(Namespace(), case)
    assert registration.read(open_project(case).store) is None


def test_another_registration_is_never_overwritten(case: Path) -> None:
    verbs.register(Namespace(), case)
    write(case.parent, assess={"q": 0.25})
    with pytest.raises(CaseError, match="another registration is there"):
        verbs.register(Namespace(), case)


def test_a_changed_registration_is_found_out(case: Path) -> None:
    verbs.register(Namespace(), case)
    store = open_project(case).store
    path = registration.path_of(store)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"q": 0.2', '"q": 0.9'), encoding="utf-8")
    with pytest.raises(CaseError, match="does not have its digest"):
        registration.read(store)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CaseError, match="cannot be read"):
        registration.read(store)
