"""Validity: simulations that show whether the error rates are true.

    python -m benchmarks.validity [--repeats 2000] [--seed 1] OUT

Writes OUT/validation_report.json and OUT/validity.html, a single page without network or script.
Six and a half CPU minutes on one core at 2,000 repetitions; 200 take half a minute and are too few
for the rates at q = 0.01. Returns 1 if a valid row fails or a broken variant is not caught.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.validity.page import page
from benchmarks.validity.report import REPEATS, make_report


def main() -> int:
    """Write both files; return 1 if anything did not do what it should."""
    options = argparse.ArgumentParser(description="Show whether the error rates are true.")
    options.add_argument("out", type=Path)
    options.add_argument("--repeats", type=int, default=REPEATS)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    began = time.process_time()
    report = make_report(asked.seed, asked.repeats)
    asked.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, sort_keys=True)
    (asked.out / "validation_report.json").write_text(text + "\n")
    (asked.out / "validity.html").write_text(page(report))
    for told in report["own_work"]["answer"]:
        print(f"score {told['score']:14} held {told['held']}  least power {told['least_power']}")
    print(f"{time.process_time() - began:.0f} CPU seconds")
    failed = report["failed"]
    print(f"failed: {'; '.join(failed)}" if failed else "every row did what it should")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
