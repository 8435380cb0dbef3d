"""Index swap: a coin sent one of each pair of works to training; which half wins, and with what.

Dimension key: K units, M nearest works of units, several where they tie.

What is random is the split of works, not the seeds: every distinct work has one vote, and a
verdict on a single unit is out of reach.
"""

from math import ceil, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import aligned, count, exact, labels, numbers, part


def signed(best_train_K: ArrayLike, best_control_K: ArrayLike) -> NDArray[np.float64]:
    """Return W, the larger similarity with the sign of the half that it lies in; 0 if they tie.

    Under the null the sign is a fair coin whatever the size, once units whose best works form one
    pair have been merged. Where a best similarity is not above 0, all are shifted alike so that
    the smallest becomes 1.

    Args:
        best_train_K: largest similarity of each unit in the training half; -inf if nothing.
        best_control_K: the same in the other half, which holds as many works.

    Returns:
        float64[K].

    Raises:
        ValueError: no units, not as many of one as of the other, NaN, or +inf.

    Source: signed max of Barber and Candes 2015, arXiv 1404.5609; statistics of a verdict,
    section 6.

    >>> signed([0.9, 0.2, 0.5], [0.1, 0.4, 0.5]).tolist()
    [0.9, -0.4, 0.0]
    """
    train_K = numbers(best_train_K, "best in the training half")
    aligned(best_control_K, len(train_K), "best in the control half")
    control_K = numbers(best_control_K, "best in the control half")
    best_K = np.maximum(train_K, control_K)
    if np.isposinf(best_K).any():
        raise ValueError("similarities: expected finite numbers, or -inf for nothing, got inf")
    smallest = float(np.min(best_K, where=np.isfinite(best_K), initial=inf))
    if smallest <= 0:
        best_K += 1 - smallest
    # nothing on either side ties as well
    w_K = np.where(train_K > control_K, best_K, -best_K)
    w_K[train_K == control_K] = 0
    return w_K


def knockoff_plus(w_K: ArrayLike, q: float) -> float:
    """Return tau = min {t > 0: (1 + #{W <= -t}) / max(1, #{W >= t}) <= q}, or inf if none is.

    The units with W >= tau are the findings; their false discovery rate is at most q.

    Args:
        w_K: of `signed`.
        q: nominal false discovery rate, in (0, 1).

    Raises:
        ValueError: no units, NaN or an infinity, or q outside (0, 1).

    Source: knockoff+ of Barber and Candes 2015, arXiv 1404.5609.

    >>> knockoff_plus([5, 4, 3, -2, -1], 0.4), knockoff_plus([5, 4, 3, -2, -1], 0.2)
    (3.0, inf)
    """
    exact(q, "q")
    w_K = numbers(w_K, "W")
    if np.isinf(w_K).any():
        raise ValueError("W: expected finite numbers, got an infinity; a tie is 0")
    sizes = np.unique(np.abs(w_K[w_K != 0]))
    won = np.searchsorted(np.sort(-w_K), -sizes, side="right")
    lost = np.searchsorted(np.sort(w_K), -sizes, side="right")
    reached = (1 + lost) / np.maximum(1, won) <= q
    return float(sizes[np.argmax(reached)]) if reached.any() else inf


def least_list(q: float) -> int:
    """Return the fewest findings that competition can report at q, 1 / q.

    Raises:
        ValueError: q outside (0, 1).

    >>> [least_list(q) for q in (0.1, 0.05, 0.01)]
    [10, 20, 100]
    """
    return ceil(1 / exact(q, "q"))


class Votes(NamedTuple):
    """What the nearest works of a run say about the split."""

    train: int
    """Votes for the training half."""

    total: int
    """Votes, one for each distinct nearest cluster of works."""

    across: int
    """Units dropped because they tie across the halves."""

    within: int
    """Units dropped because they tie between clusters of one half."""


def votes(unit_M: ArrayLike, cluster_M: ArrayLike, is_train_M: ArrayLike) -> Votes:
    """Count one vote for each distinct cluster that is nearest to some unit; drop ties.

    A unit that ties inside one half is dropped as well. Were it kept while ties across are not,
    the coins would decide which units vote, and the votes would no longer be independent.

    Args:
        unit_M: number or name of the unit, for each of its nearest works.
        cluster_M: cluster of near-duplicate works of that nearest work.
        is_train_M: whether the cluster lies in the training half.

    Raises:
        ValueError: nothing nearest, lengths differ, or a cluster lies in both halves.

    Source: statistics of a verdict, section 6.

    >>> votes([0, 1, 2, 2], [7, 7, 8, 9], [True, True, True, False])
    Votes(train=1, total=1, across=1, within=0)
    """
    num = count(np.size(unit_M), "nearest works", least=1)
    unit_M = np.unique(aligned(unit_M, num, "units"), return_inverse=True)[1]
    cluster_M = np.unique(aligned(cluster_M, num, "clusters"), return_inverse=True)[1]
    is_train_M = labels(is_train_M, num, "halves")
    in_half = np.unique(np.stack([cluster_M, is_train_M]), axis=1)
    if len(np.unique(in_half[0])) < in_half.shape[1]:
        raise ValueError("halves: a cluster of near-duplicates lies in both; pair whole clusters")
    rows = np.unique(np.stack([unit_M, cluster_M, is_train_M]), axis=1)
    choices_U = np.bincount(rows[0])
    trains_U = np.bincount(rows[0], weights=rows[2])
    is_tied_U = choices_U > 1
    is_across_U = is_tied_U & (trains_U > 0) & (trains_U < choices_U)
    voting = np.unique(rows[1:, ~is_tied_U[rows[0]]], axis=1)
    across = int(np.count_nonzero(is_across_U))
    within = int(np.count_nonzero(is_tied_U)) - across
    return Votes(int(voting[1].sum()), voting.shape[1], across, within)


def swap_votes(votes_train: int, votes: int) -> float:
    """Return P(Bin(V, 1/2) >= votes for the training half), exact and one-sided.

    For a whole run or portfolio, never for one prompt. It says that the model leans to its
    training half, and names no copy.

    Raises:
        ValueError: no votes, or `votes_train` outside 0..votes.

    Source: statistics of a verdict, section 6.

    >>> swap_votes(8, 10)
    0.0546875
    """
    from scipy.special import betainc

    part(votes_train, count(votes, "votes", least=1), "votes_train")
    # P(Bin(n, pi) >= k) is the distribution function of Beta(k, n - k + 1) at pi
    return float(betainc(votes_train, votes - votes_train + 1, 0.5)) if votes_train else 1.0


def largest_gamma(votes_train: int, votes: int, level: float = 0.05) -> float:
    """Return the largest Gamma with P(Bin(V, Gamma / (1 + Gamma)) >= votes) <= level.

    For halves that were matched, not drawn: how many times likelier a work of the training half
    could have been to be nearest, before the votes stop saying anything. Below 1 if they say
    nothing even for a fair coin.

    Raises:
        ValueError: no votes, `votes_train` outside 0..votes, or a level outside (0, 1).

    Source: statistics of a verdict, section 6.

    >>> round(largest_gamma(60, 80), 2)
    1.92
    """
    from scipy.special import betaincinv

    part(votes_train, count(votes, "votes", least=1), "votes_train")
    exact_level = exact(level, "level")
    if not votes_train:
        return 0.0
    share = float(betaincinv(votes_train, votes - votes_train + 1, float(exact_level)))
    return share / (1 - share)
