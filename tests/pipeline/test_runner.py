import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import LockedError, RunError, StoreError
from pipeline.lock import holder, locked
from pipeline.steps import check
from pipeline.store import Store
from pipeline.upkeep import damaged, sweep, withdraw_rejected
from stages.tables import FILES
from tests.pipeline.toy import (
    FLOW,
    AnswerConfig,
    AskConfig,
    ToyCase,
    contents,
    run_toy,
    write_numbers,
)

ROOT = Path(__file__).parents[2]
DATASETS = ["in.files", *(step.writes for step in FLOW)]
NUMBERS = {f"{name}.txt": f"{i}\n{i + 10}\n" for i, name in enumerate("abcdef")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_numbers(tmp_path, NUMBERS)
    return tmp_path


def ran(folder: Path, case: ToyCase | None = None) -> dict[str, int]:
    return {total.dataset: total.ran for total in run_toy(folder, case)}


def answered(events: list[Mapping[str, Any]]) -> int:
    return sum(e["rows"] for e in events if e["event"] == "part" and e["dataset"] == "made.answers")


def total_of(folder: Path) -> float:
    store = Store(folder / "run")
    (record,) = store.current("made.sum")
    return float((store.root / record.parts[0].files[0].path).read_text())


def test_toy_flow_holds_together() -> None:
    check(FLOW, {"in.files": FILES})


def test_result_and_second_run_does_nothing(folder: Path) -> None:
    ran(folder)
    assert total_of(folder) == 4 * sum(i**2 + (i + 10) ** 2 for i in range(6))
    before = contents(folder)
    assert set(ran(folder).values()) == {0}
    assert contents(folder) == before


def test_one_more_number_asks_only_the_new_question(folder: Path) -> None:
    run_toy(folder)
    write_numbers(folder, {"g.txt": "77\n"})
    events: list[Mapping[str, Any]] = []
    run_toy(folder, events=events)
    assert answered(events) == 4


def test_a_mended_file_with_equal_values_stops_where_it_is(folder: Path) -> None:
    run_toy(folder)
    write_numbers(folder, {"a.txt": "0\n10\nrubbish\n"})
    done = ran(folder)
    assert done["in.numbers"] == 1
    assert done["made.answers"] == done["made.totals"] == done["made.sum"] == 0


def test_more_tries_keep_the_old_blocks(folder: Path) -> None:
    run_toy(folder)
    events: list[Mapping[str, Any]] = []
    run_toy(folder, ToyCase(ask=AskConfig(tries=6)), events)
    assert answered(events) == 12 * 2


def test_changed_knob_redoes_what_depends_on_it_and_no_more(folder: Path) -> None:
    run_toy(folder)
    done = ran(folder, ToyCase(answer=AnswerConfig(seconds=0.0001)))
    assert done["in.numbers"] == done["made.questions"] == 0
    assert done["made.answers"] == 24
    assert done["made.totals"] == done["made.sum"] == 0, "equal output stops the change"


def test_raised_version_redoes_the_stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_toy(folder)
    steps = list(FLOW)
    steps[2] = replace(steps[2], run=replace(steps[2].run, version=2))
    monkeypatch.setattr("tests.pipeline.toy.FLOW", tuple(steps))
    assert ran(folder)["made.answers"] == 24


def test_one_more_model_asks_only_that_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = list(FLOW)
    steps[2] = replace(steps[2], each="models")
    monkeypatch.setattr("tests.pipeline.toy.FLOW", tuple(steps))
    one, other = AnswerConfig(tag="a"), AnswerConfig(tag="b")
    run_toy(folder, ToyCase(models={"one": one}))
    single = total_of(folder)
    events: list[Mapping[str, Any]] = []
    run_toy(folder, ToyCase(models={"one": one, "other": other}), events)
    assert answered(events) == 12 * 4
    assert total_of(folder) == 2 * single
    names = {record.task.split(".")[0] for record in Store(folder / "run").current("made.answers")}
    assert names == {"one", "other"}


def test_two_models_that_make_the_same_key_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list(FLOW)
    steps[2] = replace(steps[2], each="models")
    monkeypatch.setattr("tests.pipeline.toy.FLOW", tuple(steps))
    same = {"one": AnswerConfig(), "other": AnswerConfig(seconds=0.0001)}
    for _ in range(2):  # also when every part is there and nothing is left to do
        with pytest.raises(StoreError, match="repeat the key"):
            run_toy(folder, ToyCase(models=same))


def test_moved_folder_is_still_done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    run_toy(folder)
    moved = tmp_path_factory.mktemp("moved") / "case"
    folder.rename(moved)
    assert set(ran(moved).values()) == {0}


def test_passing_fault_is_retried(folder: Path) -> None:
    slip = folder / "slipped"
    run_toy(folder, ToyCase(answer=AnswerConfig(slip=str(slip))))
    assert slip.exists()
    assert len(contents(folder)) > 0


def test_lasting_fault_names_stage_and_part_and_keeps_what_was_done(folder: Path) -> None:
    run_toy(folder)
    write_numbers(folder, {"a.txt": "0\n10\n99999999999\n"})
    with pytest.raises(RunError, match=r"answer, part \w+ of made.answers"):
        run_toy(folder, ToyCase(answer=AnswerConfig(slip="/nonexistent/slip")))
    assert not list((folder / "run" / "data").rglob("*.tmp"))


def test_full_disk_is_said_and_loses_nothing(folder: Path) -> None:
    run_toy(folder, ToyCase(ask=AskConfig(tries=2)))
    before = contents(folder)
    code = (
        "import resource, sys; from pathlib import Path; from tests.pipeline.toy import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))\n"
        "try: run_toy(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "DiskFullError" in done.stdout
    assert "no room left" in done.stdout
    run_toy(folder, ToyCase(ask=AskConfig(tries=2)))
    assert contents(folder) == before
    assert damaged(Store(folder / "run"), DATASETS).wrong == []


def test_rejected_rows_are_kept_and_can_be_made_again(folder: Path) -> None:
    write_numbers(folder, {"b.txt": "1\nx\n11\n"})
    totals = {t.dataset: t for t in run_toy(folder)}
    assert totals["in.numbers"].rejected == 1
    store = Store(folder / "run")
    assert withdraw_rejected(store, DATASETS) == 1
    assert ran(folder)["in.numbers"] == 1


def test_second_run_is_refused_and_names_the_first(folder: Path) -> None:
    with (
        locked(folder / "run"),
        pytest.raises(LockedError, match=f"process {os.getpid()} on "),
    ):
        run_toy(folder)


def test_status_knows_who_holds_the_folder_without_locking(folder: Path) -> None:
    assert holder(folder / "run") is None
    with locked(folder / "run"):
        busy = holder(folder / "run")
        assert busy is not None
        assert busy["pid"] == os.getpid()
    assert holder(folder / "run") is None


def test_flipped_byte_is_found(folder: Path) -> None:
    run_toy(folder)
    store = Store(folder / "run")
    assert damaged(store, DATASETS).wrong == []
    victim = next((folder / "run" / "data" / "made.answers").iterdir())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    (fault,) = damaged(store, DATASETS).wrong
    assert fault == {"path": f"data/made.answers/{victim.name}", "what": "changed"}


def test_gc_removes_superseded_parts_and_keeps_current_ones(folder: Path) -> None:
    run_toy(folder)
    run_toy(folder, ToyCase(ask=AskConfig(tries=2)))
    before = contents(folder)
    for path in (folder / "run" / "data").rglob("*"):
        os.utime(path, (0, 0))
    store = Store(folder / "run")
    assert sweep(store, DATASETS).files > 0
    assert damaged(store, DATASETS).wrong == []
    assert contents(folder) == before
    assert sweep(store, DATASETS).files == 0
    assert set(ran(folder, ToyCase(ask=AskConfig(tries=2))).values()) == {0}


def test_gc_keeps_what_an_interrupted_run_goes_on_from(folder: Path) -> None:
    run_toy(folder)
    store = Store(folder / "run")
    for path in (folder / "run" / "data").rglob("*"):
        os.utime(path, (0, 0))
    (folder / "run" / "datasets" / "made.answers.json").unlink()  # as before the step ended
    sweep(store, [name for name in DATASETS if name != "made.answers"])
    assert set(ran(folder).values()) == {0}


def test_young_litter_is_left_to_its_worker(folder: Path) -> None:
    run_toy(folder)
    litter = folder / "run" / "data" / "made.answers" / "late-1234abcd.parquet"
    litter.write_bytes(b"half")
    sweep(Store(folder / "run"), DATASETS)
    assert litter.exists()
