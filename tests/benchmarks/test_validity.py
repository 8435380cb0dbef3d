import doctest
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.validity import broken, criterion, exact_law, looks, own_work, rows, swaps
from benchmarks.validity.criterion import LEVELS, dice_for, limits, measure, rate_of
from benchmarks.validity.page import page
from benchmarks.validity.report import make_report
from benchmarks.validity.specification import SECTION_5
from benchmarks.validity.worlds import Size, largest_of, merged, one_row_each, rows_of

RESULTS = Path(__file__).parents[2] / "benchmarks" / "validity" / "results"
SEED = 1


@pytest.mark.parametrize("name", ["criterion", "page"])
def test_doctests(name: str) -> None:
    done = doctest.testmod(importlib.import_module(f"benchmarks.validity.{name}"))
    assert done.attempted
    assert not done.failed


def test_limits_are_students_t_or_exact() -> None:
    assert limits(np.array([0.1, 0.2, 0.3, 0.4])) == pytest.approx((0.098091, 0.401909), abs=2e-6)
    assert limits(np.array([1.0] + [0.0] * 99)) == pytest.approx((0.000513, 0.046560), abs=1e-5)


def test_criterion_asks_for_both_limits() -> None:
    few = rate_of(np.array([[0.0, 1, 1]] * 20), 0.05)
    assert not few.exceeded
    assert not few.kept  # nothing went wrong, and yet 20 repetitions prove nothing
    many = rate_of(np.array([[0.0, 1, 1]] * 200), 0.05)
    assert many.kept
    wrong = rate_of(np.array([[0.0, 1, 1], [0.2, 1, 1]] * 100), 0.05)
    assert wrong.exceeded
    assert not wrong.kept


def test_rows_do_not_share_random_numbers() -> None:
    assert dice_for(1, "a").random() == dice_for(1, "a").random()
    assert len({dice_for(s, n).random() for s in (1, 2) for n in "ab"}) == 4
    row = rows.ROWS[0]
    assert rows.measure_row(row, 1, 20) == rows.measure_row(row, 1, 20)
    assert rows.measure_row(row, 1, 20) != rows.measure_row(row, 2, 20)
    names = [row.name for row in rows.ROWS] + [pair.name for pair in broken.PAIRS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_no_valid_row_is_shown_to_exceed_its_rate(row: rows.Row) -> None:
    rates = rows.measure_row(row, SEED, 100)
    assert [rate.q for rate in rates] == list(LEVELS)
    assert not [rate for rate in rates if rate.exceeded]


@pytest.mark.parametrize("row", rows.TABLE, ids=lambda row: row.name)
def test_figures_of_the_specification_come_out_again(row: rows.Row) -> None:
    assert row.size is not None
    specified = SECTION_5[row.size.controls, row.size.strength]
    for rate, cell in zip(rows.measure_row(row, SEED, 200), specified, strict=True):
        assert rate.error == pytest.approx(cell.fdr, abs=0.012)
        assert rate.power == pytest.approx(cell.power, abs=0.1)
        assert rate.silent == pytest.approx(cell.silent, abs=0.1)


@pytest.mark.parametrize("pair", broken.PAIRS, ids=lambda pair: pair.name)
def test_every_broken_variant_is_caught_and_its_right_way_is_not(pair: broken.Pair) -> None:
    right, wrong = broken.measure_pair(pair, SEED, 200)
    assert wrong.exceeded
    assert not wrong.kept
    assert not right.exceeded


def test_the_nine_variants_of_the_specification_are_there() -> None:
    said = " ".join(pair.name for pair in broken.PAIRS)
    for word in (
        "smaller index",
        "own works",
        "rows",
        "binomial",
        "near-duplicates",
        "ties",
        "Clopper-Pearson",
        "maxima",
        "triage",
    ):
        assert word in said


def test_paired_bets_are_fair_and_fail_by_a_quarter() -> None:
    dice = dice_for(SEED, "paired bets")
    for maxima, law in ((False, 0.75), (True, 1.25)):
        rate = measure(looks.paired_bets(maxima=maxima), dice, 10_000, (0.2,))[0]
        assert rate.error == pytest.approx(law * 0.2, abs=0.015)


def test_queue_counts_what_it_spends_and_gives_up() -> None:
    rates = np.repeat([0.0, 1.0], 150)
    record = looks.queued(rates, dice_for(SEED, "queue"))
    assert set(record.seeds_U[:150]) <= {looks.FIRST, looks.FIRST + looks.STEP}
    assert (record.hits_U[150:] == record.seeds_U[150:]).all()
    assert record.seeds_U.max() <= 64
    assert looks.worth_NN()[2, 2] == pytest.approx(np.log(4005.4), abs=1e-4)
    assert looks.worth_NN()[3, 5] == -np.inf


def test_merging_keeps_one_of_each_work_whatever_its_place() -> None:
    best = np.array([3, 3, 3, 7, 9, 9])
    dice = dice_for(SEED, "merging")
    kept = np.stack([merged(best, dice) for _ in range(3000)])
    for work in (3, 7, 9):
        assert (kept[:, best == work].sum(axis=1) == 1).all()
    assert kept.mean(axis=0) == pytest.approx([1 / 3] * 3 + [1] + [1 / 2] * 2, abs=0.04)


def test_one_row_speaks_for_each_unit() -> None:
    dice = dice_for(SEED, "rows")
    drawn = rows_of(50, np.arange(50.0) * 100, dice, 0.9)
    scores = one_row_each(drawn, dice)
    assert len(scores) == 50
    assert np.isin(scores, drawn.scores_R).all()
    assert (np.abs(scores - np.arange(50) * 100) < 20).all()


def test_largest_of_many_is_a_maximum() -> None:
    dice = dice_for(SEED, "largest")
    direct = dice.normal(size=(4000, 50)).max(axis=1)
    assert largest_of(50, 4000, dice).mean() == pytest.approx(direct.mean(), abs=0.04)
    assert largest_of(50, 4000, dice).std() == pytest.approx(direct.std(), abs=0.03)


def test_set_level_outcome_is_an_error_only_if_it_rejects() -> None:
    assert swaps.tested(8, 10, (0.05, 0.06)).tolist() == [[0, 0, 0], [1, 0, 1]]
    assert swaps.tested(0, 0, (0.05,)).tolist() == [[0, 0, 0]]


def test_null_counts_follow_their_law_and_others_do_not() -> None:
    told = exact_law.uniformity(SEED, 400)
    assert told["fit"]["p"] > 0.01
    assert told["fit"]["sd_points_by_law"] == pytest.approx(2.0, abs=0.05)
    assert told["fit"]["sd_points_if_independent"] == pytest.approx(1.3, abs=0.05)
    by_name = {row["name"]: row for row in told["tests"]}
    assert not by_name["exact law"]["low"] > 0.05
    assert by_name["binomial, as if independent"]["low"] > 0.05
    dice = dice_for(SEED, "independent")
    independent = dice.binomial(exact_law.NULLS, 10 / 201, size=400).astype(float)
    assert exact_law.fit(independent)["p"] < 1e-4


def test_own_work_keeps_power_where_the_joint_index_loses_it() -> None:
    size = Size(units=60, copied=30, controls=40)
    design = own_work.Design(size=size, share=0.15)
    dice = dice_for(SEED, "own work")
    outcomes = np.stack([own_work.judge(design, dice, LEVELS) for _ in range(100)])
    power = dict(zip(own_work.MEANINGS, outcomes.mean(axis=0)[:, 2, 1], strict=True))
    assert power["joint"] < 0.3
    assert power["own"] > 0.95
    assert power["own if best"] > 0.95
    for at in range(len(own_work.SCORES)):
        assert not [q for i, q in enumerate(LEVELS) if rate_of(outcomes[:, at, i], q).exceeded]


def test_report_has_its_fields_and_a_page() -> None:
    said: list[str] = []
    report = make_report(seed=3, repeats=20, say=said.append)
    assert set(report) == {
        *("format", "command", "repeats", "seed", "levels", "criterion", "rows", "broken"),
        *("section_5", "uniformity", "intervals", "detection", "power", "own_work"),
        *("failed", "passed"),
    }
    assert len(said) == len(rows.ROWS) + len(broken.PAIRS)
    for row in report["rows"]:
        assert {"q", "repeats", "error", "low", "high", "power", "passed"} <= set(row["rates"][0])
    html = page(report)
    assert "too few" in html
    for row in report["rows"]:
        assert row["name"] in html
    for forbidden in ("<script", "http://", "https://", "src=", "url(", "@import"):
        assert forbidden not in html


def test_report_refuses_too_few_repetitions() -> None:
    with pytest.raises(ValueError, match="at least 20, got 3"):
        make_report(repeats=3)


def test_committed_result_is_complete_and_passes() -> None:
    report = json.loads((RESULTS / "validation_report.json").read_text())
    assert report["repeats"] >= 2000
    assert report["passed"], report["failed"]
    assert [row["name"] for row in report["rows"]] == [row.name for row in rows.ROWS]
    assert [pair["name"] for pair in report["broken"]] == [pair.name for pair in broken.PAIRS]
    assert report["criterion"]["statement"] == criterion.STATEMENT
    assert (RESULTS / "validity.html").read_text() == page(report)
