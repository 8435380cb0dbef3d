"""Custody and bundles: each holds the log as it was, and shows what was cut off since."""

import csv
import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.cli import main
from pipeline.custody import ACTOR, FIRST, NAME
from pipeline.custody_ledger import FOUND
from pipeline.custody_log import events_of, last_sealed
from pipeline.environment import note_environment
from pipeline.errors import RunError
from pipeline.evidence.bates import open_register
from pipeline.evidence.bundling import make
from pipeline.evidence.contents import contents
from pipeline.evidence.instructions import CUSTODY
from pipeline.evidence.material import open_material
from pipeline.evidence.provenance import NOT_RECORDED, provenance
from pipeline.evidence.seal import SealOptions
from pipeline.project import Project
from pipeline.store import Store
from tests.pipeline.tiny_authority import authority, needs_tools, serving
from tests.pipeline.tiny_bundle import WHO, make_key
from tests.pipeline.tiny_run import options, planted

pytestmark = needs_tools
LOG = "data/7_custody/custody.jsonl"


class Sealed(NamedTuple):
    """A run with two bundles."""

    project: Project
    home: Path
    prints: list[str]

    @property
    def root(self) -> Path:
        return self.project.store.root

    def bundle(self, number: int) -> Path:
        return self.home / f"EB-{number}"


@pytest.fixture(name="sealed", scope="module")
def two_bundles(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    home = tmp_path_factory.mktemp("custody")
    project = planted(home / "case", items=1)
    seal = SealOptions(key=make_key(home / "key"), principal=WHO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ACTOR, '=HYPERLINK("http://x","Ada")')
        done = [make(project, home / f"EB-{n}", options(), (seal, None))[0] for n in (1, 2)]
    return Sealed(project, home, [each.fingerprint for each in done])


@pytest.fixture(name="copy")
def a_copy(sealed: Sealed, tmp_path: Path) -> Sealed:
    home = Path(shutil.copytree(sealed.home, tmp_path / "copy"))
    path = home / "case" / "case.yaml"
    project = Project(
        path=path,
        case=sealed.project.case,
        store=Store(home / "case" / "run"),
        models=sealed.project.models,
        sources={},
    )
    return Sealed(project, home, sealed.prints)


def asked(sealed: Sealed, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    code = main(["custody", str(sealed.project.path), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def info(bundle: Path) -> dict[str, str]:
    lines = (bundle / "bag-info.txt").read_text().splitlines()
    return {label: value for label, _, value in (line.partition(": ") for line in lines)}


def test_each_bundle_names_the_one_before_it_and_the_head_of_its_log(sealed: Sealed) -> None:
    one, other = info(sealed.bundle(1)), info(sealed.bundle(2))
    assert "Previous-Bundle-SHA256" not in one
    assert other["Previous-Bundle-SHA256"] == sealed.prints[0]
    assert last_sealed(sealed.root) == sealed.prints[1]
    whole = (sealed.root / NAME).read_bytes()
    for number in (1, 2):
        raw = (sealed.bundle(number) / LOG).read_bytes()
        assert whole.startswith(raw)
        head = sha256(raw.splitlines()[-1]).hexdigest()
        assert info(sealed.bundle(number))["Custody-Head-SHA256"] == head
        said = json.loads((sealed.bundle(number) / LOG).with_suffix(".json").read_bytes())
        assert (said["head"], said["intact"], said["findings"]) == (head, True, [])
    events = list(events_of(sealed.root))
    assert [event.action for event in events] == [
        FOUND,
        *["sealing begun", "bundle sealed"] * 2,
    ]
    assert events[-1].about["fingerprint"] == sealed.prints[1]
    assert events[-1].about["previous"] == sealed.prints[0]
    assert events[-1].about["items"] == 1


def test_table_of_the_log_computes_nothing(sealed: Sealed) -> None:
    path = sealed.bundle(2) / "data" / "7_custody" / "custody.csv"
    with path.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["action"] for row in rows][-1] == "sealing begun"
    assert all(row["actor"].startswith("'=HYPERLINK") for row in rows)
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["prev"] == FIRST


def stock(bundle: Path) -> list[str]:
    """Run the line of VERIFY.txt as it stands there."""
    text = (bundle / "VERIFY.txt").read_text()
    assert f"    {CUSTODY}\n" in text
    folder = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", CUSTODY],
        cwd=bundle,
        env={"PATH": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_stock_line_follows_the_chain_as_printed(copy: Sealed) -> None:
    bundle = copy.bundle(2)
    assert stock(bundle) == [info(bundle)["Custody-Head-SHA256"]]
    lines = (bundle / LOG).read_bytes().splitlines(keepends=True)
    (bundle / LOG).write_bytes(b"".join([lines[0].replace(FIRST.encode(), b"1" * 64), *lines[1:]]))
    assert stock(bundle)[:2] == ["1", "2"]


def test_verb_answers_for_run_and_bundles(
    sealed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = asked(sealed, capsys)
    assert (code, found["intact"], found["events"]) == (0, True, 5)
    assert [each["bundle"] for each in found["bundles"]] == ["EB-1", "EB-2"]
    both = [part for n in (1, 2) for part in ("--bundle", str(sealed.bundle(n)))]
    assert asked(sealed, capsys, *both)[0] == 0
    assert main(["custody", str(sealed.project.path), *both]) == 0
    text = capsys.readouterr().out
    assert "bundle sealed" in text
    assert "break no chain" not in text
    assert asked(sealed, capsys, "--bundle", str(sealed.home))[0] == 2


@pytest.mark.parametrize("keep", [0, 1, 3, 4])
def test_lines_cut_off_the_end_are_shown_by_a_bundle(
    copy: Sealed, capsys: pytest.CaptureFixture[str], keep: int
) -> None:
    log = copy.root / NAME
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:keep]))
    # a tail without parts breaks nothing, and the verb says that it cannot see it
    assert asked(copy, capsys)[0] == (0 if keep else 1)
    code, found = asked(copy, capsys, "--bundle", str(copy.bundle(2)))
    assert code == 1
    said = [each["what"] for each in found["faults"] if each["path"] == NAME]
    assert any("EB-2" in each and "was sealed" in each for each in said)
    assert any("does not begin with the 4 lines" in each for each in said) == (keep < 4)


def test_a_log_that_was_written_anew_is_shown_by_a_bundle(
    copy: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    log = copy.root / NAME
    lines = log.read_bytes().replace(b"EB-1", b"EB-9").splitlines()
    made, prev = [], FIRST
    for line in lines:
        event = json.loads(line) | {"prev": prev}
        made.append(json.dumps(event, sort_keys=True, separators=(",", ":")).encode())
        prev = sha256(made[-1]).hexdigest()
    log.write_bytes(b"\n".join(made) + b"\n")
    assert asked(copy, capsys)[0] == 0
    code, found = asked(copy, capsys, "--bundle", str(copy.bundle(1)))
    assert (code, len(found["faults"])) == (1, 1)


def test_a_bundle_that_is_not_intact_proves_nothing(
    copy: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy.bundle(1) / LOG
    path.write_bytes(path.read_bytes()[:-1])
    code, found = asked(copy, capsys, "--bundle", str(copy.bundle(1)))
    assert code == 1
    assert "not intact" in found["faults"][0]["what"]


def test_a_broken_log_is_sealed_as_broken(copy: Sealed) -> None:
    log = copy.root / NAME
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    seal = SealOptions(key=copy.home / "key", principal=WHO)
    done, _ = make(copy.project, copy.home / "EB-3", options(), (seal, "a" * 64))
    said = json.loads((done.folder / LOG).with_suffix(".json").read_bytes())
    assert not said["intact"]
    assert [each["place"] for each in said["findings"]] == ["line 3"]
    assert info(done.folder)["Previous-Bundle-SHA256"] == "a" * 64


def test_a_bundle_that_failed_is_begun_and_not_sealed(
    copy: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_WORD", "verbatim")
    seal = SealOptions(key=copy.home / "key", principal=WHO)
    with pytest.raises(RunError, match="A_SECRET_WORD"):
        make(copy.project, copy.home / "EB-3", options(), (seal, None))
    assert [event.action for event in events_of(copy.root)][-2:] == [
        "bundle sealed",
        "sealing begun",
    ]
    assert last_sealed(copy.root) == copy.prints[1]


def test_a_secret_among_what_is_logged_stops_the_bundle(
    copy: Sealed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ACTOR, "Ada hunter2-hunter2")
    monkeypatch.setenv("DB_PASSWORD", "hunter2-hunter2")
    seal = SealOptions(key=copy.home / "key", principal=WHO)
    with pytest.raises(RunError, match=r"7_custody.*DB_PASSWORD"):
        make(copy.project, tmp_path / "EB-3", options(), (seal, None))
    assert not (tmp_path / "EB-3").exists()


def test_a_timestamp_that_was_added_stands_in_the_log_of_the_case_that_is_named(
    copy: Sealed, tmp_path: Path
) -> None:
    case = ["--case", str(copy.project.path)]
    with serving(authority(tmp_path / "authority")) as url:
        asked_for = ["stamp", str(copy.bundle(1)), "--tsa", f"{url}?key=canary-9"]
        assert main([*asked_for, *case]) == 0
    *_, event = events_of(copy.root)
    assert event.action == "timestamp added"
    assert event.inputs == {"bundle": copy.prints[0]}
    assert event.about["bundle"] == "EB-1"
    assert event.about["timestamps"][0]["path"] == "timestamps/tsa1.tsr"
    assert b"canary" not in (copy.root / NAME).read_bytes()


def test_environments_of_parts_are_told_and_not_that_of_who_seals(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=1)
    root = project.store.root
    old = json.loads(provenance(open_material(project))["environment.json"])
    (none,) = old["environments"]
    assert (none["sha256"], none["environment"]) == (NOT_RECORDED, NOT_RECORDED)
    assert none["tasks"] == sum(1 for _ in project.store.records())
    digest = note_environment(root)
    path, record = next((p, r) for p, r in project.store.records() if r.dataset == "made.sampled")
    value = json.loads(path.read_text())
    value["facts"]["environment"] = digest
    path.write_text(json.dumps(value))
    assert record.identity == value["identity"]
    met = json.loads(provenance(open_material(project))["environment.json"])["environments"]
    told = {each["sha256"]: each for each in met}
    assert told[digest]["datasets"] == ["made.sampled"]
    assert told[digest]["environment"]["packages"]["pyarrow"]
    assert told[NOT_RECORDED]["tasks"] == none["tasks"] - 1
    (root / "environments" / f"{digest}.json").unlink()
    gone = json.loads(provenance(open_material(project))["environment.json"])["environments"]
    assert {each["environment"] for each in gone} == {NOT_RECORDED, "recorded, and gone or changed"}


def test_contents_of_a_run_without_a_log_say_so(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=1)
    register = open_register(project.store.root, options().numbering)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    held = dict(contents(open_material(project), register, options(), scratch))
    assert held["7_custody/custody.jsonl"] == b""
    said = held["7_custody/custody.json"]
    assert isinstance(said, bytes)
    assert (json.loads(said)["events"], json.loads(said)["head"]) == (0, FIRST)
