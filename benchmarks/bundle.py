"""How fast a bundle is built, and in how much memory: items per CPU-second, peak resident bytes.

    python -m benchmarks.bundle SCRATCH [--items 10000] [--side 64]

The run is planted in a process of its own, so that its memory is not counted; sealing is left out,
because it reads every file once more and belongs to `verify`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.case import load
from pipeline.evidence.bag import Facts, drafted, write_bag
from pipeline.evidence.bates import open_register
from pipeline.evidence.contents import contents
from pipeline.evidence.material import open_material
from pipeline.identity import contents_of
from pipeline.project import Project
from pipeline.store import Store
from tests.pipeline.tiny_run import options, planted

LOST = 200


def build(folder: Path) -> dict[str, float]:
    """Build the bundle of a planted run and return what it took."""
    path = folder / "case.yaml"
    case = load(path)
    models = dict.fromkeys(contents_of(case), "d" * 64)
    project = Project(path=path, case=case, store=Store(folder / "run"), models=models, sources={})
    facts = Facts(identifier="EB", group="case", date="2026-11-22", software="palimpsest")
    began, wall = os.times(), time.perf_counter()
    material = open_material(project)
    register = open_register(project.store.root, options().numbering)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, drafted(folder / "EB") as draft:
        write_bag(draft, contents(material, register, options(), Path(scratch)), facts, {})
    many = len(material.items)
    ended = os.times()
    user, system = ended.user - began.user, ended.system - began.system
    seconds = user + system
    return {
        "items": many,
        "user_s": round(user, 2),
        "system_s": round(system, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "items_per_cpu_s": round(many / seconds, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }


def main() -> None:
    """Plant a run and build its bundle, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--step", choices=("plant", "build"))
    asked = parser.parse_args()
    folder = asked.scratch / f"bundle-{asked.items}-{asked.side}"
    if asked.step == "plant":
        planted(folder, asked.items, ("caption",), (asked.side, asked.side), LOST)
    elif asked.step == "build":
        print(json.dumps(build(folder)))
    else:
        for step in ("plant", "build"):
            command = [sys.executable, "-m", "benchmarks.bundle", *sys.argv[1:], "--step", step]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
