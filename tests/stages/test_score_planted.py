"""Template and partial from pictures to verdict: planted truth, and controls on the same lines.

Four works are trained on, nine are controls. One training work comes back as a layout whose
middle varies, of one a piece comes back mirrored, scaled and elsewhere, one comes back whole, and
one not at all. Nothing comes back of the controls.
"""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from stages.contract import Kit
from stages.images import compare, index_pixels, score
from stages.images.compare import CompareConfig
from stages.images.index_pixels import IndexPixelsConfig
from stages.images.scoring import ScoreConfig
from stages.pixels import encode_png
from stages.tables import (
    ASSESSMENTS,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    MATCHES,
    NEIGHBORS,
    PROMPTS,
    SCORES,
    THRESHOLDS,
    UNITS,
    WORKS,
)
from stages.verdicts import assess, calibrate, confirm, flag, flag_regions
from stages.verdicts.calibrate import CalibrateConfig
from stages.verdicts.flag import FlagConfig
from stages.verdicts.flag_regions import FlagRegionsConfig
from stages.verdicts.standing import AssessConfig
from tests.stages.shelf import Shelf

SIDE = 48
PHASES = ("discovery", *["confirmation"] * 3)
CONTROLS = tuple(f"c{n:02d}" for n in range(9))
TRAINED = ("layout", "piece", "whole", "nothing")
HOLE = slice(6, 42)
Q = 0.4
"""K = 4 and m = 9: the smallest p is 1 in 10, so one finding alone has q = 0.4."""


def drawing(seed: int) -> np.ndarray:
    """Return a picture of soft blobs, u8[48, 48, 3]; no two alike."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    picture = np.zeros((SIDE, SIDE, 3)) + rng.uniform(0, 1, 3)
    for _ in range(40):
        row, column, width = rng.uniform((0, 0, 2), (SIDE, SIDE, 8))
        inside = np.clip(width - np.hypot(rows - row, columns - column), 0, 1)[:, :, None]
        picture += inside * (rng.uniform(0, 1, 3) - picture)
    return np.rint(255 * picture).astype(np.uint8)


def noisy(picture: np.ndarray, seed: int) -> np.ndarray:
    jitter = np.random.default_rng(seed).normal(0, 4, picture.shape)
    return np.clip(np.rint(picture + jitter), 0, 255).astype(np.uint8)


def made_of(work: str, original: np.ndarray, seed: int) -> np.ndarray:
    """Return what the model makes of a work's caption."""
    other = drawing(5000 + seed)
    if work == "layout":
        shown = original.copy()
        shown[HOLE, HOLE] = other[HOLE, HOLE]
        return noisy(shown, seed)
    if work == "piece":
        crop = Image.fromarray(np.ascontiguousarray(original[4:34, 10:40][:, ::-1]))
        other[12:44, 2:34] = np.asarray(crop.resize((32, 32), Image.Resampling.BICUBIC))
        return noisy(other, seed)
    return noisy(original, seed) if work == "whole" else other


class Pictures(Shelf):
    """Images of works, for look-ups by id."""

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        places = {name: row for row, name in enumerate(self.table["image_id"].to_pylist())}
        rows = pa.array([places[name] for name in ids], pa.int64())
        return self.table.select(list(names)).take(rows)


def of(table: Any, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pa.Table:
    schema = pa.schema([table.schema.field(name) for name in names])
    return pa.Table.from_pylist(list(rows), schema=schema)


def given(stage: Any, role: str, table: Any, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return of(table, rows, stage.reads[role].names)


class Run:
    """The stages from works to verdicts, one after the other."""

    def __init__(self, folder: Path, methods: tuple[str, ...], blank: str = "") -> None:
        works = [*TRAINED, *CONTROLS, *(f"t{n}" for n in range(8))]
        self.pictures = {work: drawing(number) for number, work in enumerate(works)}
        if blank:
            self.pictures[blank] = np.full_like(self.pictures[blank], 128)
        self.images = [
            {"image_id": work, "work_id": work, "sha256": work, "mixed": False}
            | {"half": "control" if work in CONTROLS else "train"}
            | {"pdq": "0" * 64, "pdq_quality": 0, "bytes": encode_png(self.pictures[work])}
            for work in works
        ]
        self.make()
        self.kit = self.index(folder)
        self.matches = self.compare()
        self.scores = self.score(methods)
        self.findings = self.judge()

    def make(self) -> None:
        self.prompts, self.made = [], []
        for number, work in enumerate([*TRAINED, *CONTROLS]):
            half = "control" if work in CONTROLS else "train"
            for sample, phase in enumerate(PHASES):
                seed = 10 * number + sample
                picture = made_of(work, self.pictures[work], seed)
                row = {"prompt_id": f"p-{work}", "sample": sample, "phase": phase}
                self.prompts.append(row | {"work_id": work, "half": half})
                row |= {"image_id": f"{work}-{sample}", "model_id": "m"}
                self.made.append(row | {"bytes": encode_png(picture)})

    def index(self, folder: Path) -> Kit:
        inputs = {
            "images": [given(index_pixels.STAGE, "images", IMAGES, self.images)],
            "works": [given(index_pixels.STAGE, "works", WORKS, self.images)],
        }
        list(index_pixels.STAGE.run(inputs, IndexPixelsConfig(side=SIDE), Kit(folder=folder)))
        names = score.STAGE.uses["originals"].names
        return Kit(
            folders={"pixels": folder},
            datasets={"originals": Pictures(of(IMAGES, self.images, names))},
        )

    def compare(self) -> pa.Table:
        stage = compare.STAGE
        inputs = {
            "images": given(stage, "images", GENERATIONS, self.made),
            "neighbors": given(stage, "neighbors", NEIGHBORS, []),
            "prompts": given(stage, "prompts", PROMPTS, self.prompts),
        }
        config = CompareConfig(num_others=10, num_nearest=1)
        return MATCHES.check(stage.run(inputs, stage.open(config, self.kit)).rows)

    def score(self, methods: tuple[str, ...]) -> pa.Table:
        stage = score.STAGE
        inputs = {
            "images": given(stage, "images", GENERATIONS, self.made),
            "matches": self.matches.select(stage.reads["matches"].names),
            "prompts": given(stage, "prompts", PROMPTS, self.prompts),
        }
        config = ScoreConfig(methods=methods, num_others=10, per_half=1)
        out = stage.run(inputs, stage.open(config, self.kit))
        assert not out.rejected
        return SCORES.check(out.rows)

    def candidates(self) -> list[pa.Table]:
        """Return the candidates of `flag`, then those of `flag_regions`."""
        works = Shelf(of(WORKS, self.images, ["work_id", "half", "mixed"]))
        inputs = {
            "matches": [self.matches.select(calibrate.STAGE.reads["matches"].names)],
            "works": [works.table],
            "prompts": [given(calibrate.STAGE, "prompts", PROMPTS, self.prompts)],
        }
        (marks,) = calibrate.STAGE.run(inputs, CalibrateConfig(), Kit())
        shelves = {"thresholds": Shelf(THRESHOLDS.check(marks.rows)), "works": works}
        tools = flag.STAGE.open(FlagConfig(), Kit(datasets=shelves))
        first = {
            "prompts": given(flag.STAGE, "prompts", PROMPTS, self.prompts),
            "images": given(flag.STAGE, "images", GENERATIONS, self.made),
            "cliques": pa.table({n: [] for n in flag.STAGE.reads["cliques"].names}),
            "matches": self.matches.select(flag.STAGE.reads["matches"].names),
        }
        stage = flag_regions.STAGE
        shelves = {"controls": Shelf(self.scores), "works": works}
        regions = stage.open(FlagRegionsConfig(), Kit(datasets=shelves))
        second = {
            "prompts": given(stage, "prompts", PROMPTS, self.prompts),
            "matches": self.matches.select(stage.reads["matches"].names),
            "scores": self.scores.select(stage.reads["scores"].names),
        }
        return [
            FINDINGS.check(flag.STAGE.run(first, tools).rows),
            FINDINGS.check(stage.run(second, regions).rows),
        ]

    def judge(self) -> list[dict[str, Any]]:
        units = [
            {"work_id": work, "unit_id": work, "prompt_ids": [f"p-{work}"], "rank": "0"}
            | {"label": "control" if work in CONTROLS else "test"}
            for work in (*TRAINED, *CONTROLS)
        ]
        stage = assess.STAGE
        inputs = {
            "units": [given(stage, "units", UNITS, units)],
            "made": [given(stage, "made", GENERATIONS, self.made)],
            "matches": [self.matches.select(stage.reads["matches"].names)],
            "scores": [self.scores.select(stage.reads["scores"].names)],
            "balance": [],
        }
        (assessed,) = stage.run(inputs, AssessConfig(q=Q), Kit())
        self.assessments = ASSESSMENTS.check(assessed.rows).to_pylist()
        stage = confirm.STAGE
        inputs = {
            "candidates": self.candidates(),
            "units": [given(stage, "units", UNITS, units)],
            "assessments": [assessed.rows.select(stage.reads["assessments"].names)],
            "blind": [],
        }
        outs = stage.run(inputs, AssessConfig(q=Q), Kit())
        return [row for out in outs for row in FINDINGS.check(out.rows).to_pylist()]

    def scored(self, finding: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of SCORES that a finding shows."""
        wanted = (finding["best_made_id"], finding["work_id"], finding["method"])
        (row,) = [
            row
            for row in self.scores.to_pylist()
            if (row["made_id"], row["work_id"], row["method"]) == wanted
        ]
        return row


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("pixels"), ("template", "partial"))


def the(rows: Sequence[dict[str, Any]], work: str, method: str) -> dict[str, Any]:
    (row,) = [row for row in rows if (row["work_id"], row["method"]) == (work, method)]
    return row


def test_each_planted_work_has_its_verdict_and_nothing_else_has_one(run: Run) -> None:
    found = {
        (row["work_id"], row["verdict"])
        for row in run.findings
        if row["verdict"] in {"verbatim", "template", "partial"}
    }
    assert found == {("layout", "template"), ("piece", "partial"), ("whole", "verbatim")}


def test_a_template_is_shown_with_what_is_fixed(run: Run) -> None:
    finding = the(run.findings, "layout", "template")
    assert the(run.findings, "layout", "adaptive_ratio")["k"] == 0, "too far as a whole"
    assert (finding["k"], finding["n"]) == (3, 3)
    assert finding["p"] == 1 / 10
    assert finding["score"] < finding["threshold"] <= 1
    shown = run.scored(finding)
    mask_HW = np.asarray(Image.open(BytesIO(shown["mask"])).convert("L")) > 0
    assert mask_HW.shape == (SIDE, SIDE)
    assert mask_HW[12:36, 12:36].mean() < 0.1
    outside = np.ones((SIDE, SIDE), bool)
    outside[HOLE, HOLE] = False
    assert mask_HW[outside].mean() > 0.8
    assert json.loads(shown["detail"])["members"] == 3


def test_a_regional_copy_is_shown_as_an_aligned_pair(run: Run) -> None:
    finding = the(run.findings, "piece", "partial")
    assert finding["k"] >= 2
    assert finding["neighbor_id"] == "piece"
    shown = json.loads(run.scored(finding)["detail"])
    assert np.abs(np.subtract(shown["made_box"], (12, 2, 44, 34))).max() <= 5
    assert np.abs(np.subtract(shown["work_box"], (4, 10, 34, 40))).max() <= 5
    assert np.linalg.det(np.array(shown["matrix"])[:, :2]) < 0, "it is mirrored"


def test_the_strongest_verdict_of_a_work_stands_and_the_weaker_rows_stay(run: Run) -> None:
    for method in ("template", "partial"):
        row = the(run.findings, "whole", method)
        assert (row["verdict"], row["k"]) == ("none", 3)
        assert "the work came back as `verbatim`, which says more" in row["reason"]
        assert (row["p"], row["q"]) == (1 / 10, 1.0), "it lends its place to no other"


def test_control_units_are_scored_by_the_same_lines(run: Run) -> None:
    rows = run.scores.to_pylist()
    for method in ("template", "partial"):
        own = {
            row["made_id"]
            for row in rows
            if row["method"] == method and row["prompt_id"] == f"p-{row['work_id']}"
        }
        assert own == {row["image_id"] for row in run.made}, "every generation, of either half"
        held = [row for row in run.assessments if row["method"] == method]
        assert {row["unit_id"] for row in held} == {*TRAINED, *CONTROLS}
        assert {row["num_controls"] for row in held} == {len(CONTROLS)}
        assert all(row["primary"] for row in held)
        (nothing,) = [row for row in held if row["unit_id"] == "nothing"]
        assert nothing["p"] == 1


def test_a_template_that_nobody_saw_has_no_interval(run: Run) -> None:
    row = the(run.findings, "nothing", "template")
    assert (row["verdict"], row["k"], row["n"]) == ("none", 0, 3)
    assert (row["k_low"], row["k_high"]) == (None, None)
    partial = the(run.findings, "nothing", "partial")
    assert partial["k_low"] == 0


def test_prompts_are_counted_once(run: Run) -> None:
    alone = [row["prompt_id"] for row in run.findings if row["work_id"] is None]
    assert len(alone) == len(set(alone))
