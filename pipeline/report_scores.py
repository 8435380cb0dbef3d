"""Scores of a report: how close the closest work was, as a histogram that a page can draw.

Training works are drawn upwards and control works downwards from one line, so that the two halves
differ in more than colour. Heights grow with the square root of the count: a few copies among many
thousand generations must stay visible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Reader

NUM_BARS = 40
LARGEST_RATIO = 2.0
WIDTH = 720
HALF_HEIGHT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the histogram of scores."""

    low: float
    """Smallest ratio that falls into it."""

    train: int
    """Confirmation generations whose closest work is a training work."""

    control: int
    """Confirmation generations whose closest work is a control work."""


def count_scores(matches: Reader) -> dict[str, tuple[Bar, ...]]:
    """Return, for each model, the histogram of its judged generations.

    Each confirmation generation counts once, at its smallest ratio, under the half of that work; a
    tie between works counts once for each.
    """
    kept = pc.and_(
        matches.read(["best"])["best"],
        pc.equal(matches.read(["phase"])["phase"], "confirmation"),
    )
    rows = pa.table(
        {
            name: matches.read([name])[name].filter(kept)
            for name in ("model_id", "half", "adaptive_ratio")
        }
    )
    rows = rows.filter(pc.is_valid(rows["adaptive_ratio"]))
    edges = np.linspace(0, LARGEST_RATIO, NUM_BARS + 1)
    out = {}
    for model_id in sorted(pc.unique(rows["model_id"]).to_pylist()):
        mine = rows.filter(pc.equal(rows["model_id"], model_id))
        counts = {}
        for half in ("train", "control"):
            ratios = mine.filter(pc.equal(mine["half"], half))["adaptive_ratio"].to_numpy()
            inside = np.minimum(ratios, np.nextafter(LARGEST_RATIO, 0))
            counts[half] = np.histogram(inside, edges)[0]
        out[model_id] = tuple(
            Bar(low=float(low), train=int(train), control=int(control))
            for low, train, control in zip(
                edges[:-1], counts["train"], counts["control"], strict=True
            )
        )
    return out


class Box(NamedTuple):
    """A bar on the drawing, in its own units."""

    x: float
    y: float
    width: float
    height: float


class Drawing(NamedTuple):
    """Where everything stands; the zero line lies at y = 0, upwards is negative."""

    train: tuple[Box, ...]
    control: tuple[Box, ...]
    threshold_x: float | None
    ticks: tuple[tuple[float, str], ...]


def draw_scores(bars: Sequence[Bar], threshold: float | None) -> Drawing:
    """Return the geometry of a histogram, `WIDTH` wide and at most `HALF_HEIGHT` to either side.

    >>> bars = [Bar(low=0.0, train=4, control=0), Bar(low=1.0, train=0, control=1)]
    >>> [box.height for box in draw_scores(bars, None).train]
    [120.0]
    """
    most = max((max(bar.train, bar.control) for bar in bars), default=1) or 1
    width = WIDTH / max(len(bars), 1)
    train, control = [], []
    for place, bar in enumerate(bars):
        up, down = (HALF_HEIGHT * sqrt(count / most) for count in (bar.train, bar.control))
        x = place * width + 1
        if bar.train:
            train.append(Box(x, -up, width - 2, up))
        if bar.control:
            control.append(Box(x, 0, width - 2, down))
    mark = None if threshold is None else WIDTH * min(threshold / LARGEST_RATIO, 1)
    ticks = [(WIDTH * part / 4, f"{LARGEST_RATIO * part / 4:g}") for part in range(5)]
    return Drawing(tuple(train), tuple(control), mark, tuple(ticks))
