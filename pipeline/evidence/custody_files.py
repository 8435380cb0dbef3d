"""Custody files: the custody log of a run as a bundle holds it.

    7_custody/custody.jsonl    the log, byte for byte, as it was when sealing began
    7_custody/custody.csv      the same as a table, without the digests of what went in and out
    7_custody/custody.json     its head, and what a check of it found then

Whoever builds a bundle writes into the log, so this folder alone differs from one bundle of a run
to the next.
"""

import csv
import json
from collections.abc import Mapping
from hashlib import sha256
from io import StringIO
from typing import NamedTuple

from pipeline.custody import FIRST, parse
from pipeline.custody_check import Checked, check_custody
from pipeline.custody_log import lines_of
from pipeline.custody_verb import row_of
from pipeline.evidence.safe import in_cell
from pipeline.store import Store

HEAD = "Custody-Head-SHA256"
"""Label of bag-info.txt that holds the sha256 of the last line of the log."""

_COLUMNS = ("seq", "utc", "actor", "host", "tool", "action", "about", "inputs", "outputs", "prev")


class Kept(NamedTuple):
    """A custody log at one moment."""

    files: Mapping[str, bytes]
    """Files of 7_custody, by name."""

    head: str
    """sha256 of the last line; 64 zeros for a log without one."""

    checked: Checked
    """What a check found."""


def keep_custody(store: Store) -> Kept:
    """Return the log of a run, checked; files under data/ are not read for it."""
    lines = list(lines_of(store.root))
    head = sha256(lines[-1].removesuffix(b"\n")).hexdigest() if lines else FIRST
    checked = check_custody(store, data=False)
    found = {
        "events": checked.log.events,
        "head": head,
        "intact": checked.intact,
        "findings": [each._asdict() for each in checked.findings],
        "not_compared": "files under data/ of the run folder; `palimpsest custody` compares them",
    }
    files = {
        "custody.csv": _table(lines),
        "custody.json": (json.dumps(found, indent=1) + "\n").encode(),
        "custody.jsonl": b"".join(lines),
    }
    return Kept(files, head, checked)


def _table(lines: list[bytes]) -> bytes:
    out = StringIO(newline="")
    sheet = csv.writer(out)
    sheet.writerow(_COLUMNS)
    for event in filter(None, map(parse, lines)):
        row = row_of(event)
        sheet.writerow([in_cell(row[name]) for name in _COLUMNS])
    return out.getvalue().encode("utf-8-sig", "replace")
