"""Balance: controls that can be told from works, what is done about it, and what p it gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from stages.contract import Kit
from stages.pixels import encode_png
from stages.tables import (
    ASSESSMENTS,
    BALANCE,
    BLIND,
    COPIES,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    MATCHES,
    PROMPTS,
    TEXTS,
    UNITS,
)
from stages.verdicts import assess, balancing, blind, blind_texts, blindfold, confirm, limits
from stages.verdicts.blindfold import PLACES, BlindConfig, Repair
from stages.verdicts.standing import AssessConfig
from tests.stages.shelf import Shelf

TESTS = [f"t{n:03d}" for n in range(80)]
CONTROLS = [f"c{n:03d}" for n in range(160)]
WORDS = ["sea", "sky", "old", "boat", "tree", "hill", "red"]


def given(stage: Any, role: str, table: Any, rows: list[dict[str, Any]]) -> Any:
    return table.of_rows(rows).select(list(stage.reads[role].names))


def units(names: list[str]) -> list[dict[str, Any]]:
    return [
        {"work_id": w, "unit_id": w, "rank": "0", "prompt_ids": [f"p-{w}"]}
        | {"label": "test" if w.startswith("t") else "control"}
        for w in names
    ]


@pytest.fixture(name="world", scope="module")
def a_world() -> tuple[Any, list[dict[str, Any]]]:
    """Return pictures, brighter by a standard deviation in test units, and prompts alike."""
    dice = np.random.default_rng(8)
    images, prompts = [], []
    for name in (*TESTS, *CONTROLS):
        bright = dice.normal(120 + 20 * name.startswith("t"), 20)
        noise = dice.integers(-20, 20, (8, 8, 3))
        rgb_HWC = np.clip(bright + noise, 0, 255).astype(np.uint8)
        images.append({"image_id": name, "bytes": encode_png(rgb_HWC)})
        prompts.append({"prompt_id": f"p-{name}", "text": " ".join(dice.choice(WORDS, 6))})
    return IMAGES.of_rows(images), prompts


def repaired(world: tuple[Any, Any], **knobs: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return BALANCE and BLIND by material."""
    images, prompts = world
    config, kit = BlindConfig(**knobs), Kit(datasets={"images": Shelf(images)})
    stage = balancing.STAGE
    inputs = {
        "units": [given(stage, "units", UNITS, units([*TESTS, *CONTROLS]))],
        "prompts": [given(stage, "prompts", PROMPTS, prompts)],
    }
    (out,) = stage.run(inputs, config, kit)
    inputs["balance"] = [BALANCE.check(out.rows).select(list(PLACES))]
    (told,) = blind.STAGE.run(inputs, config, kit)
    return out.rows.to_pylist(), {r["material"]: r for r in BLIND.check(told.rows).to_pylist()}


@pytest.mark.parametrize(
    ("repair", "after"),
    [("rematch", "re-matched"), ("strata", "within strata"), ("weighted", "weighted")],
)
def test_a_repair_leaves_less_to_tell_and_the_test_is_printed_again(
    world: Any, repair: str, after: str
) -> None:
    rows, told = repaired(world, repair=repair)
    before, left = told["pictures"], told[f"pictures, {after}"]
    assert before["judgement"] == "before the repair: not calibrated"
    assert before["low"] > 0.65
    assert left["auc"] < before["auc"] - 0.1
    assert {row["repair"] for row in rows} == {repair}
    assert set(told) == {m + x for m in ("captions", "pictures") for x in ("", f", {after}")}
    kept = [row["unit_id"] for row in rows if row["kept"]]
    assert left["num_test"] == sum(name.startswith("t") for name in kept)
    if repair == "rematch":
        assert 0 < left["num_test"] < len(TESTS)
        assert left["num_control"] % left["num_test"] == 0
    else:
        assert len(kept) == len(TESTS) + len(CONTROLS)


def test_looks_without_a_repair_change_nothing(world: Any) -> None:
    rows, told = repaired(world)
    assert {(row["kept"], row["stratum"], row["weight"]) for row in rows} == {(True, 0, 1.0)}
    look = {row["unit_id"]: row["look"] for row in rows}
    assert np.mean([look[t] for t in TESTS]) > np.mean([look[c] for c in CONTROLS]) + 0.3
    assert told["pictures"]["judgement"] == "not calibrated"


def test_too_few_to_learn_from_leave_no_look_and_no_unit_is_tested() -> None:
    stage = balancing.TEXTS_STAGE
    names = [*TESTS[:3], *CONTROLS[:3]]
    said = [{"prompt_id": f"p-{n}", "text": f"words of {n}"} for n in names]
    texts = TEXTS.of_rows([{"piece_id": f"{n}#0", "num_words": 9, "text": f"a {n}"} for n in names])
    inputs = {
        "units": [given(stage, "units", UNITS, units(names))],
        "prompts": [given(stage, "prompts", PROMPTS, said)],
    }
    config, kit = BlindConfig(repair="strata"), Kit(datasets={"texts": Shelf(texts)})
    (out,) = stage.run(inputs, config, kit)
    assert out.rows.num_rows == 0
    inputs["balance"] = [out.rows.select(list(PLACES))]
    (told,) = blind_texts.STAGE.run(inputs, config, kit)
    judged = {row["judgement"].partition(": ")[0] for row in told.rows.to_pylist()}
    assert judged == {"not tested"}
    rows = assessed({"t000": 0.1}, {"c000": 2.0}, {}, repair="strata")
    assert rows["t000"]["p"] is None
    assert rows["t000"]["excluded"].startswith("nothing was learnt of its looks")


Places = Mapping[str, tuple[bool, int, float]]


def assessed(
    test: Mapping[str, float], control: Mapping[str, float], placed: Places, **knobs: Any
) -> dict[str, dict[str, Any]]:
    """Return ASSESSMENTS of the primary method by unit."""
    stage, both = assess.STAGE, {**test, **control}
    made = [{"model_id": "m", "prompt_id": f"p-{w}", "phase": "confirmation"} for w in both]
    matches = [
        {"model_id": "m", "prompt_id": f"p-{w}", "phase": "confirmation", "made_id": f"g-{w}"}
        | {"work_id": w, "neighbor_id": w, "adaptive_ratio": score}
        for w, score in both.items()
    ]
    rows = [
        {"unit_id": w, "kept": kept, "stratum": stratum, "weight": weight}
        for w, (kept, stratum, weight) in placed.items()
    ]
    inputs = {
        "units": [given(stage, "units", UNITS, units(list(both)))],
        "made": [given(stage, "made", GENERATIONS, made)],
        "matches": [given(stage, "matches", MATCHES, matches)],
        "scores": [],
        "balance": [given(stage, "balance", BALANCE, rows)],
    }
    (out,) = stage.run(inputs, AssessConfig(**knobs), Kit())
    found = ASSESSMENTS.check(out.rows).to_pylist()
    return {row["unit_id"]: row for row in found if row["primary"]}


FAR = {f"c{n}": 1.0 + n / 10 for n in range(4)}


def test_strata_hold_units_against_their_own_controls() -> None:
    placed = {"t1": (True, 0, 1.0), "t2": (True, 1, 1.0), "t3": (True, 2, 1.0)}
    placed |= {c: (True, int(c in {"c2", "c3"}), 1.0) for c in FAR}
    rows = assessed({"t1": 1.05, "t2": 0.2, "t3": 0.1}, FAR, placed, repair="strata", q=0.5)
    # c0 (1.0) and c1 (1.1) stand against t1, c2 and c3 against t2; t3 stands alone
    assert [rows[t]["p"] for t in ("t1", "t2", "t3")] == [2 / 3, 1 / 3, None]
    assert [rows[t]["num_controls"] for t in ("t1", "t2")] == [2, 2]
    assert rows["t3"]["excluded"] == "no control unit is in its stratum"
    assert {row["num_units"] for row in rows.values()} == {2}
    assert rows["t2"]["q"] == pytest.approx(2 * (1 / 3) / 1)


def test_re_matching_leaves_units_out_of_the_test_and_of_the_null() -> None:
    placed = {"t1": (True, 0, 1.0), "t2": (False, 0, 1.0), "c0": (False, 0, 1.0)}
    placed |= dict.fromkeys(("c1", "c2"), (True, 0, 1.0))
    rows = assessed({"t1": 1.05, "t2": 0.2}, FAR, placed, repair="rematch")
    assert (rows["t1"]["p"], rows["t1"]["num_controls"], rows["t1"]["num_units"]) == (1 / 3, 2, 1)
    assert rows["t2"]["excluded"] == "no control unit looks like it"
    assert rows["c0"]["excluded"] == "it looks like no unit that is left"
    assert rows["c3"]["excluded"].startswith("nothing was learnt of its looks")
    # the same places without a repair are only looks
    plain = assessed({"t1": 1.05, "t2": 0.2}, FAR, placed)
    assert (plain["t1"]["p"], plain["t2"]["p"]) == (2 / 5, 1 / 5)


def test_weighted_units_are_on_the_list_of_the_level_or_on_none() -> None:
    far = {f"c{n:02d}": 1.0 + n / 100 for n in range(38)}
    placed = {"t1": (True, 0, 2.0), "t2": (True, 0, 0.5)}
    placed |= {c: (True, 0, 3.0 if c == "c00" else 1.0) for c in far}
    rows = assessed({"t1": 0.2, "t2": 1.005}, far, placed, repair="weighted", q=0.2)
    assert rows["t1"]["p"] == pytest.approx(2 / 42)
    assert rows["t2"]["p"] == pytest.approx((0.5 + 3) / 40.5)
    assert rows["t2"]["num_exceeding"] == 1
    assert {row["p_bound"] for row in rows.values() if row["p"]} == {1.0}
    for row in (rows["t1"], rows["t2"]):
        assert row["q"] in {0.2, 1.0}
        # nothing but a finding is told how much it withstands
        assert (row["gamma_star"] is not None) == (row["q"] == 0.2)
    # far from every control both are found, whatever the coin
    both = assessed({"t1": 0.2, "t2": 0.3}, far, placed, repair="weighted", q=0.2)
    assert [both[t]["q"] for t in ("t1", "t2")] == [0.2, 0.2]
    assert both["t2"]["gamma_star"] == pytest.approx(0.25 * 40 / 0.5)


def told(material: str, judgement: str) -> dict[str, Any]:
    row = {"material": material, "num_test": 9, "num_control": 9, "judgement": judgement}
    return row | {"auc": 0.7, "low": 0.6, "high": 0.8}


@pytest.mark.parametrize(
    ("after", "verdict"), [("calibrated", "verbatim"), ("not calibrated", "none")]
)
def test_a_verdict_rests_on_what_is_left_after_the_repair(after: str, verdict: str) -> None:
    placed = dict.fromkeys(["t1", *FAR], (True, 0, 1.0))
    rows = assessed({"t1": 0.2}, FAR, placed, repair="strata", q=0.5)
    stage = confirm.STAGE
    found = {"half": "train", "method": "adaptive_ratio", "verdict": "verbatim", "k": 3, "n": 4}
    found |= {"model_id": "m", "k_low": 0.2, "k_high": 0.9, "score": 0.3, "threshold": 1.0}
    found |= {"num_controls": 4, "own_caption": True, "finding_id": "0", "prompt_id": "p-t1"}
    found |= {"work_id": "t1", "reason": "3 of 4 images gave the work back"}
    blinds = [
        told("pictures", "before the repair: not calibrated"),
        told("pictures, within strata", after),
    ]
    inputs = {
        "candidates": [FINDINGS.of_rows([found])],
        "units": [given(stage, "units", UNITS, units(["t1", *FAR]))],
        "assessments": [given(stage, "assessments", ASSESSMENTS, list(rows.values()))],
        "blind": [given(stage, "blind", BLIND, blinds)],
    }
    config = AssessConfig(q=0.5, repair="strata")
    (row,) = [r for out in stage.run(inputs, config, Kit()) for r in out.rows.to_pylist()]
    assert row["verdict"] == verdict
    assert ("pictures, within strata alone tell" in row["reason"]) == (verdict == "none")


def test_a_repair_that_cannot_be_tested_repairs_nothing() -> None:
    # no control stays, so what the blind test said before stands
    names = [*TESTS[:20], *CONTROLS[:20]]
    said = [("old boat " if n.startswith("t") else "red hill ") + n for n in names]
    seated = [blindfold.Seat(n, n, "test" if n in TESTS else "control", []) for n in names]
    placed = {n: blindfold.Place(n in TESTS, 0, 1.0) for n in names}
    config = BlindConfig(repair="rematch")
    before, after = blindfold.told_apart("captions", said, seated, config, placed)
    assert before["judgement"] == "before the repair: not calibrated"
    assert after["judgement"] == "not calibrated"
    assert (after["num_control"], after["high"]) == (0, before["high"])


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"repair": "prayer"}, "expected one of none, rematch, strata, weighted, got 'prayer'"),
        ({"caliper": 0.0}, "blind.caliper: expected a number above 0"),
        ({"strata": 1}, "blind.strata: expected 2 or more, got 1"),
    ],
)
def test_impossible_repairs_are_refused(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlindConfig(**knobs)


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        ("strata", "each unit is held against controls of its stratum alone"),
        ("weighted", "each unit is held against weighted controls alone"),
        ("rematch", "a work that comes back in"),
    ],
)
def test_a_detection_limit_needs_one_mark_for_all(repair: Repair, said: str) -> None:
    stage = limits.STAGE
    units_of = {"t": "test", "c": "control"}
    rows = [
        {"model_id": "m", "method": "adaptive_ratio", "primary": True, "label": label, "n": 8}
        | {"score": 1.5, "excluded": None, "q": 1.0 if kind == "t" else None}
        for kind, label in units_of.items()
        for _ in range(1 if kind == "t" else 9)
    ]
    copies = [
        {"model_id": "m", "method": "adaptive_ratio", "work_id": str(n), "edit": "none"}
        | {"score": 0.1, "hit": True}
        for n in range(200)
    ]
    inputs = {
        "copies": [given(stage, "copies", COPIES, copies)],
        "assessments": [given(stage, "assessments", ASSESSMENTS, rows)],
        "blind": [],
    }
    config = limits.LimitsConfig(q=0.2, repair=repair)
    (out,) = stage.run(inputs, config, Kit())
    (row,) = out.rows.to_pylist()
    assert said in row["sentence"]
    assert (row["pi_95"] is None) == (repair != "rematch")
