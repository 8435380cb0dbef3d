"""The null of a verdict as a picture: the control units, and where each test unit lies among them.

Test units are drawn upwards, findings filled and the others hollow; control units downwards. So the
three differ in more than colour. Each unit is one block of the same height: what is counted here is
what the p-values count. Closer lies to the left.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NULL_WIDTH = 720
NULL_HEIGHT = 110
"""Largest height to either side of the line."""

_BARS = 48
_BLOCK = 14.0
"""Largest height of one unit."""


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


def draw_null(
    others: Sequence[float | None],
    found: Sequence[float | None],
    controls: Sequence[float | None],
    *,
    larger: bool,
) -> Drawing | None:
    """Return the geometry, `NULL_WIDTH` wide; None without a score.

    Args:
        others: scores of test units that are no finding; None is no match, drawn furthest away.
        found: scores of the findings.
        controls: scores of the control units.
        larger: true if a larger score lies closer.

    >>> drawn = draw_null([2.0], [0.5], [2.0, None], larger=False)
    >>> [block.units for block in drawn.controls], drawn.found[0].x < drawn.controls[0].x
    ([2], True)
    """
    known = [score for score in (*others, *found, *controls) if score is not None]
    if not known:
        return None
    nearest, furthest = (max(known), min(known)) if larger else (min(known), max(known))
    span = furthest - nearest or 1.0
    width = NULL_WIDTH / _BARS
    bars = [_binned(scores, nearest, span) for scores in (found, others, controls)]
    most = int(max(np.max(bars[0] + bars[1]), np.max(bars[2]), 1))
    unit = min(_BLOCK, NULL_HEIGHT / most)
    stacks: list[list[Block]] = [[], [], []]
    for place in range(_BARS):
        counts = [int(bar[place]) for bar in bars]
        tops = (-unit * counts[0], -unit * (counts[0] + counts[1]), 0.0)
        for stack, count, top in zip(stacks, counts, tops, strict=True):
            if count:
                stack.append(Block(place * width + 1, top, width - 2, unit * count, count))
    return Drawing(
        found=tuple(stacks[0]),
        others=tuple(stacks[1]),
        controls=tuple(stacks[2]),
        ticks=tuple((NULL_WIDTH * k / 4, f"{nearest + span * k / 4:.3g}") for k in range(5)),
        up=unit * int(np.max(bars[0] + bars[1])),
        down=unit * int(np.max(bars[2])),
    )


def _binned(scores: Sequence[float | None], nearest: float, span: float) -> NDArray[np.int64]:
    places = [1.0 if score is None else (score - nearest) / span for score in scores]
    bins = np.minimum((np.array(places) * _BARS).astype(np.int64), _BARS - 1)
    return np.bincount(bins, minlength=_BARS)
