"""The null of a verdict as a picture: the control units, and where each test unit lies among them.

Test units are drawn upwards, those that stand out filled and the others hollow; control units
downwards. So the three differ in more than colour. Each unit is one block of the same height: what
is counted here is what the p-values count. Closer lies to the left.
"""

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NULL_WIDTH = 720
NULL_HEIGHT = 110
"""Largest height to either side of the line."""

_BARS = 48
_BLOCK = 14.0
"""Largest height of one unit."""

_TOLD_APART = 5.0
"""Height from which on units are drawn one by one."""

_TICKS = 5

_BEHIND = 3
"""Bars kept free for units without a match, where there are such units."""


class Block(NamedTuple):
    """Units of one kind and one bar, in units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    units: int


class Drawing(NamedTuple):
    """Where everything stands; the zero line lies at y = 0, upwards is negative."""

    found: tuple[Block, ...]
    others: tuple[Block, ...]
    controls: tuple[Block, ...]
    ticks: tuple[tuple[float, str], ...]
    up: float
    """Height above the line."""
    down: float
    """Height below the line."""
    nearest: float
    """Score at the left edge."""
    furthest: float
    """Score at the right end of the scale."""
    length: float
    """Where the scale ends; units without a match stand behind it, at the right edge."""
    unmatched: int
    """Units without a match."""

    def place(self, score: float | None) -> float:
        """Return the x of a score."""
        if score is None:
            return NULL_WIDTH * (1 - 0.5 / _BARS)
        share = (score - self.nearest) / (self.furthest - self.nearest or 1.0)
        return self.length * min(max(share, 0.0), 1.0)


def draw_null(
    others: Sequence[float | None],
    found: Sequence[float | None],
    controls: Sequence[float | None],
    *,
    larger: bool,
) -> Drawing | None:
    """Return the geometry, `NULL_WIDTH` wide; None without a score.

    Args:
        others: scores of test units that do not stand out; None is no match, drawn furthest away.
        found: scores of those that do.
        controls: scores of the control units.
        larger: true if a larger score lies closer.

    >>> drawn = draw_null([2.0], [0.5], [2.0, None], larger=False)
    >>> sum(block.units for block in drawn.controls), drawn.found[0].x < drawn.controls[0].x
    (2, True)
    """
    known = [score for score in (*others, *found, *controls) if score is not None]
    if not known:
        return None
    nearest, furthest = (max(known), min(known)) if larger else (min(known), max(known))
    span = furthest - nearest or 1.0
    unmatched = len(others) + len(found) + len(controls) - len(known)
    scale = _BARS - _BEHIND if unmatched else _BARS
    bars = [_binned(scores, nearest, span, scale) for scores in (found, others, controls)]
    most = int(max(np.max(bars[0] + bars[1]), np.max(bars[2]), 1))
    unit = min(_BLOCK, NULL_HEIGHT / most)
    nothing = np.zeros(_BARS, np.int64)
    return Drawing(
        found=tuple(_blocks(bars[0], nothing, -unit)),
        others=tuple(_blocks(bars[1], bars[0], -unit)),
        controls=tuple(_blocks(bars[2], nothing, unit)),
        ticks=tuple(_ticks(nearest, furthest, NULL_WIDTH * scale / _BARS)),
        up=unit * int(np.max(bars[0] + bars[1])),
        down=unit * int(np.max(bars[2])),
        nearest=nearest,
        furthest=furthest,
        length=NULL_WIDTH * scale / _BARS,
        unmatched=unmatched,
    )


def _binned(
    scores: Sequence[float | None], nearest: float, span: float, scale: int
) -> NDArray[np.int64]:
    known = np.array([score for score in scores if score is not None], np.float64)
    bins = np.minimum(((known - nearest) / span * scale).astype(np.int64), scale - 1)
    counts = np.bincount(bins, minlength=_BARS)
    counts[-1] += len(scores) - len(known)
    return counts


def _blocks(bars: NDArray[np.int64], below: NDArray[np.int64], unit: float) -> Iterator[Block]:
    """Yield the blocks of one kind, stacked on those below it; unit is negative for upwards."""
    width = NULL_WIDTH / _BARS
    for place in np.flatnonzero(bars).tolist():
        count, first = int(bars[place]), int(below[place])
        pieces, gap = (count, 1.5) if abs(unit) >= _TOLD_APART else (1, 0.0)
        for number in range(pieces):
            ends = [unit * (first + count * n / pieces) for n in (number, number + 1)]
            height = abs(ends[1] - ends[0]) - gap
            yield Block(place * width + 1, min(ends) + gap / 2, width - 2, height, count // pieces)


def _ticks(nearest: float, furthest: float, length: float) -> Iterator[tuple[float, str]]:
    """Yield round numbers between the ends, each with its x."""
    low, high = sorted((nearest, furthest))
    if low == high:
        yield 0.0, f"{low:.3g}"
        return
    rough = (high - low) / _TICKS
    size = 10.0 ** floor(log10(rough))
    step = next(size * by for by in (1, 2, 5, 10) if size * by >= rough)
    for number in range(ceil(low / step), floor(high / step) + 1):
        value = number * step
        yield length * (value - nearest) / (furthest - nearest), f"{value:.10g}"
