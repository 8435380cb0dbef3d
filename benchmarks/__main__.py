"""Every benchmark, one after the other: `make bench`, or `make bench BOOKS=books.parquet`.

Those of texts need real books: a Parquet file with a column `text`, 250 MB for every figure.
"""

import os
import platform
import subprocess
import sys

BENCHMARKS = (
    *("benchmarks.runner", "benchmarks.cliques", "benchmarks.sampling", "benchmarks.triage"),
    *("benchmarks.evidence", "benchmarks.bundle"),
)
REPORTS = ("benchmarks.validity", "benchmarks.sequential")
"""These write a page too, into `bench/`."""
OF_TEXTS = ("benchmarks.overlap", "benchmarks.text_flow", "benchmarks.text_peers")


def main() -> int:
    """Run the demo first, so that there is a finished case; return 1 if a target is missed."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    demo = subprocess.run([sys.executable, "examples/demo/demo.py"], check=False).returncode
    missed = [] if demo == 0 else ["demo"]
    books = sys.argv[1:]
    for name in (*BENCHMARKS, *REPORTS, *(OF_TEXTS if books else ())):
        print(f"\n== {name}", flush=True)
        path = books if name in OF_TEXTS else [f"bench/{name}"] if name in REPORTS else []
        if subprocess.run([sys.executable, "-m", name, *path], check=False).returncode:
            missed.append(name)
    if not books:
        print("\ntexts: not measured; `make bench BOOKS=books.parquet` measures them too")
    print(f"missed: {', '.join(missed)}" if missed else "every target was met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
