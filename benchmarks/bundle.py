"""How fast is a bundle built, printed and sealed, and in how much memory?

    python -m benchmarks.bundle [SCRATCH] [--items 10000 --side 64]

Planted runs of 10,000 works of 64 pixels and 1,000 of 512, or one of another size, each in a folder
of its own under SCRATCH (a temporary one if left out; 3 GB). Everything that `palimpsest bundle`
does is counted: items, tables, load files, PDF volumes by processes of their own, seal, and the
verification that ends it. CPU seconds are those of all processes; the rate is also told without
the printing, and the memory is that of this process: the printers, two at a time, hold at most 125
items each. The run is planted in another process, so that its memory is not counted.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pipeline.case import load
from pipeline.evidence.bundling import make
from pipeline.evidence.seal import SealOptions
from pipeline.identity import contents_of
from pipeline.project import Project
from pipeline.store import Store
from tests.pipeline.tiny_bundle import make_key
from tests.pipeline.tiny_run import options, planted

LOST = 200
MOST_MB = 600


class Size(NamedTuple):
    """One run, and how many items of it are to be made."""

    items: int
    side: int
    least: float
    rate: str
    """Per what: `items_per_s` of the clock, or `items_per_cpu_s`."""


SIZES = (Size(10_000, 64, 50, "items_per_s"), Size(1_000, 512, 5, "items_per_cpu_s"))


def build(folder: Path) -> dict[str, float]:
    """Build the bundle of a planted run and return what it took."""
    path = folder / "case.yaml"
    case = load(path)
    models = dict.fromkeys(contents_of(case), "d" * 64)
    project = Project(path=path, case=case, store=Store(folder / "run"), models=models, sources={})
    seal = SealOptions(key=make_key(folder / "key"), principal="bench@example.org")
    began, wall = os.times(), time.perf_counter()
    _, many = make(project, folder / "EB", options(), (seal, None))
    ended = os.times()
    passed = time.perf_counter() - wall
    own = ended.user - began.user + ended.system - began.system
    printing = sum(ended[2:4]) - sum(began[2:4])
    return {
        "items": many,
        "own_cpu_s": round(own, 1),
        "of_it_system_s": round(ended.system - began.system, 1),
        "printing_cpu_s": round(printing, 1),
        "wall_s": round(passed, 1),
        "items_per_s": round(many / passed, 1),
        "items_per_cpu_s": round(many / (own + printing), 1),
        "without_printing": round(many / own, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }


def measured(scratch: Path, size: Size) -> dict[str, float]:
    """Plant a run and build its bundle, each in a process of its own."""
    folder = scratch / f"bundle-{size.items}-{size.side}"
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.bundle", str(folder)]
    command += ["--items", str(size.items), "--side", str(size.side), "--step"]
    subprocess.run([*command, "plant"], check=True)
    done = subprocess.run([*command, "build"], check=True, capture_output=True, text=True)
    shutil.rmtree(folder)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compared(scratch: Path, sizes: tuple[Size, ...]) -> bool:
    """Print the figures of each size and return whether all targets are met."""
    met = True
    for size in sizes:
        found = measured(scratch, size)
        met &= found[size.rate] >= size.least and found["peak_mb"] <= MOST_MB
        print(f"{size.items} items of {size.side} px:", json.dumps(found), flush=True)
        print(f"  target: {size.rate} {size.least:g}, at most {MOST_MB} MB", flush=True)
    return met


def main() -> int:
    """Do one step, or measure; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path, nargs="?")
    parser.add_argument("--items", type=int)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--step", choices=("plant", "build"))
    asked = parser.parse_args()
    if asked.step == "plant":
        planted(asked.scratch, asked.items, ("caption",), (asked.side, asked.side), LOST)
        return 0
    if asked.step == "build":
        print(json.dumps(build(asked.scratch)))
        return 0
    sizes = (Size(asked.items, asked.side, 0, "items_per_s"),) if asked.items else SIZES
    if asked.scratch is not None:
        asked.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.scratch) as scratch:
        return 0 if compared(Path(scratch), sizes) else 1


if __name__ == "__main__":
    sys.exit(main())
