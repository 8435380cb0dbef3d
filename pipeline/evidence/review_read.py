"""Review files, read strictly: a line that could mean two things stops the bundle.

A decision: {"finding": 64 hex digits as in findings.json, "reviewer": "R01", "decision": "copied",
"utc": "2026-11-22T19:00:00Z"}, and if wanted "note" (words), "seconds" (time spent), "made" (the
generation that was shown: image_id or output_id; refused if the finding shows another by now).
A decoy: {"finding": 64 hex digits of no finding, "truth": "copied" or "not_copied"}.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline.errors import CaseError
from pipeline.evidence.reviews import DECISIONS, Decision, Reviews, ReviewsConfig

MOST_LETTERS = 10_000
"""Characters of a note."""

_ID = re.compile(r"[0-9a-f]{64}")
_REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_CLOCKS_AGREE = timedelta(minutes=10)
_REQUIRED = ("finding", "reviewer", "decision", "utc")
_ALLOWED = frozenset({*_REQUIRED, "note", "seconds", "made"})
_OF_DECOY = ("finding", "truth")

Named = tuple[Path, str]
"""A file and its text."""

Found = dict[str, tuple[Decision, ...]]
"""Finding -> decisions on it, by reviewer."""


def read_reviews(
    config: ReviewsConfig, folder: Path, items: Mapping[str, str | None], began: datetime
) -> Reviews:
    """Return what the files of a case say.

    Args:
        config: which files, relative to `folder`.
        folder: of the case.
        items: finding_id of each item -> id of the generation that it shows.
        began: when the run began; nobody can have decided before.

    Raises:
        CaseError: a file cannot be read, or a line of it makes no sense; it names file and line.
    """
    if config.decisions is None:
        return Reviews()
    files = {
        kind: _text(folder / path)
        for kind in ("decisions", "adjudications", "decoys", "protocol")
        if (path := getattr(config, kind)) is not None
    }
    truths = _truths(files.get("decoys"), items)
    made = {**dict.fromkeys(truths), **items}
    found = _decisions(files["decisions"], made, began)
    ruled = _decisions(files["adjudications"], items, began) if "adjudications" in files else {}
    return Reviews(
        decisions={finding: some for finding, some in found.items() if finding in items},
        of_decoys={finding: some for finding, some in found.items() if finding in truths},
        rulings={finding: _ruling(some, found) for finding, some in ruled.items()},
        truths=truths,
        protocol=files["protocol"][1] if "protocol" in files else None,
        digests={kind: sha256(text.encode()).hexdigest() for kind, (_, text) in files.items()},
    )


def _text(path: Path) -> Named:
    try:
        return path, path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"reviews: {path}: cannot be read as text: {error}") from error


def _rows(named: Named, names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and values of each line; those named are there and are text."""
    path, text = named
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        at = f"reviews: {path} line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_once, parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            raise CaseError(f"{at}: expected one JSON object: {error}") from error
        if not isinstance(row, dict):
            raise CaseError(f"{at}: expected one JSON object, found {type(row).__name__}")
        for name in names:
            if not isinstance(row.get(name), str):
                raise CaseError(f"{at}: {name}: expected text; a line has {', '.join(names)}")
        if not _ID.fullmatch(row["finding"]):
            raise CaseError(f"{at}: finding: expected 64 hex digits, found {row['finding'][:80]!r}")
        yield at, row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key is given twice")
    return row


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _truths(named: Named | None, items: Mapping[str, Any]) -> dict[str, str]:
    truths: dict[str, str] = {}
    for at, row in _rows(named, _OF_DECOY) if named else ():
        key = row["finding"]
        if unknown := sorted(set(row) - set(_OF_DECOY)):
            raise CaseError(f"{at}: unknown keys {unknown}; a decoy has {', '.join(_OF_DECOY)}")
        if row["truth"] not in {"copied", "not_copied"}:
            raise CaseError(f"{at}: truth: expected copied or not_copied, found {row['truth']!r}")
        if key in items or key in truths:
            what = "is a finding of this run" if key in items else "is listed twice"
            raise CaseError(f"{at}: the decoy {key[:16]}... {what}")
        truths[key] = row["truth"]
    return truths


def _decisions(named: Named, made: Mapping[str, str | None], began: datetime) -> Found:
    out: dict[tuple[str, str], Decision] = {}
    for at, row in _rows(named, _REQUIRED):
        one = _decision(at, row, began)
        if one.finding not in made:
            raise CaseError(
                f"{at}: {one.finding[:16]}... is no item of this run, and no decoy: was it run"
                " again, or are these decisions of another case? Take the line out"
            )
        if one.made is not None and made[one.finding] not in {None, one.made}:
            raise CaseError(
                f"{at}: was decided on the generation {one.made[:16]}..., the finding shows"
                f" {str(made[one.finding])[:16]}... by now: have it judged again"
            )
        if (one.finding, one.reviewer) in out:
            raise CaseError(
                f"{at}: {one.reviewer} has decided on {one.finding[:16]}... already: one decision"
                " of each reviewer; who changes their mind is asked in `adjudications`"
            )
        out[one.finding, one.reviewer] = one
    ordered = [out[key] for key in sorted(out)]
    return {name: tuple(some) for name, some in groupby(ordered, key=lambda one: one.finding)}


def _decision(at: str, row: Mapping[str, Any], began: datetime) -> Decision:
    """Return a line as a decision, if each of its values may stand."""
    if unknown := sorted(set(row) - _ALLOWED):
        raise CaseError(f"{at}: unknown keys {unknown}; known are {', '.join(sorted(_ALLOWED))}")
    if row["decision"] not in DECISIONS:
        words = ", ".join(DECISIONS)
        raise CaseError(f"{at}: decision: expected one of {words}, found {row['decision'][:80]!r}")
    if not _REVIEWER.fullmatch(row["reviewer"]):
        raise CaseError(
            f"{at}: reviewer: expected a pseudonym such as R01 of letters, digits, . _ - alone; who"
            " it is stays outside of bundles"
        )
    note, seconds, made = (row.get(name) for name in ("note", "seconds", "made"))
    if note is not None and (not isinstance(note, str) or len(note) > MOST_LETTERS):
        raise CaseError(f"{at}: note: expected at most {MOST_LETTERS} characters of text")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 <= seconds < math.inf):
        raise CaseError(f"{at}: seconds: expected a number of 0 or more, found {seconds!r}")
    if made is not None and not isinstance(made, str):
        raise CaseError(f"{at}: made: expected the id of a generation, found {made!r}")
    _check_moment(at, row["utc"], began)
    return Decision(**row)


def _check_moment(at: str, utc: str, began: datetime) -> None:
    try:
        moment = datetime.fromisoformat(utc) if _MOMENT.fullmatch(utc) else None
    except ValueError:
        moment = None
    if moment is None:
        raise CaseError(f"{at}: utc: expected such as 2026-11-22T19:00:00Z, found {utc[:80]!r}")
    if moment < began.replace(microsecond=0):
        raise CaseError(f"{at}: utc: {utc} is before the run began, {began:%Y-%m-%dT%H:%M:%SZ}")
    if moment > datetime.now(UTC) + _CLOCKS_AGREE:
        raise CaseError(f"{at}: utc: {utc} is ahead of this machine's clock")


def _ruling(ruled: Sequence[Decision], found: Found) -> Decision:
    """Return the one adjudication of a finding, if it may rule."""
    one, own = ruled[0], found.get(ruled[0].finding, ())
    at = f"reviews: adjudication of {one.finding[:16]}... by {one.reviewer}"
    if len(ruled) > 1:
        raise CaseError(f"{at}: there are {len(ruled)}; expected one for each finding")
    if len({each.decision for each in own}) <= 1:
        raise CaseError(f"{at}: reviewers do not disagree on it; there is nothing to decide")
    if one.reviewer in {each.reviewer for each in own}:
        raise CaseError(f"{at}: decided on it as a reviewer too; expected a further person")
    if one.utc < max(each.utc for each in own):
        raise CaseError(f"{at}: comes before a decision that it rules on")
    return one
