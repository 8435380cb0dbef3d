"""The page: the report as one HTML file that needs no network, no script and no colour."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from benchmarks.validity import plots


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report, in the dress of the product's own."""
    pages = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(Path(__file__).parent), PackageLoader("pipeline", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(rate=rate, percent=percent, thousands=thousands)
    style = pages.get_template("validity.css").render()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return pages.get_template("validity.html.j2").render(
        r=report, plots=plots, style=style, style_hash=digest, total=_total(report)
    )


def _total(report: Mapping[str, Any]) -> dict[str, int]:
    cells = [rate for row in report["rows"] for rate in row["rates"]]
    return {
        "cells": len(cells),
        "passed": sum(rate["passed"] for rate in cells),
        "broken": len(report["broken"]),
        "caught": sum(pair["caught"] for pair in report["broken"]),
    }


def rate(value: float) -> str:
    """Return an error rate with as many places as it needs.

    >>> rate(0.00912), rate(0.1234), rate(0.0)
    ('0.0091', '0.123', '0')
    """
    if not value:
        return "0"
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def percent(share: float) -> str:
    """Return a share.

    >>> percent(0.5), percent(0.0042)
    ('50 %', '0.4 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.095 or not share else f"{100 * share:.1f} %"


def thousands(number: int) -> str:
    """Return a count.

    >>> thousands(2000)
    '2,000'
    """
    return f"{number:,}"
