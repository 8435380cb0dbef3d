"""Runner: how much of the slots' time is lost between tasks, and how fast starting is.

`python -m benchmarks.runner`. Idle share = idle slot-seconds / (slots x seconds from the first task
to the last commit), with tasks of at least one second; opening models is no part of it. Starting is
timed as whole commands: `--help`, and a run of a finished case that has nothing to do.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline.cluster import ClusterConfig
from pipeline.store import Record, Store
from tests.pipeline.toy import AnswerConfig, AskConfig, ToyCase, run_toy, write_numbers

ROUNDS = 5
SLOTS = 2
QUESTIONS = 12
TASK_S = 1.0
COMMAND = [sys.executable, "-m", "pipeline.cli"]


def idle_share(records: list[Record], slots: int) -> float:
    """Return idle slot-seconds over all slot-seconds from first begin to last end."""
    began = [record.facts["began"] for record in records]
    ended = [record.facts["ended"] for record in records]
    busy = sum(end - begin for begin, end in zip(began, ended, strict=True))
    return 1 - busy / (slots * (max(ended) - min(began)))


def measure_idle() -> dict[str, Any]:
    """Return the idle share of each round, over a new cluster each time."""
    shares = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_numbers(folder, {f"{i:02d}.txt": f"{i}\n" for i in range(QUESTIONS)})
            case = ToyCase(
                ask=AskConfig(tries=2, block=2),
                answer=AnswerConfig(seconds=TASK_S / 2),
                cluster=ClusterConfig(workers=SLOTS, threads=1),
            )
            run_toy(folder, case)
            shares.append(idle_share(Store(folder / "run").current("made.answers"), SLOTS))
    return {
        "what": f"idle share of {SLOTS} slots, {QUESTIONS} tasks of {TASK_S} s",
        "median": round(statistics.median(shares), 4),
        "target": 0.05,
        "all": [round(share, 4) for share in shares],
    }


def measure_command(what: str, words: list[str], target: float) -> dict[str, Any]:
    """Return the seconds of a whole command."""
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        subprocess.run([*COMMAND, *words], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return {
        "what": what,
        "median": round(statistics.median(seconds[1:]), 3),
        "target": target,
        "all": [round(each, 3) for each in seconds[1:]],
    }


def main() -> int:
    """Print the table and the same as JSON; return 1 if a target is missed."""
    options = argparse.ArgumentParser(description="Time the runner.")
    options.add_argument("--case", type=Path, default=Path("demo/demo.yaml"))
    case = options.parse_args().case
    rows = [measure_command("seconds of --help", ["--help"], 0.3)]
    if case.exists():
        again = measure_command("seconds of a run with nothing to do", ["run", str(case)], 2.0)
        rows.append(again)
    rows.append(measure_idle())
    for row in rows:
        print(f"{row['what']:46} {row['median']:>8} (at most {row['target']})  {row['all']}")
    print(json.dumps(rows))
    return int(any(row["median"] > row["target"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
