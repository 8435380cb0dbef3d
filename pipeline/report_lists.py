"""Lists of a report: long tables, cut for a page, with how many rows there are in all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

Row = Mapping[str, Any]

MAX_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedLine:
    """Rows of one stage that failed for one reason."""

    stage: str
    """Stage that gave them up."""

    code: str
    """One word for the reason."""

    rows: int
    """How many."""

    key: str
    """One of them."""

    message: str
    """What was found and expected in that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The first rows of a list, and how many there are."""

    rows: tuple[Row, ...]
    """FINDINGS rows, at most `MAX_ROWS`."""

    total: int
    """Rows in all."""


def listed(rows: Sequence[Row]) -> Listed:
    """Return the first rows of a list."""
    return Listed(rows=tuple(rows[:MAX_ROWS]), total=len(rows))


def list_rejected(table: pa.Table) -> tuple[RejectedLine, ...]:
    """Return REJECTED rows counted by stage and reason."""
    rows = table.to_pylist()
    counts = Counter((row["stage"], row["code"]) for row in rows)
    first = {(row["stage"], row["code"]): row for row in reversed(rows)}
    return tuple(
        RejectedLine(
            stage=stage,
            code=code,
            rows=number,
            key=first[stage, code]["key"],
            message=first[stage, code]["message"],
        )
        for (stage, code), number in sorted(counts.items())
    )
