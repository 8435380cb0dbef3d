"""Decisions of reviewers: read strictly, told beside the item, agreement and errors in numbers.

Three findings: both reviewers say the first was copied; they disagree on the second, and a third
person rules; one alone decided on the last.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.case import load
from pipeline.errors import CaseError
from pipeline.evidence.bates import open_register
from pipeline.evidence.contents import contents
from pipeline.evidence.material import open_material
from pipeline.evidence.report_pdf import Printer
from pipeline.evidence.review_read import read_reviews
from pipeline.evidence.reviews import ReviewsConfig
from pipeline.project import Project
from tests.pipeline.test_bundle_contents import files, read_json
from tests.pipeline.test_bundle_production import rows_of
from tests.pipeline.test_report import Page
from tests.pipeline.tiny_run import CANARY, HOSTILE, OVERRIDE, options, planted

WHEN = "2026-10-01T12:00:00Z"
DECOYS = [f"{number:064x}" for number in range(100, 104)]
Row = dict[str, Any]


def row(finding: str, reviewer: str, decision: str, **more: Any) -> Row:
    found = {"finding": finding, "reviewer": reviewer, "decision": decision, "utc": WHEN}
    return found | more


def write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")


def asked(project: Project, **named: str) -> Project:
    """Return a project whose case names files of a review, all beside the case file."""
    config = ReviewsConfig(**named)
    return replace(project, case=replace(project.case, reviews=config))


def built(project: Project, home: Path) -> Path:
    scratch = home / "scratch"
    scratch.mkdir(parents=True)
    register = open_register(project.store.root, options().numbering)
    for name, raw in contents(open_material(project), register, options(), scratch):
        path = home / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw if isinstance(raw, bytes) else raw.read_bytes())
    return home / "data"


class Silent(Printer):
    """Prints nothing: what reviewers decided is on the pages that are printed elsewhere."""

    def report(self, *_: object) -> Iterator[tuple[str, Path]]:
        yield from ()

    def add(self, *_: object) -> Iterator[tuple[str, Path]]:
        yield from ()


@pytest.fixture(autouse=True, scope="module")
def no_report() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.evidence.contents.Printer", Silent)
        patch.setattr("pipeline.evidence.contents.report_html", lambda _: b"<p>")
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return planted(tmp_path_factory.mktemp("reviewed") / "case")


@pytest.fixture(scope="module")
def ids(project: Project) -> list[str]:
    return [each["finding_id"] for each in open_material(project).items]


@pytest.fixture(scope="module")
def decided(project: Project, ids: list[str]) -> Project:
    one, two, three = ids
    made = open_material(project).items[0]["best_made_id"]
    rows = [
        row(two, "R02", "not_copied", note=f"see https://a:{CANARY}@b.org/?k={CANARY}"),
        row(one, "R01", "copied", seconds=41.5, made=made),
        row(one, "R02", "copied"),
        row(two, "R01", "copied", note=HOSTILE[0] + OVERRIDE),
        row(three, "R01", "unsure"),
        *(row(key, "R01", "not_copied") for key in DECOYS),
        row(DECOYS[0], "R02", "partly_copied"),
    ]
    write(project.folder / "decisions.jsonl", rows)
    write(project.folder / "rulings.jsonl", [row(two, "R09", "partly_copied", note="a crop")])
    truths = [{"finding": key, "truth": "not_copied"} for key in DECOYS[:3]]
    write(project.folder / "decoys.jsonl", [*truths, {"finding": DECOYS[3], "truth": "copied"}])
    (project.folder / "protocol.md").write_text("# What we asked\n", encoding="utf-8")
    return asked(
        project,
        decisions="decisions.jsonl",
        adjudications="rulings.jsonl",
        decoys="decoys.jsonl",
        protocol="protocol.md",
    )


@pytest.fixture(scope="module")
def data(decided: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(decided, tmp_path_factory.mktemp("out"))


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_decisions_stand_in_the_bundle_by_item(data: Path, decided: Project) -> None:
    assert {path.name for path in (data / "5_review").iterdir()} == {
        *("decisions.jsonl", "adjudications.jsonl", "agreement.json", "protocol.md"),
        *("decoys.jsonl", "reviewer_error.json"),
    }
    rows = lines(data / "5_review" / "decisions.jsonl")
    assert [(each["item"][-1], each["reviewer"], each["decision"]) for each in rows] == [
        *(("1", "R01", "copied"), ("1", "R02", "copied")),
        *(("2", "R01", "copied"), ("2", "R02", "not_copied"), ("3", "R01", "unsure")),
    ]
    assert rows[0]["seconds"] == 41.5
    assert rows[3]["note"] == "see https://b.org/?(removed)"
    (ruling,) = lines(data / "5_review" / "adjudications.jsonl")
    assert (ruling["item"], ruling["decision"]) == ("ITEM-000002", "partly_copied")
    assert (data / "5_review" / "protocol.md").read_text() == "# What we asked\n"
    read = read_json(data / "5_review" / "agreement.json")["sha256_of_the_files_read"]
    raw = (decided.folder / "decisions.jsonl").read_bytes()
    assert read["decisions"] == sha256(raw).hexdigest()
    assert [name for name, held in files(data).items() if CANARY.encode() in held] == []


def test_agreement_is_that_of_the_two_items_that_both_judged(data: Path) -> None:
    found = read_json(data / "5_review" / "agreement.json")
    assert found["outcomes"] == {"copied": 1, "partly_copied": 1, "unsure": 1}
    assert found["reviewers"] == {
        "R01": {"copied": 2, "unsure": 1},
        "R02": {"copied": 1, "not_copied": 1},
    }
    (pair,) = found["pairs"]
    assert (pair["reviewers"], pair["items"], pair["agreed"]) == (["R01", "R02"], 2, 1)
    # Clopper-Pearson of 1 in 2: the roots of p^2 = 0.025 and (1 - p)^2 = 0.025
    low = 1 - 0.975**0.5
    assert pair["share_agreed_interval"] == pytest.approx([low, 1 - low])
    # p_o = 1/2, p_e = (2/2 * 1/2) = 1/2
    assert pair["cohen_kappa"]["value"] == pytest.approx(0)
    # o_cc = 2, o_cn = o_nc = 1: 1 - 3 * 2 / (16 - 9 - 1)
    assert found["all"]["krippendorff_alpha"]["value"] == pytest.approx(0)
    assert found["all"]["items_of_two_or_more"] == 2
    assert found["all"]["items_of_one"] == 1


def test_decoys_say_how_often_reviewers_err(data: Path, decided: Project) -> None:
    found = read_json(data / "5_review" / "reviewer_error.json")
    assert found["decoys"] == {"copied": 1, "not_copied": 3}
    one, two = found["reviewers"]["R01"], found["reviewers"]["R02"]
    assert (one["called_a_copy_what_is_none"]["wrong"], one["unsure"]) == (0, 0)
    # nothing wrong in three: at most 1 - 0.025^(1/3), never 0 %
    limit = one["called_a_copy_what_is_none"]["interval"][1]
    assert limit == pytest.approx(1 - 0.025 ** (1 / 3))
    assert (
        one["called_no_copy_what_is_one"]["wrong"],
        one["called_no_copy_what_is_one"]["of"],
    ) == (*(1, 1),)
    assert two["called_a_copy_what_is_none"] == {
        "wrong": 1,
        "of": 1,
        "interval": pytest.approx([0.025, 1]),
    }
    assert two["called_no_copy_what_is_one"] == {"wrong": 0, "of": 0, "interval": None}
    raw = (decided.folder / "decoys.jsonl").read_bytes()
    assert found["sha256_of_the_list_of_decoys"] == sha256(raw).hexdigest()


def test_decisions_stand_beside_the_item_and_in_the_load_files(data: Path) -> None:
    page = Page((data / "3_items" / "ITEM-000002" / "page.html").read_text("utf-8"))
    assert "R09, adjudicating" in page.text
    assert "Outcome: partly copied." in " ".join(page.text.split())
    assert "<script>alert" in page.text
    assert OVERRIDE not in page.text
    assert not [tag for tag, _ in page.tags if tag == "script"]
    item = read_json(data / "3_items" / "ITEM-000003" / "item.json")
    assert item["review"]["outcome"] == "unsure"
    assert item["review"]["adjudication"] is None
    found = {each["ITEMID"]: each["DECISION"] for each in rows_of(data / "8_production")}
    assert list(found.values()) == ["copied", "partly_copied", "unsure"]
    index = Page((data / "index.html").read_text("utf-8")).text
    assert "2 reviewers decided on 3 of 3 items." in index
    parts = {each["@id"] for each in read_json(data / "ro-crate-metadata.json")["@graph"]}
    assert "5_review/" in parts


def test_without_decisions_there_is_no_folder_and_the_index_says_so(
    project: Project, tmp_path: Path
) -> None:
    (project.folder / "empty.jsonl").write_text("\n")
    for number, each in enumerate((project, asked(project, decisions="empty.jsonl"))):
        found = built(each, tmp_path / str(number))
        assert not (found / "5_review").exists()
        assert "No review took place." in Page((found / "index.html").read_text("utf-8")).text
        assert read_json(found / "3_items" / "ITEM-000001" / "item.json")["review"] is None
        assert "5_review/" not in (found / "ro-crate-metadata.json").read_text()
        assert {each["DECISION"] for each in rows_of(found / "8_production")} == {""}


def test_a_conflict_that_nobody_ruled_on_stays_one(
    project: Project, ids: list[str], tmp_path: Path
) -> None:
    rows = [row(ids[0], "R01", "copied"), row(ids[0], "R02", "unsure")]
    write(project.folder / "two.jsonl", rows)
    found = built(asked(project, decisions="two.jsonl"), tmp_path)
    assert rows_of(found / "8_production")[0]["DECISION"] == "conflict"
    index = Page((found / "index.html").read_text("utf-8")).text
    assert "No protocol of the review was given." in index
    assert "how often reviewers err was not measured" in index
    assert not (found / "5_review" / "reviewer_error.json").exists()


GOOD = row("0" * 64, "R01", "copied")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"finding": "f" * 64}, "line 1: ffffffffffffffff... is no item of this run"),
        ({"finding": "ITEM-000001"}, "line 1: finding: expected 64 hex digits"),
        ({"reviewer": "ada@example.org"}, "line 1: reviewer: expected a pseudonym"),
        ({"reviewer": 7}, "line 1: reviewer: expected text"),
        ({"decision": "maybe"}, "line 1: decision: expected one of copied, partly_copied"),
        ({"utc": "2026-10-01 12:00"}, "line 1: utc: expected such as"),
        ({"utc": "2026-13-01T12:00:00Z"}, "line 1: utc: expected such as"),
        ({"utc": "2026-09-01T12:00:00Z"}, "is before the run began, 2026-09-21"),
        ({"utc": "2999-01-01T12:00:00Z"}, "is ahead of this machine's clock"),
        ({"note": "x" * 10_001}, "line 1: note: expected at most 10000"),
        ({"seconds": -1}, "line 1: seconds: expected a number of 0 or more"),
        ({"seconds": True}, "line 1: seconds: expected a number of 0 or more"),
        ({"made": "e" * 64}, "was decided on the generation eeee"),
        ({"verdict": "x"}, r"line 1: unknown keys \['verdict'\]"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(
    project: Project, ids: list[str], change: Mapping[str, Any], said: str
) -> None:
    write(project.folder / "bad.jsonl", [GOOD | {"finding": ids[0]} | change])
    with pytest.raises(CaseError, match=said):
        _ = open_material(asked(project, decisions="bad.jsonl")).reviews


@pytest.mark.parametrize(
    "line", ["{", "[]", '"x"', '{"finding": NaN}', '{"finding": "a", "finding": "b"}', "[" * 9999]
)
def test_a_line_that_is_no_object_is_refused(project: Project, line: str) -> None:
    (project.folder / "bad.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(CaseError, match="line 2"):
        _ = open_material(asked(project, decisions="bad.jsonl")).reviews


def test_one_reviewer_decides_once(project: Project, ids: list[str]) -> None:
    rows = [
        row(ids[0], "R01", "copied"),
        row(ids[1], "R01", "copied"),
        row(ids[0], "R01", "unsure"),
    ]
    write(project.folder / "bad.jsonl", rows)
    with pytest.raises(CaseError, match="line 3: R01 has decided on"):
        _ = open_material(asked(project, decisions="bad.jsonl")).reviews


@pytest.mark.parametrize(
    ("rulings", "said"),
    [
        ([("R09", "copied", WHEN), ("R08", "copied", WHEN)], "there are 2; expected one"),
        ([("R01", "copied", WHEN)], "decided on it as a reviewer too"),
        ([("R09", "copied", "2026-09-30T12:00:00Z")], "comes before a decision"),
    ],
)
def test_who_may_adjudicate(
    project: Project, ids: list[str], rulings: list[tuple[str, str, str]], said: str
) -> None:
    write(
        project.folder / "two.jsonl",
        [row(ids[0], "R01", "copied"), row(ids[0], "R02", "unsure"), row(ids[1], "R01", "copied")],
    )
    ruled = [row(ids[0], who, what) | {"utc": utc} for who, what, utc in rulings]
    write(project.folder / "ruled.jsonl", ruled)
    case = asked(project, decisions="two.jsonl", adjudications="ruled.jsonl")
    with pytest.raises(CaseError, match=said):
        _ = open_material(case).reviews
    write(project.folder / "ruled.jsonl", [row(ids[1], "R09", "copied")])
    with pytest.raises(CaseError, match="reviewers do not disagree"):
        _ = open_material(case).reviews


@pytest.mark.parametrize(
    ("decoys", "said"),
    [
        ([{"finding": DECOYS[0], "truth": "maybe"}], "truth: expected copied or not_copied"),
        ([{"finding": DECOYS[0]}], "truth: expected text"),
        ([{"finding": DECOYS[0], "truth": "copied", "x": 1}], "unknown keys"),
        ([{"finding": DECOYS[0], "truth": "copied"}] * 2, "is listed twice"),
        ([{"finding": "FIRST", "truth": "copied"}], "is a finding of this run"),
    ],
)
def test_what_is_no_decoy(project: Project, ids: list[str], decoys: list[Row], said: str) -> None:
    write(project.folder / "two.jsonl", [row(ids[0], "R01", "copied")])
    rows = [each | ({"finding": ids[0]} if each["finding"] == "FIRST" else {}) for each in decoys]
    write(project.folder / "bad.jsonl", rows)
    with pytest.raises(CaseError, match=said):
        _ = open_material(asked(project, decisions="two.jsonl", decoys="bad.jsonl")).reviews


def test_a_case_names_the_files_and_a_missing_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text("name: x\nembed: {model: {path: clip}}\nreviews: {decisions: r.jsonl}\n")
    found = load(path)
    assert found.reviews.decisions == "r.jsonl"
    began = datetime(2026, 9, 21, tzinfo=UTC)
    with pytest.raises(CaseError, match=r"r\.jsonl: cannot be read as text"):
        read_reviews(found.reviews, tmp_path, {}, began)
    path.write_text("name: x\nembed: {model: {path: clip}}\nreviews: {protocol: p.md}\n")
    with pytest.raises(CaseError, match=r"reviews\.decisions: missing"):
        load(path)
