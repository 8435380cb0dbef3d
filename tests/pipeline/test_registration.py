"""Registration: decided before anything is made, and every departure is named."""

import json
from argparse import Namespace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import registration, verbs
from pipeline.custody_check import check_custody
from pipeline.custody_log import events_of
from pipeline.errors import CaseError
from pipeline.flow import FLOW, SOURCES
from pipeline.project import open_project
from pipeline.report_file import write_report
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
    store = open_project(case).store
    events = [each for each in events_of(store.root) if each.action != "step finished"]
    assert [each.action for each in events if each.action != "sources listed"] == [
        *("run started", "run ended", "registered", "run started", "run ended"),
    ]
    assert [each.about for each in events if each.action == "registered"] == [
        {"digest": answer.found["digest"]}
    ]
    assert events[0].inputs["case.yaml"] == sha256(case.read_bytes()).hexdigest()
    assert "model writer" in events[0].inputs
    assert check_custody(store).findings == ()
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


@pytest.fixture(name="wide")
def a_wide_case(tmp_path: Path) -> Path:
    """Return a case of works enough for a blind test, which has nothing to tell them by."""
    for half, numbers in (("train", range(6)), ("control", range(6, 22))):
        rows = [line(number, "") for number in numbers]
        (tmp_path / f"{half}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    save("llama", tmp_path / "writer")
    return write(tmp_path, **WIDE)


WIDE: dict[str, Any] = {
    "openings": {"works": 30, "seeds": 2, "discovery": 1, "prefix_words": 6, "suffix_words": 6},
    "probes": {"texts": 0},
    "assess": {"q": 0.36},
}


def test_a_repair_is_registered_and_one_chosen_later_is_a_departure(wide: Path) -> None:
    write(wide.parent, **WIDE, blind={"repair": "strata", "strata": 2})
    verbs.register(Namespace(), wide)
    assert verbs.run(Namespace(retry_rejected=False), wide).found["departures"] == []
    project = open_project(wide)
    registered = registration.read(project.store)
    assert registered is not None
    assert registered["decided"]["case"]["blind"]["repair"] == "strata"
    assert "made.text_balance" in registered["decided"]["datasets"]
    html = (project.store.root / "report.html").read_text(encoding="utf-8")
    assert "held against the control units of its own stratum alone" in html
    assert "This was registered before anything was made" in html
    assert "texts, within strata" in html
    # having seen that, somebody takes another one
    write(wide.parent, **WIDE, blind={"repair": "weighted", "strata": 2})
    assert registration.departures(registered, open_project(wide)) == [
        "case.assess.repair",
        "case.blind.repair",
    ]
    write_report(open_project(wide))
    html = (project.store.root / "report.html").read_text(encoding="utf-8")
    assert "This is not what was registered: whatever rests on it is exploratory" in html
    assert "case.blind.repair" in html


def test_what_can_be_found_at_all_counts_the_repair(wide: Path) -> None:
    plain = verbs.register(Namespace(), wide).found["lists"]["texts"]
    assert (plain["units"], plain["controls"], plain["fewest"]) == (6, 16, 1)
    write(wide.parent, **WIDE, run="other", blind={"repair": "strata", "strata": 2})
    found = verbs.register(Namespace(), wide).found["lists"]["texts"]
    # 1 / 17 is enough for one of six units, and a part of the controls is not
    assert (found["units"], found["controls"]) == (6, 16)
    assert found["fewest"] > 1


def test_too_few_to_learn_looks_from_are_refused_with_a_repair(case: Path) -> None:
    write(case.parent, blind={"repair": "rematch"})
    with pytest.raises(CaseError, match="enough of both halves that their looks can be learnt"):
        verbs.register(Namespace(), case)
