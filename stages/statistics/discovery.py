"""Many units: which p-values count as findings, and what share of those is false on average.

Dimension key: K units, s units of one family, A families, M methods.

A q-value belongs to its list: findings picked from a list afterwards do not inherit it, so
that families (the artists) are registered and tested on their own.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import aligned, chances, count, exact, part

_EXACT_BELOW = 1e-6


def bh(p_K: ArrayLike) -> NDArray[np.float64]:
    """Return q-values, q_(i) = min over j >= i of K p_(j) / j.

    Units with q at or below a level are the findings of Benjamini and Hochberg at that level.
    Valid for conformal p-values with one shared control set, if units share no works and no seeds.

    Args:
        p_K: of all units looked at, those without a match included.

    Returns:
        float64[K] in the order of `p_K`, rounded to 14 decimals so that 300 * 0.001 / 30 is 0.01.

    Raises:
        ValueError: no units, or a p that is NaN or outside [0, 1].

    Source: Benjamini and Hochberg 1995; PRDS: Bates et al. 2023, arXiv 2104.08279.

    >>> bh([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    p_K = chances(p_K, "p-values")
    order_K = np.argsort(p_K, kind="stable")
    scaled_K = len(p_K) * p_K[order_K] / np.arange(1, len(p_K) + 1)
    q_K = np.empty_like(p_K)
    q_K[order_K] = np.minimum.accumulate(scaled_K[::-1])[::-1]
    return _rounded(q_K)


def by(p_K: ArrayLike) -> NDArray[np.float64]:
    """Return q-values that hold under any dependence: those of `bh` times sum_{i<=K} 1 / i.

    For units that still share works or seeds.

    Args:
        p_K: of all units looked at.

    Returns:
        float64[K] in the order of `p_K`, at most 1.

    Raises:
        ValueError: no units, or a p that is NaN or outside [0, 1].

    Source: Benjamini and Yekutieli 2001.

    >>> by([0.01, 0.04]).tolist()
    [0.03, 0.06]
    """
    q_K = bh(p_K)
    return np.minimum(1.0, _rounded(q_K * (1 / np.arange(1, len(q_K) + 1)).sum()))


def bh_cutoff(p_K: ArrayLike, q: float) -> float:
    """Return t = q R / K, the p-value up to which units are findings; 0 if none is.

    Args:
        p_K: of all units looked at.
        q: nominal false discovery rate, in (0, 1).

    Raises:
        ValueError: no units, a p that is NaN or outside [0, 1], or q outside (0, 1).

    Source: Benjamini and Hochberg 1995.

    >>> bh_cutoff([0.01, 0.04, 0.03, 0.5], 0.06)
    0.045
    """
    q_K = bh(p_K)
    return float(exact(q, "q") * int(np.count_nonzero(q_K <= q)) / len(q_K))


def expected_false(q: float, findings: int) -> float:
    """Return q R, the number of false findings expected on average over runs.

    Raises:
        ValueError: q outside (0, 1), or fewer than 0 findings.

    >>> expected_false(0.05, 30)
    1.5
    """
    return float(exact(q, "q") * count(findings, "findings"))


def needed_controls(num_units: int, q: float, findings: int = 1) -> int:
    """Return the fewest controls with which that many findings can reach q, ceil(K/(q R)) - 1.

    Raises:
        ValueError: no units, findings outside 1..num_units, or q outside (0, 1).

    Source: statistics of a verdict, section 5; Mary and Roquain 2022, arXiv 2106.13501.

    >>> [needed_controls(300, q) for q in (0.01, 0.05, 0.1)]
    [29999, 5999, 2999]
    >>> [needed_controls(300, q, 30) for q in (0.01, 0.05, 0.1)]
    [999, 199, 99]
    """
    part(findings, count(num_units, "num_units", least=1), "findings", least=1)
    return ceil(num_units / (exact(q, "q") * findings)) - 1


def fewest_findings(num_units: int, num_controls: int, q: float) -> int:
    """Return R_min = ceil(K / (q (m + 1))), the fewest findings that can reach q.

    Above `num_units` no finding is possible at all.

    Raises:
        ValueError: no units, no controls, or q outside (0, 1).

    Source: statistics of a verdict, section 5.

    >>> fewest_findings(300, 1000, 0.05)
    6
    """
    count(num_units, "num_units", least=1)
    count(num_controls, "num_controls", least=1)
    return ceil(num_units / (exact(q, "q") * (num_controls + 1)))


def simes(p_s: ArrayLike) -> float:
    """Return the p-value of "no unit of this family", min over i of s p_(i) / i.

    Args:
        p_s: of the units of one family.

    Raises:
        ValueError: no units, or a p that is NaN or outside [0, 1].

    Source: Simes 1986.

    >>> simes([0.01, 0.02, 0.9])
    0.03
    """
    return float(bh(p_s).min())


def combined(p_M: ArrayLike) -> float:
    """Return one p-value for several methods that looked at one unit, min(1, M min p).

    The best of several methods after the fact is no p-value; without this, one method is primary
    and the others are shown as secondary and unadjusted.

    Args:
        p_M: of all methods registered for it.

    Raises:
        ValueError: no methods, or a p that is NaN or outside [0, 1].

    Source: Bonferroni; statistics of a verdict, section 4.5.

    >>> combined([0.01, 0.2, 0.6])
    0.03
    """
    p_M = chances(p_M, "p-values")
    return min(1.0, float(_rounded(len(p_M) * p_M).min()))


class FamilyResult(NamedTuple):
    """Families found, and the units found within them."""

    family_A: NDArray[np.generic]
    """Names of the families, sorted."""

    p_A: NDArray[np.float64]
    """Simes p-value of each family."""

    q_A: NDArray[np.float64]
    """q-value of each family, over the A families."""

    selected_A: NDArray[np.bool_]
    """Whether the family is found: q_A at or below q."""

    within: float
    """q S / A, the level inside the S selected families; 0 if none is."""

    q_K: NDArray[np.float64]
    """For each unit its q-value inside its family times A / S, to be held against q; 1 outside the
    selected families. This is the q that may stand beside a finding of one family."""

    rejected_K: NDArray[np.bool_]
    """For each unit whether it is found within a selected family."""


def families(p_K: ArrayLike, family_K: ArrayLike, q: float) -> FamilyResult:
    """Find families by Simes and BH, then units in each found family by BH at q S / A.

    The average share of false units over the selected families is at most q.

    Args:
        p_K: of all units looked at.
        family_K: name or number of the family of each unit, registered beforehand.
        q: nominal rate, in (0, 1).

    Returns:
        Families in sorted order; units in the order of `p_K`.

    Raises:
        ValueError: no units, a p that is NaN or outside [0, 1], q outside (0, 1), or not one
            family for each unit.

    Source: Benjamini and Bogomolov 2014, arXiv 1106.3670.

    >>> found = families([0.001, 0.01, 0.2, 0.3, 0.9], ["a", "a", "b", "b", "c"], 0.1)
    >>> found.family_A[found.selected_A].tolist(), found.rejected_K.tolist()
    (['a'], [True, True, False, False, False])
    >>> found.q_K.tolist(), round(found.within, 4)
    ([0.006, 0.03, 1.0, 1.0, 1.0], 0.0333)
    """
    exact_q = exact(q, "q")
    p_K = chances(p_K, "p-values")
    family_A, at_K = np.unique(aligned(family_K, len(p_K), "families"), return_inverse=True)
    num = len(family_A)
    # units by family and p: the Simes p-values of all families at once
    order_K = np.lexsort((p_K, at_K))
    size_A = np.bincount(at_K, minlength=num)
    start_A = np.cumsum(size_A) - size_A
    place_K = 1 + np.arange(len(p_K)) - np.repeat(start_A, size_A)
    scaled_K = np.repeat(size_A, size_A) * p_K[order_K] / place_K
    p_A = _rounded(np.minimum.reduceat(scaled_K, start_A))
    q_A = bh(p_A)
    selected_A = q_A <= q
    num_selected = int(np.count_nonzero(selected_A))
    q_K = np.ones_like(p_K)
    for at in np.flatnonzero(selected_A):
        units = order_K[start_A[at] : start_A[at] + size_A[at]]
        q_K[units] = np.minimum(1.0, _rounded(bh(p_K[units]) * num / num_selected))
    within = float(exact_q * num_selected / num)
    return FamilyResult(family_A, p_A, q_A, selected_A, within, q_K, q_K <= q)


def _rounded(q_K: NDArray[np.float64]) -> NDArray[np.float64]:
    # what equals a level such as 0.01 must not miss it by the last bit
    return np.where(q_K < _EXACT_BELOW, q_K, np.round(q_K, 14))
