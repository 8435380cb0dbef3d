"""The demo: makes both corpora, runs the case, counts what was found, seals it and checks the seal.

    python examples/demo/demo.py [--folder demo] [--run-seed 1]

The pipeline sees the corpora and the models. The keys (what was planted) and the truth tables (what
the models give back, by another rule and other seeds) are read here, after the run, to mark its
answers. What was found is sealed as a bundle, which stock tools then check, as whoever is handed it
would. The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import draw
import tales
from marks import RATE, Marks, mark_images, mark_texts
from sealing import Seal, missing_tools, seal

HERE = Path(__file__).parent


def prepare(folder: Path, run_seed: int) -> Path:
    """Make the corpora unless they lie there, and return the case file."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "corpus" / "key.json").exists():
        print("drawing the corpus of images ...", flush=True)
        draw.draw(folder / "corpus")
    if not (folder / "tales" / "key.json").exists():
        print("writing the corpus of texts ...", flush=True)
        tales.write(folder / "tales")
    text = (HERE / "case.yaml").read_text(encoding="utf-8")
    text = text.replace("run_seed: 1", f"run_seed: {run_seed}")
    text = text.replace("run: run", f"run: {_run_name(run_seed)}")
    text = text.replace("../examples/demo", os.path.relpath(HERE, folder))
    case = folder / f"demo-{run_seed}.yaml" if run_seed != 1 else folder / "demo.yaml"
    case.write_text(text, encoding="utf-8")
    return case


def _run_name(run_seed: int) -> str:
    return f"run-{run_seed}" if run_seed != 1 else "run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and print its marks."""
    options = argparse.ArgumentParser(description="Find what the demo's models memorized.")
    options.add_argument("--folder", type=Path, default=Path("demo"))
    options.add_argument("--run-seed", type=int, default=1)
    asked = options.parse_args(arguments)
    began = time.perf_counter()
    case = prepare(asked.folder, asked.run_seed)
    # first what is decided, then what is made; a run that was registered is not registered again
    registered = any(asked.folder.glob(f"{_run_name(asked.run_seed)}/registration.json"))
    for verb in ("run",) if registered else ("register", "run"):
        command = [sys.executable, "-m", "pipeline.cli", verb, str(case), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            return done.returncode
    ran = json.loads(done.stdout)
    images = mark_images(case, asked.folder / "corpus" / "key.json", HERE / "truth.json")
    texts = mark_texts(case, asked.folder / "tales" / "key.json", HERE / "truth_text.json")
    print_marks(images, texts, ran)
    lacking = missing_tools()
    sealed = None if lacking else seal(case, asked.folder / _run_name(asked.run_seed), ran)
    print_seal(sealed, lacking)
    last = images.as_json() | {
        "seconds": round(time.perf_counter() - began, 1),
        "report": ran["report"],
        "texts": texts.as_json(),
        "bundle": None if sealed is None else sealed.as_json(),
    }
    print(json.dumps(last))
    return 0 if sealed is None or all(check.good for check in sealed.checks) else 1


def print_marks(images: Marks, texts: Marks, ran: Mapping[str, Any]) -> None:
    """Say in words what the numbers are."""
    for kind, marks in (("images", images), ("texts", texts)):
        planted = len(marks.found) + len(marks.missed)
        said = (
            f"{kind}: found {len(marks.found)} of {planted} works that the model gives back in at"
            f" least {RATE:.0%} of seeds by the truth table, {len(marks.rare)} that it gives back"
            f" in fewer, and {len(marks.false)} that it never does. {marks.unmemorized} trained"
            " works that came back in none of 64 seeds (upper bound 4.6 %) were asked for in the"
            f" same run. Every finding has a false discovery rate of {_rate(marks.worst_q)} or"
            f" less: on average over runs, no larger share of such a list is false. Detection"
            f" limit: {marks.limit}."
        )
        print("\n" + textwrap.fill(said, 88))
        for label, names in (
            ("missed", marks.missed),
            ("in fewer seeds", marks.rare),
            ("false", marks.false),
        ):
            if names:
                print(f"{label}: {', '.join(names)}")
    print(f"\nregistered before anything was made: {ran['registered']}")
    print(f"report: {ran['report']}")


def print_seal(sealed: Seal | None, lacking: Sequence[str]) -> None:
    """Say whether the bundle holds, and how anybody can see that for themselves."""
    if sealed is None:
        print(f"bundle: none, for this machine has no {' and no '.join(lacking)}")
        return
    good = sum(check.good for check in sealed.checks)
    print(f"bundle: {sealed.folder}, untimestamped, fingerprint {sealed.fingerprint}")
    print(f"{good} of {len(sealed.checks)} stock commands of its VERIFY.txt printed what it says:")
    for check in sealed.checks:
        last = check.said.splitlines()[-1][:66] if check.said else "(nothing, as it should)"
        tool = check.line.lstrip("(").split()[0]
        name = f"{tool} -m bagit" if "-m bagit" in check.line else tool
        print(f"  {check.step}. {name:18} {'ok ' if check.good else 'NO '} {last}")
    print(f"to check it yourself: cd {sealed.folder}, then as in VERIFY.txt; or")
    signers = sealed.folder.parent / "allowed_signers"
    print(f"  palimpsest verify {sealed.folder} --signers {signers}")


def _rate(q: float | None) -> str:
    return "none" if q is None else f"{q:.1%}"


if __name__ == "__main__":
    sys.exit(main())
