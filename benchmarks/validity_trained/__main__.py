"""Error rates over training runs, with true coins: trains small diffusion models and tests each.

    python -m benchmarks.validity_trained OUT [--models 24]
    python -m benchmarks.validity_trained OUT --only-tally     # of the models that are there

OUT keeps one file per model and repeat, so a run that was cut goes on where it was. The result is
written to OUT/trained.json and printed in short. Every model gets its own split of works by coins;
every work is in training for about half of the models. A GPU is used where one answers.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.validity_trained.plan import Plan

MODELS = 24
"""Training runs, unless asked otherwise; fewer than 20 claim no more than was trained."""


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing, then test and count."""
    parser = argparse.ArgumentParser(description="Measure error rates over training runs.")
    parser.add_argument("out", type=Path, help="folder for models, askings and the result")
    parser.add_argument("--models", type=int, default=MODELS, help="default %(default)s")
    parser.add_argument("--only-tally", action="store_true", help="train nothing more")
    options = parser.parse_args(arguments)
    plan = Plan()
    if not options.only_tally:
        from benchmarks.validity_trained.runs import make

        make(options.out, plan, options.models)
    from benchmarks.validity_trained.tally import result

    tallied = result(options.out, plan)
    text = json.dumps(tallied, indent=1) + "\n"
    (options.out / "trained.json").write_text(text, encoding="utf-8")
    print(json.dumps(tallied["summary"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
