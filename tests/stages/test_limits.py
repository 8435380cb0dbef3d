"""Limits: planted truth, the closed forms, and what keeps a run from having a limit."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit
from stages.probing import ProbesConfig
from stages.statistics.limits import detection_limit, power_at, rate_at, recall_lower
from stages.tables import (
    ASSESSMENTS,
    BLIND,
    COPIES,
    GENERATIONS,
    LIMITS,
    MATCHES,
    PROMPTS,
    THRESHOLDS,
    UNITS,
)
from stages.verdicts import limits, recognise
from stages.verdicts.limits import LimitsConfig, bar_of, measured
from stages.verdicts.sentences import limit_of

METHOD = "adaptive_ratio"
Row = dict[str, Any]


def only(table: Any, stage: Any, role: str, rows: Sequence[Mapping[str, Any]]) -> list[pa.Table]:
    return [table.of_rows(rows).select(list(stage.reads[role].names))]


def unit(label: str, score: float | None, **more: Any) -> Row:
    row = {"model_id": "m", "method": METHOD, "primary": True, "label": label, "n": 64}
    return row | {"score": score, "excluded": None, "q": None} | more


def copies(
    works: int, edits: int = 5, missed: Collection[tuple[int, int]] = (), **more: Any
) -> Any:
    """Return the copies of some works; `missed` names work and edit."""
    blank = {"model_id": "m", "method": METHOD, "half": "train", "made_id": None, "score": 0.1}
    return [
        blank
        | {"work_id": f"w{work:03d}", "edit": f"e{edit}", "hit": (work, edit) not in missed}
        | more
        for work in range(works)
        for edit in range(edits)
    ]


CONTROLS = [unit("control", 1.0 + place / 1000) for place in range(199)]
TESTED = [unit("test", 1.5, q=1.0) for _ in range(10)]
CALM = {"material": "captions", "judgement": "calibrated"}


def limit(
    planted: Sequence[Row], units: Sequence[Row] = (*TESTED, *CONTROLS), **knobs: Any
) -> dict[str, Any]:
    told = knobs.pop("told", CALM)
    inputs = {
        "copies": only(COPIES, limits.STAGE, "copies", planted),
        "assessments": only(ASSESSMENTS, limits.STAGE, "assessments", units),
        "blind": only(BLIND, limits.STAGE, "blind", [told]),
    }
    (out,) = limits.STAGE.run(inputs, LimitsConfig(**knobs), Kit())
    (row,) = LIMITS.check(out.rows).to_pylist()
    return dict(row)


def test_all_found_gives_the_closed_form_at_the_lower_limits() -> None:
    row = limit(copies(200))
    low = recall_lower(200, 200)
    assert (row["n"], row["k_star"], row["num_works"], row["num_copies"]) == (64, 1, 200, 1000)
    assert (row["recall"], row["recall_low"], row["sensitivity_low"]) == (1.0, low, low)
    # rho (1 - (1 - pi s)^n) = 0.95, solved by hand
    assert row["pi_95"] == pytest.approx((1 - (1 - 0.95 / low) ** (1 / 64)) / low)
    assert power_at(row["pi_95"], 1, 64, recall=low, sensitivity=low) == pytest.approx(0.95)
    assert row["sentence"].startswith("a work that comes back in ")


def test_an_index_that_misses_every_tenth_work_leaves_no_limit() -> None:
    lost = [(work, edit) for work in range(0, 200, 10) for edit in range(5)]
    row = limit(copies(200, missed=lost))
    assert (row["recall"], row["sensitivity"], row["pi_95"]) == (0.9, 1.0, None)
    assert row["recall_low"] == recall_lower(180, 200)
    lows = {"recall": row["recall_low"], "sensitivity": row["sensitivity_low"]}
    assert row["pi_50"] == rate_at(0.5, 1, 64, **lows)
    assert row["sentence"].startswith(
        "no limit: copies of 200 works were planted, and no more than"
    )


def test_recall_and_sensitivity_are_not_interchangeable() -> None:
    """The same tenth of the copies is lost: of whole works there is no limit, of each work some."""
    whole = [(work, edit) for work in range(0, 200, 10) for edit in range(10)]
    spread = [(work, work % 10) for work in range(200)]
    of_works, of_copies = (limit(copies(200, 10, missed)) for missed in (whole, spread))
    assert of_works["by_edit"] == of_copies["by_edit"]
    assert (of_works["recall"], of_works["sensitivity"]) == (0.9, 1.0)
    assert (of_copies["recall"], of_copies["sensitivity"]) == (1.0, 0.9)
    assert of_works["pi_95"] is None
    assert of_copies["pi_95"] == pytest.approx(
        detection_limit(1, 64, recall=recall_lower(200, 200), sensitivity=recall_lower(180, 200))
    )


def test_copies_of_one_work_are_no_independent_trials() -> None:
    """A hundred copies of each of ten works say no more of the sensitivity than ten works do."""
    assert limit(copies(10, 100))["sensitivity_low"] == recall_lower(10, 10)


@settings(max_examples=30)
@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=5), st.integers(0, 1000))
def test_the_limit_of_the_sensitivity_holds_where_works_differ(
    rates: list[float], seed: int
) -> None:
    """Works have rates of their own; the limit lies above their mean in hardly any run."""
    rng = np.random.default_rng(seed)
    drawn = rng.binomial(8, rng.choice(rates, size=(400, 60))) / 8
    whole = np.floor(drawn.sum(axis=1) + 1e-9).astype(int).tolist()
    wrong = sum(recall_lower(found, 60) > np.mean(rates) for found in whole)
    assert wrong <= 0.025 * 400 + 12


def test_works_at_the_limit_are_found() -> None:
    """With the true recall and sensitivity, the power at the limit is 0.95 in nearly every run."""
    rng, rho, s = np.random.default_rng(1), 0.99, 0.8
    powers = []
    for _ in range(40):
        found_WE = (rng.random((200, 1)) < rho) & (rng.random((200, 6)) < s)
        row = limit(copies(200, 6, set(zip(*np.nonzero(~found_WE), strict=True))))
        if row["pi_95"] is not None:
            powers.append(power_at(row["pi_95"], 1, 64, recall=rho, sensitivity=s))
    assert len(powers) > 20
    assert sum(power < 0.95 for power in powers) <= 2


def test_the_mark_is_the_control_that_one_finding_more_may_not_lose_to() -> None:
    # q (R + 1) / K = 0.05 x 2 / 10 = 2 of 200: one control may lie as close, so the second is it
    units = [unit("test", 0.2, q=0.05), *TESTED[1:], *CONTROLS]
    bar = bar_of(units, LimitsConfig(), is_larger=False)
    assert (bar.cutoff, bar.reached) == (0.01, True)
    assert bar.mark == pytest.approx(1.001)
    assert bar_of([*TESTED, *CONTROLS], LimitsConfig(), is_larger=False).mark == 1.0


def test_a_hit_that_a_control_matches_is_no_recognition() -> None:
    planted = copies(200, score=0.5)
    assert limit(planted)["recall"] == 1.0
    close = [unit("control", 0.4), *CONTROLS[1:]]
    assert limit(planted, [*TESTED, *close])["recall"] == 0.0
    tie = [unit("control", 0.5), *CONTROLS[1:]]
    row = limit(planted, [*TESTED, *tie])
    assert (row["recall"], row["sensitivity"], row["pi_95"], row["pi_50"]) == (
        0.0,
        None,
        None,
        None,
    )


def test_words_count_upwards() -> None:
    words: dict[str, Any] = {"method": "verbatim_words"}
    units = [row | words | {"score": 9.0} for row in (*TESTED, *CONTROLS)]
    assert limit(copies(200, score=40.0, **words), units)["recall"] == 1.0
    assert limit(copies(200, score=9.0, **words), units)["recall"] == 0.0


def test_controls_without_a_match_lie_behind_every_copy() -> None:
    row = limit(copies(200), [*TESTED, *[unit("control", None)] * 199])
    assert (row["mark"], row["recall"]) == (None, 1.0)


@pytest.mark.parametrize(
    ("units", "knobs", "why"),
    [
        ([*TESTED, *CONTROLS[:198]], {}, "these controls are too few"),
        ([*TESTED], {}, "no unit was tested against controls"),
        ([*CONTROLS], {}, "no unit was tested against controls"),
        ([*TESTED, *CONTROLS], {"min_hits": 65}, "64 seeds are too few for a verdict"),
        ([*TESTED, *CONTROLS], {"min_rate": 0.95}, "64 seeds are too few for a verdict"),
        (
            [*TESTED, *CONTROLS],
            {"told": {"material": "captions", "judgement": "not calibrated"}},
            "captions alone tell works from controls",
        ),
    ],
)
def test_where_nothing_could_be_a_finding_there_is_no_limit(
    units: list[Row], knobs: dict[str, Any], why: str
) -> None:
    row = limit(copies(200), units, **knobs)
    assert (row["k_star"], row["pi_95"], row["pi_50"]) == (None, None, None)
    assert row["recall"] == 1.0
    assert row["sentence"].startswith("no limit: ")
    assert why in row["sentence"]


def test_a_failed_blind_test_does_not_matter_after_a_coin() -> None:
    told = {"material": "captions", "judgement": "not calibrated"}
    assert limit(copies(200), told=told, setting="randomised")["pi_95"] is not None


def test_a_rate_that_must_be_exceeded_asks_for_more_hits() -> None:
    plain, strict = (limit(copies(200), min_rate=rate) for rate in (0.0, 0.02))
    assert (plain["k_star"], strict["k_star"]) == (1, 5)
    assert strict["pi_95"] > plain["pi_95"]


def test_seeds_are_those_of_one_prompt_and_of_most_units() -> None:
    odd = [unit("test", 1.5, q=1.0, n=7), *TESTED, *CONTROLS]
    assert limit(copies(200), odd, prompts_per_unit=2)["n"] == 32


def test_nothing_planted_or_too_little() -> None:
    none = limit([])
    assert (none["recall"], none["pi_95"]) == (None, None)
    assert none["sentence"].startswith("no limit: no copies were planted")
    few = limit(copies(71))
    assert (few["recall"], few["pi_95"]) == (1.0, None)
    assert "more copies would settle it" in few["sentence"]
    assert limit(copies(72))["pi_95"] is not None


def test_imported_generations_have_no_limit() -> None:
    inputs = {
        "copies": only(COPIES, limits.STAGE, "copies", copies(5)),
        "assessments": only(ASSESSMENTS, limits.STAGE, "assessments", []),
        "blind": only(BLIND, limits.STAGE, "blind", [CALM]),
    }
    (out,) = limits.STAGE.run(inputs, LimitsConfig(), Kit())
    assert len(out.rows) == 0


def test_secondary_methods_have_no_limit_of_their_own() -> None:
    other = [unit("test", 0.1, method="clip", primary=False)]
    assert limit(copies(200), [*TESTED, *CONTROLS, *other])["method"] == METHOD


def test_shares_in_sentences_are_rounded_to_the_careful_side() -> None:
    row = {"n": 64, "k_star": 1, "pi_95": 0.04701, "pi_50": 0.01, "recall": 1.0, "num_works": 100}
    row |= {"recall_low": 0.96389, "sensitivity_low": 0.7}
    said = limit_of(row)
    assert ("4.8 % of seeds" in said, "96.3 % of works" in said, "70.0 % of" in said) == (True,) * 3
    assert limit_of(row | {"k_star": None, "pi_95": None}).startswith("no limit: nothing more")
    weak = limit_of(row | {"pi_95": None, "pi_50": None, "sensitivity_low": 0.01})
    assert weak.endswith("no more than 1.0 % of copies are surely recognised")


def test_edits_are_told_apart() -> None:
    bar = bar_of([*TESTED, *CONTROLS], LimitsConfig(), is_larger=False)
    found = measured(copies(3, 2, [(1, 1)]), bar)
    assert found["by_edit"] == "e0: 3 of 3; e1: 2 of 3"


# the table of copies


def recognised(matches: Sequence[Row], *, named: bool = True, made: int = 4) -> dict[str, Row]:
    """Return the copies of works w0 to w3 by work."""
    asked = [
        {"prompt_id": f"p{n}", "text": "unchanged", "work_id": f"w{n}", "half": "train"}
        for n in range(4)
    ] + [{"prompt_id": "v0", "text": "VAE round trip", "work_id": "w0", "half": "train"}]
    images = [
        {"image_id": f"{twice}{n}", "model_id": "m", "prompt_id": f"p{n}"}
        for n in range(made)
        for twice in "gh"
    ]
    inputs = {
        "prompts": only(PROMPTS, recognise.STAGE, "prompts", asked),
        "images": only(GENERATIONS, recognise.STAGE, "images", images),
        "matches": only(MATCHES, recognise.STAGE, "matches", matches),
        "thresholds": only(
            THRESHOLDS,
            recognise.STAGE,
            "thresholds",
            [{"model_id": "m", "method": METHOD, "threshold": 0.75}],
        ),
        "units": only(UNITS, recognise.STAGE, "units", [{"prompt_ids": ["a"] if named else []}]),
    }
    outs = list(recognise.STAGE.run(inputs, ProbesConfig(), Kit()))
    rows = [row for out in outs for row in COPIES.check(out.rows).to_pylist()]
    return {row["work_id"]: row for row in rows}


def seen(number: int, ratio: float | None, **more: Any) -> Row:
    row = {"made_id": f"g{number}", "prompt_id": f"p{number}", "work_id": f"w{number}"}
    return row | {"via": "caption+pixels", "best": True, METHOD: ratio} | more


def test_a_copy_is_recognised_by_the_rule_of_the_run() -> None:
    rows = recognised(
        [
            seen(0, 0.5),
            seen(1, 0.75),
            seen(2, 0.5, best=False),
            seen(3, None),
            seen(3, 0.1, work_id="w0"),
        ]
    )
    assert {work: row["hit"] for work, row in rows.items()} == {
        "w0": True,
        "w1": False,  # not strictly below
        "w2": False,  # another work lies closer
        "w3": False,  # no scale, and what came of another work is not its own
    }
    assert (rows["w0"]["made_id"], rows["w3"]["score"]) == ("g0", None)


def test_a_copy_that_is_missing_counts_as_missed_and_an_edit_nobody_made_does_not() -> None:
    rows = recognised([seen(0, 0.5)], made=1)
    assert {work: row["hit"] for work, row in rows.items()} == {
        "w0": True,
        "w1": False,
        "w2": False,
        "w3": False,
    }
    assert {row["edit"] for row in rows.values()} == {"unchanged"}
    assert rows["w1"]["made_id"] is None


def test_being_led_by_the_caption_counts_only_where_captions_lead() -> None:
    matches = [seen(0, 0.5, via="caption"), seen(1, 0.5)]
    found = {named: recognised(matches, named=named) for named in (True, False)}
    assert [found[named]["w0"]["hit"] for named in (True, False)] == [True, False]
    assert found[False]["w1"]["hit"]
