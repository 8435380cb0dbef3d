"""Error rates over training runs: planted numbers, a toy run to its end, one that was cut."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.validity_trained import __main__ as command
from benchmarks.validity_trained import asking, files, pool, runs, score, split, tally
from benchmarks.validity_trained.plan import Plan

SMALL = Plan(
    clusters=40,
    planted=((4, 3), (16, 3)),
    once=4,
    controls=8,
    channels=(8, 8),
    words=4,
    steps=2,
    batch=8,
    generations=2,
    denoising=1,
    neighbours=5,
    repeats=2,
)
LEVEL = 0.1


def drawn_pool(seed: int = 0, units: int = 40, side: int = 16) -> pool.Pool:
    """Make a pool of noise: every tenth unit has a near-duplicate."""
    dice = np.random.default_rng(seed)
    cluster_W = np.sort(np.concatenate([np.arange(units), np.arange(0, units, 10)]))
    pixels = dice.integers(256, size=(len(cluster_W), side, side, 3), dtype=np.uint8)
    for row in np.flatnonzero(np.diff(cluster_W) == 0):
        pixels[row + 1] = np.clip(pixels[row].astype(int) + 3, 0, 255)
    words = np.stack([cluster_W, units + cluster_W % 7, units + 7 + cluster_W % 3], axis=1)
    return pool.Pool(pixels, words, cluster_W, cluster_W % 3, units + 10)


def planted_asking(times: list[int], own: list[float], best: list[int] | None = None) -> Any:
    """Return an asking such as a file holds, with scores given by hand."""
    units = list(range(len(times)))
    return {
        "model": 0,
        "asking": 0,
        "unit": units,
        "times": times,
        "rank": units,
        "own": own,
        "joint": own,
        "best": best or units,
        "own_nearest": [0.25] * len(times),
    }


def fill(out: Path, *, models: int = 2) -> None:
    out.mkdir()
    np.savez(out / "pool.npz", **drawn_pool()._asdict())
    runs.make(out, SMALL, models)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    fill(out)
    return out


def test_a_toy_run_ends_with_both_kinds_of_interval(made: Path) -> None:
    told = json.loads(json.dumps(tally.result(made, SMALL)))
    assert told["summary"]["models"] == 2
    assert "only 2 models" in told["summary"]["claim"]
    for name in asking.SCORES:
        over, within = (
            told[f"rows of {name}"][title] for title in ("over training runs", "within one model")
        )
        assert [(row["model"], row["asking"]) for row in over] == [(0, 0), (1, 0)]
        assert [(row["model"], row["asking"]) for row in within] == [(0, 0), (0, 1)]
        rates = told["summary"][name]["over training runs"]["0.05"]
        assert rates["fdp"]["replicates"] == 2
        # 8 controls can never reach q = 0.05 among at least 10 units unless nearly all are findings
        assert rates["found"] == [0, 0]
    shares = told["summary"]["works_in_training"]
    assert shares["units"] == 40
    assert 0 <= shares["models_least"] <= shares["models_most"] <= 2


def test_a_cut_run_goes_on_and_ends_the_same(made: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    fill(cut, models=1)
    files.asking_path(cut, 0, 1).unlink()
    kept = files.asking_path(cut, 0, 0)
    before = kept.stat().st_mtime_ns
    (cut / "model-001-asking-000.part").write_text("{")
    runs.make(cut, SMALL, 2)
    assert kept.stat().st_mtime_ns == before
    clocks = {"training_seconds", "asking_seconds"}
    for one, other in zip(files.read(made), files.read(cut), strict=True):
        assert {k: v for k, v in one.items() if k not in clocks} == {
            k: v for k, v in other.items() if k not in clocks
        }


def test_another_plan_is_refused(made: Path) -> None:
    with pytest.raises(ValueError, match=r"another plan \(it differs in steps\)"):
        runs.make(made, replace(SMALL, steps=3), 1)


def test_the_command_writes_what_it_prints_from(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Plan", lambda: SMALL)
    assert command.main([str(made), "--only-tally"]) == 0
    written = json.loads((made / "trained.json").read_text())
    assert json.loads(capsys.readouterr().out) == written["summary"]
    assert written["recipe"]["steps"] == SMALL.steps


def test_nothing_trained_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model was asked"):
        tally.result(tmp_path, SMALL)


def test_findings_are_counted_by_what_is_true() -> None:
    # 30 held out, all low but one under test; 2 grey, one of them high; 4 planted, 3 of them high
    plan = replace(SMALL, controls=20)
    own = [i / 100 for i in range(30)] + [9.5, 0.001, 8.0, 8.1, 8.2, 0.002]
    own[split.dice(plan, split.CONTROLS, 0, 0).permutation(30)[20]] = 9.0
    told = planted_asking([0] * 30 + [1, 1, 4, 4, 16, 16], own)
    examined = asking.examine(told, plan, "own")
    assert examined.controls == 20
    assert len(examined.p_K) == 10 + 6
    counted = asking.count(examined, 0.2, [4, 16])
    assert counted["found"] == 5
    assert (counted["false"], counted["grey"]) == (1, 1)
    assert counted["fdp"] == 0.25
    assert counted["fdp_with_grey"] == 0.2
    assert counted["power"] == 0.75
    assert counted["power_by_times"] == {"4": 1.0, "16": 0.5}
    # K / (q (m + 1)) = 16 / (0.2 * 21)
    assert counted["fewest_possible"] == 4


def test_merged_units_and_matches_in_controls_are_no_findings() -> None:
    plan = replace(SMALL, controls=20)
    times = [0] * 30 + [16] * 6
    low = [i / 100 for i in range(30)]
    alone = asking.examine(planted_asking(times, [*low, 5, 5, 5, 5, 5, 5]), plan, "joint")
    assert asking.count(alone, 0.2, [16])["found"] == 6
    merged = planted_asking(times, [*low, 5, 5, 5, 5, 5, 5], [*range(30), 30, 30, 30, 33, 34, 35])
    examined = asking.examine(merged, plan, "joint")
    assert len(examined.p_K) == len(alone.p_K) - 2
    assert asking.count(examined, 0.2, [16])["found"] == 4
    lot = split.dice(plan, split.CONTROLS, 0, 0).permutation(30)
    control, null = int(lot[0]), int(lot[25])
    best = list(range(36))
    best[35], best[control] = control, null
    best[null] = control + 1000
    shown = asking.examine(planted_asking(times, [*low, 5, 5, 5, 5, 5, 5], best), plan, "joint")
    assert asking.count(shown, 0.2, [16])["found"] == 5


def test_a_unit_whose_own_work_is_never_nearest_can_be_left_out() -> None:
    plan = replace(SMALL, controls=20)
    told = planted_asking([0] * 30 + [16] * 6, [*(i / 100 for i in range(30)), 5, 5, 5, 5, 5, 5])
    told["own_nearest"][30] = 0.0
    examined = asking.examine(told, plan, "own_if_nearest")
    assert examined.p_K[-6:] == pytest.approx([1.0] + [1 / 21] * 5)
    assert asking.count(examined, 0.2, [16])["found"] == 5
    assert asking.count(asking.examine(told, plan, "own"), 0.2, [16])["found"] == 6


def test_small_nulls_follow_their_exact_law_and_a_leak_does_not() -> None:
    plan = replace(SMALL, controls=60)
    dice = np.random.default_rng(5)
    tails = []
    for number in range(60):
        told = planted_asking([0] * 100, dice.normal(size=100).tolist()) | {"asking": number}
        tails.append(asking.small_nulls(asking.examine(told, plan, "own"))["0.1"]["tail"])
    assert np.mean(np.array(tails) <= 0.1) < 0.2
    assert np.mean(np.array(tails) <= 0.5) > 0.3
    p_K = np.full(40, 1 / 61)
    leaked = asking.Examined(np.zeros(40, int), p_K, p_K, np.ones(40, bool), 60)
    law = asking.small_nulls(leaked)["0.05"]
    assert law["tail"] < 0.001
    # 0.05 is j = 3 of 61: the mean of the law is K0 j / (m + 1)
    assert (law["small"], law["mean"]) == (40, round(40 * 3 / 61, 2))


def test_interval_by_hand() -> None:
    # mean 0.2, sd 0.1, t(0.975; 2) = 4.3027, t(0.95; 2) = 2.9200, root of 3
    told = tally.interval([0.1, 0.2, 0.3])
    assert told["two_sided"] == pytest.approx([0.2 - 0.24841, 0.2 + 0.24841], abs=1e-4)
    assert told["one_sided_lower"] == pytest.approx(0.2 - 0.16859, abs=1e-4)


def test_coins_are_fair_and_a_unit_has_one_label() -> None:
    works, plan = drawn_pool(), replace(SMALL, controls=5, once=2)
    times = np.stack([split.split(40, plan, model).times_U for model in range(200)])
    assert abs((times > 0).mean() - 0.5) < 0.02
    assert ((times == 16).sum(1) == 3).all()
    assert ((times == 4).sum(1) == 3).all()
    cut = split.split(40, plan, 7)
    rows = split.training_rows(works, cut)
    repeats = np.bincount(rows, minlength=len(works.cluster_W))
    assert (repeats == cut.times_U[works.cluster_W]).all()
    assert cut.asked_U[cut.times_U != 1].all()
    assert (cut.asked_U & (cut.times_U == 1)).sum() == 2


def test_too_small_a_pool_is_said() -> None:
    with pytest.raises(ValueError, match="ask for a larger pool"):
        split.split(20, SMALL, 0)


def test_own_work_and_nearest_work_are_scored_in_one_index() -> None:
    works = drawn_pool(units=30)
    units_U = np.array([3, 10, 20])
    rows = works.firsts_U[units_U]
    pictures = works.pixels_WHWC[rows][:, None].repeat(2, axis=1).copy()
    pictures[1, 0] = works.pixels_WHWC[rows[1] + 1]  # the near-duplicate of unit 10 counts as it
    pictures[2] = works.pixels_WHWC[works.firsts_U[5]]  # unit 20 gives back unit 5
    told = score.score(pictures, units_U, works, SMALL)
    assert told.own_U[:2] == pytest.approx([0, 0], abs=1e-6)
    assert told.own_U[2] < -0.9
    assert told.joint_U == pytest.approx([0, 0, 0], abs=1e-6)
    assert told.best_U.tolist() == [3, 10, 5]
    assert told.own_nearest_U.tolist() == [1.0, 1.0, 0.0]


def test_the_ratio_is_the_mean_over_nearest_other_units() -> None:
    works = drawn_pool(units=12)
    picture = np.full((1, 1, 16, 16, 3), 128, np.uint8)
    apart = score.distances(picture, works.pixels_WHWC)[0, 0]
    units = np.array([apart[works.cluster_W == unit].min() for unit in range(12)])
    for own in range(12):
        others = np.sort(np.delete(units, own))[: SMALL.neighbours]
        told = score.score(picture, np.array([own]), works, SMALL)
        assert told.own_U[0] == pytest.approx(-units[own] / others.mean())
    nearest = int(units.argmin())
    others = np.sort(np.delete(units, nearest))[: SMALL.neighbours]
    assert told.joint_U[0] == pytest.approx(-units[nearest] / others.mean())


def test_folding_loses_nothing() -> None:
    from benchmarks.validity_trained.network import folded, unfolded

    pixels = drawn_pool().pixels_WHWC[:3]
    assert (unfolded(folded(pixels)) == pixels).all()


def test_the_demos_artists_draw_the_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = pool.Image.new("RGB", (64, 64), (10, 200, 30))
    file = pool.io.BytesIO()
    image.save(file, "PNG")

    def work(unit: str, title: str, kind: str = "single") -> Any:
        given = {"unit": unit, "title": title, "kind": kind, "artist": "A. Name"}
        return type("Work", (), {**given, "png": file.getvalue()})()

    drawn = [
        work("a", "Old Boat"),
        work("f", "No No", "family"),
        work("b", "New Boat"),
        work("b", "New Boat"),
    ]
    monkeypatch.setattr(pool, "_drawn", lambda _: drawn)
    made = pool.open_pool(SMALL, tmp_path / "pool.npz")
    monkeypatch.setattr(pool, "_drawn", lambda _: pytest.fail("drawn twice"))
    again = pool.open_pool(SMALL, tmp_path / "pool.npz")
    assert made.cluster_W.tolist() == [0, 1, 1]
    assert made.vocabulary == 4
    assert made.words_WT[0, 1] == made.words_WT[1, 1]
    assert made.firsts_U.tolist() == [0, 1]
    assert (again.pixels_WHWC == made.pixels_WHWC).all()
    assert again.vocabulary == 4
    assert made.pixels_WHWC[0, 0, 0].tolist() == [10, 200, 30]
