"""Extract: what of the validation report travels inside the product, in every report of a run.

    python -m benchmarks.validity.extract [--results FOLDER] [--trained FILE] OUT

Reads FOLDER/validation_report.json and the result of `benchmarks.validity_trained` if it is there,
and writes OUT with the rates, their limits and what was caught; distributions and drawings stay.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
TRAINED = HERE.parent / "validity_trained" / "results" / "trained.json"

_RATE = ("q", "error", "low", "high", "passed", "repeats")
_MEASURED = ("mean", "two_sided", "one_sided_lower", "one_sided_upper", "replicates")


def extract(report: Mapping[str, Any], digest: str, trained: Mapping[str, Any] | None) -> Any:
    """Return the part of the reports that a person is shown.

    Args:
        report: the whole validation report.
        digest: sha256 of its file.
        trained: the result over trained models; None if there is none yet.
    """
    return {
        "command": report["command"],
        "sha256": digest,
        "repeats": report["repeats"],
        "levels": report["levels"],
        "statement": report["criterion"]["statement"],
        "passed": report["passed"],
        "failed": report["failed"],
        "rows": [
            {name: row[name] for name in ("name", "what", "size", "passed")}
            | {"rates": [_only(rate, (*_RATE, "power")) for rate in row["rates"]]}
            for row in report["rows"]
        ],
        "broken": [
            {name: pair[name] for name in ("name", "right_way", "measure", "q", "caught")}
            | {side: _only(pair[side], _RATE) for side in ("right", "broken")}
            for pair in report["broken"]
        ],
        "law": {name: report["uniformity"][name] for name in ("at", "nulls", "controls")}
        | {"p": report["uniformity"]["fit"]["p"]},
        "intervals": [_only(row, ("name", "kind", *_RATE)) for row in report["intervals"]],
        "detection": [_only(row, ("name", "kind", *_RATE)) for row in report["detection"]["rows"]],
        "at_limit": report["detection"]["one_run"],
        "trained": None if trained is None else _trained(trained["summary"]),
    }


def _only(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _trained(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rates of the registered score, over training runs and within one model apart."""
    told = [
        {
            "over": title,
            "q": float(level),
            "fdp": {name: rate["fdp"][name] for name in _MEASURED if name in rate["fdp"]},
            "exceeds": rate["exceeds_nominal"],
            "power": rate["power"].get("mean"),
        }
        for title, levels in summary["own"].items()
        for level, rate in levels.items()
        if level != "true nulls"
    ]
    return {"models": summary["models"], "claim": summary["claim"], "rates": told}


def main() -> int:
    """Write the extract."""
    options = argparse.ArgumentParser(description="Write what travels in every report.")
    options.add_argument("out", type=Path)
    options.add_argument("--results", type=Path, default=RESULTS)
    options.add_argument("--trained", type=Path, default=TRAINED)
    asked = options.parse_args()
    whole = (asked.results / "validation_report.json").read_bytes()
    trained = json.loads(asked.trained.read_bytes()) if asked.trained.exists() else None
    told = extract(json.loads(whole), sha256(whole).hexdigest(), trained)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
