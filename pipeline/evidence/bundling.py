"""Bundling: what `palimpsest bundle CASE --out FOLDER --key KEY` does and says."""

import re
import tempfile
from argparse import Namespace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.custody import append
from pipeline.custody_ledger import write_found
from pipeline.custody_log import SEALED, last_sealed
from pipeline.errors import CaseError
from pipeline.evidence.bag import Facts
from pipeline.evidence.bates import Numbering, open_register
from pipeline.evidence.contents import ContentOptions, contents
from pipeline.evidence.custody_files import HEAD
from pipeline.evidence.material import open_material
from pipeline.evidence.names import fault_of_name
from pipeline.evidence.safe import on_one_line
from pipeline.evidence.seal import Sealed, SealOptions, seal_bundle
from pipeline.lock import locked
from pipeline.project import Project, open_project

_FINGERPRINT = re.compile("[0-9a-f]{64}")


def bundle(asked: Namespace, path: Path | None) -> tuple[dict[str, Any], str, int]:
    """Do what `palimpsest bundle` asks.

    Raises:
        CaseError: the folder, the key or a number cannot be used.
        RunError: the run is not finished, or the bundle could not be made.
    """
    if asked.key is None:
        raise CaseError(
            "--key: name a key of SSH to seal with; `ssh-keygen -t ed25519 -f evidence-key` makes"
            " one"
        )
    if path is None:
        raise CaseError("name the case file")
    folder = Path(asked.out)
    if fault := fault_of_name(folder.name):
        raise CaseError(f"--out {folder}: {fault}")
    if asked.previous is not None and not _FINGERPRINT.fullmatch(asked.previous):
        raise CaseError(f"--previous {asked.previous!r}: expected a fingerprint of 64 hex digits")
    options = ContentOptions(
        numbering=Numbering(prefix=asked.bates_prefix, padding=asked.padding), bom=asked.bom
    )
    seal = SealOptions(
        key=Path(asked.key),
        principal=asked.signer,
        authorities=tuple(asked.tsa),
        roots=tuple(Path(root) for root in asked.tsa_root),
    )
    sealed, many = make(open_project(path), folder, options, (seal, asked.previous))
    return _answer(sealed, many)


def make(
    project: Project, folder: Path, options: ContentOptions, sealing: tuple[SealOptions, str | None]
) -> tuple[Sealed, int]:
    """Seal the findings of a finished run.

    Args:
        project: the case.
        folder: where the bundle will be.
        options: what of its contents can be chosen.
        sealing: with what it is sealed, and the fingerprint of the bundle before it; None for the
            last one of the custody log.

    Returns:
        The bundle and the number of its items.
    """
    seal, previous = sealing
    store = project.store
    material = open_material(project)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        locked(store.root),
        tempfile.TemporaryDirectory(prefix=".palimpsest-", dir=folder.parent) as scratch,
    ):
        write_found(store)
        previous = previous or last_sealed(store.root)
        append(store.root, "sealing begun", about={"bundle": folder.name})
        facts = Facts(
            identifier=folder.name,
            group=on_one_line(project.case.name) or "case",
            date=f"{datetime.now(UTC):%Y-%m-%d}",
            software=f"palimpsest {_version()}",
            previous=previous,
            more=((HEAD, material.custody.head),),
        )
        register = open_register(store.root, options.numbering)
        payload = contents(material, register, options, Path(scratch))
        sealed = seal_bundle(folder, payload, facts, seal)
        register.save()
        about = {
            "bundle": folder.name,
            "fingerprint": sealed.fingerprint,
            "previous": previous,
            "key": sealed.key,
            "timestamps": len(sealed.stamps),
            "items": len(material.items),
        }
        append(store.root, SEALED, inputs={"custody log": material.custody.head}, about=about)
    return sealed, len(material.items)


def _answer(sealed: Sealed, many: int) -> tuple[dict[str, Any], str, int]:
    found = {
        "bundle": str(sealed.folder),
        "items": many,
        "fingerprint": sealed.fingerprint,
        "key": sealed.key,
        "timestamps": list(sealed.stamps),
        "failed": list(sealed.failed),
    }
    lines = [
        f"{many} items sealed: {sealed.folder}",
        f"fingerprint: {sealed.fingerprint}",
        f"signed with: {sealed.key}",
        f"timestamps: {', '.join(sealed.stamps) or 'UNTIMESTAMPED'}",
        *(f"failed: {each}" for each in sealed.failed),
        f"to check it with stock tools: {sealed.folder}/VERIFY.txt",
    ]
    return found, "\n".join(lines), 0


def _version() -> str:
    try:
        return version("palimpsest")
    except PackageNotFoundError:
        return "unknown"
