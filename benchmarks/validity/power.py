"""Power against the rate per seed: what a design sees of works that come back so often.

Dimension key: K test units, m controls.

Power is a share of works under stated rates; the detection limit is one work and one rate. They are
drawn in one plot with that said, and are never one number.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.validity.coverage import SIZE, Q
from benchmarks.validity.criterion import Floats, Trial, dice_for, measure, score_list
from benchmarks.validity.looks import P0, queued, worth_NN
from benchmarks.validity.worlds import BASE_RATE, SEEDS, Dice
from stages.statistics.betting import expected_seeds
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh
from stages.statistics.limits import detection_limit, power_at

RATES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9)
LEVEL = 0.005
FIXED_HITS = 4
"""k* of the fixed rule: the fewest of 64 with P(Bin(64, 0.01) >= k) <= 0.005."""


def _rates(rate: float, dice: Dice) -> Floats:
    rates_U = dice.beta(*BASE_RATE, size=SIZE.units + SIZE.controls)
    rates_U[: SIZE.copied] = rate
    return rates_U


def by_verdict(rate: float, *, adaptive: bool) -> Trial:
    """Return the trial of a whole run in which 30 of 300 units come back at this rate."""

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        rates_U = _rates(rate, dice)
        if adaptive:
            record = queued(rates_U, dice)
            scores_U = worth_NN()[record.seeds_U, record.hits_U]
            spent = float(record.seeds_U.mean())
        else:
            scores_U = dice.binomial(SEEDS, rates_U).astype(np.float64)
            spent = float(SEEDS)
        q_K = bh(p_values(scores_U[: SIZE.units], scores_U[SIZE.units :]))
        lists = [score_list(q_K <= q, SIZE.truth_K) for q in levels]
        return np.array([(spent, power, found) for _, power, found in lists])

    return trial


def power(seed: int, repeats: int) -> dict[str, Any]:
    """Return the curves of the report."""
    rows = []
    for rate in RATES:
        dice = dice_for(seed, f"power at {rate}")
        fixed, adaptive = (
            measure(by_verdict(rate, adaptive=way), dice, repeats, (Q,))[0] for way in (False, True)
        )
        rows.append(
            {
                "rate": rate,
                "verdict_fixed": round(fixed.power, 4),
                "verdict_adaptive": round(adaptive.power, 4),
                "seeds_fixed": SEEDS,
                "seeds_adaptive": round(adaptive.error, 2),
                "rule_fixed": round(power_at(rate, FIXED_HITS, SEEDS), 4),
                "bet_within_64": round(expected_seeds(rate, P0, 1 / LEVEL, SEEDS).rejecting, 4),
            }
        )
    limit = detection_limit(FIXED_HITS, SEEDS)
    return {
        "what": "30 of 300 units come back at one rate, 1,000 controls, q = 0.05, BH over units; "
        "beside it a fixed rule and a bet on one unit at level 0.005 against a rate of 1 %",
        "detection_limit": None if limit is None else round(limit, 6),
        "fixed_hits": FIXED_HITS,
        "rows": rows,
    }
