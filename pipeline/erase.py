"""Erase: what `palimpsest erase CASE` does and says.

Without `--yes` nothing is done: it says what would go. Files of the user are never touched; they
are left out from then on. Sealed bundles cannot be changed: they are named.
"""

import json
import os
import re
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Any

from indexes.names import normal_form
from pipeline import registration
from pipeline.case import Case
from pipeline.custody import ACTOR, Event
from pipeline.custody_log import SEALED, events_of
from pipeline.erase_found import Wanted, find_traces
from pipeline.erase_store import erase as erase_store
from pipeline.erase_store import finish_erasing, request_of
from pipeline.erase_traces import Traces
from pipeline.errors import CaseError
from pipeline.evidence.safe import on_one_line
from pipeline.lock import locked
from pipeline.project import open_store
from pipeline.store import Store
from pipeline.tombstones import NAME, Request, Tombstones, read_tombstones

_ID = re.compile(r"[0-9a-f]{12,64}")
_DIGESTS = re.compile(rb"[0-9a-f]{64}")
_MOST_READ = 64 << 20


def erase(asked: Namespace, path: Path | None) -> tuple[dict[str, Any], str, int]:
    """Do what `palimpsest erase` asks.

    Raises:
        CaseError: nothing in the run is what was named.
        LockedError: a run is at work.
    """
    if path is None:
        raise CaseError("name the case file")
    case, store = open_store(path)
    with locked(store.root):
        finish_erasing(store)
        stones = read_tombstones(store.root)
        traces = _found(store, case, _wanted(asked), stones)
        request = request_of(store, stones, traces, _said())
        removed = erase_store(store, stones, request) if asked.yes else 0
        left = _leftovers(store, traces) if asked.yes else []
    found: dict[str, Any] = {
        "done": bool(asked.yes),
        "counts": dict(request.counts),
        "names": list(traces.names),
        "other_names": sorted(traces.others),
        "unknown": list(traces.unknown),
        "datasets": list(request.datasets),
        "files_removed": removed,
        "left": left,
        "bundles": [_bundle(event) for event in events_of(store.root) if event.action == SEALED],
        "case_names_them": _in_case(case, traces),
        "registered": registration.path_of(store).exists(),
        "tombstones": NAME,
    }
    return found, "\n".join(_lines(found, request, path)), 0


def _found(store: Store, case: Case, wanted: Wanted, stones: Tombstones) -> Traces:
    try:
        return find_traces(store, case, wanted)
    except CaseError as error:
        if wanted.artist and stones.holds("name", wanted.artist):
            again = "was erased before, and is kept out of every run"
            raise CaseError(f"--artist {wanted.artist!r}: {again}") from error
        raise


def _wanted(asked: Namespace) -> Wanted:
    if asked.artist:
        return Wanted(artist=asked.artist)
    ids = list(asked.work)
    if asked.file:
        try:
            lines = Path(asked.file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CaseError(f"--file {asked.file}: cannot be read: {error}") from error
        ids = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    ids = [each.lower() for each in ids]
    if wrong := [each for each in ids if not _ID.fullmatch(each)]:
        raise CaseError(f"{wrong[0]!r}: expected an id or a sha256, 12 to 64 hex digits")
    if not ids:
        raise CaseError("name the works: --artist NAME, --work ID or --file LIST with a line")
    return Wanted(ids=tuple(dict.fromkeys(ids)))


def _said() -> tuple[str, str]:
    """Return when, and who."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", on_one_line(
        os.environ.get(ACTOR, "") or getuser()
    )


def _bundle(event: Event) -> dict[str, Any]:
    return {"sealed": event.utc, **event.about}


def _in_case(case: Case, traces: Traces) -> list[str]:
    """Return the names that the case itself asks for."""
    forms = {normal_form(name) for name in traces.names}
    return [name for name in case.prompts.artists if normal_form(name) in forms]


def _leftovers(store: Store, traces: Traces) -> list[str]:
    """Return files of the run folder, besides data, that still hold an id, a digest or the name."""
    held = traces.ids | traces.works | traces.prompts | traces.made | traces.sha256
    plain = [name.casefold() for name in traces.names]
    names = {*plain, *(json.dumps(name)[1:-1].casefold() for name in traces.names)}
    found = []
    for path in sorted(store.root.rglob("*")):
        place = path.relative_to(store.root)
        if place.parts[0] == "data" or not path.is_file() or path.stat().st_size > _MOST_READ:
            continue
        raw = path.read_bytes()
        digests = {each.decode() for each in _DIGESTS.findall(raw)}
        text = raw.decode("utf-8", "replace").casefold()
        if digests & held or any(name in text for name in names):
            found.append(place.as_posix())
    return found


def _lines(found: dict[str, Any], request: Request, path: Path) -> list[str]:
    done = found["done"]
    counts = ", ".join(f"{many} {name.replace('_', ' ')}" for name, many in request.counts.items())
    lines = [f"{'erased' if done else 'would be erased'}: {counts}"]
    for words, key in (
        ("as the sources write the name", "names"),
        ("the sources give these works other names too; they go with them", "other_names"),
        ("not in this run, and kept out of it from now on", "unknown"),
        ("made again by the next run, without them", "datasets"),
        (
            "the case itself asks for this name under prompts.artists: take it out",
            "case_names_them",
        ),
        ("still names something of it, look for yourself", "left"),
    ):
        if found[key]:
            lines.append(f"{words}: {', '.join(found[key])}")
    lines.append(
        "your own files were not touched and will not be: as long as they lie where the case looks,"
        " they are left out of every run"
    )
    if found["registered"]:
        lines.append(
            "the registration stays as it is: what this changes is listed as a departure from it"
        )
    lines += _bundle_lines(found["bundles"])
    if done:
        lines.append(f"{found['files_removed']} files removed; `palimpsest run {path}` makes anew")
    else:
        lines.append("nothing was done yet: say it again with --yes")
    return lines


def _bundle_lines(bundles: Sequence[dict[str, Any]]) -> list[str]:
    if not bundles:
        return ["no bundle of this run is known to the custody log"]
    said = (
        "sealed bundles cannot be changed; each of these was sealed from this run and holds what"
        " was known then, attempts and negatives too: whoever has it must destroy it"
    )
    named = ("  " + ", ".join(f"{key} {value}" for key, value in one.items()) for one in bundles)
    return [said, *named]
