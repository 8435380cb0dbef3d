"""One asking of one model: controls drawn, p-values, findings, and what is true of them.

Legend: U asked units, K test units, m control units.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from benchmarks.validity_trained.plan import Plan
from benchmarks.validity_trained.split import CONTROLS, dice
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh, fewest_findings
from stages.statistics.units import merge_scored

SCORES = ("own", "own_if_nearest", "joint")
"""The registered primary score, and secondary ones, which nothing is adjusted for.

`own`: closeness to the unit's own work; `own_if_nearest`: the same, but -inf if in no picture the
own work is the nearest of the joint index; `joint`: closeness to the nearest work of that index.
"""

SMALL = (0.01, 0.05, 0.1)
"""p-values up to which true nulls are counted."""


class Examined(NamedTuple):
    """The test units of an asking, one row each."""

    times_K: NDArray[np.int64]
    """Occurrences in training: 0 a true null, 1 grey, more a planted work."""

    p_K: NDArray[np.float64]
    """Conformal p-values."""

    q_K: NDArray[np.float64]
    """Of Benjamini and Hochberg over all K."""

    shown_K: NDArray[np.bool_]
    """Whether the unit may be a finding: its best match is no work of a control unit."""

    controls: int
    """m."""


def examine(asking: Mapping[str, Any], plan: Plan, name: str) -> Examined:
    """Draw controls among the held-out units by lot, and test all other asked units.

    Args:
        asking: What one file holds.
        plan: Number of controls.
        name: Which of `SCORES`; for `joint`, units with one best match are merged, test and
            control alike, and a test unit whose best match is a control's work is no finding.

    Returns:
        Test units in the order of the file.
    """
    times_U, unit_U = np.array(asking["times"]), np.array(asking["unit"])
    score_U, best_U = _scores(asking, name), np.array(asking["best"])
    held_out = np.sort(unit_U[times_U == 0])
    lot = dice(plan, CONTROLS, asking["model"], asking["asking"])
    controls = lot.permutation(held_out)[: plan.controls]
    is_control_U = np.isin(unit_U, controls)
    kept_U, shown_U = np.ones(len(unit_U), bool), np.ones(len(unit_U), bool)
    if name == "joint":
        kept_U = merge_scored(asking["rank"], np.arange(len(unit_U)), best_U)
        shown_U = ~np.isin(best_U, controls)
    of_test_U, of_control_U = kept_U & ~is_control_U, kept_U & is_control_U
    p_K = p_values(score_U[of_test_U], score_U[of_control_U])
    return Examined(times_U[of_test_U], p_K, bh(p_K), shown_U[of_test_U], int(of_control_U.sum()))


def _scores(asking: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return the scores of the units by name."""
    if name == "own_if_nearest":
        return np.where(np.array(asking["own_nearest"]) > 0, asking["own"], -np.inf)
    return np.array(asking[name], dtype=np.float64)


def count(examined: Examined, level: float, planted: Sequence[int]) -> dict[str, Any]:
    """Return the findings at a level, by what is true of them.

    Grey units (in training once) stand in the list but in neither rate: `fdp` is false findings
    over false and planted ones. `fdp_with_grey` is over the whole list, as the guarantee of
    Benjamini and Hochberg reads.

    Args:
        examined: Test units.
        level: Nominal false discovery rate.
        planted: Numbers of occurrences that were planted.

    Returns:
        Counts and rates.
    """
    found_K = (examined.q_K <= level) & examined.shown_K
    times_K = examined.times_K
    false, grey = int((found_K & (times_K == 0)).sum()), int((found_K & (times_K == 1)).sum())
    true = int((found_K & (times_K > 1)).sum())
    return {
        "found": false + grey + true,
        "false": false,
        "grey": grey,
        "fdp": round(false / max(1, false + true), 4),
        "fdp_with_grey": round(false / max(1, false + grey + true), 4),
        "power": round(true / max(1, int((times_K > 1).sum())), 4),
        "power_by_times": {
            str(times): round(float(found_K[times_K == times].mean()), 4)
            for times in planted
            if (times_K == times).any()
        },
        "fewest_possible": fewest_findings(len(times_K), examined.controls, level),
    }


def small_nulls(examined: Examined) -> dict[str, dict[str, float]]:
    """Compare the true nulls with small p to their exact law, for one asking alone.

    With exchangeable, untied scores the number of K0 nulls having p <= j / (m + 1) is
    BetaBinomial(K0, j, m + 1 - j).

    Returns:
        Per level: `small`, how many; `mean` and `sd` of the law, and `tail`, its chance of
        as many or more.
    """
    nulls_p = examined.p_K[examined.times_K == 0]
    whole = examined.controls + 1
    told = {}
    for level in SMALL:
        j = int(level * whole + 1e-9)
        if j == 0:
            continue
        small = int((nulls_p <= j / whole + 1e-12).sum())
        law = betabinom(len(nulls_p), j, whole - j)
        told[str(level)] = {
            "small": small,
            "mean": round(float(law.mean()), 2),
            "sd": round(float(law.std()), 2),
            "tail": round(float(law.sf(small - 1)), 4),
        }
    return told
