"""Sealing: the demo's findings as a bundle, checked by the stock commands of its own VERIFY.txt.

What a recipient gets by another way than the bundle lies beside it: the public key, and the
fingerprint as a letter would give it. The key is made here and worth nothing: a demo vouches for
nobody.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

SIGNER = "demo@example.org"
TOOLS = ("bash", "sha256sum", "ssh-keygen")
UNTIMESTAMPED = 6
"""Step of VERIFY.txt that needs a timestamp authority, and so a network."""

_STEP = re.compile(r"(\d)\. ")


class Checked(NamedTuple):
    """What a stock command said."""

    step: int
    """Of VERIFY.txt."""
    line: str
    said: str
    good: bool


class Seal(NamedTuple):
    """The demo's bundle."""

    folder: Path
    fingerprint: str
    checks: tuple[Checked, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what the last line of the demo says of it."""
        good = sum(check.good for check in self.checks)
        return {
            "folder": str(self.folder),
            "fingerprint": self.fingerprint,
            "commands": len(self.checks),
            "commands_that_agree": good,
        }


def missing_tools() -> list[str]:
    """Return the stock tools that this machine lacks."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def seal(case: Path, run: Path, ran: Mapping[str, Any]) -> Seal:
    """Seal a finished run, unless nothing was made since it was sealed, and check the bundle.

    Args:
        case: the case file; the bundle is made beside it.
        run: the folder of its run.
        ran: what `palimpsest run --json` said.

    Raises:
        CalledProcessError: a command failed.
    """
    home = case.parent
    known = sorted(
        home.glob(f"EB-demo-{run.name}-*/"), key=lambda path: int(path.name.split("-")[-1])
    )
    if known and not any(step["ran"] for step in ran["steps"]):
        folder = known[-1]
        fingerprint = _letter(folder).read_text(encoding="ascii").strip()
    else:
        folder = home / f"EB-demo-{run.name}-{len(known) + 1}"
        fingerprint = _sealed(case, folder)
    return Seal(folder, fingerprint, tuple(_checks(folder, fingerprint)))


def _sealed(case: Path, folder: Path) -> str:
    key = case.parent / "evidence-key"
    if not key.exists():
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(key)]
        subprocess.run(made, check=True)
    public = key.with_suffix(".pub").read_text(encoding="ascii")
    (case.parent / "allowed_signers").write_text(f"{SIGNER} {public}", encoding="ascii")
    command = [sys.executable, "-m", "pipeline.cli", "bundle", str(case), "--json"]
    command += ["--out", str(folder), "--key", str(key), "--signer", SIGNER]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    fingerprint = str(json.loads(done.stdout)["fingerprint"])
    _letter(folder).write_text(f"{fingerprint}\n", encoding="ascii")
    return fingerprint


def _letter(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.fingerprint.txt")


def _checks(folder: Path, fingerprint: str) -> list[Checked]:
    """Run the commands of VERIFY.txt as they stand there."""
    # `python -m bagit` is meant to be that of the recipient; here it is this one
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = []
    step = 0
    for line in (folder / "VERIFY.txt").read_text(encoding="utf-8").splitlines():
        step = int(begun[1]) if (begun := _STEP.match(line)) else step
        if not line.startswith("    ") or step == UNTIMESTAMPED:
            continue
        done = subprocess.run(
            [str(shutil.which("bash")), "-c", line],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = (done.stdout + done.stderr).strip()
        good = done.returncode == 0 and _as_told(step, line, said, fingerprint)
        found.append(Checked(step, line.strip(), said, good))
    return found


def _as_told(step: int, line: str, said: str, fingerprint: str) -> bool:
    """Return whether a command printed what VERIFY.txt says that it prints."""
    listed = {
        "signatures/tagmanifest-sha256.txt.sshsig",
        "tagmanifest-sha256.txt",
        "timestamps/digests-sha256.txt",
    }
    told = {
        1: said.startswith(f"{fingerprint} "),
        2: not said,
        3: said.endswith("is valid"),
        4: not said if line.lstrip().startswith("find ") else set(said.split()) == listed,
        5: said.startswith('Good "'),
        7: re.fullmatch("[0-9a-f]{64}", said) is not None,
    }
    return told[step]
