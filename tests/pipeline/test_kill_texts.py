"""The text half killed again and again: running it once more ends in the same rows, each once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.flow import FLOW, SOURCES
from pipeline.project import open_store
from pipeline.upkeep import damaged
from stages.tables import FINDINGS, MATCHES, OUTPUTS, RUNS, SPANS, TEXTS
from tests.pipeline.test_texts import build, rows_of

ROOT = Path(__file__).parents[2]
DEADLY = """
import os, signal, sys
from pipeline.cli import main
from pipeline.store import Store

left, commit = int(sys.argv[2]), Store.commit

def deadly(store, record):
    global left
    if left == 0:  # the files of the task are written, and no record names them yet
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return commit(store, record)

Store.commit = deadly
main(["run", sys.argv[1]])
"""
TABLES = (
    (TEXTS, "train.texts", "control.texts"),
    (OUTPUTS, "made.outputs"),
    (RUNS, "made.runs"),
    (SPANS, "made.spans"),
    (MATCHES, "made.text_matches"),
    (FINDINGS, "made.text_findings"),
)


def tasks_ran(case: Path, capfd: pytest.CaptureFixture[str]) -> int:
    capfd.readouterr()
    assert main(["run", str(case), "--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    return sum(step["ran"] for step in json.loads(line)["steps"])


def tasks_saved(case: Path) -> list[tuple[str, str]]:
    """Return (dataset, task) of every record but those of listed files."""
    records = (record for _, record in open_store(case)[1].records())
    return sorted((each.dataset, each.task) for each in records if each.dataset not in SOURCES)


def contents(case: Path) -> list[tuple[str, str, str]]:
    store = open_store(case)[1]
    return sorted(
        (step.writes, part.name, file.sha256)
        for step in FLOW
        for record in store.current(step.writes)
        for part in record.parts
        for file in part.files
    )


def sorted_rows(case: Path) -> list[list[str]]:
    found: list[list[dict[str, Any]]] = [rows_of(case, table, *names) for table, *names in TABLES]
    return [sorted(map(repr, rows)) for rows in found]


def test_killed_between_writing_and_saying_so_nothing_is_lost_or_doubled(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calm = build(tmp_path / "calm")
    killed = Path(shutil.copytree(calm.parent, tmp_path / "killed")) / calm.name
    tasks, records = tasks_ran(calm, capfd), list[tuple[str, str]]()
    for more in (1, 6, 4):
        command = [sys.executable, "-c", DEADLY, str(killed), str(more)]
        child = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=120
        )
        assert child.returncode == -signal.SIGKILL
        before, records = records, tasks_saved(killed)
        # what one run finished the next one does not do again
        assert set(before) <= set(records)
        assert len(records) == len(set(records))
    assert 0 < len(records) < tasks
    assert tasks_ran(killed, capfd) == tasks - len(records)
    assert tasks_saved(killed) == tasks_saved(calm)
    assert contents(killed) == contents(calm)
    rows = sorted_rows(killed)
    assert rows == sorted_rows(calm)
    assert all(len(set(each)) == len(each) > 0 for each in rows)
    store = open_store(killed)[1]
    assert damaged(store, [step.writes for step in FLOW]).wrong == []
