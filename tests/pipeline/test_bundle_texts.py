"""Bundle of a run on texts, by the command: both texts side by side, raw texts, the same bytes.

The run is a real one on imported outputs with planted copies.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.pipeline.test_report import Page
from tests.pipeline.test_report_texts import CASE, HOSTILE, OVERRIDE, Library, plant
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import make_key

ROOT = Path(__file__).parents[2]
CANARY = "canary-77aa00bb11"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("texts")
    train, control, outputs = plant(Library())
    for row in train:
        row["url"] = f"https://ada:{CANARY}@example.org/a?key={CANARY}"
    for row in outputs:
        if row.get("failure"):
            row["failure"] += f" https://example.org/v1?api_key={CANARY}"
    for name, rows in (("train", train), ("control", control), ("outputs", outputs)):
        (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (home / "case.yaml").write_text(CASE)
    make_key(home / "key")
    assert main(["run", str(home / "case.yaml")]) == 0
    return home


def command(home: Path, name: str, *more: str) -> list[str]:
    key = ["--key", str(home / "key"), "--signer", "a@example.org"]
    return ["bundle", str(home / "case.yaml"), "--out", str(home / name), *key, *more]


@pytest.fixture(scope="module")
def data(home: Path) -> Path:
    assert main(command(home, "EB-1", "--no-bom", "--bates-prefix", "T", "--padding", "5")) == 0
    return home / "EB-1" / "data"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def items(data: Path) -> list[tuple[Path, dict[str, Any]]]:
    return [
        (path.parent, json.loads(path.read_bytes()))
        for path in sorted(data.glob("3_items/*/item.json"))
    ]


@needs_tools
def test_items_hold_raw_texts_and_both_side_by_side(home: Path, data: Path) -> None:
    works = [json.loads(line)["text"] for line in (home / "train.jsonl").read_text().splitlines()]
    made = [
        json.loads(line)["output"] for line in (home / "outputs.jsonl").read_text().splitlines()
    ]
    found = items(data)
    assert found
    for folder, shown in found:
        assert shown["kind"] == "text"
        assert (folder / "reference.native.txt").read_bytes().decode() in works
        assert (folder / "generated.native.txt").read_bytes().decode() in made
        assert (folder / "prompt.txt").read_bytes().decode() == shown["prompt"]["text"]
        html = (folder / "compared.html").read_text("utf-8")
        assert 'class="verbatim' in html or 'class="near' in html
        assert "<script>alert" not in html
        assert "<script>alert" not in (folder / "page.html").read_text("utf-8")
        tried = json.loads((folder / "attempts.json").read_bytes())
        assert tried["made"] == 8
    pages = [Page((folder / "page.html").read_text("utf-8")) for folder, _ in found]
    assert any(HOSTILE in page.text for page in pages)
    assert not any(OVERRIDE in page.text for page in pages)


@needs_tools
def test_no_secret_of_an_address_enters(data: Path) -> None:
    holders = [
        path for path in data.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert holders == []
    lost = json.loads((data / "4_negatives" / "attempts_texts.json").read_bytes())
    assert any("?(removed)" in (row["failure"] or "") for row in lost)


@needs_tools
@pytest.mark.usefixtures("data")
def test_another_process_with_another_locale_makes_the_same_bytes(home: Path) -> None:
    place = {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    twin = home / "moved"
    twin.mkdir()
    for name in ("case.yaml", "train.jsonl", "control.jsonl", "outputs.jsonl", "key", "key.pub"):
        shutil.copy2(home / name, twin / name)
    shutil.copytree(home / "run", twin / "run")
    arguments = command(twin, "EB-1", "--no-bom", "--bates-prefix", "T", "--padding", "5")
    subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        check=True,
        cwd=ROOT,
        env={**os.environ, **place},
        umask=0o077,
        capture_output=True,
    )
    listed = [
        (folder / "EB-1" / "manifest-sha256.txt").read_text().splitlines()
        for folder in (home, twin)
    ]
    # the custody log also says who sealed what, where and when
    same, other = ([line for line in lines if "data/7_custody/" not in line] for lines in listed)
    assert same == other
    assert len(listed[0]) - len(same) == 3


@needs_tools
def test_what_cannot_be_made_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(home, "EB-2", "--padding", "2")]) == 2
    assert "--padding 2" in capsys.readouterr().err
    assert main(command(home, "EB-2", "--previous", "abc")) == 2
    assert "64 hex digits" in capsys.readouterr().err
    assert main(command(home, "EB 2")) == 2
    assert "a name starts with" in capsys.readouterr().err
    assert main(["bundle", str(home / "case.yaml"), "--out", str(home / "EB-2")]) == 2
    assert "ssh-keygen -t ed25519" in capsys.readouterr().err
    (home / "taken").mkdir(exist_ok=True)
    assert main(command(home, "taken")) == 2
    assert "exists already" in capsys.readouterr().err
    assert not (home / "EB-2").exists()
