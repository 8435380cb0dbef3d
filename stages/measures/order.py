"""Order: which passages follow each other in the work as they do in the output."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple


class Placed(NamedTuple):
    """A passage with its weight."""

    output: int
    """Where it starts in the output."""

    text: int
    """Where it starts in the work."""

    weight: int
    """Matched words, above 0."""


def in_order(passages: Sequence[Placed]) -> list[bool]:
    """Return for each passage if it is on the heaviest chain that increases on both sides.

    Of two chains that weigh the same, the one that ends earlier in the work.

    >>> in_order([Placed(0, 500, 30), Placed(30, 100, 60), Placed(90, 200, 20)])
    [False, True, True]
    """
    # Ends of the best chains so far: places and weights both increase.
    places: list[int] = []
    weights: list[int] = []
    ends: list[int] = []
    before: dict[int, int] = {}
    for item in sorted(range(len(passages)), key=lambda i: (passages[i].output, -passages[i].text)):
        _, text, weight = passages[item]
        at = bisect_left(places, text)
        if at:
            weight += weights[at - 1]
            before[item] = ends[at - 1]
        beaten = at
        while beaten < len(places) and weights[beaten] <= weight:
            beaten += 1
        if beaten == at < len(places) and places[at] == text:
            continue
        places[at:beaten], weights[at:beaten], ends[at:beaten] = [text], [weight], [item]
    kept = [False] * len(passages)
    item = ends[-1] if ends else -1
    while item >= 0:
        kept[item] = True
        item = before.get(item, -1)
    return kept
