"""The whole pipeline on real models: planted copies are found, and nothing is redone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.tables import FINDINGS, IMAGES, REJECTED, WORKS
from tests.pipeline.portraits import compare

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"
COPIED = 5
ARTISTS = ("Ada Bright", "Zoë Märk")
CASE = f"""
name: small
setting: randomised
max_rejected: 0.5
train: {{sources: [{{path: train}}]}}
control: {{sources: [{{path: control}}]}}
suspect: {{sources: [{{path: suspect}}]}}
models:
  demo: {{model: {{path: {DEMO}/model}}, steps: 2, guidance: 2.0, batch: 4}}
embed: {{model: {{path: {DEMO}/clip}}}}
prompts: {{seeds: 4, discovery: 1, block: 4, duplicated: 0, random_train: 2, random_control: 2,
  file: captions.txt}}
assess: {{q: 0.5}}
probes: {{works: 3}}
cluster: {{kind: inline, threads: 2}}
"""


def picture(number: int) -> Image.Image:
    """A few large random rectangles: no two of them alike."""
    dice = np.random.default_rng(number)
    rgb = np.full((64, 64, 3), dice.integers(0, 255, 3), np.uint8)
    for _ in range(12):
        x, y = dice.integers(0, 48, 2)
        w, h = dice.integers(8, 40, 2)
        rgb[y : y + h, x : x + w] = dice.integers(0, 255, 3)
    return Image.fromarray(rgb)


def save(image: Image.Image, folder: Path, name: str, artist: str = "") -> None:
    folder.mkdir(exist_ok=True)
    image.save(folder / f"{name}.png")
    about = {"caption": f"work {name} by {artist}", "title": f"Work {name}", "artist": artist}
    (folder / f"{name}.json").write_text(json.dumps(about if artist else {"caption": name}))


def noisy(image: Image.Image, seed: int) -> Image.Image:
    dice = np.random.default_rng(seed)
    rgb = np.asarray(image, np.int16) + dice.integers(-12, 13, (64, 64, 3))
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))


def build(folder: Path) -> Path:
    for i in range(36):
        save(picture(i), folder / "train", f"t{i:02d}", ARTISTS[i % 2])
        save(picture(1000 + i), folder / "control", f"c{i:02d}", ARTISTS[i % 2])
    for i in range(COPIED):
        save(noisy(picture(i), i), folder / "suspect", f"copy of t{i:02d}")
        save(picture(2000 + i), folder / "suspect", f"new {i}")
    (folder / "train" / "broken.png").write_bytes(b"this is no picture")
    (folder / "captions.txt").write_text("a first caption\na second caption\n")
    (folder / "case.yaml").write_text(CASE)
    return folder / "case.yaml"


def command(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, list[Any]]:
    """Run the command; return exit code, the one JSON object on stdout, JSON lines of stderr."""
    capfd.readouterr()
    code = main([*words, "--json"])
    out, err = capfd.readouterr()
    (line,) = out.splitlines()
    return code, json.loads(line), [json.loads(line) for line in err.splitlines()]


def sampled(events: list[Any]) -> int:
    return sum(e["rows"] for e in events if e["event"] == "part" and e["dataset"] == "made.sampled")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = build(tmp_path_factory.mktemp("case"))
    assert main(["run", str(path)]) == 0
    return path


@pytest.fixture
def copy(case: Path, tmp_path: Path) -> Path:
    """A copy of the finished case, elsewhere: a case folder can be moved."""
    shutil.copytree(case.parent, tmp_path / "case")
    return tmp_path / "case" / "case.yaml"


def test_planted_copies_are_found_and_nothing_else(case: Path) -> None:
    _, store = open_store(case)
    found = open_dataset(store, FINDINGS, "made.findings").read(["work_id", "verdict", "half"])
    named = {r["work_id"] for r in found.to_pylist() if r["verdict"] == "verbatim"}
    places = dict(
        zip(
            *(
                open_dataset(store, IMAGES, "train.images")
                .read(["image_id", "place"])
                .to_pydict()
                .values()
            ),
            strict=True,
        )
    )
    works = open_dataset(store, WORKS, "input.works").read(["image_id", "work_id"]).to_pylist()
    back = {places[w["image_id"]] for w in works if w["work_id"] in named}
    assert {Path(place.split(":")[-1]).name.split("#")[0] for place in back} == {
        f"t{i:02d}.png" for i in range(COPIED)
    }


def test_broken_file_is_rejected_with_a_reason(case: Path) -> None:
    _, store = open_store(case)
    (record,) = [r for r in store.current("train.images") if r.rejected]
    assert record.rejected_file is not None
    rows = store.read(record.parts[0], ["image_id"]).num_rows
    assert rows == 36
    assert REJECTED.name == "rejected"


def test_second_run_does_nothing_and_copied_folder_is_done(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, found, _ = command(capfd, "run", str(copy))
    assert (code, found["ran"]) == (0, 0) or {s["dataset"] for s in found["steps"] if s["ran"]} <= {
        "train.images",
        "control.images",
        "suspect.images",
    }, "only new times of change"


def test_one_more_caption_samples_only_its_own_rows(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (copy.parent / "captions.txt").open("a") as out:
        out.write("a third caption\n")
    _, _, events = command(capfd, "run", str(copy))
    assert sampled(events) == 4


def test_one_more_training_image_samples_nothing_that_was_asked_before(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(picture(77), copy.parent / "train", "t99", ARTISTS[0])
    _, _, events = command(capfd, "run", str(copy))
    assert sampled(events) in (0, 4), "at most the new caption, if the draw took it"


def test_mended_file_samples_nothing(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (copy.parent / "train" / "broken.png").unlink()
    _, found, events = command(capfd, "run", str(copy))
    assert sampled(events) == 0
    assert found["rejected"] == 0


def test_terminated_run_exits_with_130_every_line_parses_and_the_next_run_goes_on(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy.write_text(copy.read_text().replace("seeds: 4", "seeds: 8"))
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "run", str(copy), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1].get("dataset") == "made.sampled":
            process.send_signal(signal.SIGTERM)
            break
    out, rest = process.communicate(timeout=120)
    lines += [json.loads(line) for line in rest.splitlines()]
    assert process.returncode == 130
    assert json.loads(out)["exit_code"] == 130
    code, _, events = command(capfd, "run", str(copy))
    assert code == 0
    assert sampled(events) <= 6 * 4, "the first blocks are kept"


def test_too_many_rejected_rows_exit_with_3(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = copy.read_text().replace("max_rejected: 0.5", "max_rejected: 0.001")
    copy.write_text(text)
    code, found, _ = command(capfd, "run", str(copy))
    assert (code, found["rejected"]) == (3, 1)


def test_verbs_answer_with_one_json_object(case: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(capfd, "status", str(case))[1]["finished"] is True
    assert command(capfd, "show", str(case))[1]["steps"][0]["step"] == "ingest"
    assert command(capfd, "check", str(case))[1]["intact"] is True
    assert command(capfd, "gc", str(case))[0] == 0
    assert Path(command(capfd, "report", str(case))[1]["report"]).exists()


def test_lookup_finds_the_artist_in_any_spelling_and_only_suggests_near_misses(
    case: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("Zoë Märk", "zoe mark", "Märk, Zoë"):
        _, found, _ = command(capfd, "lookup", name, str(case))
        assert (found["works_in_set"], found["works_came_back"]) == (18, 2)
    _, found, _ = command(capfd, "lookup", "Zoe Marck", str(case))
    assert found["works_in_set"] == 0
    assert found["suggestions"] == ["Zoë Märk"]


def test_report_is_one_page_without_network(case: Path) -> None:
    page = (case.parent / "run" / "report.html").read_text()
    assert "came as close" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_flipped_byte_is_named_and_exits_with_1(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    victim = next((copy.parent / "run" / "data" / "made.matches").iterdir())
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    code, found, _ = command(capfd, "check", str(copy))
    assert code == 1
    assert [fault["path"] for fault in found["faults"]] == [f"data/made.matches/{victim.name}"]


def test_notebook_walks_through_the_case(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_CASE", str(case))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "notebooks" / "tour.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(ROOT)}}).execute()
    images = [
        out
        for cell in notebook.cells
        if cell.cell_type == "code"
        for out in cell.outputs
        if "image/png" in out.get("data", {})
    ]
    assert len(images) == 4
    assert os.environ["PALIMPSEST_CASE"] == str(case)


def test_output_of_a_stage_changes_only_with_its_version(case: Path) -> None:
    compare(open_store(case)[1], Path(__file__).with_name("golden.json"))
