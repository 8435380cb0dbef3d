"""Claims of a report: what must never be said is said nowhere, in no setting and of no row."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.validity.extract import RESULTS, TRAINED, extract
from pipeline import report_page, report_pictures
from pipeline.report import collect
from pipeline.report_null import NULL_WIDTH, draw_null
from pipeline.report_page import render
from pipeline.report_proof import load_proof
from pipeline.report_standing import remarks
from stages.statistics.conformal import simultaneous_bound
from stages.verdicts import sentences
from tests.pipeline.test_report import (
    FACTS,
    HOSTILE,
    LEVEL,
    Page,
    Run,
    Shelf,
    limited,
    page_of,
    png,
    small_run,
    spaced,
    told,
)

ROOT = Path(__file__).parents[2]

NEVER = (
    r"probability (that|of) .{0,40}\b(not|no) .{0,20}\bcop",
    r"probability (that|of) .{0,40}(chance alone|coincidence|innocent)",
    r"\bvalidated\b",
    r"\bproves?\b.{0,40}\b(copied|trained)",
    r"memori[sz]ed with p\b",
)
"""Of any run. What is validated is the program, and no model."""

NEVER_IN_A_PORTFOLIO = (
    r"training (image|work|half|text)s?\b",
    r"in no training",
    r"(?<!rate over a )training set\b",
    r"took it from",
)
"""Where nobody knows what else a model was trained on."""

SETTINGS = ("randomised", "matched", "portfolio")
NUMBERS = re.compile(r"\b[pq] (=|<|0|1)")
INTERVAL = re.compile(r"\d+(\.\d+)?\s*% to \d+(\.\d+)?\s*%")


def claims(text: str, patterns: tuple[str, ...]) -> list[str]:
    return [found for each in patterns for found in re.findall(each, text, re.IGNORECASE)]


def full_run() -> Run:
    run = small_run()
    run.ask(None, "t2", {6: png(2)}, [png(9)], model="imported")
    run.blind.append(told("pictures", 0.55, 0.5, 0.59, "warning"))
    run.limits.append(limited())
    return run


@pytest.fixture(scope="module", params=SETTINGS)
def shown(request: pytest.FixtureRequest) -> tuple[str, Page, str]:
    page, html, _ = page_of(full_run(), setting=request.param)
    return request.param, page, html


def spoken(path: Path) -> Iterator[str]:
    """Yield the strings of a module that somebody may read: all but docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.value


SPEAKING = sorted(
    [
        *(ROOT / "stages" / "verdicts").glob("*.py"),
        *(ROOT / "pipeline").glob("report*.py"),
        *(ROOT / "pipeline").glob("lookup*.py"),
        *(ROOT / "pipeline").glob("verbs*.py"),
    ]
)


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: path.name)
def test_no_string_of_the_program_says_what_must_not_be_said(path: Path) -> None:
    said = " ".join(spoken(path))
    assert not claims(said, NEVER)
    # reasons and look-ups do not know the setting, so they may claim only what holds in all
    if path.name != "report_settings.py":
        assert not claims(said, NEVER_IN_A_PORTFOLIO)


@pytest.mark.parametrize("path", sorted((ROOT / "pipeline" / "templates").glob("*.j2")))
def test_no_template_says_what_must_not_be_said(path: Path) -> None:
    assert not claims(path.read_text(encoding="utf-8"), (*NEVER, *NEVER_IN_A_PORTFOLIO))


def test_the_scan_would_see_a_forbidden_claim() -> None:
    for text in (
        "the probability that it is not a copy is 0.01",
        "a probability of 0.01 that this is no copy",
        "this model was Validated",
    ):
        assert claims(text, NEVER)
    for text in ("the nearest training image", "agree with each other, in no training work"):
        assert claims(text, NEVER_IN_A_PORTFOLIO)
    assert claims("3 % of the training set", NEVER_IN_A_PORTFOLIO)
    assert not claims("nothing here is a rate over a training set", NEVER_IN_A_PORTFOLIO)


def test_a_page_says_nothing_forbidden(shown: tuple[str, Page, str]) -> None:
    setting, page, html = shown
    assert not claims(page.text, NEVER)
    if setting == "portfolio":
        assert not claims(page.text, NEVER_IN_A_PORTFOLIO)
        assert not claims(" ".join(re.findall(r'(?:alt|aria-label)="([^"]*)"', html)), NEVER)
    else:
        assert "training work" in page.text


@given(st.integers(1, 400), st.data())
def test_none_is_said_of_none_and_the_bound_is_never_nothing(size: int, data: Any) -> None:
    closer = data.draw(st.integers(0, size))
    bound = simultaneous_bound(closer, size)
    row = {"num_exceeding": closer, "num_control_units": size, "p_bound": bound}
    said = sentences.none_closer(row)
    assert said.startswith(f"{closer} of {size} " if closer else f"none of {size} ")
    (most,) = re.findall(r"at most ([\d,]+) in 1,000", said)
    assert bound * 1000 - 1e-6 <= int(most.replace(",", "")) <= 1000
    assert int(most.replace(",", "")) >= 1


@given(st.floats(1e-9, 1.0))
def test_shares_are_rounded_to_the_side_of_caution(share: float) -> None:
    assert float(sentences.at_most(share).removesuffix(" %")) >= 100 * share - 1e-6
    row = {"gamma_star": 1 + 9 * share}
    (said,) = re.findall(r"up to ([\d.]+) times", sentences.hidden_bias(row))
    assert float(said) <= row["gamma_star"] + 1e-6


def test_every_number_of_a_finding_is_on_the_page_once_and_in_a_sentence() -> None:
    page, html, shelves = page_of(full_run(), setting="matched")
    found = [r for r in shelves["findings"].table.to_pylist() if r["verdict"] == "verbatim"]
    mine = [row for row in found if row["p"] is not None]
    assert len(mine) == 3
    for row in mine:
        (part,) = [a for a in articles(html) if row["finding_id"] in a]
        text = Page(part).text
        assert text.count(f"one of {row['num_control_units']} control units came as close") == 1
        assert text.count(f"p {row['p']:.3g}, q {row['q']:.3g}") == 1
        assert text.count("A finding still if, for traits nobody saw") == 1
        assert "Closest control" in text
        assert f"this work {row['score']:.4g}" in text
    assert "3 of 6 units stand out" in page.text
    assert f"at most {LEVEL * 3:.1f} of 3 are false" in page.text


def articles(html: str) -> list[str]:
    return re.findall(r'<article class="exhibit">.*?</article>', html, re.DOTALL)


def test_imported_images_have_no_p_and_no_q_whatever_a_table_says() -> None:
    run = full_run()
    shelves, standing = run.shelves(), run.standing()
    rows = shelves["findings"].table.to_pylist()
    for row in rows:
        if row["model_id"] == "imported" and row["verdict"] == "verbatim":
            row |= {"p": 0.001, "q": 0.002, "p_bound": 0.01, "num_exceeding": 0, "num_units": 9}
            row |= {"num_control_units": 99, "unit_id": row["work_id"], "gamma_star": 3.0}
    schema = shelves["findings"].table.schema
    shelves["findings"] = Shelf(type(shelves["findings"].table).from_pylist(rows, schema=schema))
    html = render(collect(shelves, FACTS), shelves, None, standing)
    (part,) = [a for a in articles(html) if "existence only" in a]
    assert not NUMBERS.search(Page(part).text)
    assert "times likelier" not in part
    assert not any(one.model_id == "imported" for one in standing.lists)
    assert "existence only" in Page(html).text


def test_a_region_that_came_back_is_framed_and_has_numbers_of_its_own() -> None:
    run = small_run()
    # works of even number come back in no seed as a whole
    for number in range(6):
        run.region(f"t{number}", 5.0 + number, (2, 3, 20, 22))
        run.region(f"c{number}", -1.0 - number, (0, 0, 9, 9))
    page, html, shelves = page_of(run)
    rows = [r for r in shelves["findings"].table.to_pylist() if r["verdict"] == "partial"]
    assert {row["work_id"] for row in rows} == {"t0-0", "t2-0", "t4-0"}
    (row,) = [r for r in rows if r["work_id"] == "t0-0"]
    (part,) = [a for a in articles(html) if row["finding_id"] in a]
    text = Page(part).text
    assert f"a region of it came back in {row['k']} of {row['n']} seeds" in text
    assert "framed: the region" in text
    assert "Difference" not in text
    assert len([a for a in Page(part).all("li") if "hit" in (a.get("class") or "")]) == 12
    assert "region, by how much the work tells it best" in page.text.lower()
    assert "6 of 7 captions gave a training work back" in page.text


def test_a_frame_stands_around_its_region() -> None:
    image = Image.new("RGB", (200, 100), "#808080")
    report_pictures._frame(image, (20, 30, 60, 120))
    seen = np.asarray(image)
    assert seen[20, 30].tolist() == [255, 255, 255]
    assert seen[59, 119].tolist() == [255, 255, 255]
    assert seen[18, 28].tolist() == [0x8F, 0x2A, 0x16]
    assert seen[40, 70].tolist() == seen[5, 5].tolist() == [128, 128, 128]


def test_an_interval_never_stands_without_its_n(shown: tuple[str, Page, str]) -> None:
    _, _, html = shown
    blocks = [
        spaced(" ".join(Page(found.group()).words))
        for found in re.finditer(r"<(p|tr|dd|li|figcaption)\b.*?</\1>", html, re.DOTALL)
    ]
    with_one = [block for block in blocks if INTERVAL.search(block)]
    assert with_one
    for block in with_one:
        assert re.search(r"\d+ of \d+", block), block


def test_a_null_that_is_not_calibrated_gives_no_verdict_and_says_so() -> None:
    run = small_run()
    run.blind = [told("captions", 0.8, 0.7, 0.88, "not calibrated")]
    page, _, shelves = page_of(run, setting="matched")
    assert "the null is not calibrated, and there is no verdict" in page.text
    assert "verbatim" not in shelves["findings"].table["verdict"].to_pylist()
    assert "No caption gave a training work back" in page.text
    # a coin needs no such test
    page, _, shelves = page_of(run, setting="randomised")
    assert shelves["findings"].table["verdict"].to_pylist().count("verbatim") == 3
    assert "no p-value depends on what it says" in page.text


def test_the_measured_detection_limit_goes_before_the_hoped_for_one() -> None:
    run = small_run()
    page, _, _ = page_of(run)
    assert "detection limit, per seed, if every copy is recognised" in page.text
    assert "no copies were planted" in page.text
    run.limits = [limited()]
    page, _, _ = page_of(run)
    assert "detection limit, per seed 37.3 %" in page.text
    assert "if every copy is recognised" not in page.text
    assert page.text.count("comes back in 37.3 % of seeds or more") == 2
    run.limits = [limited(pi_95=None, recall_low=0.9, recall=0.95)]
    page, _, _ = page_of(run)
    assert "detection limit, per seed none" in page.text
    assert page.text.count("no limit: copies of 100 works were planted") == 2


def test_a_run_that_tests_nothing_says_so() -> None:
    page, _, _ = page_of(Run())
    assert "Nothing was tested: no p-value, no error rate" in page.text
    run = small_run()
    for row in run.rows["prompts"]:
        if row["half"] == "control":
            row |= {"work_id": None, "half": None}
    page, _, shelves = page_of(run)
    assert "no control unit to hold them against" in page.text
    assert "verbatim" not in shelves["findings"].table["verdict"].to_pylist()


def test_hostile_names_stay_names_beside_the_numbers() -> None:
    run = small_run()
    run.blind = [told(HOSTILE[0], 0.5, 0.4, 0.54, HOSTILE[3])]
    run.limits = [limited(by_edit=HOSTILE[0])]
    run.limits[0]["sentence"] = HOSTILE[0]
    standing = replace(
        run.standing(),
        registered={"registered": HOSTILE[0], "digest": "ab" * 32},
        departures=(HOSTILE[3], HOSTILE[2]),
    )
    shelves = run.shelves()
    html = render(collect(shelves, replace(FACTS, setting="matched")), shelves, None, standing)
    page = Page(html)
    assert not {"script", "iframe"} & {tag for tag, _ in page.tags}
    assert html.count("<style>") == html.count("</style>") == 1
    assert HOSTILE[0] in page.text
    assert "2 departures" in page.text
    assert "long " * 300 not in html


def test_registration_is_told_as_it_is() -> None:
    run = small_run()
    shelves, standing = run.shelves(), run.standing()
    summary = collect(shelves, FACTS)
    assert "Nothing was registered" in Page(render(summary, shelves, None, standing)).text
    registered = {"registered": "2026-11-01", "digest": "ab" * 32}
    kept = replace(standing, registered=registered)
    text = Page(render(summary, shelves, None, kept)).text
    assert "Registered 2026-11-01 , before anything was made" in text
    assert "Nothing was changed since" in text
    assert "ab" * 32 in text


def test_every_unit_is_a_block_and_stands_where_its_score_says() -> None:
    drawn = draw_null([3.0, None], [0.5, 0.5], [2.0, 2.0, None], larger=False)
    assert drawn is not None
    kinds = (drawn.found, drawn.others, drawn.controls)
    assert [sum(block.units for block in kind) for kind in kinds] == [2, 2, 3]
    assert drawn.unmatched == 2
    assert [drawn.place(score) for score in (0.5, 3.0)] == [0.0, drawn.length]
    # what has no match stands behind the end of the scale
    assert drawn.length < drawn.controls[-1].x < drawn.place(None) < NULL_WIDTH
    assert [block.units for block in drawn.controls if block.x > drawn.length] == [1]
    assert all(block.y + block.height <= 0 for block in (*drawn.found, *drawn.others))
    assert all(block.y >= 0 for block in drawn.controls)
    assert all(0 <= x <= drawn.length for x, _ in drawn.ticks)
    assert {"1", "2", "3"} <= {label for _, label in drawn.ticks}
    words = draw_null([8.0], [60.0], [30.0], larger=True)
    assert words is not None
    assert words.place(60.0) == 0.0
    assert words.place(8.0) == words.length == NULL_WIDTH
    assert words.found[0].x < words.controls[0].x < words.others[0].x
    assert draw_null([None], [], [None], larger=True) is None


def test_many_units_are_one_block_for_each_bar() -> None:
    drawn = draw_null([], [0.1] * 3, [1.0] * 5000, larger=False)
    assert drawn is not None
    assert [block.units for block in drawn.controls] == [5000]
    assert drawn.down <= 110


def test_remarks_leave_out_what_the_numbers_say_already() -> None:
    row = {"p": 0.025, "q": 0.04, "num_exceeding": 0, "num_control_units": 39, "p_bound": 0.1458}
    reason = f"12 of 12 images gave the work back; seen late; {sentences.none_closer(row)}; q 0.04"
    assert remarks(row | {"reason": reason}) == ["seen late"]


def test_proof_travels_with_every_report_and_is_folded() -> None:
    for run in (Run(), small_run()):
        page, html, _ = page_of(run)
        (part,) = re.findall(r'<section id="proof">.*?</section>', html, re.DOTALL)
        assert "<details><summary>" in part
        assert "<details open" not in part
        proof = load_proof()
        assert f"{proof['kept']} of {proof['cells']} rates of valid designs held" in page.text
        for row in (*proof["rows"], *proof["broken"], *proof["intervals"]):
            assert spaced(row["name"]) in page.text
        assert "The truth of a real model is known to nobody" in page.text
        assert proof["sha256"] in part


def test_proof_says_how_many_models_were_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def page_with(trained: dict[str, Any] | None) -> str:
        monkeypatch.setattr(report_page, "load_proof", lambda: load_proof() | {"trained": trained})
        return page_of(Run())[0].text

    assert "Trained models: no result over training runs travels with this version" in page_with(
        None
    )
    fdp = {"mean": 0.043, "two_sided": [-0.002, 0.088], "replicates": 8}
    rates = [{"over": "over training runs", "q": 0.05, "fdp": fdp, "exceeds": False, "power": 0.5}]
    trained = {"models": 8, "claim": "only 8 models of at least 20", "rates": rates}
    text = page_with(trained)
    assert "Trained models: only 8 models of at least 20" in text
    assert "0.0430" in text
    assert "0 to 0.0880" in text
    rates[0]["fdp"] = {"mean": 0.0, "replicates": 1}
    told = page_with(trained | {"models": 24, "claim": "24 models"})
    assert "Over 24 models trained for it" in told
    assert "the mean share of false findings was 0 at a nominal 0.05." in told
    rates[0] |= {"fdp": fdp, "exceeds": True}
    told = page_with(trained | {"models": 24, "claim": "24 models"})
    assert "was 0.0430 at a nominal 0.05, which is too much" in told


def test_the_extract_is_that_of_the_committed_report() -> None:
    whole = (RESULTS / "validation_report.json").read_bytes()
    kept = load_proof()
    assert kept["sha256"] == sha256(whole).hexdigest(), "make pipeline/validation again"
    trained = json.loads(TRAINED.read_bytes()) if TRAINED.exists() else None
    made = extract(json.loads(whole), kept["sha256"], trained)
    assert {name: kept[name] for name in made} == made, "make pipeline/validation again"
    place = ROOT / "pipeline" / "validation" / "validation_report.json"
    assert place.stat().st_size < 40_000


def balance(repair: str, **weights: float) -> list[dict[str, Any]]:
    """Return BALANCE of the units of `small_run`; a unit looks as its number says."""
    return [
        {"unit_id": f"{kind}{n}-0", "label": label, "look": float(n), "repair": repair}
        | {"kept": True, "stratum": 0, "weight": weights.get(f"{kind}{n}", 1.0)}
        for kind, label in (("t", "test"), ("c", "control"))
        for n in range(6)
    ]


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        ("rematch", "Controls were re-matched: a unit is tested only if there are control units"),
        ("strata", "Each unit is held against the control units of its own stratum alone"),
        ("weighted", "6 of them are worth 4 of equal weight"),
    ],
)
def test_a_repair_is_said_in_one_sentence_and_whether_it_was_decided_before(
    repair: str, said: str
) -> None:
    run = small_run()
    run.balance = balance(repair, c0=3.0)
    run.config = replace(run.config, repair=repair)
    run.blind = [
        told("captions", 0.7, 0.65, 0.75, "before the repair: not calibrated"),
        told("captions, repaired", 0.52, 0.48, 0.55, "calibrated"),
    ]
    run.config = replace(run.config, setting="matched")
    shelves, standing = run.shelves(), run.standing()
    summary = collect(shelves, replace(FACTS, setting="matched"))
    page = Page(render(summary, shelves, None, standing)).text
    assert said in page
    assert "nobody can check that this was not chosen after looking" in page
    assert "before the repair: not calibrated" in page
    assert "there is no verdict" not in page
    registered = {"registered": "2026-11-01", "digest": "ab" * 32}
    for departures, words in (
        ((), "This was registered before anything was made"),
        (("case.blind.repair",), "This is not what was registered: whatever rests on it"),
        (("case.blind.strata",), "This is not what was registered: whatever rests on it"),
        (("case.assess.q",), "This was registered before anything was made"),
    ):
        assert words in run.standing(registered, departures).repair


def test_without_a_repair_nothing_is_said_of_one() -> None:
    run = small_run()
    run.balance = balance("none")
    assert run.standing().repair == ""
    assert "re-matched" not in page_of(run)[0].text.partition("Proof of the error rates")[0]


def test_the_placebo_stands_on_the_proof_page_with_its_limits() -> None:
    run = small_run()
    assert {one.coin for one in run.standing().lists} == {None}  # six controls are too few
    for n in range(8, 32):
        run.work(f"c{n}", "control", png(100 + n))
        run.ask(f"control caption {n}", f"c{n}", {}, [png(300 + n)])
    page, html, _ = page_of(run)
    (part,) = re.findall(r'<section id="proof">.*?</section>', html, re.DOTALL)
    assert "<h3>Placebo: what this run finds where nothing is to be found</h3>" in part
    assert "by coin, 15 control units stood in for works against 15" in page.text
    assert "that takes a model that cannot have seen either half" in page.text
    assert "by look, the" not in page.text
    run.balance = balance("none")
    assert {one.look for one in run.standing().lists} == {None}  # not everybody was looked at
    extra = [{"unit_id": f"c{n}-0", "label": "control", "look": float(n)} for n in range(6, 32)]
    run.balance += [
        row | {"repair": "none", "kept": True, "stratum": 0, "weight": 1.0} for row in extra
    ]
    assert "by look, the 15 control units that look most like works" in page_of(run)[0].text


def test_a_placebo_that_finds_too_much_is_a_warning() -> None:
    fine = sentences.ByCoin(200, 50, 50, 5, 12, 0.05)
    assert "too many" not in sentences.placebo_by_coin(fine, 0.05)
    assert "12 of 200 splits had a finding" in sentences.placebo_by_coin(fine, 0.05)
    many = fine._replace(finding=18)
    assert "do not rely on these error rates" in sentences.placebo_by_coin(many, 0.05)
    few = fine._replace(fewest=51, finding=0, small=0.04)
    assert "too few for any finding" in sentences.placebo_by_coin(few, 0.05)
    assert "4 % of them were 0.05 or less" in sentences.placebo_by_coin(few, 0.05)
    look = sentences.ByLook(50, 50, 3, 9, 0.039, 0.002)
    assert "scores lean on looks" in sentences.placebo_by_look(look)
    assert "scores lean" not in sentences.placebo_by_look(look._replace(chance=0.3))


def test_units_that_stand_out_and_findings_are_told_apart() -> None:
    run = small_run()
    standing = run.standing()
    (one,) = [each for each in standing.lists if each.method == "adaptive_ratio"]
    found = [r for r in run.tables()["findings"].to_pylist() if r["verdict"] == "verbatim"]
    assert one.findings == len({row["unit_id"] for row in found}) == one.standing_out == 3
    shelves = run.shelves()
    summary = collect(shelves, FACTS)

    def text_with(findings: int) -> str:
        lists = tuple(
            replace(each, findings=findings) if each == one else each for each in standing.lists
        )
        return Page(render(summary, shelves, None, replace(standing, lists=lists))).text

    assert "All of them are findings." in text_with(3)
    for findings, words in ((2, "2 of them are findings"), (0, "None of them is a finding")):
        text = text_with(findings)
        assert f"{words}: to stand out is not enough" in text
        assert "named once, by its strongest verdict" in text


def test_controls_that_overlap_the_training_half_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = small_run()
    units = run.units()
    labels = ["mixed" if label == "control" else label for label in units["label"].to_pylist()]
    place = units.schema.get_field_index("label")
    both = units.set_column(place, units.schema.field(place), pa.array(labels, pa.large_string()))
    monkeypatch.setattr(run, "units", lambda: both)
    standing = run.standing()
    one = standing.lists[0]
    assert one.overlap == tuple(sorted(f"c{n}-0" for n in range(6)))
    assert one.excluded["the unit has works of both halves"] == 6
    shelves = run.shelves()
    text = Page(render(collect(shelves, FACTS), shelves, None, standing)).text
    assert "With works of both halves, so that their controls are none: c0-0 , c1-0" in text
    assert "palimpsest lookup says what each is" in text


def test_scores_that_are_all_the_same_are_said_to_tell_nothing() -> None:
    run = small_run()
    for row in run.rows["matches"]:
        row["adaptive_ratio"] = 1.0
    standing = run.standing()
    (one,) = [each for each in standing.lists if each.method == "adaptive_ratio"]
    assert one.constant
    assert one.standing_out == 0
    shelves = run.shelves()
    text = Page(render(collect(shelves, FACTS), shelves, None, standing)).text
    assert "All of them score the same , so that none could have stood out" in text
    assert not any(each.constant for each in small_run().standing().lists if each.primary)
