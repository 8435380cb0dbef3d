"""Evidence that may be looked at after every seed: bets against "its rate is at most p0".

Dimension key: K units.

Rejecting a rate is no evidence of copying (a flag has a high rate too): it steers where seeds are
spent. The verdict comes from the controls that stood in the same queue.
"""

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import count, exact, numbers

_LARGEST_LOG = 700.0
_TINY = 1e-280
_TERMS = 400


def log_e(k: ArrayLike, n: ArrayLike, p0: float) -> NDArray[np.float64]:
    """Return the logarithm of the bet's worth after k hits in n seeds.

    E(k, n) = B(k + 1/2, n - k + 1/2) S(p0; k + 1/2, n - k + 1/2)
    / (B(1/2, 1/2) S(p0; 1/2, 1/2) p0^k (1 - p0)^(n - k)), S the upper tail of a Beta law: the
    mixture Beta(1/2, 1/2) cut to (p0, 1]. For every rate up to p0 it is a nonnegative
    supermartingale that starts at 1: stop when you like.

    Args:
        k: hits, any shape.
        n: seeds, of a shape that goes with it.
        p0: rate of the null, registered, in (0, 1).

    Returns:
        float64 of their common shape.

    Raises:
        ValueError: hits outside 0..n, or p0 outside (0, 1).

    Source: mixture of Robbins 1970; statistics of a verdict, section 8.

    >>> float(log_e(0, 0, 0.01)), round(float(np.exp(log_e(2, 2, 0.01))), 1)
    (0.0, 4005.4)
    """
    from scipy.special import betaincc, betaln

    exact(p0, "p0")
    k, n = np.broadcast_arrays(np.asarray(k, np.float64), np.asarray(n, np.float64))
    if not ((k >= 0) & (k <= n) & (k == np.floor(k)) & (n == np.floor(n))).all():
        raise ValueError("hits: expected whole numbers with 0 <= k <= n")
    a, b = k + 0.5, n - k + 0.5
    mixture = betaln(a, b) + _log_upper(a, b, p0)
    start = betaln(0.5, 0.5) + np.log(betaincc(0.5, 0.5, p0))
    return np.asarray(mixture - start - k * np.log(p0) - (n - k) * np.log1p(-p0))


def e_values(k: ArrayLike, n: ArrayLike, p0: float) -> NDArray[np.float64]:
    """Return the bet's worth itself, capped far above every use so that it never overflows.

    Args:
        k: hits, any shape.
        n: seeds, of a shape that goes with it.
        p0: rate of the null, registered, in (0, 1).

    Raises:
        ValueError: as `log_e`.

    >>> float(e_values(0, 0, 0.01))
    1.0
    """
    return np.exp(np.minimum(_LARGEST_LOG, log_e(k, n, p0)))


def e_bh(e_K: ArrayLike, q: float) -> NDArray[np.bool_]:
    """Return the units found: the R largest e-values, R = max {i: E_(i) >= K / (q i)}.

    Holds under any dependence, at one common stopping time.

    Args:
        e_K: current values of all units registered; running maxima are not valid here.
        q: nominal false discovery rate, in (0, 1).

    Returns:
        bool[K].

    Raises:
        ValueError: no units, NaN, a negative value, or q outside (0, 1).

    Source: Wang and Ramdas 2022, arXiv 2009.02824; not on maxima: arXiv 2501.19360.

    >>> e_bh([1.0, 70.0, 25.0], 0.1).tolist()
    [False, True, True]
    """
    exact_q = exact(q, "q")
    e_K = numbers(e_K, "e-values")
    if (e_K < 0).any():
        raise ValueError(f"e-values: expected numbers of at least 0, got {e_K.min()}")
    needed_K = float(len(e_K) / exact_q) / np.arange(1, len(e_K) + 1)
    reached = np.flatnonzero(np.sort(e_K)[::-1] >= needed_K)
    return e_K >= needed_K[reached[-1]] if len(reached) else np.zeros(len(e_K), np.bool_)


class Seeds(NamedTuple):
    """How many seeds a bet takes until it rejects or reaches the cap."""

    mean: float
    """Expected seeds; those that reach the cap count with it."""

    most: int
    """95th percentile."""

    rejecting: float
    """Chance to reject within the cap."""


def expected_seeds(rate: float, p0: float, threshold: float, cap: int) -> Seeds:
    """Return the seeds spent on a unit that is sampled until E reaches the threshold or the cap.

    Exact, by the law of the hits over all paths that have not stopped.

    Args:
        rate: true chance of a hit per seed, in [0, 1].
        p0: rate of the null, in (0, 1).
        threshold: E at which to stop: K / (q R), or 1 / level; above 1.
        cap: most seeds for one unit.

    Raises:
        ValueError: a number out of its range.

    Source: statistics of a verdict, section 8, table.

    >>> seeds = expected_seeds(0.9, 0.01, 200, 2000)
    >>> round(seeds.mean, 1), seeds.most
    (2.2, 3)
    """
    count(cap, "cap", least=1)
    if not (0 <= rate <= 1 and threshold > 1):
        raise ValueError(f"expected rate in [0, 1] and threshold > 1, got {rate}, {threshold}")
    going_k = np.ones(1)
    stopped_n = np.zeros(cap + 1)
    for n in range(1, cap + 1):
        going_k = np.append(going_k * (1 - rate), 0) + np.append(0, going_k * rate)
        # only the last entry can be new: fewer hits did not suffice for fewer seeds
        if log_e(len(going_k) - 1, n, p0) >= log(threshold):
            stopped_n[n] += going_k[-1]
            going_k = going_k[:-1]
    rejecting = float(stopped_n.sum())
    stopped_n[cap] += going_k.sum()
    most = int(np.searchsorted(np.cumsum(stopped_n), 0.95 - 1e-12))
    return Seeds(float(stopped_n @ np.arange(cap + 1)), most, rejecting)


def _log_upper(a: NDArray[np.float64], b: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return log of the upper tail of Beta(a, b) at x, also where the tail itself underflows."""
    from scipy.special import betaincc

    tail = np.asarray(betaincc(a, b, x))
    is_tiny = tail < _TINY
    logs = np.atleast_1d(np.log(np.where(is_tiny, 1.0, tail)))
    if is_tiny.any():
        at = np.atleast_1d(is_tiny)
        logs[at] = _log_fraction(np.atleast_1d(b)[at], np.atleast_1d(a)[at], 1 - x)
    return logs.reshape(tail.shape)


def _log_fraction(a: NDArray[np.float64], b: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return log I_x(a, b) by its continued fraction, for x far below the mean a / (a + b).

    Source: NIST Digital Library of Mathematical Functions, equation 8.17.22.
    """
    from scipy.special import betaln

    fraction = np.ones_like(a)
    # so far out in the tail some dozens of terms are all that matter
    for j in range(_TERMS, 0, -1):
        m = j // 2
        if j % 2:
            term = -(a + m) * (a + b + m) / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + term * x / fraction
    logs = a * np.log(x) + b * np.log1p(-x) - np.log(a) - betaln(a, b) - np.log(fraction)
    return np.asarray(logs)
