"""The text half from Parquet to findings: MB per CPU-second, and two workers against one.

    python -m benchmarks.text_flow BOOKS.parquet [--megabytes 100]

A hundred megabytes of books are the works, 1,000 outputs of 1,000 words are brought in, 50 of which
copy; other books are the controls. CPU seconds are those of the program and everything
that it starts. Decoded text of both halves counts, each once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.overlap import first_mb, read, write_outputs

TARGET_MB = 20.0
TARGET_RATIO = 1.8
ROWS_PER_GROUP = 8
"""Books of a row group, so that there are parts enough for two workers."""


class Run(NamedTuple):
    """What one run took."""

    cpu: float
    wall: float
    overlap: float
    """Wall seconds of the overlap step alone, the one that grows with the corpus."""


def write_case(folder: Path, books: Path, megabytes: float) -> float:
    """Write a case and its data; return the megabytes of text in it."""
    texts, held_out = read(books)
    train, size = first_mb(texts, megabytes)
    # what does not copy comes from books in neither half, as what a model writes by itself does
    control, prose = held_out[::2], held_out[1::2]
    outputs, _ = write_outputs(train, prose)
    for name, rows in (("train", train), ("control", control)):
        table = pa.table({"text": pa.array(rows, pa.large_string())})
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=ROWS_PER_GROUP)
    lines = [json.dumps({"prompt": str(i), "output": text}) for i, text in enumerate(outputs)]
    (folder / "outputs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return size + sum(len(text.encode()) for text in control) / 1e6


def cases(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write one case for each shape of the cluster."""
    shapes: dict[str, dict[str, Any]] = {
        "inline": {"kind": "inline", "threads": 1},
        "one": {"kind": "local", "workers": 1, "threads": 1},
        "two": {"kind": "local", "workers": 2, "threads": 1},
    }
    for name, cluster in shapes.items():
        case = {
            "name": name,
            "run": f"run-{name}",
            "train_texts": {"sources": [{"path": "train.parquet"}]},
            "control_texts": {"sources": [{"path": "control.parquet"}]},
            "outputs": {"sources": [{"path": "outputs.jsonl"}]},
            "cluster": cluster,
        }
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(case, sort_keys=False))
        yield name, path


def run(case: Path) -> Run:
    """Run a case from nothing."""
    before, began = _children(), time.perf_counter()
    command = [sys.executable, "-m", "pipeline.cli", "run", str(case), "--json"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
    )
    steps = json.loads(done.stdout)["steps"]
    (overlap,) = (step["seconds"] for step in steps if step["step"] == "overlap")
    return Run(_children() - before, time.perf_counter() - began, overlap)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print the figures and the same as JSON; return 1 if a target is missed."""
    options = argparse.ArgumentParser(description="Time the text half as a whole.")
    options.add_argument("books", type=Path, help="Parquet file with a column `text`")
    options.add_argument("--megabytes", type=float, default=100.0)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        size = write_case(Path(scratch), asked.books, asked.megabytes)
        took = {name: run(path) for name, path in cases(Path(scratch))}
    rate = size / took["inline"].cpu
    ratio = took["one"].overlap / took["two"].overlap
    of_all = took["one"].wall / took["two"].wall
    print(f"from Parquet to findings {rate:8.1f} MB/cpu-s   (at least {TARGET_MB:.0f})")
    print(f"two workers against one  {ratio:8.2f} x          (at least {TARGET_RATIO}; overlap)")
    print(f"the same, the whole run  {of_all:8.2f} x")
    rows = {name: each._asdict() for name, each in took.items()}
    figures = {"megabytes": round(size, 1), "rate": rate, "ratio": ratio, "ratio_of_all": of_all}
    print(json.dumps({**figures, "runs": rows}))
    return int(rate < TARGET_MB or ratio < TARGET_RATIO)


if __name__ == "__main__":
    sys.exit(main())
