"""Evidence: what does closed-world verification cost beside reading and digesting the same files?

`python -m benchmarks.evidence`. Bundles of files of 6 kB, 100 kB and 64 MB are sealed into a
temporary folder, then verified, and their payload is read by a loop of `hashlib.file_digest`, in
turns. CPU time of this process, the least of all turns of each; a target is a ratio of 1.2 or less.
Takes about a minute of one core and 600 MB of disk for the while.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import file_digest
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from pipeline.evidence.bag import Facts
from pipeline.evidence.seal import SealOptions, seal_bundle
from pipeline.evidence.verify import Trust, verify

TARGET = 1.2
TURNS = 7


class Size(NamedTuple):
    """One bundle."""

    name: str
    bytes_each: int
    files: int


SIZES = (Size("6 kB", 6_000, 5_000), Size("100 kB", 100_000, 1_000), Size("64 MB", 64_000_000, 4))


def payload(size: Size) -> Iterator[tuple[str, bytes]]:
    """Yield files of noise, a thousand to a folder."""
    noise = os.urandom(size.bytes_each)
    for number in range(size.files):
        yield f"{number // 1000:03}/{number:06}.bin", number.to_bytes(8) + noise[8:]


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def digest_all(paths: list[str]) -> list[str]:
    """Read and digest files with the least around it: nothing is buffered, no path is made."""
    found = []
    for path in paths:
        with FileIO(path) as data:
            found.append(file_digest(data, "sha256").hexdigest())
    return found


def ratio(home: Path, size: Size) -> float:
    """Seal, verify and digest one bundle, and print both times side by side."""
    options = SealOptions(key=home / "key", principal="bench@example.org")
    facts = Facts(identifier="EB-bench", group="bench", date="2026-11-22", software="palimpsest")
    folder = home / "EB-bench"
    began = time.process_time()
    seal_bundle(folder, payload(size), facts, options)
    sealing = time.process_time() - began
    paths = [str(path) for path in folder.rglob("*") if path.is_file()]
    verifying, digesting = [], []
    for _ in range(TURNS):
        digesting.append(cpu(lambda: digest_all(paths)))
        verifying.append(cpu(lambda: verify(folder, Trust())))
    shutil.rmtree(folder)
    found = min(verifying) / min(digesting)
    print(
        f"{size.name:>7} x {size.files:<6} file_digest {min(digesting):7.3f} s   verify"
        f" {min(verifying):7.3f} s   ratio {found:.2f} (target <= {TARGET})   sealing"
        f" {sealing:.2f} s",
        flush=True,
    )
    return found


def main() -> int:
    """Print the ratio of each size; return 1 if one misses the target."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key")]
        subprocess.run(key, check=True, stdin=subprocess.DEVNULL)
        ratios = [ratio(home, size) for size in SIZES]
    return 1 if max(ratios) > TARGET else 0


if __name__ == "__main__":
    sys.exit(main())
