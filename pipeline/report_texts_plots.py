"""Plots of a report on texts: the chance curve, and how probable the true suffixes are.

The chance curve is drawn as measured, on a logarithmic scale. Where no unseen work had such a run
there is no point, only the bound that nothing seen in B times 1,000 words allows, at most 3/B;
beyond the last length that was measured nothing is drawn.

Suffixes of both halves are drawn beside each other on one scale; lines differ in their dashes.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any, NamedTuple

from pipeline.report_texts_suffixes import HALVES, LEVELS, Curve, Suffixes

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


PANEL_WIDTH, PANEL_HEIGHT = 268, 220
LABEL_GAP = 22
_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_STEPS = 5


class Line(NamedTuple):
    """One curve of a panel."""

    attempts: int
    path: str
    """Data of an SVG path."""
    end_y: float
    """Where it ends on the right."""
    label_y: float
    """Where its label stands, apart from the others."""


class Panel(NamedTuple):
    """The curves of one half."""

    half: str
    lines: tuple[Line, ...]
    """By attempts; empty where the half has no passages."""


class SuffixDrawing(NamedTuple):
    """Where everything stands; the zero line lies at `PANEL_HEIGHT`."""

    panels: tuple[Panel, ...]
    y_ticks: tuple[tuple[float, str], ...]


def draw_suffixes(suffixes: Suffixes) -> SuffixDrawing:
    """Return the geometry of the shares of suffixes by probability, training beside control.

    Both panels have one scale: it ends at a round share, the next above all curves.
    """
    all_shares = [
        count / max(1, suffixes.num_prompts[half])
        for curve in suffixes.curves
        for half in HALVES
        for count in curve.counts[half]
    ]
    top = next(each for each in _TOPS if each >= max(all_shares))
    panels = []
    for half in HALVES:
        of, lines = suffixes.num_prompts[half], []
        if of:
            heights = [_heights(curve, half, of * top) for curve in suffixes.curves]
            labels = _apart([each[-1] for each in heights])
            for curve, ys, label_y in zip(suffixes.curves, heights, labels, strict=True):
                lines.append(Line(curve.attempts, _path(ys), ys[-1], label_y))
        panels.append(Panel(half, tuple(lines)))
    ticks = tuple(
        (PANEL_HEIGHT * (1 - step / _STEPS), f"{100 * top * step / _STEPS:g} %")
        for step in range(_STEPS + 1)
    )
    return SuffixDrawing(tuple(panels), ticks)


def _heights(curve: Curve, half: str, full: float) -> list[float]:
    return [PANEL_HEIGHT * (1 - count / full) for count in curve.counts[half]]


def _path(ys: Sequence[float]) -> str:
    """Return a line through all levels; places on one level stretch with their neighbours left out.

    >>> _path([5.0] * len(LEVELS))
    'M0 5.0L266.7 5.0L268 5.0'
    """
    kept = [
        f"L{PANEL_WIDTH * level:.1f} {y:.1f}"
        for number, (level, y) in enumerate(zip(LEVELS, ys, strict=True))
        if number == len(ys) - 1 or not ys[max(0, number - 1)] == y == ys[number + 1]
    ]
    return f"M0 {ys[0]:.1f}{''.join(kept)}L{PANEL_WIDTH} {ys[-1]:.1f}"


def _apart(ys: Sequence[float]) -> list[float]:
    """Return places for labels, `LABEL_GAP` apart or more; lines with more attempts lie higher.

    >>> _apart([220.0, 220.0, 100.0, 90.0])
    [220.0, 198.0, 100.0, 78.0]
    """
    places: list[float] = []
    for y in ys:
        places.append(min(y, places[-1] - LABEL_GAP) if places else y)
    # what was pushed out at the top moves down again
    least = 0.0
    for number in reversed(range(len(places))):
        places[number] = max(places[number], least)
        least = places[number] + LABEL_GAP
    return places
