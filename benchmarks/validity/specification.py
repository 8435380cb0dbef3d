"""The specification's own figures, beside which ours are printed.

Statistics of a verdict, section 5: 300 units, 30 copied.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.validity.criterion import Rate
from benchmarks.validity.rows import Row


class Cell(NamedTuple):
    """One cell of the table of section 5."""

    fdr: float
    power: float
    silent: float
    """Chance that nothing is found."""


SECTION_5: Mapping[tuple[int, float], Sequence[Cell]] = {
    (200, 4.0): (Cell(0, 0, 1), Cell(0.031, 0.33, 0.66), Cell(0.078, 0.92, 0.0)),
    (1000, 4.0): (Cell(0.001, 0.02, 0.98), Cell(0.043, 0.91, 0), Cell(0.089, 0.95, 0)),
    (5000, 4.0): (Cell(0.008, 0.78, 0), Cell(0.042, 0.92, 0), Cell(0.087, 0.95, 0)),
    (200, 7.0): (Cell(0, 0, 1), Cell(0.041, 1, 0), Cell(0.079, 1, 0)),
    (1000, 7.0): (Cell(0.008, 0.99, 0.01), Cell(0.043, 1, 0), Cell(0.088, 1, 0)),
    (5000, 7.0): (Cell(0.008, 1, 0), Cell(0.041, 1, 0), Cell(0.087, 1, 0)),
}
"""(controls, strength in sd) -> cells at q = 0.01, 0.05, 0.1."""


def beside(row: Row, rates: Sequence[Rate]) -> dict[str, Any]:
    """Return one row of the table with the specified and the measured figures."""
    if row.size is None:
        raise ValueError(f"{row.name}: expected a row of the table of section 5, which has a size")
    specified = SECTION_5[row.size.controls, row.size.strength]
    return {
        "controls": row.size.controls,
        "strength": row.size.strength,
        "cells": [
            {
                "q": rate.q,
                "specified": cell._asdict(),
                "measured": {
                    "fdr": round(rate.error, 4),
                    "power": round(rate.power, 4),
                    "silent": round(rate.silent, 4),
                },
            }
            for rate, cell in zip(rates, specified, strict=True)
        ],
    }
