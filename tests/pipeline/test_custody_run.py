"""Custody of a run: every part is in the log, and what is not as it says is named."""

import json
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import custody_ledger, environment
from pipeline.custody import NAME, Event, append
from pipeline.custody_check import check_custody
from pipeline.custody_ledger import FOUND, name_models, noting_gone, write_found
from pipeline.custody_log import events_of
from pipeline.custody_verb import custody
from pipeline.errors import RunError
from pipeline.store import Store
from pipeline.upkeep import sweep, withdraw_rejected
from stages.models.files import ModelRef
from tests.pipeline.tiny_run import CANARY, CASE
from tests.pipeline.toy import FLOW, AnswerConfig, ToyCase, run_toy, write_numbers

ROOT = Path(__file__).parents[2]
NUMBERS = {f"{name}.txt": f"{i}\n{i + 10}\n" for i, name in enumerate("abcdef")}
DATASETS = ["in.files", *(step.writes for step in FLOW)]


@pytest.fixture(name="once", scope="module")
def a_finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    write_numbers(folder, NUMBERS)
    run_toy(folder)
    return folder


@pytest.fixture(name="folder")
def a_copy(once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once, tmp_path / "copy"))


def actions(folder: Path) -> list[str]:
    return [event.action for event in events_of(folder / "run")]


def faults(folder: Path) -> dict[str, str]:
    checked = check_custody(Store(folder / "run"))
    return {each.place: each.what for each in checked.findings if each.fault}


def written(event: Event) -> Mapping[str, str]:
    return event.outputs


def test_every_file_of_a_run_is_in_the_log_with_its_digest(folder: Path) -> None:
    root = folder / "run"
    events = list(events_of(root))
    said: dict[str, str] = {}
    for event in events:
        assert not said.keys() & written(event).keys()
        said |= written(event)
    rooms = ("records", "data", "datasets", "environments")
    there = {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for room in rooms
        for path in (root / room).rglob("*")
        if path.is_file()
    }
    assert said == there
    assert len(there) > 100
    assert [event.action for event in events] == [
        *("run started", "sources listed"),
        *["step finished"] * len(FLOW),
        "run ended",
    ]
    assert [event.about["dataset"] for event in events[2:-1]] == DATASETS[1:]
    answers = next(event for event in events if event.about.get("dataset") == "made.answers")
    assert [answers.about[name] for name in ("ran", "rows", "tasks")] == [24, 48, 24]
    questions = (root / "datasets" / "made.questions.json").read_bytes()
    assert answers.inputs == {"datasets/made.questions.json": sha256(questions).hexdigest()}
    assert events[-1].about == {"outcome": "done"}
    assert check_custody(Store(root)).findings == ()


def test_a_run_with_nothing_to_do_writes_nothing(folder: Path) -> None:
    before = (folder / "run" / NAME).read_bytes()
    run_toy(folder)
    assert (folder / "run" / NAME).read_bytes() == before


def test_a_run_goes_on_in_the_same_log_and_says_only_what_is_new(folder: Path) -> None:
    before = (folder / "run" / NAME).read_bytes()
    write_numbers(folder, {"g.txt": "77\n"})
    run_toy(folder)
    after = (folder / "run" / NAME).read_bytes()
    assert after.startswith(before)
    assert actions(folder).count("run started") == 2
    assert faults(folder) == {}


def test_many_parts_go_into_lines_of_bounded_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custody_ledger, "TOGETHER", 7)
    write_numbers(tmp_path, NUMBERS)
    run_toy(tmp_path)
    events = list(events_of(tmp_path / "run"))
    assert max(len(written(event)) for event in events) == 7
    names = [event.action for event in events if event.about.get("dataset") == "made.answers"]
    assert names == [*["parts made"] * (len(names) - 1), "step finished"]
    assert len(names) > 6
    assert faults(tmp_path) == {}


def test_parts_of_a_failed_run_are_in_the_log_and_how_it_ended(tmp_path: Path) -> None:
    write_numbers(tmp_path, NUMBERS)
    case = ToyCase(answer=AnswerConfig(slip="/nonexistent/slip"))
    with pytest.raises(RunError):
        run_toy(tmp_path, case)
    *_, last = events_of(tmp_path / "run")
    assert (last.action, last.about) == ("run ended", {"outcome": "RunError"})
    assert faults(tmp_path) == {}


def test_parts_of_a_killed_run_are_found_by_the_next_one(folder: Path) -> None:
    log = folder / "run" / NAME
    # killed while the parts of the third step were there and not yet in the log
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]))
    lost = faults(folder)
    assert "records/made.answers" in {path.rpartition("/")[0] for path in lost}
    assert set(lost.values()) == {"is in the run and not in the log"} | {
        what for what in lost.values() if "names it, and the log does not" in what
    }
    run_toy(folder)
    assert faults(folder) == {}
    assert actions(folder)[4:] == ["run started", FOUND, "run ended"]


def test_a_run_older_than_the_log_is_found_and_not_made(folder: Path) -> None:
    store = Store(folder / "run")
    (store.root / NAME).unlink()
    assert faults(folder) == {NAME: "there is no custody log, or nothing in it"}
    write_found(store)
    assert actions(folder) == [FOUND]
    assert faults(folder) == {}


def first(folder: Path, pattern: str) -> Path:
    return min((folder / "run").glob(pattern))


def add_record(folder: Path) -> None:
    record = first(folder, "records/made.answers/*.json")
    record.with_name("more-1234.json").write_bytes(record.read_bytes())


def change_record(folder: Path) -> None:
    record = first(folder, "records/made.answers/*.json")
    record.write_text(record.read_text().replace('"rows": 2', '"rows": 3'))


def rubbish(folder: Path) -> None:
    first(folder, "records/made.answers/*.json").write_text('{"parts": [7]}')


def leave_out(folder: Path) -> None:
    path = folder / "run" / "datasets" / "made.answers.json"
    path.write_text(json.dumps(json.loads(path.read_text())[1:]))


TAMPERS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "data changed": (
        lambda folder: first(folder, "data/made.answers/*.parquet").write_bytes(b"x"),
        "data/made.answers/*.parquet",
        "has sha256",
    ),
    "data gone": (
        lambda folder: first(folder, "data/made.sum/*/sum.txt").unlink(),
        "data/made.sum/*/sum.txt",
        "is in the log and gone",
    ),
    "record gone": (
        lambda folder: first(folder, "records/made.answers/*.json").unlink(),
        "records/made.answers/*.json",
        "is in the log and gone",
    ),
    "record added": (add_record, "records/made.answers/more-1234.json", "not in the log"),
    "record changed": (change_record, "records/made.answers/*.json", "has sha256"),
    "record rubbish": (rubbish, "records/made.answers/*.json", "cannot be read"),
    "part left out": (leave_out, "datasets/made.answers.json", "has sha256"),
    "environment changed": (
        lambda folder: first(folder, "environments/*.json").write_text("{}"),
        "environments/*.json",
        "has sha256",
    ),
    "registration put in": (
        lambda folder: (folder / "run" / "registration.json").write_text("{}"),
        "registration.json",
        "not in the log",
    ),
}


@pytest.mark.parametrize("name", TAMPERS)
def test_what_is_not_as_the_log_says_is_named(folder: Path, name: str) -> None:
    tamper, pattern, what = TAMPERS[name]
    tamper(folder)
    found = faults(folder)
    (path,) = found
    assert Path(path).match(pattern)
    assert what in found[path]


def test_what_was_swept_or_withdrawn_is_gone_with_an_event(folder: Path) -> None:
    write_numbers(folder, {"a.txt": "0\n10\nrubbish\n", "b.txt": "5\n6\n"})
    run_toy(folder)
    store = Store(folder / "run")
    with noting_gone(store, "withdrawn"):
        assert withdraw_rejected(store, DATASETS) == 1
    assert faults(folder) == {}
    run_toy(folder)
    with noting_gone(store, "swept"):
        sweep(store, DATASETS)
    *_, swept = events_of(store.root)
    assert any(path.startswith("records/made.answers/") for path in swept.inputs)
    assert not [path for path in swept.inputs if (store.root / path).exists()]
    assert actions(folder).count("withdrawn") == actions(folder).count("swept") == 1
    assert faults(folder) == {}


def test_a_sweep_that_was_cut_short_is_written_down_by_the_next(folder: Path) -> None:
    store = Store(folder / "run")
    lost, other = sorted((store.root / "records").glob("made.answers/*.json"))[:2]
    with suppress(KeyboardInterrupt), noting_gone(store, "swept"):
        lost.unlink()
        raise KeyboardInterrupt
    assert len(faults(folder)) == 1
    with noting_gone(store, "swept"):
        pass
    assert faults(folder) == {}
    # what is missing for another reason is not taken for swept
    other.unlink()
    with noting_gone(store, "swept"):
        pass
    assert list(faults(folder)) == [other.relative_to(store.root).as_posix()]


def test_a_log_may_name_no_path_outside_the_run(folder: Path) -> None:
    append(folder / "run", "act", outputs={"data/../../numbers/a.txt": "0" * 64, "bundle X": "1"})
    assert list(faults(folder)) == ["data/../../numbers/a.txt"]


def test_the_verb_shows_the_log_and_says_what_no_chain_shows(folder: Path) -> None:
    (folder / "case.yaml").write_text(CASE)
    asked = Namespace(bundle=[])
    found, text, code = custody(asked, folder / "case.yaml")
    assert (code, found["intact"], found["faults"], found["notes"]) == (0, True, [], [])
    head = (folder / "run" / NAME).read_bytes().splitlines()[-1]
    assert found["head"] == sha256(head).hexdigest()
    assert found["head"] in text
    assert [row["action"] for row in found["log"]] == actions(folder)
    assert text.splitlines()[0].split()[:5] == ["seq", "utc", "actor", "host", "action"]
    assert "break no chain" in text
    first(folder, "data/made.answers/*.parquet").unlink()
    found, text, code = custody(asked, folder / "case.yaml")
    assert (code, found["intact"], len(found["faults"])) == (1, False, 1)
    assert "FAULT: data/made.answers/" in text
    json.dumps(found)


def test_models_are_named_without_the_place_where_they_lie() -> None:
    models: dict[ModelRef | str, str] = {
        ModelRef(path="/home/ada/sd"): "1" * 64,
        ModelRef(path="/home/bob/sd"): "2" * 64,
        ModelRef(path="clip"): "3" * 64,
        "words.txt": "4" * 64,
    }
    assert name_models(models) == {
        "model (elsewhere)/sd": "1" * 64,
        "model (elsewhere)/sd 22222222": "2" * 64,
        "model clip": "3" * 64,
        "file words.txt": "4" * 64,
    }


def test_each_record_names_what_its_part_was_made_with(folder: Path) -> None:
    store = Store(folder / "run")
    met = {r.facts["environment"] for _, r in store.records() if r.dataset != "in.files"}
    (digest,) = met
    found = environment.read_environment(store.root, digest)
    assert found is not None
    assert found["packages"]["pyarrow"]
    assert found["python"].startswith("CPython 3.")
    assert [path.stem for path in (store.root / "environments").iterdir()] == [digest]
    (store.root / "environments" / f"{digest}.json").write_text("{}")
    assert environment.read_environment(store.root, digest) is None
    assert environment.read_environment(store.root, "0" * 64) is None


def test_of_the_environment_only_harmless_words_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", CANARY)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"0 {CANARY}")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    digest = environment.note_environment(tmp_path)
    raw = (tmp_path / "environments" / f"{digest}.json").read_text()
    assert CANARY not in raw
    said: dict[str, Any] = json.loads(raw)["variables"]
    assert said["OMP_NUM_THREADS"] == "3"
    assert said["CUDA_VISIBLE_DEVICES"] == "(not shown)"
    assert "HF_TOKEN" not in raw


def test_torch_is_asked_where_it_is_at_work_and_never_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import sys; from pipeline.environment import environment as e; assert e()['torch'] is None"
        "; assert not {'torch', 'pyarrow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    gpu = SimpleNamespace(is_available=lambda: True, get_device_name=lambda: "H200")
    matmul = SimpleNamespace(allow_tf32=False)
    backends = SimpleNamespace(
        cudnn=SimpleNamespace(version=lambda: 91900), cuda=SimpleNamespace(matmul=matmul)
    )
    torch = SimpleNamespace(
        __version__="9.9+cu130",
        version=SimpleNamespace(cuda="13.0"),
        get_num_threads=lambda: 2,
        cuda=gpu,
        backends=backends,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert environment.environment()["torch"] == {
        "version": "9.9+cu130",
        "threads": 2,
        "cuda": "13.0",
        "cudnn": 91900,
        "gpu": "H200",
        "tf32": False,
    }
