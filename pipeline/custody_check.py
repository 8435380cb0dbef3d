"""Custody check: the log against itself, against the run folder, and against bundles.

What the log says is in the run folder must be there with the same digest, and what is there must be
in the log. Lines that were cut off its end, and a last line that was changed, break no chain: they
show where something in the run folder is missing in the log, and against a bundle that was sealed
with it, which is why a bundle can be given.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.custody import NAME
from pipeline.custody_ledger import digests_within
from pipeline.custody_log import Finding, Log, lines_of, read_log, room_of
from pipeline.errors import CaseError
from pipeline.store import Store, files_of, record_of

KEPT = "data/7_custody/custody.jsonl"
"""The log in a bundle, as it was when the bundle was sealed."""

_TAG_MANIFEST = "tagmanifest-sha256.txt"
_DATA = "data"


class Checked(NamedTuple):
    """What a check found."""

    log: Log
    """The log."""

    files: int
    """Files of the run folder that were compared with it."""

    findings: tuple[Finding, ...]
    """Faults and notes."""

    @property
    def intact(self) -> bool:
        """True if there is no fault."""
        return not any(finding.fault for finding in self.findings)


def check_custody(store: Store, *, data: bool = True) -> Checked:
    """Check the custody log of a run.

    Args:
        store: the run folder.
        data: False leaves the files under data/ unread; that they are there is checked.
    """
    log = read_log(store.root)
    findings = list(log.findings)
    kept = log.holds
    if not log.events:
        findings.append(Finding(NAME, "there is no custody log, or nothing in it"))
    else:
        findings += _changed(store, kept, data=data)
        findings += _unknown(store, kept)
    return Checked(log, len(kept), tuple(findings))


def check_bundle(store: Store, log: Log, bundle: Path) -> Iterator[Finding]:
    """Yield what is wrong with the log beside the one in a bundle, which anchors it.

    Raises:
        CaseError: it is no bundle with a custody log.
    """
    try:
        before = (bundle / KEPT).read_bytes()
        fingerprint = sha256((bundle / _TAG_MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise CaseError(f"{bundle}: expected a bundle with {KEPT}: {error}") from error
    from pipeline.evidence.verify import Trust, verify

    if not verify(bundle, Trust()).intact:
        yield Finding(str(bundle), "is not intact, so it says nothing about the log")
        return
    if not b"".join(lines_of(store.root)).startswith(before):
        many = before.count(b"\n")
        what = f"does not begin with the {many} lines that {bundle.name} was sealed with: some were"
        yield Finding(NAME, f"{what} changed, or cut off and written anew")
    if fingerprint not in {event.about.get("fingerprint") for event in log.sealed}:
        yield Finding(NAME, f"does not say that {bundle.name}, {fingerprint}, was sealed")


def _changed(store: Store, kept: dict[str, str], *, data: bool) -> Iterator[Finding]:
    """Yield what is not as the log says."""
    for path, digest in sorted(kept.items()):
        place = store.root / path
        if ".." in PurePosixPath(path).parts:
            yield Finding(path, "is in the log and no path of a run folder")
        elif not place.is_file():
            yield Finding(path, "is in the log and gone, and no event says why")
        elif data or room_of(path) != _DATA:
            (found,) = digests_within(store.root, [place]).values()
            if found != digest:
                yield Finding(path, f"has sha256 {found}, and the log says {digest}")


def _unknown(store: Store, kept: dict[str, str]) -> Iterator[Finding]:
    """Yield what is in the run folder and not in the log."""
    for path in sorted((store.root / "records").glob("*/*.json")):
        name = path.relative_to(store.root).as_posix()
        if name not in kept:
            yield Finding(name, "is in the run and not in the log")
            continue
        try:
            named = files_of(record_of(json.loads(path.read_bytes())))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield Finding(name, f"cannot be read as a record: {type(error).__name__}")
            continue
        for file in named:
            if kept.get(file.path) != file.sha256:
                yield Finding(file.path, f"{name} names it, and the log does not, or otherwise")
    others = [*(store.root / "datasets").glob("*.json"), *store.root.glob("registration.json")]
    for path in sorted(others):
        name = path.relative_to(store.root).as_posix()
        if name not in kept:
            yield Finding(name, "is in the run and not in the log")
