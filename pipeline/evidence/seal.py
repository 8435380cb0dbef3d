"""Seal: write a bundle, sign it with the user's key, and ask authorities when that was.

A bundle is whole or not there: it is written beside its place, verified as anybody would, and
moved when nothing is at fault. Without an answer of an authority it is sealed all the same, and
says UNTIMESTAMPED.
"""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CaseError
from pipeline.evidence import stamps
from pipeline.evidence.bag import Content, Facts, SealError, drafted, write_bag, write_through
from pipeline.evidence.instructions import NAME, verify_txt
from pipeline.evidence.manifests import TAG_MANIFEST
from pipeline.evidence.signers import Signer, line_of, read_signers
from pipeline.evidence.sshsig import NAMESPACE
from pipeline.evidence.timestamps import ask_all, read_roots
from pipeline.evidence.verify import ALLOWED_SIGNERS, Trust, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOptions:
    """With what a bundle is sealed."""

    key: Path
    """Private key of SSH, or its .pub if an agent holds it."""

    principal: str
    """Who signs: an address, one word."""

    authorities: tuple[str, ...] = ()
    """Addresses of timestamp authorities; two that have nothing to do with each other are best."""

    roots: tuple[Path, ...] = ()
    """PEM files of roots that their answers must lead to; none to keep what they answer."""

    timeout_s: float = 30.0
    """Seconds that each authority has to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What came of it."""

    folder: Path
    """The bundle."""

    fingerprint: str
    """sha256 of its tag manifest: the one number to hand over by another way."""

    key: str
    """Fingerprint of the key that signed."""

    stamps: tuple[str, ...]
    """Paths of the timestamps inside it; none: UNTIMESTAMPED."""

    failed: tuple[str, ...]
    """What authorities did not do, in words."""


def seal_bundle(
    folder: Path, payload: Iterable[tuple[str, Content]], facts: Facts, options: SealOptions
) -> Sealed:
    """Write, sign and stamp a bundle; afterwards it is whole, or not there.

    Args:
        folder: where the bundle will be; nothing may be there.
        payload: path under data/ and content of each file, taken one at a time.
        facts: what bag-info.txt says.
        options: key and authorities.

    Raises:
        CaseError: the folder exists, or the key or a root cannot be used.
        DiskFullError: no room is left.
        SealError: a path is not allowed, or something could not be read or written.
    """
    roots = read_roots(options.roots)
    public = line_of(options.principal, public_key(options.key))
    with drafted(folder) as draft:
        fingerprint = write_bag(
            draft,
            payload,
            facts,
            {NAME: verify_txt(facts.identifier, options.principal), ALLOWED_SIGNERS: public},
        )
        signature = sign(options.key, (draft / TAG_MANIFEST).read_bytes())
        write_through(draft / stamps.SIGNATURE, signature)
        for path, raw in stamps.first_files().items():
            write_through(draft / path, raw)
        answers, failed = ask_all(options.authorities, signature, options.timeout_s, roots)
        added = stamps.add(draft, answers) if answers else []
        report = verify(draft, Trust(signers=_signers(draft), roots=roots or None))
        if not report.intact or not report.signer or report.fingerprint != fingerprint:
            words = [f"{path}: {what}" for path, what in report.faults] or [report.signer_why]
            raise SealError(f"{folder}: what was written does not verify: {'; '.join(words[:5])}")
    return Sealed(
        folder=folder,
        fingerprint=fingerprint,
        key=report.key or "",
        stamps=tuple(added),
        failed=tuple(failed),
    )


def sign(key: Path, message: bytes) -> bytes:
    """Return the signature of a key of SSH over some bytes.

    Raises:
        CaseError: the key cannot be used, or OpenSSH is not installed.
    """
    return _ssh_keygen(["-Y", "sign", "-f", str(key), "-n", NAMESPACE], message, key)


def public_key(key: Path) -> str:
    """Return the public half of a key of SSH, as one line.

    Raises:
        CaseError: the key cannot be used, or OpenSSH is not installed.
    """
    public = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    try:
        text = public.read_text(encoding="utf-8") if public.exists() else ""
    except (OSError, ValueError) as error:
        raise CaseError(f"{public}: cannot be read as a public key: {error}") from error
    line = text or _ssh_keygen(["-y", "-f", str(key)], b"", key).decode("utf-8")
    if not line.partition(" ")[2].strip():
        raise CaseError(f"{public}: expected a public key of SSH on one line")
    return line


def _signers(draft: Path) -> tuple[Signer, ...]:
    """Return what the bundle says of its key, to see that the key is the one that was named."""
    return read_signers(draft / ALLOWED_SIGNERS)


def _ssh_keygen(arguments: list[str], message: bytes, key: Path) -> bytes:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise CaseError("ssh-keygen was not found; install OpenSSH 8.1 or later")
    done = subprocess.run([program, *arguments], input=message, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"]
        raise CaseError(f"{key}: ssh-keygen cannot use this key: {said[-1]}")
    return done.stdout
