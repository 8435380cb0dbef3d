"""Proof in a report: what shows that the error rates are true, where the truth is known.

`pipeline/validation/validation_report.json` is an extract of what `benchmarks/validity` measured,
and travels with the program, so that every report carries it. It speaks of the program and of no
model: the truth of a real model is known to nobody.
"""

import json
from importlib.resources import files
from typing import Any

PLACE = ("validation", "validation_report.json")
"""Where the extract lies in the package."""

MADE_BY = "python -m benchmarks.validity.extract pipeline/validation/validation_report.json"

ENOUGH_MODELS = 20
"""Trained models from which a rate over training runs is called measured."""


def load_proof() -> dict[str, Any]:
    """Return what was measured, as `benchmarks.validity.extract` writes it.

    >>> load_proof()["repeats"] >= 200
    True
    """
    text = files("pipeline").joinpath(*PLACE).read_text(encoding="utf-8")
    proof: dict[str, Any] = json.loads(text)
    cells = [rate for row in proof["rows"] for rate in row["rates"]]
    proof["kept"] = sum(rate["passed"] for rate in cells)
    proof["cells"] = len(cells)
    proof["caught"] = sum(pair["caught"] for pair in proof["broken"])
    return proof


def rate(value: float) -> str:
    """Return an error rate with as many places as it needs.

    >>> rate(0.00912), rate(0.1234), rate(0.0)
    ('0.0091', '0.123', '0')
    """
    if not value:
        return "0"
    return f"{value:.4f}" if value < SMALL else f"{value:.3f}"


SMALL = 0.1
