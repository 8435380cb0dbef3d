"""Erasing: one person's works are gone from every byte of a run, and stay away.

The run is a real one: images and texts, networks with random weights, copies planted.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import erase_store
from pipeline.cli import main
from pipeline.custody import append
from pipeline.datasets import open_dataset
from pipeline.environment import read_environment
from pipeline.erase_found import Wanted, find_traces
from pipeline.erase_traces import Traces
from pipeline.evidence.making import Making
from pipeline.evidence.material import open_material
from pipeline.evidence.method import denominators
from pipeline.evidence.reproduce import make_again
from pipeline.evidence.reproduce_judge import Sealed
from pipeline.plan import plan_step
from pipeline.project import open_project, open_store
from pipeline.store import Part
from pipeline.tombstones import ERASED, SWEPT, Tombstones, keep_to, read_tombstones
from stages.contract import Kit, Out, Rejected
from stages.models.files import ModelRef
from stages.tables import IMAGES, TEXTS
from tests.pipeline.canaries import PERSON, Needles, build, found_in, needles, noisy, png
from tests.pipeline.test_plan import MEET
from tests.pipeline.toy import ToyCase

HERS = 6
"""Her images in the training folder and the Parquet file."""


def command(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capfd.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capfd.readouterr().out.splitlines()[-1])


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = build(tmp_path_factory.mktemp("erase") / "case")
    assert main(["run", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def traces(before: Path) -> Traces:
    case, store = open_store(before)
    return find_traces(store, case, Wanted(artist=PERSON))


@pytest.fixture(scope="module")
def wanted(before: Path, traces: Traces) -> Needles:
    found = needles(open_store(before)[1], traces)
    held = found_in(before.parent / "run", found)
    # what is not found before proves nothing after; not all captions are asked for, and digests of
    # texts that a model wrote stand nowhere
    assert {name.split()[0] for name in held} == {name.split()[0] for name in found}
    rare = ("sha256", "prompts")
    assert [name for name in found if name not in held and not name.startswith(rare)] == []
    return found


@pytest.fixture
def copy(before: Path, tmp_path: Path) -> Path:
    shutil.copytree(before.parent, tmp_path / "case")
    return tmp_path / "case" / "case.yaml"


def places(path: Path, *datasets: str) -> set[str]:
    table = TEXTS if "texts" in datasets[0] else IMAGES
    return set(
        open_dataset(open_store(path)[1], table, *datasets).read(["place"])["place"].to_pylist()
    )


def mine(path: Path) -> dict[str, bytes]:
    """Return the files of the user: everything but the run."""
    run = path.parent / "run"
    return {
        str(file): file.read_bytes()
        for file in path.parent.rglob("*")
        if file.is_file() and not file.is_relative_to(run)
    }


def test_what_a_run_makes_can_be_made_again(before: Path) -> None:
    project = open_project(before)
    material = open_material(project)
    for dataset, name, model in (
        ("made.sampled", "image_id", "sd"),
        ("made.written", "output_id", "gpt2"),
    ):
        part = project.store.current(dataset)[0].parts[0]
        row = project.store.read(part, list(part.columns)).to_pylist()[-1]
        finding = {"best_made_id": row[name]} | {n: row[n] for n in ("model_id", "prompt_id")}
        vars(material)["items"] = [finding]
        told = Making(material).of(finding)
        assert told["recorded"]
        native = row["bytes"] if "bytes" in row else (row["text"] or "").encode()
        assert read_environment(project.store.root, told["environment"])
        sealed = Sealed(name="x", making=told, native=native, environment=None)
        kit = Kit(device=told["device"], threads=told["threads"])
        assert make_again(sealed, ModelRef(path=str(before.parent / model)), kit) == native


def come_again(folder: Path) -> None:
    """Put some of her works, and one that is not hers, where the case looks."""
    train = folder / "train" / "others"
    shutil.copy(folder / "train" / "vantongue-studio" / "hers01.png", train / "renamed.png")
    (train / "fresh.png").write_bytes(png(500))
    (train / "fresh.json").write_text(json.dumps({"artist": "Quilla  VANTONGUE", "caption": "x"}))
    (train / "free.png").write_bytes(png(501))
    (folder / "suspect" / "again.png").write_bytes(noisy(png(1), 1))


def left_out(path: Path) -> None:
    """Check that hers were not taken in, and the other one was."""
    found = places(path, "train.images")
    assert "0:others/free.png" in found
    assert not [p for p in found if "renamed" in p or "fresh" in p or "vantongue" in p]
    assert not {f"1:more.parquet#{row}" for row in range(2)} & found
    assert {f"1:more.parquet#{row}" for row in range(2, 6)} <= found
    assert not [p for p in places(path, "suspect.images") if "again" in p or "copy1." in p]


def test_nothing_of_the_person_is_left_after_erasing_and_after_the_next_run(
    copy: Path, wanted: Needles, capfd: pytest.CaptureFixture[str]
) -> None:
    sources, run = mine(copy), copy.parent / "run"
    append(run, "bundle sealed", about={"bundle": "EB-small-1", "fingerprint": "ab" * 32})
    kept = {path.name for path in (run / "data" / "made.sampled").iterdir()}

    code, said = command(capfd, "erase", str(copy), "--artist", "vantongue, quilla")
    assert (code, said["done"]) == (0, False)
    assert said["names"] == [PERSON, "VANTONGUE, Quilla"]
    assert said["other_names"] == ["Other 2"]
    assert said["case_names_them"] == [PERSON]
    assert said["bundles"][0]["fingerprint"] == "ab" * 32
    assert not (run / "tombstones.json").exists()
    assert found_in(run, wanted), "without --yes nothing is done"

    code, done = command(capfd, "erase", str(copy), "--artist", PERSON, "--yes")
    assert (code, done["done"], done["left"]) == (0, True, [])
    # 6 images, a near-duplicate of one under another name, 3 texts, and copies that others made
    assert done["counts"]["works"] == HERS + 3
    assert done["counts"]["images_and_texts"] == HERS + 1 + 3
    assert done["counts"]["of_which_hold_a_work"] == 3 + 1
    assert found_in(run, wanted) == {}
    assert command(capfd, "show", str(copy))[1]["steps"][0]["todo"]
    assert command(capfd, "lookup", PERSON, str(copy))[0] == 1

    assert mine(copy) == sources
    come_again(copy.parent)
    code, again = command(capfd, "run", str(copy))
    assert code == 0
    assert found_in(run, wanted) == {}
    left_out(copy)
    assert kept & {path.name for path in (run / "data" / "made.sampled").iterdir()}
    assert command(capfd, "lookup", PERSON, str(copy))[1]["works_in_set"] == 0
    assert command(capfd, "custody", str(copy))[0] == 0
    assert command(capfd, "check", str(copy))[1]["intact"] is True
    assert {request.state for request in read_tombstones(run).requests} == {SWEPT}
    assert command(capfd, "run", str(copy))[1]["ran"] == 0
    assert again["rejected"] == 0
    assert main(["erase", str(copy), "--artist", PERSON]) == 2
    assert "was erased before" in capfd.readouterr().err

    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Erased on request" in page
    counts = denominators(open_material(open_project(copy)))["erased_on_request"]
    assert counts == {"requests": 1, **done["counts"]}


@pytest.mark.parametrize("after", [0, 100])
def test_an_erasure_that_was_stopped_is_refused_by_readers_and_ended_by_the_next(
    copy: Path,
    wanted: Needles,
    after: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlink, gone = os.unlink, iter(range(after))

    def failing(path: Any, *more: Any, **named: Any) -> None:
        if (
            "/run/" in str(path)
            and not Path(path).name.startswith(".")
            and next(gone, None) is None
        ):
            raise OSError(5, "the power is gone", str(path))
        unlink(path, *more, **named)

    store = open_store(copy)[1]
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        with pytest.raises(OSError, match="power"):
            main(["erase", str(copy), "--artist", PERSON, "--yes"])
    assert read_tombstones(store.root).pending
    assert command(capfd, "lookup", PERSON, str(copy))[0] == 1
    assert command(capfd, "report", str(copy))[0] == 1
    # what every run does first
    assert erase_store.finish_erasing(store) > 0
    assert found_in(store.root, wanted) == {}
    assert [each.state for each in read_tombstones(store.root).requests] == [ERASED]
    assert erase_store.finish_erasing(store) == 0
    assert command(capfd, "show", str(copy))[0] == 0
    assert command(capfd, "custody", str(copy))[0] == 0, "what went before is in the log too"


def test_one_work_takes_its_copies_along_and_nobody_else(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = open_dataset(open_store(copy)[1], IMAGES, "train.images").read(["image_id", "place"])
    (image_id,) = (r["image_id"] for r in rows.to_pylist() if r["place"].endswith("borrowed.png"))
    listed = copy.parent / "list.txt"
    listed.write_text(f"# by id, and by a digest that is not here yet\n{image_id}\n{'ab' * 32}\n")
    _, one = command(capfd, "erase", str(copy), "--work", image_id[:16])
    assert one["counts"]["works"] == 1
    assert one["counts"]["images_and_texts"] == 2
    _, two = command(capfd, "erase", str(copy), "--file", str(listed), "--yes")
    assert two["counts"] == one["counts"]
    assert two["unknown"] == ["ab" * 32]
    stones = read_tombstones(copy.parent / "run")
    assert stones.holds("sha256", "ab" * 32)
    assert not stones.holds("name", PERSON)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--artist", "Quilla Vantonge"], "'Quilla Vantongue'"),
        (["--artist", "!"], "nobody in this run"),
        (["--work", "xyz"], "12 to 64 hex digits"),
        (["--file", "missing.txt"], "cannot be read"),
    ],
)
def test_what_names_nobody_is_refused(
    before: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", str(before), *words]) == 2
    assert message in capfd.readouterr().err
    assert not (before.parent / "run" / "tombstones.json").exists()


def test_tombstones_name_nobody_and_a_damaged_file_stops_everything(
    copy: Path, wanted: Needles, capfd: pytest.CaptureFixture[str]
) -> None:
    command(capfd, "erase", str(copy), "--artist", PERSON, "--yes")
    path = copy.parent / "run" / "tombstones.json"
    assert not [name for name, value in wanted.items() if value in path.read_bytes()]
    path.write_text(path.read_text()[:-5])
    code, found = command(capfd, "run", str(copy))
    assert (code, "tombstones" in found["error"]) == (1, True)


@pytest.fixture
def stones() -> Iterator[Callable[..., Tombstones]]:
    def of(**marks: str) -> Tombstones:
        empty = Tombstones(bytes(32))
        request = erase_store.Request(
            utc="",
            by="",
            state=ERASED,
            datasets=(),
            counts={"works": 1},
            marks=frozenset(empty.mark(kind, value) for kind, value in marks.items()),
        )
        return Tombstones(bytes(32), (request,))

    return of


def test_a_rejection_that_names_an_erased_file_goes_and_that_of_another_stays(
    stones: Callable[..., Tombstones],
) -> None:
    row: dict[str, Any] = dict.fromkeys(IMAGES.schema.names) | {"pdq": "", "bytes": b""}
    row |= {"format": "png", "width": 1, "height": 1, "pdq_quality": 0}
    rows = [
        row | {"image_id": "1", "place": "0:a.tar!d/1.png", "sha256": "x", "artist": "Ada, Miss"},
        row | {"image_id": "2", "place": "0:a.tar!d/10.png", "sha256": "y"},
    ]
    keys = ["0:a.tar!d/1.json", "0:a.tar!d/1.png (2)", "0:a.tar!d/10.json", "0:a.tar!d/1"]
    out = Out(IMAGES.of_rows(rows), [Rejected(key, "sidecar", "") for key in keys])
    for mark in ({"id": "1"}, {"sha256": "x"}, {"name": "miss ada"}):
        (left, rejected), many = keep_to(stones(**mark), IMAGES, out)
        assert left["image_id"].to_pylist() == ["2"]
        assert [one.key for one in rejected] == keys[2:]
        assert many == 1
    assert keep_to(stones(id="3"), IMAGES, out) == (out, 0)


def test_what_was_touched_is_made_anew_as_something_else_and_the_rest_is_not() -> None:
    known = {
        "in.numbers": [Part(name=name, rows=1, columns={"value": name}) for name in "ab"],
        "made.answers": [Part(name="all", rows=1, columns={"square": "s"})],
    }
    case: Any = ToyCase()
    plans = [
        plan_step(0, MEET, case, (known, {}, lambda *_: None), erased)
        for erased in (lambda *_: 0, lambda _, task: int(task.endswith("a")))
    ]
    before, after = ({task.name: task.identity for task in plan.todo} for plan in plans)
    assert [name for name in before if before[name] != after[name]] == [
        name for name in before if name.endswith("a")
    ]
    assert len(before) == len(known["in.numbers"])
