"""Null p-values against their exact law: with one shared control set they are not independent.

Dimension key: K true nulls, m controls.

The number of K true nulls with p <= j / (m + 1) is BetaBinomial(K, j, m + 1 - j), far wider than
the binomial that independent p-values would give. Beside the right test stand two that are often
used: the binomial, and a Kolmogorov-Smirnov test on pooled repeats of one model.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.special import betaln, chdtrc, gammaln, kolmogorov

from benchmarks.validity.criterion import Floats, dice_for, measure
from benchmarks.validity.worlds import Dice
from stages.statistics.conformal import p_values

NULLS, CONTROLS, AT = 270, 200, 10
POOLED = 20
FEWEST_EXPECTED = 10
ALPHA = 0.05


@cache
def law_of_counts() -> Floats:
    """Return P(X = x), x = 0..K, for X ~ BetaBinomial(K, j, m + 1 - j)."""
    x = np.arange(NULLS + 1)
    choose = gammaln(NULLS + 1) - gammaln(x + 1) - gammaln(NULLS - x + 1)
    rest = CONTROLS + 1 - AT
    return np.asarray(np.exp(choose + betaln(x + AT, NULLS - x + rest) - betaln(AT, rest)))


@cache
def law_if_independent() -> Floats:
    """Return P(X = x) for the binomial that would hold for independent p-values."""
    x, rate = np.arange(NULLS + 1), AT / (CONTROLS + 1)
    choose = gammaln(NULLS + 1) - gammaln(x + 1) - gammaln(NULLS - x + 1)
    return np.asarray(np.exp(choose + x * np.log(rate) + (NULLS - x) * np.log1p(-rate)))


def small_p(dice: Dice) -> int:
    """Return how many true nulls of one run have p <= j / (m + 1)."""
    p_K = p_values(dice.normal(size=NULLS), dice.normal(size=CONTROLS))
    return int((p_K <= (AT + 0.5) / (CONTROLS + 1)).sum())


def too_many(law: Floats, dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome of the one-sided test "more small p-values than this law allows"."""
    p = float(law[small_p(dice) :].sum())
    return np.array([(float(p <= q), 0.0, float(p <= q)) for q in levels])


def by_law(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome of the test by the exact law."""
    return too_many(law_of_counts(), dice, levels)


def as_if_independent(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome of the test by the binomial."""
    return too_many(law_if_independent(), dice, levels)


def pooled(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome of Kolmogorov-Smirnov on pooled repeats of one model.

    Half of the variance of a score belongs to unit and model and is the same in every repeat.
    """
    fixed_U = dice.normal(size=NULLS + CONTROLS)
    p_values_ = []
    for _ in range(POOLED):
        scores_U = fixed_U + dice.normal(size=NULLS + CONTROLS)
        p_values_.append(p_values(scores_U[:NULLS], scores_U[NULLS:]))
    p_N = np.sort(np.concatenate(p_values_))
    steps_N = np.arange(1, len(p_N) + 1) / len(p_N)
    distance = max(float((steps_N - p_N).max()), float((p_N - steps_N).max()) + 1 / len(p_N))
    p = float(kolmogorov(distance * np.sqrt(len(p_N))))
    return np.array([(float(p <= q), 0.0, float(p <= q)) for q in levels])


def fit(counts_B: Floats) -> dict[str, Any]:
    """Return mean, sd and chi-square of counts of independent runs against the exact law."""
    law = law_of_counts()
    x = np.arange(NULLS + 1)
    # bins that the law fills with enough runs each, the tails in one bin at either end
    bins = np.cumsum(law * len(counts_B)) // FEWEST_EXPECTED
    bins = np.minimum(bins, bins.max() - 1)
    names = np.unique(bins)
    expected = np.array([law[bins == name].sum() for name in names]) * len(counts_B)
    seen = np.array([np.isin(counts_B, x[bins == name]).sum() for name in names])
    chi_square = float(((seen - expected) ** 2 / expected).sum())
    mean = float(law @ x)
    return {
        "counts": np.bincount(counts_B.astype(np.int64)).tolist(),
        "mean": round(float(counts_B.mean()), 4),
        "mean_by_law": round(mean, 4),
        "sd_points": round(float(100 * counts_B.std(ddof=1) / NULLS), 4),
        "sd_points_by_law": round(float(100 * np.sqrt(law @ (x - mean) ** 2) / NULLS), 4),
        "sd_points_if_independent": round(
            float(100 * np.sqrt(law_if_independent() @ (x - mean) ** 2) / NULLS), 4
        ),
        "chi_square": round(chi_square, 4),
        "degrees_of_freedom": len(names) - 1,
        "p": round(float(chdtrc(len(names) - 1, chi_square)), 6),
    }


def uniformity(seed: int, repeats: int) -> dict[str, Any]:
    """Return the section of the report on null p-values."""
    dice = dice_for(seed, "uniformity")
    counts_B = np.array([small_p(dice) for _ in range(repeats)], np.float64)
    tests = {
        "exact law": (by_law, repeats),
        "binomial, as if independent": (as_if_independent, repeats),
        "Kolmogorov-Smirnov on 20 pooled repeats of one model": (pooled, max(50, repeats // 5)),
    }
    rows = []
    for name, (trial, times) in tests.items():
        rate = measure(trial, dice_for(seed, name), times, (ALPHA,))[0]
        rows.append({"name": name, **rate.facts()})
    return {
        "nulls": NULLS,
        "controls": CONTROLS,
        "at": f"p <= {AT} / {CONTROLS + 1}",
        "fit": fit(counts_B),
        "law": [round(float(chance), 8) for chance in law_of_counts()[: int(counts_B.max()) + 3]],
        "law_if_independent": [
            round(float(chance), 8) for chance in law_if_independent()[: int(counts_B.max()) + 3]
        ],
        "tests": rows,
    }
