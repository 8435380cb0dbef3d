"""One point of a detector's curve, by one stated convention, with what its numbers are worth.

Published numbers at "1 % false positives" follow three others: the last point of the curve below
1 %, the point nearest to 1 % (which may be above), the first point at or above.
"""

from math import floor, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from stages.statistics.checked import exact, numbers
from stages.statistics.intervals import Interval, clopper_pearson

_LEAST_EXPECTED = 3


class Point(NamedTuple):
    """One point of a detector's curve; a unit is flagged if its score >= threshold."""

    threshold: float
    """Smallest score seen that keeps the false positive rate; inf if none does."""

    tpr: float
    """Share of the positive units that is flagged."""

    fpr: float
    """Share of the negative units that is flagged, at most the rate asked for."""

    tpr_interval: Interval
    """Clopper-Pearson at 95 %, over units."""

    fpr_interval: Interval
    """Clopper-Pearson at 95 %, over units."""


def operating_point(scores_pos: ArrayLike, scores_neg: ArrayLike, at: float) -> Point:
    """Return the point at the smallest threshold t with #{negatives >= t} / n_neg <= at.

    Args:
        scores_pos: of the positive units, larger is more suspect.
        scores_neg: of the negative units, at least 3 / at of them (300 for 1 %).
        at: largest false positive rate, in (0, 1).

    Raises:
        ValueError: no positives, too few negatives, NaN or +inf, or `at` outside (0, 1).

    Source: statistics of a verdict, section 10.

    >>> point = operating_point([9, 8, 3], np.arange(60) / 10, 0.05)
    >>> point.threshold, point.fpr, [round(limit, 3) for limit in point.tpr_interval]
    (5.7, 0.05, [0.094, 0.992])
    """
    rate = exact(at, "at")
    pos = np.sort(numbers(scores_pos, "scores of positives"))
    neg = np.sort(numbers(scores_neg, "scores of negatives"))
    if np.isposinf(pos).any() or np.isposinf(neg).any():
        raise ValueError("scores: expected finite numbers, or -inf for left out, got inf")
    if len(neg) * rate < _LEAST_EXPECTED:
        raise ValueError(
            f"scores of negatives: a false positive rate of {at} rests on at least "
            f"{-floor(-_LEAST_EXPECTED / rate)} negative units, got {len(neg)}"
        )
    # with one flagged more, the rate would be too high
    highest_refused = neg[len(neg) - 1 - floor(rate * len(neg))]
    seen = np.concatenate([pos, neg])
    above = seen[seen > highest_refused]
    threshold = float(above.min()) if len(above) else inf
    hits = len(pos) - int(np.searchsorted(pos, threshold, side="left"))
    false = len(neg) - int(np.searchsorted(neg, threshold, side="left"))
    return Point(
        threshold,
        hits / len(pos),
        false / len(neg),
        clopper_pearson(hits, len(pos)),
        clopper_pearson(false, len(neg)),
    )
