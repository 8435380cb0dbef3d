"""Custody: an append-only log in each run folder, each line of which digests the one before it.

    run/custody.jsonl    one event a line, as JSON with sorted keys:
        seq      1, 2, 3 ...
        utc      when, by the clock of `host`
        actor    account of the operating system; after the name in PALIMPSEST_ACTOR, if it is set
        host     machine
        tool     program and version
        action   what was done: `run started`, `step finished`, `bundle sealed` ...
        about    what else is worth knowing, as JSON values
        inputs   what went in: path within the run folder, or a name -> sha256
        outputs  what came out, likewise
        prev     sha256 of the bytes of the line before, without its end; 64 zeros in the first

A line that was changed, taken out, put in or moved breaks the chain behind it. Whoever may write
the file can also write it anew from some line on, or cut lines off its end, and no chain of digests
shows that: each bundle holds the log as it was then, and its seal and timestamps hold it in place.
"""

import errno
import fcntl
import json
import os
import pwd
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DiskFullError, StoreError
from pipeline.evidence.safe import on_one_line

NAME = "custody.jsonl"
"""The log, in the run folder."""

FIRST = "0" * 64
"""`prev` of the first line."""

TORN = "torn line"
"""Action that says that the bytes before it are no event: the power failed, or the disk was full,
while they were written. Its `inputs` digest them."""

GONE = frozenset({"swept", "withdrawn", "erased"})
"""Actions after which the paths among their `inputs` are no longer in the run folder."""

ACTOR = "PALIMPSEST_ACTOR"
"""Variable of the environment with the name of the person who acts."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CHUNK = 1 << 16
_LONGEST_NAME = 200


class Event(NamedTuple):
    """One line of the log, as the docstring of this module says."""

    seq: int
    utc: str
    actor: str
    host: str
    tool: str
    action: str
    about: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    prev: str


class _End(NamedTuple):
    """How a log ends."""

    seq: int
    """Number of the last event; 0 if there is none."""

    last: bytes | None
    """The last line, event or not, without its end; None in an empty log."""

    torn: bytes | None
    """What stands behind the last event and is none, without its end; None if nothing does."""

    ended: bool
    """True if the log is empty or its last byte ends a line."""


def append(
    root: Path,
    action: str,
    *,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> str:
    """Write down that something was done, down to the disk; processes may do so at the same time.

    A line that was torn before is kept as it is, and an event that says so comes first.

    Args:
        root: the run folder.
        action: what was done, in a word or two: `bundle sealed`. After an action of `GONE` the
            paths among `inputs` are no longer expected in the run folder.
        inputs: what went in, path within the run folder, or a name -> sha256 in hex.
        outputs: what came out, likewise. Every path under records/, data/, datasets/ and
            environments/ is from now on expected in the run folder with this digest.
        about: what else is worth knowing, as JSON values; no paths of the machine, no secrets.

    Returns:
        The sha256 of the new line: the head of the log.

    Raises:
        DiskFullError: no room is left for the line.
        StoreError: the log cannot be written.
    """
    said = {"action": action, "inputs": inputs, "outputs": outputs, "about": about}
    path = root / NAME
    try:
        root.mkdir(parents=True, exist_ok=True)
        # not the lock of the run folder: whoever appends may hold that one already
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            head = _append(handle, {name: value or {} for name, value in said.items()})
        finally:
            os.close(handle)
        sync_folder(root)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"{path}: no room is left for the custody log ({error}): make room and run again"
            ) from error
        raise StoreError(f"{path}: the custody log cannot be written: {error}") from error
    return head


def parse(line: bytes) -> Event | None:
    """Return the event that a line holds, or None if it holds none.

    >>> parse(b'{"seq":1') is None
    True
    """
    try:
        found = json.loads(line)
        event = Event(**found)
    except (ValueError, TypeError, RecursionError):
        return None
    words = (event.utc, event.actor, event.host, event.tool, event.action, event.prev)
    sums = (event.inputs, event.outputs)
    plain = (
        type(event.seq) is int
        and all(isinstance(word, str) for word in words)
        and all(isinstance(value, dict) for value in (event.about, *sums))
        and all(isinstance(digest, str) for each in sums for digest in each.values())
    )
    return event if plain else None


def _append(handle: int, said: Mapping[str, Any]) -> str:
    """Write an event to an open log that nobody else writes to, and return its digest."""
    end = _end_of(handle)
    seq, last, raw = end.seq, end.last, b""
    if end.torn is not None or not end.ended:
        torn = {"torn": sha256(end.torn or b"").hexdigest()}
        about = {"bytes": len(end.torn or b""), "ended": end.ended}
        mend = {"action": TORN, "inputs": torn, "outputs": {}, "about": about}
        seq, last = seq + 1, _line(seq + 1, last, mend)
        raw = (b"" if end.ended else b"\n") + last + b"\n"
    line = _line(seq + 1, last, said)
    left = memoryview(raw + line + b"\n")
    while left:
        left = left[os.write(handle, left) :]
    os.fsync(handle)
    return sha256(line).hexdigest()


def _line(seq: int, before: bytes | None, said: Mapping[str, Any]) -> bytes:
    event = {
        **said,
        "seq": seq,
        "utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "actor": _actor(),
        "host": socket.gethostname(),
        "tool": _tool(),
        "prev": FIRST if before is None else sha256(before).hexdigest(),
    }
    return json.dumps(event, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _end_of(handle: int) -> _End:
    """Return how an open log ends; reads no more of it than its last event, and what is torn."""
    start = size = os.fstat(handle).st_size
    held = b""
    while start:
        length = min(max(_CHUNK, len(held)), start)
        start -= length
        held = os.pread(handle, length, start) + held
        lines = held.removesuffix(b"\n").split(b"\n")
        # the first of them may be cut, unless it begins the file
        for place in range(len(lines) - 1, -1 if start == 0 else 0, -1):
            event = parse(lines[place])
            if event is not None:
                behind = lines[place + 1 :]
                torn = b"\n".join(behind) if behind else None
                return _End(event.seq, lines[-1], torn, held.endswith(b"\n"))
    if not size:
        return _End(0, None, None, ended=True)
    whole = held.removesuffix(b"\n")
    return _End(0, whole.split(b"\n")[-1], whole, held.endswith(b"\n"))


def sync_folder(folder: Path) -> None:
    """Force the names in a folder down to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _actor() -> str:
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = f"uid {os.getuid()}"
    name = on_one_line(os.environ.get(ACTOR, ""), _LONGEST_NAME)
    return f"{name} ({account})" if name else account


@lru_cache(maxsize=1)
def _tool() -> str:
    try:
        return f"palimpsest {version('palimpsest')}"
    except PackageNotFoundError:
        return "palimpsest, version unknown"
