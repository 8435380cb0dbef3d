"""The report: every section, and whether the error rates are true.

One seed gives one report, byte for byte: no time and no machine stands in it.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.validity.broken import PAIRS, Pair, measure_pair
from benchmarks.validity.coverage import detection, intervals
from benchmarks.validity.criterion import CONFIDENCE, LEVELS, SLACK, STATEMENT, Rate
from benchmarks.validity.exact_law import uniformity
from benchmarks.validity.own_work import own_work
from benchmarks.validity.power import power
from benchmarks.validity.rows import ROWS, TABLE, Row, measure_row
from benchmarks.validity.specification import beside

FORMAT = 1
REPEATS = 2_000
LEAST_FIT = 0.001
"""Least p of the chi-square of null counts against their law."""

Say = Callable[[str], None]


def _row(row: Row, rates: list[Rate]) -> dict[str, Any]:
    size = row.size
    told = None
    if size is not None:
        told = {"units": size.units, "copied": size.copied, "controls": size.controls}
    return {
        "name": row.name,
        "what": row.what,
        "size": told,
        "rates": [rate.facts() for rate in rates],
        "passed": all(rate.kept for rate in rates),
    }


def _pair(pair: Pair, right: Rate, broken: Rate) -> dict[str, Any]:
    return {
        "name": pair.name,
        "right_way": pair.right,
        "measure": pair.measure,
        "q": pair.q,
        "specified": pair.specified,
        "right": right.facts(),
        "broken": broken.facts(),
        "caught": broken.exceeded,
        "passed": broken.exceeded and right.kept,
    }


def make_report(seed: int = 1, repeats: int = REPEATS, say: Say = print) -> dict[str, Any]:
    """Return the whole report.

    Args:
        seed: of all random numbers.
        repeats: repetitions of each row, at least 20; 2,000 for a report that is shown.
        say: called with one line for each row as it is done.

    Raises:
        ValueError: fewer repetitions than limits can be told from.
    """
    if repeats < 20:
        raise ValueError(f"repeats: expected at least 20, got {repeats}")
    rows, table = [], []
    for row in ROWS:
        rates = measure_row(row, seed, repeats)
        rows.append(_row(row, rates))
        if row in TABLE:
            table.append(beside(row, rates))
        say(_line(row.name, rates, passed=rows[-1]["passed"]))
    pairs = []
    for pair in PAIRS:
        right, broken = measure_pair(pair, seed, repeats)
        pairs.append(_pair(pair, right, broken))
        caught = "caught" if broken.exceeded else "NOT CAUGHT"
        say(f"{pair.name:50} q {pair.q:g}  right {right.error:.3f}  {broken.error:.3f} {caught}")
    report = {
        "format": FORMAT,
        "command": f"python -m benchmarks.validity --repeats {repeats} --seed {seed} OUT",
        "repeats": repeats,
        "seed": seed,
        "levels": list(LEVELS),
        "criterion": {"statement": STATEMENT, "confidence": CONFIDENCE, "slack": SLACK},
        "rows": rows,
        "broken": pairs,
        "section_5": table,
        "uniformity": uniformity(seed, repeats),
        "intervals": intervals(seed, repeats),
        "detection": detection(seed, repeats),
        "power": power(seed, repeats),
        "own_work": own_work(seed, repeats),
    }
    report["failed"] = failures(report)
    report["passed"] = not report["failed"]
    return report


def failures(report: dict[str, Any]) -> list[str]:
    """Return the names of everything that did not do what it should."""
    failed = [row["name"] for row in report["rows"] if not row["passed"]]
    failed += [pair["name"] for pair in report["broken"] if not pair["passed"]]
    if report["uniformity"]["fit"]["p"] < LEAST_FIT:
        failed.append("null counts against their exact law")
    for row in [*report["intervals"], *report["detection"]["rows"]]:
        if row["kind"] == "right" and not row["passed"]:
            failed.append(row["name"])
        if row["kind"] == "broken" and not row["exceeded"]:
            failed.append(row["name"])
    if not report["detection"]["one_run"]["passed"]:
        failed.append("works at the detection limit")
    failed += [
        f"score {told['score']}" for told in report["own_work"]["answer"] if not told["held"]
    ]
    return failed


def _line(name: str, rates: list[Rate], *, passed: bool) -> str:
    told = "  ".join(f"{rate.error:.4f} ({rate.low:.4f} to {rate.high:.4f})" for rate in rates)
    return f"{name:42} {told}  {'passes' if passed else 'FAILS'}"
