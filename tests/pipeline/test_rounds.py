"""The sequential design: fewer images are made, and what is memorized is still found."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.flow import FLOW
from pipeline.project import open_store
from pipeline.rounds import MATCHES, SAMPLED
from pipeline.steps import Step
from stages.contract import Columns, Kit
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs, open_diffusion
from stages.tables import ASSESSMENTS, FINDINGS, GENERATIONS, LIMITS, TURNS, UNITS

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"
PLANTED, WORKS = 2, 18
SEEDS, DISCOVERY = 6, 2
CASE = f"""
name: rounds
setting: randomised
train: {{sources: [{{path: train}}]}}
control: {{sources: [{{path: control}}]}}
models:
  demo: {{model: {{path: {DEMO}/model}}, steps: 2, guidance: 2.5, batch: 16}}
embed: {{model: {{path: {DEMO}/clip}}}}
prompts: {{seeds: {SEEDS}, discovery: {DISCOVERY}, block: {SEEDS}, duplicated: 0,
  random_train: {WORKS}, random_control: {WORKS}}}
units: {{min_jaccard: 0.99}}
compare: {{num_others: 20}}
assess: {{q: 0.5}}
allocate: {{design: sequential, looks: [1, 2]}}
cluster: {{kind: inline, threads: 1}}
"""


def save(rgb: np.ndarray, caption: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(rgb).save(path.with_suffix(".png"))
    path.with_suffix(".json").write_text(json.dumps({"caption": caption}))


def noise(number: int) -> np.ndarray:
    dice = np.random.default_rng(number)
    rgb = np.full((64, 64, 3), dice.integers(0, 255, 3), np.uint8)
    for _ in range(12):
        x, y = dice.integers(0, 48, 2)
        w, h = dice.integers(8, 40, 2)
        rgb[y : y + h, x : x + w] = dice.integers(0, 255, 3)
    return rgb


def memorized() -> list[str]:
    """Return captions that the demo's model answers with one work, whatever the seed."""
    rows = json.loads((DEMO / "truth.json").read_text("utf-8"))["captions"]
    return [row["caption"] for row in rows if row["rate"] == 1 and row["times"] == 64][:PLANTED]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rounds")
    captions = memorized()
    sampler = open_diffusion(DEMO / "model", Knobs(steps=2, guidance=2.5, batch=PLANTED), Kit())
    made = sampler.draw([Ask(12_345 + i, caption) for i, caption in enumerate(captions)])
    for i in range(WORKS):
        planted = i < PLANTED
        rgb = made.rgb_BHWC[i] if planted else noise(i)
        caption = captions[i] if planted else f"the {i * 7919} rectangles number {i}"
        save(rgb, caption, folder / "train" / f"t{i:02d}")
        save(
            noise(1000 + i), f"other {i * 104_729} shapes of {i}", folder / "control" / f"c{i:02d}"
        )
    path = folder / "case.yaml"
    path.write_text(CASE)
    assert main(["run", str(path)]) == 0
    return path


def rows_of(case: Path, table: Any, *names: str) -> list[dict[str, Any]]:
    store = open_store(case)[1]
    return open_dataset(store, table, *names).read(list(table.schema.names)).to_pylist()


def test_fewer_images_are_made(case: Path) -> None:
    rounds = [rows_of(case, TURNS, f"made.turns{end}") for end in ("", "_2", "_3")]
    assert len(rounds[0]) == 2 * WORKS
    asked = [{row["prompt_id"] for row in rows} for rows in rounds]
    assert asked[2] <= asked[1] <= asked[0]
    assert PLANTED <= len(asked[2]) <= len(asked[1]) < WORKS
    assert {row["sample"] for row in rounds[0]} == {0}
    assert {row["sample"] for row in rounds[1]} == {1}
    assert {row["sample"] for row in rounds[2]} == set(range(2, SEEDS))
    made = rows_of(case, GENERATIONS, *SAMPLED)
    assert sorted((row["prompt_id"], row["sample"]) for row in made) == sorted(
        (row["prompt_id"], row["sample"]) for rows in rounds for row in rows
    )
    assert len(made) < 2 * WORKS * SEEDS / 3


def test_planted_works_are_found_and_who_was_given_up_still_counts(case: Path) -> None:
    found = rows_of(case, FINDINGS, "made.findings")
    copies = {row["work_id"] for row in found if row["verdict"] == "verbatim"}
    assert len(copies) == PLANTED
    assert {row["half"] for row in found if row["verdict"] == "verbatim"} == {"train"}
    units = rows_of(case, UNITS, "made.units")
    judged = [row for row in rows_of(case, ASSESSMENTS, "made.assessments") if row["primary"]]
    assert {row["num_units"] for row in judged} == {WORKS}
    assert {row["num_controls"] for row in judged} == {WORKS}
    assert len(judged) == len(units)
    given_up = [row for row in judged if row["n"] == 0]
    assert given_up
    assert all(row["excluded"] is None for row in given_up)
    assert all(row["p"] == 1 for row in given_up if row["label"] == "test")
    reasons = [row["reason"] for row in found if row["n"] == 0]
    assert reasons
    assert all(
        re.search("given up after [12] seeds? that were looks, by the futility rule", reason)
        for reason in reasons
    )
    whole = [row for row in judged if row["n"]]
    assert {row["n"] for row in whole} == {SEEDS - DISCOVERY}
    best = sorted(row["p"] for row in whole if row["label"] == "test")
    assert best[:PLANTED] == pytest.approx([1 / (WORKS + 1)] * PLANTED)


def test_the_limit_counts_in_who_was_given_up(case: Path) -> None:
    (row,) = rows_of(case, LIMITS, "made.limits")
    assert row["n"] == SEEDS - DISCOVERY
    assert row["sentence"].endswith("too little in the first 1 and 2 seeds was given up")


def test_second_run_does_nothing(case: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert main(["run", str(case), "--json"]) == 0
    _, err = capfd.readouterr()
    assert not [line for line in err.splitlines() if json.loads(line)["event"] == "part"]


def test_allocation_cannot_read_a_label() -> None:
    steps = [step for step in FLOW if step.run.name == "allocate"]
    assert [step.reads["matches"] for step in steps] == [(), MATCHES[:1], MATCHES[:2]]
    for step in steps:
        assert not step.uses
        assert set(step.reads) == {"prompts", "signals", "matches"}
        assert not columns_of(step) & {"half", "work_id", "label", "mixed", "neighbor_id", "origin"}


def columns_of(step: Step) -> set[str]:
    return {
        name
        for wanted in step.run.reads.values()
        if isinstance(wanted, Columns)
        for name in wanted.names
    }
