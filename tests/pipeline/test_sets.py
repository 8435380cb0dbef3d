"""Sets of outputs: many small files share a pass, and a new source searches nothing old."""

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.project import open_store
from stages.tables import OUTPUTS
from tests.pipeline.test_texts import WORKS, attempt, build, prose, rows_of, write_lines


def runs_made(case: Path, capfd: pytest.CaptureFixture[str]) -> int:
    capfd.readouterr()
    assert main(["run", str(case), "--json"]) == 0
    steps = json.loads(capfd.readouterr().out)["steps"]
    return sum(step["ran"] for step in steps if step["dataset"] == "made.runs")


def searched(case: Path) -> set[tuple[str, str]]:
    """Return task and identity of every meeting of a set and a part of the texts."""
    records = open_store(case)[1].current("made.runs")
    return {(record.task, record.identity) for record in records}


def test_a_hundred_small_files_are_one_set_and_a_new_source_is_another(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case = build(tmp_path / "case")
    for number in range(100):
        path = case.parent / "outputs" / f"small-{number:03d}.jsonl"
        write_lines(path, [attempt(f"p{number}", n, " ".join(prose(12))) for n in range(3)])
    parts = 2  # of the texts: those of the training half and those of the control half
    assert runs_made(case, capfd) == parts
    (name,) = {row["set"] for row in rows_of(case, OUTPUTS, "made.outputs")}
    assert name == "0:first.jsonl#0+100"
    old = searched(case)
    copied = " ".join([*prose(20), *WORKS[7][200:250], *prose(20)])
    write_lines(case.parent / "later.jsonl", [attempt("later", 0, copied)])
    both = "outputs: {sources: [{path: outputs}, {path: later.jsonl}]}"
    case.write_text(case.read_text().replace("outputs: {sources: [{path: outputs}]}", both))
    assert runs_made(case, capfd) == parts
    assert old < searched(case)
    assert runs_made(case, capfd) == 0
