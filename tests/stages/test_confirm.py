"""Assess and confirm: planted units against controls, and what keeps a finding from standing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit
from stages.statistics.conformal import simultaneous_bound
from stages.tables import ASSESSMENTS, BLIND, FINDINGS, GENERATIONS, MATCHES, UNITS
from stages.verdicts import assess, confirm
from stages.verdicts.standing import AssessConfig

Scores = Mapping[str, float | None]
METHOD = "adaptive_ratio"


def unit(work: str, label: str, prompts: Sequence[str]) -> dict[str, Any]:
    row = {"work_id": work, "unit_id": work, "label": label, "rank": "0"}
    return row | {"prompt_ids": list(prompts)}


def match(work: str, score: float | None, **more: Any) -> dict[str, Any]:
    row = {"model_id": "m", "prompt_id": f"p-{work}", "phase": "confirmation"}
    row |= {"made_id": f"g-{work}", "work_id": work, "neighbor_id": work, METHOD: score}
    return row | more


def only(table: Any, stage: Any, role: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return table.of_rows(rows).select(list(stage.reads[role].names))


def assessed(
    test: Scores, control: Scores, extra: Sequence[dict[str, Any]] = (), **knobs: Any
) -> dict[str, dict[str, Any]]:
    """Return the primary ASSESSMENTS by unit, of one generation for each unit."""
    both = {**test, **control}
    units = [unit(w, "test" if w in test else "control", [f"p-{w}"]) for w in both]
    made = [
        {"model_id": "m", "prompt_id": f"p-{work}", "phase": phase}
        for work in both
        for phase in ("discovery", "confirmation")
    ]
    matches = [match(work, score) for work, score in both.items()] + list(extra)
    inputs = {
        "units": [only(UNITS, assess.STAGE, "units", units)],
        "made": [only(GENERATIONS, assess.STAGE, "made", made)],
        "matches": [only(MATCHES, assess.STAGE, "matches", matches)],
        "scores": [],
        "balance": [],
    }
    (out,) = assess.STAGE.run(inputs, AssessConfig(**knobs), Kit())
    rows = ASSESSMENTS.check(out.rows).to_pylist()
    return {row["unit_id"]: row for row in rows if row["primary"]}


CALM = {"material": "captions", "high": 0.54, "judgement": "calibrated"}


def confirmed(
    rows: Mapping[str, Mapping[str, Any]],
    candidates: Sequence[dict[str, Any]],
    told: Mapping[str, Any] = CALM,
    **knobs: Any,
) -> list[dict[str, Any]]:
    blank = {"half": "train", "method": METHOD, "verdict": "verbatim", "k": 3, "n": 4}
    blank |= {"model_id": "m", "k_low": 0.2, "k_high": 0.9, "score": 0.3, "threshold": 1.0}
    blank |= {"num_controls": 9, "own_caption": True, "reason": "3 of 4 images gave the work back"}
    found = [
        blank | {"finding_id": str(n), "prompt_id": f"p-{row['work_id']}"} | row
        for n, row in enumerate(candidates)
    ]
    units = [unit(name, row["label"], []) for name, row in rows.items()]
    inputs = {
        "candidates": [FINDINGS.of_rows(found)],
        "units": [only(UNITS, confirm.STAGE, "units", units)],
        "assessments": [
            only(ASSESSMENTS, confirm.STAGE, "assessments", [dict(row) for row in rows.values()])
        ],
        "blind": [only(BLIND, confirm.STAGE, "blind", [told])],
    }
    outs = list(confirm.STAGE.run(inputs, AssessConfig(**knobs), Kit()))
    return [row for out in outs for row in FINDINGS.check(out.rows).to_pylist()]


CONTROLS = {f"c{n:02d}": 1.5 + n / 100 for n in range(39)}


def test_hand_computed_p_bound_and_q() -> None:
    rows = assessed({"t1": 0.2, "t2": 0.4, "t3": 1.505, "t4": 3.0}, CONTROLS)
    assert [rows[t]["num_exceeding"] for t in ("t1", "t2", "t3", "t4")] == [0, 0, 1, 39]
    assert [rows[t]["p"] for t in ("t1", "t3", "t4")] == [1 / 40, 2 / 40, 1.0]
    assert rows["t1"]["q"] == rows["t2"]["q"] == 4 * (1 / 40) / 2
    assert rows["t3"]["q"] == pytest.approx(4 * (2 / 40) / 3)
    assert rows["t1"]["p_bound"] == simultaneous_bound(0, 39)
    assert {row["num_units"] for row in rows.values()} == {4}
    assert {row["num_controls"] for row in rows.values()} == {39}
    assert all(rows[c]["p"] is None for c in CONTROLS)


def test_ties_count_against_the_finding() -> None:
    assert assessed({"t1": 1.5}, CONTROLS)["t1"]["num_exceeding"] == 1


def test_what_a_control_prompt_gives_back_of_other_works_is_no_score_of_it() -> None:
    stray = [match("t1", 0.05, prompt_id="p-c00", made_id="g-c00")]
    assert assessed({"t1": 0.2}, CONTROLS, stray) == assessed({"t1": 0.2}, CONTROLS)


def test_all_scores_equal_give_p_one_and_no_finding() -> None:
    rows = assessed(dict.fromkeys(("t1", "t2"), 1.0), dict.fromkeys(CONTROLS, 1.0))
    assert rows["t1"]["p"] == rows["t1"]["q"] == 1.0


def test_a_unit_without_a_match_lies_behind_all_and_stays_in_the_list() -> None:
    rows = assessed({"t1": 0.2, "t2": None}, {**CONTROLS, "c99": None})
    assert (rows["t2"]["p"], rows["t2"]["num_units"]) == (1.0, 2)
    assert rows["t1"]["p"] == 1 / 41


def test_without_controls_nothing_is_tested() -> None:
    rows = assessed({"t1": 0.2}, {})
    assert rows["t1"]["p"] is None
    (row,) = confirmed(rows, [{"work_id": "t1"}])
    assert row["verdict"] == "none"
    assert "no control unit" in row["reason"]


def test_gamma_stands_beside_findings_unless_a_coin_split_the_works() -> None:
    test = {f"t{n}": 0.1 for n in range(4)}
    matched = assessed(test, CONTROLS)
    assert matched["t0"]["gamma_star"] == pytest.approx(0.05 * 39 / 0.95)
    assert assessed(test, CONTROLS, setting="randomised")["t0"]["gamma_star"] is None


def test_discovery_seeds_score_nothing() -> None:
    early = [match("t1", 0.01, phase="discovery", made_id="g-early")]
    assert assessed({"t1": 1.7}, CONTROLS, early)["t1"]["score"] == pytest.approx(1.7)


def test_a_candidate_that_stands_out_is_a_finding_with_its_numbers() -> None:
    rows = assessed({"t1": 0.2, "t2": 0.4}, CONTROLS)
    (row,) = confirmed(rows, [{"work_id": "t1"}])
    assert row["verdict"] == "verbatim"
    assert (row["p"], row["q"], row["num_units"], row["num_control_units"]) == (0.025, 0.025, 2, 39)
    assert row["reason"] == (
        "3 of 4 images gave the work back; none of 39 control units came as close; at 95 %"
        " confidence at most 146 in 1,000 would; q 0.025"
    )


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        ({"work_id": "t2"}, "so its q is 0.125, above 0.05"),
        ({"work_id": "elsewhere"}, "nothing was asked in the name of this work"),
        ({"work_id": "t1", "k_low": 0.0}, "the lower limit of its rate is not above 0"),
    ],
)
def test_what_keeps_a_candidate_from_standing(candidate: dict[str, Any], why: str) -> None:
    rows = assessed({"t1": 0.2, "t2": 1.535}, CONTROLS)
    (row,) = confirmed(rows, [candidate])
    assert row["verdict"] == "none"
    assert why in row["reason"]


@pytest.mark.parametrize(("best", "verdict"), [(0.29, "none"), (0.3, "none"), (0.31, "verbatim")])
def test_an_imported_candidate_has_to_beat_every_control_work(best: float, verdict: str) -> None:
    foreign = {"work_id": "t1", "model_id": "imported", "control_best": best, "k_low": None}
    (row,) = confirmed({}, [foreign])
    assert (row["verdict"], row["p"], row["q"]) == (verdict, None, None)


@pytest.mark.parametrize(("setting", "verdict"), [("matched", "none"), ("randomised", "verbatim")])
def test_no_verdict_where_captions_alone_tell_works_from_controls(
    setting: str, verdict: str
) -> None:
    told = {"material": "captions", "high": 0.83, "judgement": "not calibrated"}
    rows = assessed({"t1": 0.2}, CONTROLS)
    (row,) = confirmed(rows, [{"work_id": "t1"}], told, setting=setting)
    assert row["verdict"] == verdict
    assert ("null not calibrated: captions alone" in row["reason"]) == (verdict == "none")


def test_other_verdicts_pass_through() -> None:
    rows = assessed({"t1": 0.2}, {})
    others = ["none", "low_diversity", "not_examined"]
    found = confirmed(
        rows, [{"work_id": None, "verdict": v, "reason": "as it was"} for v in others]
    )
    assert [(row["verdict"], row["reason"]) for row in found] == [(v, "as it was") for v in others]


score = st.one_of(st.none(), st.sampled_from([0.1, 0.4, 0.9, 1.0, 1.4]))


@settings(max_examples=40)
@given(st.lists(score, min_size=1, max_size=6), st.lists(score, min_size=1, max_size=12))
def test_a_closer_control_never_helps(test: list[Any], control: list[Any]) -> None:
    tested = {f"t{n}": s for n, s in enumerate(test)}
    controls = {f"c{n}": s for n, s in enumerate(control)}
    before = assessed(tested, controls)
    after = assessed(tested, {**controls, "c0": 0.05})
    assert all(after[t]["p"] >= before[t]["p"] for t in tested)
    assert all(1 / (len(control) + 1) <= before[t]["p"] <= 1 for t in tested)


def test_nobody_can_tell_the_labels_from_the_scores_that_are_computed() -> None:
    rows = assessed({"t1": 0.2, "t2": 1.7}, CONTROLS)
    swapped = assessed(CONTROLS, {"t1": 0.2, "t2": 1.7})
    assert {u: row["score"] for u, row in rows.items()} == {
        u: row["score"] for u, row in swapped.items()
    }
    assert Counter(row["excluded"] for row in swapped.values()) == {None: 41}
