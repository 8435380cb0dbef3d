"""The demo: draws the corpus, runs the case, counts what was found against what was planted.

    python examples/demo/demo.py [--folder demo] [--run-seed 1]

The pipeline sees the corpus and the model. The key (what was planted) and the truth table (what
the model gives back, by another rule and other seeds) are read here, after the run, to mark its
answers. The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import draw

from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.measures.intervals import detection_limit
from stages.tables import ARTISTS, PROMPTS, WORKS

HERE = Path(__file__).parent
RATE = 0.3
"""Works that come back in this share of seeds or more, by the truth table, are to be found."""


class Marks(NamedTuple):
    """The run's answers beside the truth."""

    found: list[str]
    missed: list[str]
    false: list[str]
    unmemorized: int
    detection_limit: float


def prepare(folder: Path, run_seed: int) -> Path:
    """Draw the corpus unless it lies there, and return the case file."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus"
    if not (corpus / "key.json").exists():
        print("drawing the corpus ...", flush=True)
        draw.draw(corpus)
    text = (HERE / "case.yaml").read_text(encoding="utf-8")
    text = text.replace("run_seed: 1", f"run_seed: {run_seed}")
    text = text.replace("run: run", f"run: run-{run_seed}" if run_seed != 1 else "run: run")
    text = text.replace("../examples/demo", os.path.relpath(HERE, folder))
    case = folder / f"demo-{run_seed}.yaml" if run_seed != 1 else folder / "demo.yaml"
    case.write_text(text, encoding="utf-8")
    return case


def mark(case: Path, key: Path, truth: Path) -> Marks:
    """Compare the verdicts of a finished run with the truth table.

    A work is named by the bytes of its picture; the pictures of one work as the pipeline sees it
    (the work and its near-duplicates) are one work here.
    """
    settings, store = open_store(case)
    works = json.loads(key.read_text(encoding="utf-8"))["works"]
    rates = {row["work"]: row["rate"] for row in json.loads(truth.read_text())["captions"]}
    names = {work["sha256"]: work["near_duplicate_of"] or work["work"] for work in works}
    members: dict[str, set[str]] = {}
    for row in open_dataset(store, WORKS, "input.works").read(["work_id", "sha256"]).to_pylist():
        members.setdefault(row["work_id"], set()).add(names[row["sha256"]])
    prompts = open_dataset(store, PROMPTS, "made.prompts").read(["work_id", "half"]).to_pylist()
    asked = {name for p in prompts if p["half"] == "train" for name in members[p["work_id"]]}
    memorized = {name for name, rate in rates.items() if rate >= RATE}
    planted = memorized & asked
    artists = open_dataset(store, ARTISTS, "made.artists").read(["work_id", "verdict"])
    flagged = [members[r["work_id"]] for r in artists.to_pylist() if r["verdict"] == "verbatim"]
    found = {name for group in flagged for name in group if name in planted}
    others = [min(group) for group in flagged if not group & memorized]
    judged = settings.prompts.seeds - settings.prompts.discovery
    return Marks(
        found=sorted(found),
        missed=sorted(planted - found),
        false=sorted(others),
        unmemorized=sum(rates.get(name, 1.0) == 0 for name in asked),
        detection_limit=detection_limit(settings.flag.min_hits, judged),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and print its marks."""
    options = argparse.ArgumentParser(description="Find what the demo's model memorized.")
    options.add_argument("--folder", type=Path, default=Path("demo"))
    options.add_argument("--run-seed", type=int, default=1)
    asked = options.parse_args(arguments)
    began = time.perf_counter()
    case = prepare(asked.folder, asked.run_seed)
    command = [sys.executable, "-m", "pipeline.cli", "run", str(case), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return done.returncode
    ran = json.loads(done.stdout)
    marks = mark(case, asked.folder / "corpus" / "key.json", HERE / "truth.json")
    print_marks(marks, ran)
    last = {
        "found": len(marks.found),
        "planted": len(marks.found) + len(marks.missed),
        "false": len(marks.false),
        "detection_limit": round(marks.detection_limit, 4),
        "seconds": round(time.perf_counter() - began, 1),
        "report": ran["report"],
    }
    print(json.dumps(last))
    return 0


def print_marks(marks: Marks, ran: Mapping[str, Any]) -> None:
    """Say in words what the numbers are."""
    planted = len(marks.found) + len(marks.missed)
    print(f"\nfound {len(marks.found)} of {planted} works that the model gives back in at least")
    print(f"{RATE:.0%} of seeds by the truth table; {len(marks.false)} other works were flagged.")
    print(f"{marks.unmemorized} trained captions that came back in none of 64 seeds (upper bound")
    print("4.6 %) were sampled in the same run.")
    print(f"Detection limit: a work that comes back in {marks.detection_limit:.1%} of seeds is")
    print("flagged with 95 % probability; rarer ones may be missed. Not yet calibrated.")
    for label, names in (("missed", marks.missed), ("other", marks.false)):
        if names:
            print(f"{label}: {', '.join(names)}")
    print(f"report: {ran['report']}")


if __name__ == "__main__":
    sys.exit(main())
