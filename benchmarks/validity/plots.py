"""Plots of the validity page as inline SVG; shapes and dashes tell things apart, not colour.

x grows to the right and y downwards, in units of the drawing; the styles are those of the page.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import log10
from typing import Any

Report = Mapping[str, Any]

LINE = 22
PANEL = 196
GAP = 24
LABEL = 262
MARKS = ("dot", "ring", "square", "cross")
"""Shapes of series, in order; the dashes of their lines follow the same order."""
DASHES = ("", "7 4", "2 4", "9 3 2 3")
MOST_RATIO = 1.5


class Sheet:
    """A drawing that grows by its parts."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def line(self, ends: tuple[float, float, float, float], kind: str, dash: str = "") -> None:
        """Add a straight line from x1, y1 to x2, y2."""
        x1, y1, x2, y2 = (f"{end:.1f}" for end in ends)
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"{extra}/>')

    def path(self, points: Sequence[tuple[float, float]], kind: str, dash: str = "") -> None:
        """Add a line through points."""
        told = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<path class="{kind}" d="M{told}"{extra}/>')

    def mark(self, x: float, y: float, shape: str) -> None:
        """Add a mark of one of the four shapes."""
        if shape in {"dot", "ring"}:
            self.parts.append(f'<circle class="{shape}" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>')
        elif shape == "square":
            self.parts.append(
                f'<rect class="square" x="{x - 3.4:.1f}" y="{y - 3.4:.1f}" '
                'width="6.8" height="6.8"/>'
            )
        else:
            self.parts.append(
                f'<path class="cross" d="M{x - 3.6:.1f} {y - 3.6:.1f}l7.2 7.2m0 -7.2l-7.2 7.2"/>'
            )

    def text(self, x: float, y: float, words: str, kind: str = "tick") -> None:
        """Add words; a `tick` is centred, a `level` ends at x, a `name` begins there."""
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def svg(self, width: float, height: float, label: str) -> str:
        """Return the drawing, with room for the words around it."""
        inside = "\n".join(self.parts)
        box = f"0 -30 {width:.0f} {height + 30:.0f}"
        return f'<svg viewBox="{box}" role="img" aria-label="{escape(label)}">\n{inside}\n</svg>'


def draw_rows(report: Report) -> str:
    """Return every valid row: measured rate over nominal rate, one panel for each q."""
    sheet, rows = Sheet(), report["rows"]
    bottom = LINE * len(rows)
    for at, q in enumerate(report["levels"]):
        left = LABEL + at * (PANEL + GAP)

        def x_of(ratio: float, left: float = left) -> float:
            return left + PANEL * min(ratio, MOST_RATIO) / MOST_RATIO

        sheet.text(left + PANEL / 2, -14, f"q = {q:g}")
        for ratio, kind in ((0.0, "axis"), (1.0, "threshold"), (1.25, "bound")):
            sheet.line((x_of(ratio), -4, x_of(ratio), bottom), kind)
            sheet.text(x_of(ratio), bottom + 20, f"{ratio:g}")
        sheet.text(left + PANEL / 2, bottom + 40, "measured / nominal")
        for place, row in enumerate(rows):
            rate, y = row["rates"][at], LINE * (place + 0.5)
            low, high = rate["low"] / q, rate["high"] / q
            sheet.line((x_of(low), y, x_of(high), y), "bar")
            sheet.mark(x_of(rate["error"] / q), y, "dot" if rate["passed"] else "cross")
    for place, row in enumerate(rows):
        sheet.text(LABEL - 12, LINE * (place + 0.5) + 4, row["name"], "level")
    label = "Measured over nominal error rate of each valid row, with limits"
    return sheet.svg(LABEL + 3 * PANEL + 2 * GAP + 10, bottom + 48, label)


def draw_pairs(report: Report) -> str:
    """Return every broken variant beside the right way, on a logarithmic scale."""
    sheet, pairs = Sheet(), report["broken"]
    left, width, height = 372.0, 500.0, 30.0 * len(report["broken"])
    lowest, highest = 0.2, 40.0

    def x_of(ratio: float) -> float:
        ratio = min(max(ratio, lowest), highest)
        return float(left + width * log10(ratio / lowest) / log10(highest / lowest))

    for ratio in (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0):
        sheet.line((x_of(ratio), -4, x_of(ratio), height), "threshold" if ratio == 1 else "grid")
        sheet.text(x_of(ratio), height + 20, f"{ratio:g}")
    sheet.text(left + width / 2, height + 42, "measured / nominal rate")
    for place, pair in enumerate(pairs):
        y = 30.0 * (place + 0.5)
        sheet.text(left - 12, y + 4, pair["name"], "level")
        for way, shape in (("right", "ring"), ("broken", "dot")):
            rate = pair[way]
            low, high = x_of(rate["low"] / pair["q"]), x_of(rate["high"] / pair["q"])
            sheet.line((low, y, high, y), "bar")
            sheet.mark(x_of(rate["error"] / pair["q"]), y, shape)
    label = "Error rate of each broken variant and of the right way, over the nominal rate"
    return sheet.svg(left + width + 24, height + 52, label)


def draw_counts(report: Report) -> str:
    """Return how often so many of the nulls had a small p, with the exact law and the binomial."""
    sheet, told = Sheet(), report["uniformity"]
    counts, repeats = told["fit"]["counts"], report["repeats"]
    law, wrong = told["law"], told["law_if_independent"]
    top: float = 1.08 * max(*(count / repeats for count in counts), *law, *wrong)
    left, width, height = 56.0, 820.0, 240.0
    step = width / len(law)

    def y_of(share: float) -> float:
        return height * (1 - share / top)

    for x, count in enumerate(counts):
        y = y_of(count / repeats)
        sheet.parts.append(
            f'<rect class="seen" x="{left + step * x + 1:.1f}" y="{y:.1f}" '
            f'width="{step - 2:.1f}" height="{height - y:.1f}"/>'
        )
    for values, dash in ((law, ""), (wrong, "5 4")):
        points = [(left + step * (x + 0.5), y_of(value)) for x, value in enumerate(values)]
        sheet.path(points, "curve", dash)
    sheet.line((left, height, left + width, height), "axis")
    for x in range(0, len(law), 5):
        sheet.text(left + step * (x + 0.5), height + 20, str(x))
    sheet.text(left + width / 2, height + 42, f"nulls of {told['nulls']} with {told['at']}")
    for share in (0.0, 0.05, 0.1):
        sheet.text(left - 10, y_of(share) + 4, f"{100 * share:g} %", "level")
    return sheet.svg(left + width + 16, height + 50, "Runs by the number of nulls with a small p")


Scale = Callable[[float], float]


def _frame(sheet: Sheet, left: float, width: float, height: float) -> Scale:
    def y_of(share: float) -> float:
        return height * (1 - share)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        sheet.line((left, y_of(share), left + width, y_of(share)), "grid" if share else "axis")
    return y_of


def _series(sheet: Sheet, points: Sequence[tuple[float, float]], at: int) -> None:
    sheet.path(points, "curve", DASHES[at])
    for x, y in points:
        sheet.mark(x, y, MARKS[at])


CURVES = (
    ("verdict_fixed", "verdict, 64 seeds for each unit"),
    ("verdict_adaptive", "verdict, adaptive queue"),
    ("rule_fixed", "one unit, fixed rule at level 0.005"),
    ("bet_within_64", "one unit, bet within 64 seeds"),
)


def draw_power(report: Report) -> str:
    """Return power against the rate per seed, on a logarithmic axis."""
    sheet, told = Sheet(), report["power"]
    left, width, height = 56.0, 820.0, 280.0
    rates = [row["rate"] for row in told["rows"]]

    def x_of(rate: float) -> float:
        return left + width * log10(rate / rates[0]) / log10(rates[-1] / rates[0])

    y_of = _frame(sheet, left, width, height)
    for share in (0.0, 0.5, 1.0):
        sheet.text(left - 10, y_of(share) + 4, f"{100 * share:g} %", "level")
    for rate in rates:
        sheet.text(x_of(rate), height + 20, f"{rate:g}")
    sheet.text(left + width / 2, height + 42, "rate per seed")
    if told["detection_limit"] is not None:
        x = x_of(told["detection_limit"])
        sheet.line((x, -6, x, height), "threshold")
        sheet.text(x, -14, "detection limit of the fixed rule")
    for at, (name, _) in enumerate(CURVES):
        _series(sheet, [(x_of(row["rate"]), y_of(row[name])) for row in told["rows"]], at)
    return sheet.svg(left + width + 24, height + 50, "Power against the rate per seed")


def draw_scores(report: Report) -> str:
    """Return the power of each score against the share of stray answers, at q = 0.1 and 7 sd."""
    sheet, told = Sheet(), report["own_work"]
    rows = [row for row in told["rows"] if row["strength"] == 7 and row["nulls_too"]]
    names = list(told["scores"])
    units = list(dict.fromkeys(row["units"] for row in rows))
    width, height = 380.0, 220.0
    for panel, unit in enumerate(units):
        left = 56 + panel * (width + 60)
        y_of = _frame(sheet, left, width, height)
        sheet.text(left + width / 2, -14, unit)
        for share in (0.0, 0.5, 1.0):
            sheet.text(left - 10, y_of(share) + 4, f"{100 * share:g} %", "level")
        for at, name in enumerate(names):
            mine = [row for row in rows if row["units"] == unit and row["score"] == name]
            points = [
                (left + width * row["share"] / 0.16, y_of(row["rates"][-1]["power"]))
                for row in mine
            ]
            _series(sheet, points, at)
        for row in (row for row in rows if row["units"] == unit and row["score"] == names[0]):
            x = left + width * row["share"] / 0.16
            sheet.text(x, height + 20, f"{100 * row['share']:g} %")
        sheet.text(left + width / 2, height + 42, "controls answered with a memorized work")
    return sheet.svg(56 + 2 * width + 84, height + 50, "Power of each score by stray answers")


def legend_mark(at: int) -> str:
    """Return the small drawing that stands for a series in a legend."""
    sheet = Sheet()
    sheet.path([(0, 0), (34, 0)], "curve", DASHES[at])
    sheet.mark(17, 0, MARKS[at])
    return _key(sheet)


def legend_shape(shape: str) -> str:
    """Return a mark with the bar of its limits, for a legend."""
    sheet = Sheet()
    sheet.line((6, 0, 28, 0), "bar")
    sheet.mark(17, 0, shape)
    return _key(sheet)


def _key(sheet: Sheet) -> str:
    inside = "".join(sheet.parts)
    return f'<svg viewBox="-1 -7 36 14" aria-hidden="true">{inside}</svg>'
