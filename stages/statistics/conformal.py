"""The p-value of a unit: how many control units score as high, and what that does not say.

Dimension key: K test units, m control units.

The null is that the unit and a control unit could be exchanged without changing the joint law of
all scores: that training on its work made no difference. It says nothing about "not memorized".
"""

from math import expm1, isfinite, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import count, exact, numbers, part


def p_values(
    scores_K: ArrayLike, controls_m: ArrayLike, *, larger: bool = True
) -> NDArray[np.float64]:
    """Return (1 + r) / (m + 1), r the controls that score as high or higher; ties count against.

    Super-uniform under the null, over the draw of test and control units together, and positively
    dependent (PRDS), so that Benjamini-Hochberg may follow. Never below 1 / (m + 1).

    Args:
        scores_K: of the test units; -inf is a unit that was left out, with p = 1.
        controls_m: of the control units, scored by the same rule; -inf likewise.
        larger: whether larger is closer; if not, left out is +inf.

    Returns:
        float64[K], in the order of `scores_K`.

    Raises:
        ValueError: no test or no control unit, NaN, an infinity that is not "left out", or every
            unit that was not left out scores the same.

    Source: Bates et al. 2023, arXiv 2104.08279; statistics of a verdict, section 4.1.

    >>> p_values([0.9, 0.5, -np.inf], [0.1, 0.5, 0.7]).tolist()
    [0.25, 0.75, 1.0]
    """
    r_K = exceedances(scores_K, controls_m, larger=larger)
    return (1 + r_K) / (np.size(controls_m) + 1)


def exceedances(
    scores_K: ArrayLike, controls_m: ArrayLike, *, larger: bool = True
) -> NDArray[np.int64]:
    """Return r, the number of controls that score at least as high as each unit.

    Args:
        scores_K: of the test units; -inf is a unit that was left out.
        controls_m: of the control units; -inf likewise.
        larger: whether larger is closer; if not, left out is +inf.

    Returns:
        int64[K], in the order of `scores_K`.

    Raises:
        ValueError: as `p_values`.

    >>> exceedances([3, 1], [1, 2, 2], larger=False).tolist()
    [3, 1]
    """
    sign = 1 if larger else -1
    tested_K = sign * numbers(scores_K, "scores of test units")
    controls_m = np.sort(sign * numbers(controls_m, "scores of control units"))
    both = np.concatenate([tested_K, controls_m])
    if np.isposinf(both).any():
        raise ValueError(f"scores: expected finite numbers, or {-sign * np.inf} for left out")
    kept = both[~np.isneginf(both)]
    if len(kept) > 1 and np.ptp(kept) == 0:
        raise ValueError(
            f"scores: all {len(kept)} test and control units score {sign * kept[0]}, so that none "
            "can stand out; look at the descriptor, or say that the method told nothing"
        )
    return len(controls_m) - np.searchsorted(controls_m, tested_K, side="left")


def simultaneous_bound(r: int, m: int, delta: float = 0.05) -> float:
    """Return the upper bound of the share of unrelated works that score this high.

    u(r) = 1 - delta^(1/k) * (prod_{j<k} (m - r - j) / (m - j))^(1/k), k = floor(m / 2); 1 if
    m - r < k. Holds for all r at once with confidence 1 - delta over the draw of the controls, so
    that one fixed set of controls may be used for every unit of a run.

    Args:
        r: controls that score at least as high, 0..m.
        m: number of controls.
        delta: chance that the bound fails anywhere, in (0, 1).

    Raises:
        ValueError: no controls, r outside 0..m, or delta outside (0, 1).

    Source: generalized Simes inequality of Bates et al. 2023, arXiv 2104.08279; statistics of a
    verdict, section 4.2.

    >>> [round(simultaneous_bound(0, m), 4) for m in (200, 1000, 5000)]
    [0.0295, 0.006, 0.0012]
    """
    from scipy.special import gammaln

    part(r, count(m, "m", least=1), "r")
    log_delta = log(exact(delta, "delta"))
    k = m // 2
    if m - r < k or not k:
        return 1.0
    log_product = gammaln(m - r + 1) - gammaln(m - r - k + 1) - gammaln(m + 1) + gammaln(m - k + 1)
    return -expm1((log_delta + float(log_product)) / k)


def worst_case_p(r: int, m: int, gamma: float) -> float:
    """Return the largest p if the controls are not quite exchangeable with the unit.

    Gamma (1 + r) / (Gamma (1 + r) + m - r).

    Args:
        r: controls that score at least as high, 0..m.
        m: number of controls.
        gamma: how many times more likely hidden traits may make one unit than another to be a
            test unit, at least 1; at 1 this is the p-value.

    Raises:
        ValueError: no controls, r outside 0..m, or gamma below 1.

    Source: in the spirit of Jin, Ren and Candes, PNAS 2023; statistics of a verdict, section 4.4.

    >>> worst_case_p(0, 999, 1.0)
    0.001
    """
    part(r, count(m, "m", least=1), "r")
    if not (gamma >= 1 and isfinite(gamma)):
        raise ValueError(f"gamma: expected a number of at least 1, got {gamma}")
    return gamma * (1 + r) / (gamma * (1 + r) + m - r)


def gamma_star(p: float, cutoff: float) -> float:
    """Return Gamma*, the largest gamma whose `worst_case_p` is still at or below the cut-off.

    t (1 - p) / ((1 - t) p), which is t (m - r) / ((1 - t) (1 + r)); below 1 if the p-value itself
    is above the cut-off. The odds of a weighted p-value are the weight of what scores as high over
    the weight of what scores lower, so that weights wrong by a factor gamma change them by as much.

    Args:
        p: conformal p-value of the unit, weighted or not, in (0, 1].
        cutoff: t, the cut-off of the run (`discovery.bh_cutoff`), in [0, 1).

    Raises:
        ValueError: p or the cut-off out of range.

    Source: statistics of a verdict, section 4.4.

    >>> round(gamma_star(1 / 1000, 0.005), 1)
    5.0
    """
    if not 0 < p <= 1:
        raise ValueError(f"p: expected a number in (0, 1], got {p}")
    if not 0 <= cutoff < 1:
        raise ValueError(f"cutoff: expected a number in [0, 1), got {cutoff}")
    return cutoff * (1 - p) / ((1 - cutoff) * p)


def excess_p(num_small: int, num_nulls: int, j: int, m: int) -> float:
    """Return how surprising it is that so many true nulls have p <= j / (m + 1).

    P(X >= num_small) for X from BetaBinomial(K0, j, m + 1 - j), the exact law if scores are
    exchangeable without ties. p-values that share controls are not independent draws: a
    Kolmogorov-Smirnov test would reject valid ones. For one run at a time.

    Args:
        num_small: true nulls with p <= j / (m + 1).
        num_nulls: K0, true nulls tested.
        j: 1..m.
        m: number of controls.

    Raises:
        ValueError: a number out of its range.

    Source: statistics of a verdict, section 9.2.

    >>> round(excess_p(1, 1, 10, 199), 3), round(excess_p(25, 270, 10, 200), 3)
    (0.05, 0.035)
    """
    from scipy.special import betaln, gammaln, logsumexp

    part(j, count(m, "m", least=1), "j", least=1)
    part(num_small, count(num_nulls, "num_nulls", least=1), "num_small")
    x = np.arange(num_small, num_nulls + 1)
    log_ways = gammaln(num_nulls + 1) - gammaln(x + 1) - gammaln(num_nulls - x + 1)
    log_laws = log_ways + betaln(x + j, num_nulls - x + m + 1 - j) - betaln(j, m + 1 - j)
    return min(1.0, float(np.exp(logsumexp(log_laws))))
