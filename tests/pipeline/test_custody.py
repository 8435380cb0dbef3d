"""Custody log: who may tamper with what, and who sees it; torn lines, a full disk, a crowd."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import custody
from pipeline.custody import ACTOR, FIRST, NAME, TORN, append, parse
from pipeline.custody_log import events_of, lines_of, read_log
from pipeline.errors import DiskFullError, StoreError

ROOT = Path(__file__).parents[2]
MANY = 6
WORDS = (
    b'{"seq":%s,"utc":"","actor":"","host":"","tool":"","action":"","about":{},"inputs":{%s},'
    b'"outputs":{},"prev":""}'
)


def log_of(folder: Path, many: int = MANY) -> bytes:
    """Write a log and return its bytes."""
    for number in range(many):
        append(folder, f"act {number}", outputs={f"data/{number}": f"{number:064x}"})
    return (folder / NAME).read_bytes()


@pytest.fixture(name="sound", scope="module")
def a_sound_log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return log_of(tmp_path_factory.mktemp("sound"))


def put(folder: Path, raw: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(raw)
    return folder


def faults(folder: Path) -> list[str]:
    return [each.place for each in read_log(folder).findings if each.fault]


def test_each_line_digests_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ACTOR, raising=False)
    heads = [append(tmp_path, "first", inputs={"a": "0"}), append(tmp_path, "next", about={"n": 1})]
    one, other = (tmp_path / NAME).read_bytes().splitlines()
    assert heads == [sha256(one).hexdigest(), sha256(other).hexdigest()]
    assert json.loads(one)["prev"] == FIRST == "0" * 64
    assert json.loads(other)["prev"] == heads[0]
    said = json.loads(other)
    assert (said["seq"], said["action"], said["about"]) == (2, "next", {"n": 1})
    assert (said["inputs"], said["outputs"]) == ({}, {})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["utc"])
    assert re.fullmatch(r"palimpsest \d.*", said["tool"])
    assert sorted(said) == sorted(custody.Event._fields)
    log = read_log(tmp_path)
    assert (log.events, log.head, log.findings) == (2, heads[1], ())


def test_who_acts_is_an_account_or_a_name_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_API_TOKEN", "canary-77aa")
    monkeypatch.setenv(ACTOR, "Ada\n\N{RIGHT-TO-LEFT OVERRIDE}Name " + "x" * 900)
    append(tmp_path, "act")
    monkeypatch.delenv(ACTOR)
    append(tmp_path, "act")
    named, plain = events_of(tmp_path)
    assert plain.actor
    assert named.actor.startswith("Ada \N{REPLACEMENT CHARACTER}Name xxx")
    assert named.actor.endswith(f"... ({plain.actor})")
    assert len(named.actor) < 300
    assert b"canary" not in (tmp_path / NAME).read_bytes()


def mutated(raw: bytes, kind: str, place: int, other: int) -> bytes:
    """Change a log in one of the ways somebody might."""
    lines = raw.splitlines(keepends=True)
    one, two = place % len(lines), other % len(lines)
    at = place % len(raw)
    if kind == "flip":
        return raw[:at] + bytes([raw[at] ^ (1 << other % 8)]) + raw[at + 1 :]
    if kind == "insert":
        return raw[:at] + bytes([other % 256]) + raw[at:]
    if kind == "delete":
        return raw[:at] + raw[at + 1 + other % 40 :]
    if kind == "swap":
        lines[one], lines[two] = lines[two], lines[one]
    elif kind == "remove":
        del lines[one]
    elif kind == "repeat":
        lines.insert(two, lines[one])
    elif kind == "number":
        lines[one] = lines[one].replace(b'"seq":', b'"seq":1')
    return b"".join(lines)


KINDS = ("flip", "insert", "delete", "swap", "remove", "repeat", "number")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), place=st.integers(0, 9999), other=st.integers(0, 9999))
@example(kind="remove", place=0, other=0)
@example(kind="remove", place=MANY - 1, other=0)
@example(kind="swap", place=MANY - 2, other=MANY - 1)
@example(kind="number", place=MANY - 1, other=0)
def test_any_change_but_of_the_last_line_breaks_the_chain_and_an_anchor_shows_all(
    sound: bytes, tmp_path: Path, kind: str, place: int, other: int
) -> None:
    raw = mutated(sound, kind, place, other)
    found = faults(put(tmp_path, raw))
    if raw == sound:
        assert not found
        return
    before, after = sound.splitlines(), raw.splitlines()
    # what no chain shows: lines cut off the end, and a last line that is another event
    cut = not after or after[:-1] == before[: len(after) - 1]
    assert found or cut
    assert found or not raw.startswith(sound)


def test_taken_out_put_in_moved_and_changed_lines_are_named(sound: bytes, tmp_path: Path) -> None:
    lines = sound.splitlines(keepends=True)
    cases: dict[str, tuple[list[bytes], list[str]]] = {
        "taken out": ([*lines[:2], *lines[3:]], ["line 3"]),
        "moved": ([lines[0], lines[2], lines[1], *lines[3:]], ["line 2", "line 3", "line 4"]),
        "put in": ([*lines[:2], lines[0], *lines[2:]], ["line 3", "line 4"]),
        "changed": ([lines[0].replace(b"act 0", b"act 9"), *lines[1:]], ["line 2"]),
        "no event": ([lines[0], b"\n", *lines[1:]], ["line 3", "line 3"]),
        "cut off": (lines[:-1], []),
        "head of another": (lines[1:], ["line 1"]),
    }
    for name, (changed, places) in cases.items():
        assert faults(put(tmp_path, b"".join(changed))) == places, name


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_torn_line_is_kept_and_written_down_by_the_next_event(
    sound: bytes, tmp_path: Path, part: float
) -> None:
    start = sound.rindex(b"\n", 0, -1) + 1
    raw = sound[: start + max(1, int(part * (len(sound) - start)))]
    put(tmp_path, raw)
    assert faults(tmp_path) == [f"line {MANY}"]
    append(tmp_path, "after")
    assert (tmp_path / NAME).read_bytes().startswith(raw + b"\n")
    *_, mend, last = events_of(tmp_path)
    assert (mend.action, mend.seq, last.action, last.seq) == (TORN, MANY, "after", MANY + 1)
    assert mend.inputs == {"torn": sha256(raw[start:]).hexdigest()}
    (note,) = read_log(tmp_path).findings
    assert not note.fault
    assert note.place == f"line {MANY + 1}"


def test_line_that_lacks_its_end_alone_counts_and_is_written_down(
    sound: bytes, tmp_path: Path
) -> None:
    put(tmp_path, sound[:-1])
    assert len(faults(tmp_path)) == 1
    append(tmp_path, "after")
    assert [event.seq for event in events_of(tmp_path)] == list(range(1, MANY + 3))
    assert (tmp_path / NAME).read_bytes().startswith(sound)
    assert [each.fault for each in read_log(tmp_path).findings] == [False]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rubbish=st.lists(st.binary(max_size=40), min_size=1, max_size=4).map(b"\n".join))
@example(rubbish=b"\0" * 70_000)
@example(rubbish=b"\n\n")
@example(rubbish=b"\n")
@example(rubbish=b'{"seq":7}\n')
def test_whatever_a_power_cut_leaves_behind_does_not_stop_the_log(
    sound: bytes, tmp_path: Path, rubbish: bytes
) -> None:
    put(tmp_path, sound + rubbish)
    append(tmp_path, "after")
    append(tmp_path, "later")
    whole = (tmp_path / NAME).read_bytes()
    assert whole.startswith(sound + rubbish)
    assert not faults(tmp_path)
    actions = [event.action for event in events_of(tmp_path)][MANY:]
    assert actions == ([TORN] if rubbish else []) + ["after", "later"]
    assert len(read_log(tmp_path).findings) == bool(rubbish)


def test_a_torn_line_that_was_changed_afterwards_is_a_fault(sound: bytes, tmp_path: Path) -> None:
    put(tmp_path, sound + b'{"half')
    append(tmp_path, "after")
    raw = (tmp_path / NAME).read_bytes()
    put(tmp_path, raw.replace(b'{"half\n', b'{"calf\n'))
    assert faults(tmp_path) == [f"line {MANY + 2}"] * 2
    # and nobody may claim one where there is none
    put(tmp_path, sound)
    append(tmp_path, TORN, inputs={"torn": sha256(b"?").hexdigest()})
    assert faults(tmp_path) == [f"line {MANY + 1}"]


@pytest.mark.parametrize("many", [0, 3])
def test_full_disk_is_said_and_what_was_half_written_is_written_down_later(
    tmp_path: Path, many: int
) -> None:
    before = log_of(tmp_path, many) if many else b""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, limits[1]))
    try:
        for _ in range(2):
            with pytest.raises(DiskFullError, match="make room"):
                append(tmp_path, "no room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len((tmp_path / NAME).read_bytes()) == len(before) + 50
    append(tmp_path, "room")
    assert not faults(tmp_path)
    assert [event.action for event in events_of(tmp_path)][many:] == [TORN, "room"]


def test_a_log_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(StoreError, match=NAME):
        append(tmp_path, "act")


def test_a_crowd_appends_at_once_and_no_line_is_lost(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.custody import append\n"
        "for n in range(25): append(Path(sys.argv[1]), f'{sys.argv[2]} {n}', about={'x': 'y' * n})"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    crowd = [subprocess.Popen([*command, name], cwd=ROOT) for name in "abc"]
    assert [each.wait() for each in crowd] == [0, 0, 0]
    assert read_log(tmp_path).findings == ()
    actions = [event.action for event in events_of(tmp_path)]
    assert sorted(actions) == sorted(f"{name} {n}" for name in "abc" for n in range(25))
    for name in "abc":
        assert [each for each in actions if each[0] == name] == [f"{name} {n}" for n in range(25)]


def test_appending_reads_the_end_of_a_long_log_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path, "first")
    event = parse(next(lines_of(tmp_path)))
    assert event is not None
    line = json.dumps(event._asdict() | {"about": {"x": "y" * 999}}).encode() + b"\n"
    put(tmp_path, line * 5000)
    read: list[int] = []
    pread: Callable[[int, int, int], bytes] = os.pread

    def counted(handle: int, length: int, start: int) -> bytes:
        read.append(length)
        return pread(handle, length, start)

    monkeypatch.setattr(os, "pread", counted)
    append(tmp_path, "last")
    assert sum(read) <= 1 << 16


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"7",
        b"[]",
        b'{"seq":1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 10_000,
        WORDS % (b"true", b'"a":"1"'),
        WORDS % (b"1.0", b'"a":"1"'),
        WORDS % (b"1", b'"a":1'),
    ],
)
def test_lines_that_are_no_events(line: bytes) -> None:
    assert parse(line) is None


def test_the_line_they_differ_from_is_one() -> None:
    assert parse(WORDS % (b"1", b'"a":"1"')) is not None
