"""Every benchmark, one after the other: `make bench`."""

import os
import platform
import subprocess
import sys

BENCHMARKS = ("benchmarks.runner", "benchmarks.cliques", "benchmarks.sampling")


def main() -> int:
    """Run the demo first, so that there is a finished case; return 1 if a target is missed."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    demo = subprocess.run([sys.executable, "examples/demo/demo.py"], check=False).returncode
    missed = [] if demo == 0 else ["demo"]
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", name], check=False).returncode:
            missed.append(name)
    print(f"missed: {', '.join(missed)}" if missed else "every target was met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
