r"""Manifests: lines of `sha256  path`, sorted by path, as `sha256sum` writes and checks them.

Read strictly: a line that could be read in two ways is a fault, because the next tool may read it
in the other.

Source: RFC 8493 (BagIt 1.0), section 2.1.3.
"""

import re
from collections.abc import Container, Mapping
from typing import NamedTuple

from pipeline.evidence.names import Fault, fault_of_path

MANIFEST = "manifest-sha256.txt"
"""Lists every file under data/."""

TAG_MANIFEST = "tagmanifest-sha256.txt"
"""Lists the files about the bag; its own sha256 is the fingerprint, and it is what is signed."""

_LINE = re.compile(rb"([0-9a-f]{64})  ([!-~]+)")


class Listed(NamedTuple):
    """What a manifest says."""

    digests: Mapping[str, str]
    """Path -> sha256, 64 hex digits."""

    faults: list[Fault]
    """What is wrong with the manifest itself."""


def as_lines(digests: Mapping[str, str]) -> bytes:
    """Return a manifest of paths and their digests, sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode("ascii")


def parse(name: str, raw: bytes | None, known: Container[str] = ()) -> Listed:
    """Return what a manifest says, and what is wrong with it.

    Args:
        name: path of the manifest.
        raw: its content; None stands for one that is gone.
        known: paths of files that are there, and are allowed.
    """
    if raw is None:
        return Listed({}, [Fault(name, "is missing")])
    digests: dict[str, str] = {}
    faults: list[Fault] = []
    before = ""
    if raw and not raw.endswith(b"\n"):
        faults.append(Fault(name, "its last line has no end"))
    for number, line in enumerate(raw.split(b"\n")[:-1], start=1):
        found = _LINE.fullmatch(line)
        if not found:
            faults.append(Fault(name, f"line {number}: expected 64 hex digits, two spaces, a path"))
            continue
        path = found[2].decode("ascii")
        if path not in known and (fault := fault_of_path(path)):
            faults.append(Fault(name, f"line {number}: {path[:200]}: {fault}"))
            faults.append(Fault(path[:200], f"listed in {name}: {fault}"))
        elif path <= before:
            faults.append(Fault(name, f"line {number}: {path} is out of order, or listed twice"))
        else:
            digests[path] = found[1].decode("ascii")
            before = path
    return Listed(digests, faults)
