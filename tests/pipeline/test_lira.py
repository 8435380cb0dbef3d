"""LiRA through a whole case: real models, a few of them shadows, from the YAML to the signals."""

import json
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.tables import ASSESSMENTS, FINDINGS, IMAGES, PROMPTS, SIGNALS
from tests.stages.tiny_models import overfitted

DEMO = Path(__file__).parents[2] / "examples" / "demo"
SIDE = 8
WORKS = 8
HALVES = ((0, 1, 2, 3), (0, 1, 4, 5))
"""Works that two of the shadow models know; two others know the rest."""

CASE = """
name: shadows
max_rejected: 0
train: {sources: [{path: train}]}
control: {sources: [{path: control}]}
embed: {model: {path: %(demo)s/clip}}
duplicates: {max_pdq: 0}
prompts: {seeds: 2, discovery: 1, duplicated: 0, random_train: 9, random_control: 9}
losses:
  tiny:
    model: {path: target}
    times: [200, 300]
    seeds: 16
    shadows:
%(shadows)s
cluster: {kind: inline, threads: 1}
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a case whose model was trained on every second work, which is its training half."""
    folder = tmp_path_factory.mktemp("lira")
    pictures, digests = [], []
    for number in range(WORKS):
        blots = np.random.default_rng(100 + number).integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(blots).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        place = folder / ("control" if number % 2 else "train")
        place.mkdir(exist_ok=True)
        (place / f"{number}.json").write_text(json.dumps({"caption": f"work {number}"}))
        picture.save(place / f"{number}.png")
        pictures.append(np.asarray(picture))
        digests.append(sha256((place / f"{number}.png").read_bytes()).hexdigest())
    overfitted(pictures[::2], seed=9).save_pretrained(folder / "target")
    lines: list[str] = []
    for half in HALVES:
        rest = tuple(set(range(WORKS)) - set(half))
        for known in (half, rest):
            name = f"shadow{len(lines)}"
            knows = [pictures[number] for number in known]
            overfitted(knows, seed=len(lines)).save_pretrained(folder / name)
            (folder / f"{name}.txt").write_text("\n".join(digests[number] for number in known))
            lines.append(f"      - {{model: {{path: {name}}}, members: {name}.txt}}")
    path = folder / "case.yaml"
    path.write_text(CASE % {"demo": DEMO, "shadows": "\n".join(lines)})
    assert main(["run", str(path)]) == 0
    return path


def scores(case: Path, method: str) -> dict[int, float]:
    """Return the score of each work."""
    _, store = open_store(case)
    asked = open_dataset(store, PROMPTS, "made.prompts").read(["prompt_id", "text"]).to_pylist()
    numbers = {row["prompt_id"]: int(row["text"].removeprefix("work ")) for row in asked}
    rows = open_dataset(store, SIGNALS, "made.losses").read(SIGNALS.schema.names).to_pylist()
    return {numbers[row["prompt_id"]]: row["value"] for row in rows if row["method"] == method}


def test_what_the_model_was_trained_on_stands_above_what_it_never_saw(case: Path) -> None:
    ratios = scores(case, "lira")
    assert set(ratios) == set(range(WORKS))
    known, unknown = ([ratios[number] for number in range(side, WORKS, 2)] for side in (0, 1))
    assert min(known) > max(unknown)
    assert min(known) > 0 > np.mean(unknown)


def test_a_ratio_counts_the_evaluations_of_all_models(case: Path) -> None:
    _, store = open_store(case)
    rows = open_dataset(store, SIGNALS, "made.losses").read(SIGNALS.schema.names).to_pylist()
    counts = {(row["method"], row["seeds"], row["evaluations"]) for row in rows}
    assert counts == {("loss", 16, 32), ("lira", 16, 32 * (1 + 2 * len(HALVES)))}


def test_it_is_triage_and_no_verdict_comes_of_it(case: Path) -> None:
    _, store = open_store(case)
    assert open_dataset(store, IMAGES, "train.images").read(["image_id"]).num_rows == WORKS // 2
    assert open_dataset(store, ASSESSMENTS, "made.assessments").read(["p"]).num_rows == 0
    findings = open_dataset(store, FINDINGS, "made.findings").read(["verdict"]).to_pylist()
    assert {row["verdict"] for row in findings} <= {"not_examined"}
    page = (store.root / "report.html").read_text()
    said = page.partition('<section id="triage">')[2].partition("</section>")[0]
    assert "no verdict, no p and no limit on this page rests on one" in said
    row = said.partition("lira</bdi>")[2].partition("</tr>")[0]
    numbers = [int(re.sub(r"\D", "", each)) for each in re.findall('class="num">([^<]*)', row)]
    assert numbers == [WORKS, 32 * 5 * WORKS]
