"""Plot of a report on texts: the chance curve, on a logarithmic scale, as measured.

Where no unseen work had such a run there is no point, only the bound that nothing seen in B times
1,000 words allows, at most 3/B; beyond the last length that was measured nothing is drawn.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any, NamedTuple

Row = Mapping[str, Any]

WIDTH, HEIGHT = 720, 260
MAX_LINES = 16
_LANDMARKS = (8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 150, 200, 300, 500)


class Point(NamedTuple):
    """One length on the drawing; y grows downwards."""

    row: Row
    x: float
    y: float
    low_y: float
    high_y: float


class ChanceDrawing(NamedTuple):
    """Where everything stands."""

    seen: tuple[Point, ...]
    """Lengths with an event."""
    bounds: tuple[Point, ...]
    """Lengths without; y is that of the bound."""
    x_ticks: tuple[tuple[float, int], ...]
    y_ticks: tuple[tuple[float, str], ...]
    mark_x: float | None
    """Where the rule begins to count."""


def draw_chances(rows: Sequence[Row], mark: float | None) -> ChanceDrawing:
    """Return the geometry of the curve, `WIDTH` wide and `HEIGHT` high.

    Args:
        rows: CHANCES by length.
        mark: words from which on a run can be a finding; None if that is not known.

    >>> row = {"words": 8, "num_events": 0, "rate": 0.0, "low": 0.0, "high": 0.01}
    >>> draw_chances([row], None).bounds[0].y
    0.0
    """
    if not rows:
        return ChanceDrawing((), (), (), (), None)
    lengths: list[int] = [row["words"] for row in rows]
    first, last = lengths[0], lengths[-1]
    values = [row[name] for row in rows for name in ("rate", "low", "high") if row[name] > 0]
    top = ceil(log10(max(values, default=1)) - 1e-9)
    bottom = min(top - 1, floor(log10(min(values, default=0.1)) + 1e-9))

    def x_of(words: float) -> float:
        return WIDTH * (words - first) / max(1, last - first)

    def y_of(rate: float) -> float:
        level = max(log10(rate), bottom) if rate > 0 else bottom
        return HEIGHT * (top - level) / (top - bottom)

    def point(row: Row, y: float) -> Point:
        return Point(row, x_of(row["words"]), y, y_of(row["low"]), y_of(row["high"]))

    ticks = [words for words in _LANDMARKS if first <= words <= last]
    return ChanceDrawing(
        seen=tuple(point(row, y_of(row["rate"])) for row in rows if row["num_events"]),
        bounds=tuple(point(row, y_of(row["high"])) for row in rows if not row["num_events"]),
        x_ticks=tuple((x_of(words), words) for words in ticks),
        y_ticks=tuple((y_of(10.0**n), f"{10.0**n:g}") for n in range(bottom, top + 1)),
        mark_x=x_of(mark) if mark is not None and first <= mark <= last else None,
    )


def chance_lines(rows: Sequence[Row]) -> list[Row]:
    """Return the lengths that the table beside the curve lists.

    The lengths that studies name, and the first of which nothing was seen.
    """
    if len(rows) <= MAX_LINES:
        return list(rows)
    first_unseen = next((row["words"] for row in rows if not row["num_events"]), None)
    wanted = {*_LANDMARKS, rows[0]["words"], rows[-1]["words"], first_unseen}
    return [row for row in rows if row["words"] in wanted]
