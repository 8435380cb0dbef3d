"""A whole case of imported images: nothing is scored unless asked, and parts of works are found."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.tables import FINDINGS, IMAGES, SCORES
from tests.stages.test_score_planted import drawing, made_of

DEMO = Path(__file__).parents[2] / "examples" / "demo"
CASE = f"""
name: parts
max_rejected: 0
train: {{sources: [{{path: train}}]}}
control: {{sources: [{{path: control}}]}}
suspect: {{sources: [{{path: suspect}}]}}
embed: {{model: {{path: {DEMO}/clip}}}}
index_pixels: {{side: 48}}
compare: {{num_others: 10, num_nearest: 1}}
search: {{k: 2}}
cluster: {{kind: inline, threads: 1}}
"""
ASKED = "score: {methods: [template, partial, pdq], num_others: 10, per_half: 1}\n"
WORKS = 8
MADE = {"a poster": ("layout", 0, 4), "a collage": ("piece", 1, 2), "a new thing": ("none", 2, 3)}


def save(rgb_HWC: np.ndarray, folder: Path, name: str, caption: str) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(rgb_HWC).save(folder / f"{name}.png")
    (folder / f"{name}.json").write_text(json.dumps({"caption": caption}))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for number in range(WORKS):
        save(drawing(number), folder / "train", f"t{number}", f"work {number}")
        save(drawing(100 + number), folder / "control", f"c{number}", f"other {number}")
    for caption, (kind, work, count) in MADE.items():
        for number in range(count):
            made = made_of(kind, drawing(work), 10 * work + number)
            save(made, folder / "suspect", f"{kind}{number}", caption)
    path = folder / "case.yaml"
    path.write_text(CASE)
    assert main(["run", str(path)]) == 0
    return path


def test_without_the_section_nothing_is_scored_and_with_it_nothing_else_is_made_again(
    case: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, store = open_store(case)
    assert [*store.current("made.scores"), *store.current("made.region_candidates")] == []
    case.write_text(CASE + ASKED)
    capfd.readouterr()
    assert main(["run", str(case), "--json"]) == 0
    ran = {step["dataset"] for step in json.loads(capfd.readouterr().out)["steps"] if step["ran"]}
    assert ran == {
        "made.scores",
        "made.region_candidates",
        "made.findings",
        "made.artists",
    } | (ran & {"made.assessments", "made.limits"})

    places = {
        row["image_id"]: Path(row["place"].split(":")[-1].partition("#")[0]).stem
        for row in open_dataset(store, IMAGES, "train.images")
        .read(["image_id", "place"])
        .to_pylist()
    }
    findings = open_dataset(store, FINDINGS, "made.findings").read(FINDINGS.schema.names)
    found = {
        (places[row["work_id"]], row["verdict"])
        for row in findings.to_pylist()
        if row["verdict"] in {"verbatim", "template", "partial"}
    }
    assert found == {("t0", "template"), ("t1", "partial")}
    for row in findings.to_pylist():
        if row["verdict"] in {"template", "partial"}:
            assert "existence only" in row["reason"]
            assert (row["k_low"], row["q"]) == (None, None)

    scores = open_dataset(store, SCORES, "made.scores")
    names = ["score_id", "made_id", "work_id", "method", "hit"]
    (shown, *_) = [
        row for row in scores.read(names).to_pylist() if row["method"] == "template" and row["hit"]
    ]
    (mask,) = scores.take([shown["score_id"]], ["mask"])["mask"].to_pylist()
    assert mask.startswith(b"\x89PNG")
