"""Measures and regions: what may carry a verdict, where the mark lies, and foreign images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stages.contract import Kit, StageError
from stages.methods.table import METHODS
from stages.statistics.conformal import gamma_star
from stages.statistics.discovery import bh
from stages.statistics.intervals import clopper_pearson
from stages.tables import (
    ASSESSMENTS,
    FINDINGS,
    GENERATIONS,
    MATCHES,
    PROMPTS,
    SCORES,
    UNITS,
    WORKS,
)
from stages.verdicts import assess, confirm, flag_regions
from stages.verdicts.flag_regions import FlagRegionsConfig
from stages.verdicts.measures import PRIMARY, larger, measure_of
from stages.verdicts.shorter import raised, shorter
from stages.verdicts.standing import AssessConfig
from tests.stages.shelf import Shelf

Rows = Sequence[Mapping[str, Any]]
HALVES = {"t1": "train", "t2": "train", "c1": "control", "both": "train"}


def given(stage: Any, role: str, table: Any, rows: Rows) -> pa.Table:
    schema = pa.schema([table.schema.field(name) for name in stage.reads[role].names])
    return pa.Table.from_pylist(list(rows), schema=schema)


def scored(method: str, made: str, work: str, score: float | None, **more: Any) -> dict[str, Any]:
    """Return a SCORES row; the first letter of a generation is its phase."""
    phase = "discovery" if made.startswith("d") else "confirmation"
    row = {"score_id": f"{method} {made} {work}", "made_id": made, "model_id": "m"}
    row |= {"prompt_id": "p", "sample": 0, "phase": phase, "work_id": work, "half": HALVES[work]}
    return row | {"neighbor_id": work, "method": method, "score": score, "hit": True} | more


def flagged(scores: Rows, own: str | None = "t1", **knobs: Any) -> list[dict[str, Any]]:
    """Return the candidates of one prompt with two seeds of each phase."""
    table = SCORES.of_rows(scores)
    works = [{"work_id": w, "half": h, "mixed": w == "both"} for w, h in HALVES.items()]
    schema = pa.schema([WORKS.schema.field(name) for name in ("work_id", "half", "mixed")])
    shelves = {"controls": Shelf(table), "works": Shelf(pa.Table.from_pylist(works, schema))}
    stage = flag_regions.STAGE
    tools = stage.open(FlagRegionsConfig(**knobs), Kit(datasets=shelves))
    model = scores[0]["model_id"]
    made = [(f"d{n}", "discovery") for n in (1, 2)] + [(f"c{n}", "confirmation") for n in (1, 2)]
    places = [{"model_id": model, "prompt_id": "p", "phase": phase} for _, phase in made]
    half = HALVES[own] if own else None
    inputs = {
        "prompts": [place | {"work_id": own, "half": half} for place in places],
        "matches": [
            place | {"made_id": name} for place, (name, _) in zip(places, made, strict=True)
        ],
    }
    tables = {
        "prompts": given(stage, "prompts", PROMPTS, inputs["prompts"]),
        "matches": given(stage, "matches", MATCHES, inputs["matches"]),
        "scores": table.select(stage.reads["scores"].names),
    }
    return FINDINGS.check(stage.run(tables, tools).rows).to_pylist()


@pytest.mark.parametrize("name", [name for name, m in METHODS.items() if m.compares == "triage"])
def test_triage_is_never_a_measure(name: str) -> None:
    with pytest.raises(StageError, match=f"{name} is triage: it says where to look"):
        measure_of(name)
    stage = assess.STAGE
    empty = {role: [] for role in stage.reads}
    row = given(stage, "scores", SCORES, [scored(name, "c1", "t1", 1.0)])
    with pytest.raises(StageError, match="no verdict or p-value rests on it"):
        list(stage.run(empty | {"scores": [row]}, AssessConfig(), Kit()))


def test_one_primary_method_per_verdict_and_every_other_is_secondary() -> None:
    for verdict, name in PRIMARY.items():
        assert METHODS[name].verdict == verdict
    pictures = [name for name, m in METHODS.items() if m.compares != "triage"]
    primary = {name for name in pictures if measure_of(name).primary}
    assert primary == {"adaptive_ratio", "template", "partial"}
    for name in pictures:
        assert measure_of(name).larger == larger(name) == (METHODS[name].closer == "larger")


def test_a_method_that_nobody_knows_is_no_measure() -> None:
    with pytest.raises(StageError, match="no method is called 'sssd'"):
        measure_of("sssd")


@pytest.mark.parametrize(
    ("method", "control", "mark", "beyond"),
    [
        ("template", 0.7, np.float32(0.7), 0.69),
        ("template", 1.4, 1.0, 0.99),
        ("partial", 40.0, 40.0, 40.5),
        ("partial", -3.0, 0.0, 0.5),
    ],
)
def test_the_mark_is_what_no_control_reached(
    method: str, control: float, mark: float, beyond: float
) -> None:
    rows = [
        scored(method, "d1", "c1", control, hit=False),
        scored(method, "c1", "t1", float(mark)),
        scored(method, "c2", "t1", beyond),
    ]
    (found,) = flagged(rows)
    assert (found["verdict"], found["k"], found["n"]) == (PRIMARY_OF[method], 1, 2)
    assert found["threshold"] == np.float32(mark)
    assert found["score"] == np.float32(beyond)
    assert found["control_best"] is None


PRIMARY_OF = {method: verdict for verdict, method in PRIMARY.items()}


def test_what_the_rule_does_not_call_a_match_is_no_hit() -> None:
    (found,) = flagged([scored("partial", "c1", "t1", 99.0, hit=False)])
    assert (found["verdict"], found["k"]) == ("none", 0)
    assert (found["k_low"], found["k_high"]) == clopper_pearson(0, 2)


def test_control_and_mixed_works_are_no_findings() -> None:
    rows = [scored("partial", made, "c1", 99.0) for made in ("c1", "c2")]
    assert {(row["work_id"], row["verdict"]) for row in flagged(rows, own="c1")} == {("c1", "none")}
    rows = [scored("partial", made, "both", 99.0) for made in ("c1", "c2")]
    (_, mixed) = sorted(flagged(rows), key=lambda row: row["work_id"] == "both")
    assert (mixed["work_id"], mixed["verdict"]) == ("both", "none")
    assert "both halves" in mixed["reason"]


def test_only_works_have_rows_and_each_method_its_own() -> None:
    rows = [scored("template", "c1", "t1", None), scored("partial", "c1", "t2", 99.0)]
    found = flagged(rows)
    assert [(row["method"], row["work_id"], row["verdict"]) for row in found] == [
        ("template", "t1", "none"),
        ("partial", "t1", "none"),
        ("partial", "t2", "partial"),
    ]
    assert found[0]["k_high"] is None, "a layout of too few images cannot be seen"
    assert found[2]["k_low"] is None, "nominated by the seeds that are judged"


def test_a_method_without_verdict_makes_no_candidate() -> None:
    assert flagged([scored("pdq", "c1", "t1", 0.0)]) == []


@pytest.mark.parametrize(("score", "verdict"), [(60.0, "partial"), (50.0, "none"), (40.0, "none")])
def test_imported_images_stand_if_they_beat_every_control(score: float, verdict: str) -> None:
    rows = [
        scored("partial", "c1", "t1", score, model_id="imported"),
        scored("partial", "c2", "c1", 50.0, model_id="imported", hit=False),
    ]
    candidates = FINDINGS.of_rows(flagged(rows, own=None))
    inputs = {"candidates": [candidates], "units": [], "assessments": [], "blind": []}
    outs = confirm.STAGE.run(inputs, AssessConfig(), Kit())
    (row,) = [row for out in outs for row in FINDINGS.check(out.rows).to_pylist()]
    assert row["verdict"] == verdict
    assert "existence only" in row["reason"]
    assert (row["k_low"], row["p"], row["q"]) == (None, None, None)
    assert ("a control work came as close" in row["reason"]) == (verdict == "none")


def assessed(scores: Rows, num_controls: int) -> dict[str, list[dict[str, Any]]]:
    """Return ASSESSMENTS by method; unit t1 and controls, one generation each."""
    stage = assess.STAGE
    names = ["t1", *(f"c{n}" for n in range(num_controls))]
    units = [
        {"work_id": w, "unit_id": w, "label": "test" if w == "t1" else "control", "rank": "0"}
        | {"prompt_ids": [f"p-{w}"]}
        for w in names
    ]
    made = [{"model_id": "m", "prompt_id": f"p-{w}", "phase": "confirmation"} for w in names]
    inputs = {
        "units": [given(stage, "units", UNITS, units)],
        "made": [given(stage, "made", GENERATIONS, made)],
        "matches": [],
        "scores": [given(stage, "scores", SCORES, scores)],
        "balance": [],
    }
    (out,) = stage.run(inputs, AssessConfig(), Kit())
    by_method: dict[str, list[dict[str, Any]]] = {}
    for row in ASSESSMENTS.check(out.rows).to_pylist():
        by_method.setdefault(row["method"], []).append(row)
    return by_method


def own(method: str, work: str, score: float | None) -> dict[str, Any]:
    row = scored(method, f"c-{work}", "t1", score)
    half = "train" if work == "t1" else "control"
    return row | {"prompt_id": f"p-{work}", "work_id": work, "half": half}


def test_a_descriptor_without_calibration_is_secondary_and_needs_controls() -> None:
    rows = [own("sscd", "t1", 0.99), *(own("sscd", f"c{n}", 0.2) for n in range(9))]
    (row,) = [row for row in assessed(rows, 9)["sscd"] if row["unit_id"] == "t1"]
    assert (row["primary"], row["p"], row["q"]) == (False, 0.1, None)
    (row,) = assessed(rows[:1], 0)["sscd"]
    assert (row["score"], row["p"]) == (np.float32(0.99), None), "its published mark says nothing"


def test_constant_scores_and_no_scores_tell_nothing_apart() -> None:
    same = [own("partial", w, 5.0) for w in ("t1", *(f"c{n}" for n in range(9)))]
    none = [own("template", w, None) for w in ("t1", *(f"c{n}" for n in range(9)))]
    found = assessed([*same, *none], 9)
    for method in ("partial", "template"):
        (row,) = [row for row in found[method] if row["unit_id"] == "t1"]
        assert (row["p"], row["num_exceeding"]) == (1.0, 9)


def test_scores_of_whole_prompts_stand_beside_those_of_controls() -> None:
    rows = [
        own("descriptor_mean", w, 0.9 if w == "t1" else 0.1)
        | {"made_id": None, "sample": None, "neighbor_id": None}
        for w in ("t1", *(f"c{n}" for n in range(9)))
    ]
    (row,) = [r for r in assessed(rows, 9)["descriptor_mean"] if r["unit_id"] == "t1"]
    assert (row["p"], row["made_id"], row["primary"]) == (0.1, None, False)


def unit(name: str, p: float, exceeding: int) -> dict[str, Any]:
    row = {"model_id": "m", "method": "template", "primary": True, "unit_id": name}
    row |= {"excluded": None, "num_controls": 39, "num_units": 4, "num_exceeding": exceeding}
    return row | {"p": p, "p_bound": 0.1, "q": p, "gamma_star": 2.0}


def test_units_with_a_stronger_verdict_lend_their_place_to_no_other() -> None:
    units = [unit(name, 1 / 40, 0) for name in "abc"] + [unit("d", 2 / 40, 1)]
    config = AssessConfig(q=0.2)
    alone = shorter(units, "abc", config)
    assert [alone[name]["q"] for name in "abcd"] == [1, 1, 1, 4 * (2 / 40) / 1]
    assert alone["d"]["gamma_star"] == pytest.approx(gamma_star(2 / 40, 0.2 * 1 / 4))
    assert [alone[name]["gamma_star"] for name in "abc"] == [None] * 3
    assert shorter(units, "", config) == {row["unit_id"]: row for row in units}
    untested = [row | {"p": None, "q": None} for row in units]
    assert shorter(untested, "a", config)["d"]["q"] is None


def test_weighted_lists_are_shortened_under_any_dependence() -> None:
    units = [unit(name, 1 / 400, 0) for name in "abc"] + [unit("d", 2 / 400, 1)]
    config = AssessConfig(q=0.2, repair="weighted")
    alone = shorter(units, "abc", config)
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    assert alone["d"]["q"] == pytest.approx(harmonic * 4 * (2 / 400))
    assert alone["d"]["gamma_star"] == pytest.approx(gamma_star(2 / 400, 0.2 / harmonic / 4))
    assert [alone[name]["q"] for name in "abc"] == [1, 1, 1]
    nobody = shorter(units, "", config)
    assert nobody == {row["unit_id"]: row for row in units}


def test_false_templates_are_as_rare_as_asked_whatever_came_back_whole() -> None:
    # forty works came back whole and so as templates too; sixty units are like the controls
    rng = np.random.default_rng(3)
    config = AssessConfig(q=0.1, setting="randomised")
    wrong, plain = 0, 0
    for _ in range(200):
        controls_m, null_K = np.sort(rng.random(199)), rng.random(60)
        exceeding = [0] * 40 + [int(n) for n in 199 - np.searchsorted(controls_m, null_K)]
        units = [unit(str(k), (1 + r) / 200, r) for k, r in enumerate(exceeding)]
        named = {str(k) for k in range(40)}
        wrong += any(row["q"] <= 0.1 for row in shorter(units, named, config).values())
        plain += bool((bh([row["p"] for row in units])[40:] <= 0.1).any())
    assert clopper_pearson(wrong, 200).low < 0.1
    assert plain > 100, "the longer list would have named templates that are none in most runs"


def test_lists_of_an_artist_are_shorter_by_the_same_units() -> None:
    row = {"model_id": "m", "unit_id": "a", "method": "adaptive_ratio", "p": 0.1}
    whole = row | {"verdict": "verbatim"}
    part = row | {"method": "template", "verdict": "none"}
    other = part | {"unit_id": "b", "verdict": "template"}
    least = other | {"method": "partial", "verdict": "none"}
    untested = part | {"unit_id": "c", "p": None}
    found = raised([part, least, untested, other, whole])
    assert [row["p"] for row in found] == [1.0, 1.0, 0.1, 0.1]


def test_primary_methods_stand_in_order_of_strength() -> None:
    assert list(PRIMARY) == ["verbatim", *flag_regions.VERDICTS.values()]


def test_of_two_regions_the_stronger_verdict_stands() -> None:
    rows = [
        scored(method, made, "t1", score)
        for method, score in (("template", 0.2), ("partial", 9))
        for made in ("c1", "c2")
    ]
    candidates = flagged(rows)
    stands = [
        {"model_id": "m", "method": method, "primary": True, "unit_id": "t1", "excluded": None}
        | {"num_controls": 39, "num_units": 1, "num_exceeding": 0, "p": 1 / 40, "p_bound": 0.1}
        | {"q": 1 / 40, "gamma_star": 2.0}
        for method in ("template", "partial")
    ]
    inputs = {
        "candidates": [FINDINGS.of_rows([row]) for row in reversed(candidates)],
        "units": [given(confirm.STAGE, "units", UNITS, [{"work_id": "t1", "unit_id": "t1"}])],
        "assessments": [given(confirm.STAGE, "assessments", ASSESSMENTS, stands)],
        "blind": [],
    }
    outs = confirm.STAGE.run(inputs, AssessConfig(), Kit())
    found = [row for out in outs for row in FINDINGS.check(out.rows).to_pylist()]
    assert [(row["method"], row["verdict"]) for row in found] == [
        ("template", "template"),
        ("partial", "none"),
    ]
    assert "the work came back as `template`, which says more" in found[1]["reason"]
    assert found[1]["gamma_star"] is None
