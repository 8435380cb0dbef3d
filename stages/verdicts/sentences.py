"""Sentences: numbers of a verdict as they may be said, and no others.

A p-value is no probability that a work was not copied, and 1 of m is not what 0 of m shows: so
nobody else words them.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

Row = Mapping[str, Any]


def none_closer(row: Row) -> str:
    """Return how a score stands against the controls, with the limit for this control set.

    Args:
        row: num_exceeding, num_control_units and p_bound of FINDINGS.

    Source: statistics of a verdict, section 4.2.

    >>> none_closer({"num_exceeding": 0, "num_control_units": 1000, "p_bound": 0.00599})
    'none of 1,000 control units came as close; at 95 % confidence at most 6 in 1,000 would'
    >>> none_closer({"num_exceeding": 3, "num_control_units": 39, "p_bound": 0.31})
    '3 of 39 control units came as close; at 95 % confidence at most 310 in 1,000 would'
    """
    closer, size = row["num_exceeding"], row["num_control_units"]
    share = ceil(round(row["p_bound"] * 1000, 6))
    said = f"{closer or 'none'} of {size:,} control units came as close"
    return f"{said}; at 95 % confidence at most {share:,} in 1,000 would"
