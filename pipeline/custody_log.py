"""Custody log: read line by line and checked, and what it says the run folder holds.

A fault is what no accident explains, or what nobody has written down yet; a note is what an event
of the log explains itself, such as a line that was torn by a power cut.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pipeline.custody import FIRST, GONE, NAME, TORN, Event, parse
from pipeline.environment import FOLDER


class Finding(NamedTuple):
    """What is to be said of a line of the log, or of a file of the run folder."""

    place: str
    """`line 7`, or a path within the run folder."""

    what: str
    """What was found, in words."""

    fault: bool = True
    """False: a note."""


class Log(NamedTuple):
    """A log that was read to its end."""

    events: int
    """Lines that are events."""

    head: str
    """sha256 of the last line; 64 zeros for a log without one."""

    holds: dict[str, str]
    """Path within the run folder -> sha256, of everything that was put there and not taken out."""

    sealed: tuple[Event, ...]
    """Events of bundles, in order."""

    findings: tuple[Finding, ...]
    """What is to be said of its lines."""


SEALED = "bundle sealed"
"""Action after which a bundle is there; `about` says its name and fingerprint."""


ROOMS = frozenset({"records", "datasets", "data", FOLDER, "registration.json"})
"""Where in a run folder the paths lie that the log answers for; other outputs are names."""


def room_of(path: str) -> str:
    """Return the first name of a path.

    >>> room_of("records/made.sum/all-1.json")
    'records'
    """
    return path.partition("/")[0]


def lines_of(root: Path) -> Iterator[bytes]:
    """Yield every line of a log with its end; the last may have none, and a log may be missing."""
    try:
        with (root / NAME).open("rb") as opened:
            yield from opened
    except FileNotFoundError:
        return


def events_of(root: Path) -> Iterator[Event]:
    """Yield the events of a log as they stand there, unchecked."""
    for line in lines_of(root):
        if event := parse(line):
            yield event


def read_log(root: Path) -> Log:
    """Return a log, with every place where its chain breaks."""
    chain = _Chain()
    holds: dict[str, str] = {}
    sealed = []
    for line in lines_of(root):
        event = chain.take(line)
        if event is None:
            continue
        if event.action in GONE:
            for path in event.inputs:
                holds.pop(path, None)
        holds |= {path: sha for path, sha in event.outputs.items() if room_of(path) in ROOMS}
        if event.action == SEALED:
            sealed.append(event)
    return Log(chain.events, chain.prev, holds, tuple(sealed), tuple(chain.close()))


def last_sealed(root: Path) -> str | None:
    """Return the fingerprint of the last bundle that was sealed from a run, or None."""
    found = None
    for event in events_of(root):
        if event.action == SEALED:
            found = str(event.about.get("fingerprint")) or found
    return found


class _Chain:
    """Follows the lines of a log."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.number = self.seq = self.events = 0
        self.prev, self.utc = FIRST, ""
        self.ended = True
        self.strange: list[bytes] = []

    def take(self, raw: bytes) -> Event | None:
        """Take the next line and return its event, if it is one."""
        line = raw.removesuffix(b"\n")
        self.number += 1
        event = parse(line)
        if event is None:
            self.strange.append(line)
        else:
            self._follow(event)
        self.ended = raw.endswith(b"\n")
        self.prev = sha256(line).hexdigest()
        return event

    def _follow(self, event: Event) -> None:
        self.events += 1
        if self.strange or event.action == TORN:
            self._mended(event)
        if event.prev != self.prev:
            self._say(
                "does not follow from the line before it: that one was changed, or lines were"
                " taken out, put in or moved"
            )
        elif event.seq != self.seq + 1:
            self._say(f"has number {event.seq} after {self.seq}")
        if event.utc < self.utc:
            self._say(f"its clock reads {event.utc}, before {self.utc}", fault=False)
        self.seq, self.utc = event.seq, event.utc

    def _mended(self, event: Event) -> None:
        """Say whether an event explains the lines before it that are none."""
        torn = b"\n".join(self.strange)
        known = event.action == TORN and event.inputs.get("torn") == sha256(torn).hexdigest()
        if known:
            self._say(f"says that {len(torn)} bytes before it are torn, and they are", fault=False)
        elif self.strange:
            self._say(f"{len(self.strange)} lines before it are no events, and it does not say so")
        else:
            self._say("speaks of a torn line, and the one before it is whole")
        self.strange.clear()

    def _say(self, what: str, *, fault: bool = True) -> None:
        self.findings.append(Finding(f"line {self.number}", what, fault))

    def close(self) -> Sequence[Finding]:
        """Return what is to be said of the whole."""
        if self.strange or not self.ended:
            self._say(
                "the log ends in the middle of a line, as after a power cut; whatever is done"
                " next with the run will write that down"
            )
        return self.findings
