"""Swap: how many of the works that come nearest a deal of the labels would put in training.

Dimension key: H counts of training works among the votes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import count, part


class Stratum(NamedTuple):
    """Works whose labels are dealt among themselves."""

    votes_train: int
    """Votes of training works."""

    votes: int
    """Votes, one for each distinct work."""

    num_train: int
    """Works of the training half."""

    num_control: int
    """Works of the control half."""


def dealt(strata: Sequence[Stratum]) -> float:
    """Return P(at least so many of the votes are training works), labels dealt at random.

    Exact and one-sided: in each stratum as many works as there are get the label `train`, all
    choices alike, and the works that vote were chosen without looking at it. It holds for a coin of
    each work, given how the coins fell; halves that were matched are no deal. Works whose captions
    were asked are a stratum of their own, as captions of one half may be more than of the other.

    Args:
        strata: the votes and works of each stratum.

    Raises:
        ValueError: no votes, or more votes than works.

    Source: law of a permutation of labels (Fisher 1935); statistics of a verdict, section 6, for
    halves of any size.

    >>> round(dealt([Stratum(2, 2, 2, 2)]), 4)
    0.1667
    """
    count(sum(each.votes for each in strata), "votes", least=1)
    chances_H = np.ones(1)
    for each in strata:
        chances_H = np.convolve(chances_H, _chances(each))
    return min(1.0, float(chances_H[sum(each.votes_train for each in strata) :].sum()))


def _chances(stratum: Stratum) -> NDArray[np.float64]:
    """Return the chance of each number of training works among the votes, from 0."""
    votes_train, votes, num_train, num_control = stratum
    part(votes_train, count(votes, "votes"), "votes_train")
    part(votes, count(num_train, "num_train") + count(num_control, "num_control"), "votes")
    part(votes_train, num_train, "votes_train")
    chances_H = np.zeros(votes + 1)
    train_H = np.arange(max(0, votes - num_control), min(votes, num_train) + 1)
    ways_H = _log_choose(num_train, train_H) + _log_choose(num_control, votes - train_H)
    chances_H[train_H] = np.exp(ways_H - _log_choose(num_train + num_control, votes))
    return chances_H


def _log_choose(size: int, taken: ArrayLike) -> NDArray[np.float64]:
    from scipy.special import gammaln

    taken = np.asarray(taken)
    found: NDArray[np.float64] = gammaln(size + 1) - gammaln(taken + 1) - gammaln(size - taken + 1)
    return found
