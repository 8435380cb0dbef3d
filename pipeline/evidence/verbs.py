"""Verbs of evidence: what `palimpsest verify` and `palimpsest stamp` do and say."""

import math
import os
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.custody import append
from pipeline.errors import CaseError
from pipeline.evidence import stamps
from pipeline.evidence.names import Fault
from pipeline.evidence.signers import read_signers
from pipeline.evidence.timestamps import Stamp, TimestampError, ask_all, read_roots
from pipeline.evidence.verify import Report, Trust, verify
from pipeline.evidence.zipped import unpack

Answer = tuple[dict[str, Any], str, int]

_YES: Mapping[bool | None, str] = {True: "yes", False: "NO", None: "not asked"}


def verify_bundle(asked: Namespace) -> Answer:
    """Do what `palimpsest verify BUNDLE` asks."""
    path = Path(asked.bundle)
    trust = Trust(
        signers=read_signers(_outside(path, asked.signers)) if asked.signers else None,
        roots=read_roots([_outside(path, each) for each in asked.tsa_root]) or None,
    )
    if path.is_dir():
        report = verify(path, trust)
    elif path.is_file():
        report = _verify_zip(path, trust)
    else:
        raise CaseError(f"{path}: expected the folder of a bundle, or a zip of one")
    return as_json(report), as_text(report), report.code


def stamp_bundle(asked: Namespace) -> Answer:
    """Do what `palimpsest stamp BUNDLE --tsa URL` asks."""
    # `.` has no name, and the new folder is written beside the bundle
    folder = Path(asked.bundle).resolve()
    if not folder.is_dir():
        raise CaseError(f"{folder}: expected the folder of a bundle")
    if not 0 < asked.timeout < math.inf:
        raise CaseError(f"--timeout {asked.timeout:g}: expected seconds above 0")
    roots = read_roots([_outside(folder, each) for each in asked.tsa_root])
    root = _root_of(asked.of_case) if asked.of_case else None
    report = verify(folder, Trust())
    if not report.intact:
        first = "; ".join(f"{path}: {what}" for path, what in report.faults[:3])
        raise TimestampError(f"{folder} is not intact, so it is not stamped: {first}")
    if len(report.attested) + len(asked.tsa) > stamps.MOST:
        raise CaseError(f"{folder}: holds {len(report.attested)} timestamps; at most {stamps.MOST}")
    signature = (folder / stamps.SIGNATURE).read_bytes()
    answers, failed = ask_all(asked.tsa, signature, asked.timeout, roots)
    if not answers:
        raise TimestampError("; ".join(failed))
    found = _stamped(folder, answers, failed)
    if root is not None:
        about = {"bundle": folder.name, "timestamps": found[0]["stamped"]}
        append(root, "timestamp added", inputs={"bundle": report.fingerprint or ""}, about=about)
    return found


def _root_of(case: str) -> Path:
    """Return the run folder of a case."""
    from pipeline.project import open_store  # what a receiver of bundles has no need of

    return open_store(Path(case))[1].root


def _stamped(folder: Path, answers: Sequence[Stamp], failed: Sequence[str]) -> Answer:
    try:
        added = stamps.add(folder, answers)
    except OSError as error:
        raise TimestampError(f"{folder}: the timestamps cannot be stored: {error}") from error
    rows = [
        {
            "path": path,
            "time": f"{one.token.time:%Y-%m-%dT%H:%M:%SZ}",
            "authority": one.token.authority,
        }
        for path, one in zip(added, answers, strict=True)
    ]
    lines = [f"{row['path']}: {row['time']}, says {row['authority']}" for row in rows]
    lines += [f"failed: {each}" for each in failed]
    return {"stamped": rows, "failed": list(failed)}, "\n".join(lines), 1 if failed else 0


def as_json(report: Report) -> dict[str, Any]:
    """Return the three answers as JSON values."""
    return {
        "intact": report.intact,
        "signer": report.signer,
        "time": report.time,
        "faults": [{"path": path, "what": what} for path, what in report.faults],
        "fingerprint": report.fingerprint,
        "key": report.key,
        "signer_why": report.signer_why,
        "time_why": report.time_why,
        "timestamps": [
            {
                "path": one.path,
                "time": f"{one.time:%Y-%m-%dT%H:%M:%SZ}",
                "authority": one.authority,
                "fault": one.fault,
            }
            for one in report.attested
        ],
    }


def as_text(report: Report) -> str:
    """Return the three answers for a person."""
    lines = [f"{path or 'the whole'}: {what}" for path, what in report.faults]
    many = len({path for path, _ in report.faults})
    intact = "every byte is as it was sealed" if report.intact else _count(many)
    return "\n".join(
        [
            *lines,
            f"INTACT?         {_YES[report.intact]}: {intact}",
            f"KNOWN SIGNER?   {_YES[report.signer]}: {report.signer_why}",
            f"TIME ATTESTED?  {_YES[report.time]}: {report.time_why}",
            f"FINGERPRINT     {report.fingerprint or 'none'}; is it the one you were sent?",
        ]
    )


def _count(many: int) -> str:
    return "1 file at fault" if many == 1 else f"{many} files at fault"


def _verify_zip(path: Path, trust: Trust) -> Report:
    with tempfile.TemporaryDirectory(prefix="palimpsest-") as into:
        folder, faults = unpack(path, Path(into))
        return verify(folder, trust) if folder else _refused(faults, trust)


def _refused(faults: Sequence[Fault], trust: Trust) -> Report:
    """Return the answers for a zip that was not unpacked."""
    why = "the zip was not unpacked"
    return Report(
        faults=tuple(sorted(faults)),
        fingerprint=None,
        signer=None if trust.signers is None else False,
        signer_why=why,
        key=None,
        time=None if trust.roots is None else False,
        time_why=why,
        attested=(),
    )


def _outside(bundle: Path, path: str) -> Path:
    """Return a path that does not lie in the bundle: a bundle is not judged by its own word."""
    inside = os.path.realpath(path)
    if inside.startswith(os.path.realpath(bundle) + os.sep):
        raise CaseError(
            f"{path} lies inside the bundle, and whoever changes a bundle changes it too: get it by"
            " another way"
        )
    return Path(path)
