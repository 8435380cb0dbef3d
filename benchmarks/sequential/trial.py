"""One setting, over repeats: every design on the same seeds, and what each found for what it cost.

Dimension key: U = K + m units, K test units, R repeats.

Nothing is tuned: the rules are listed, all of them are shown, and each is held against the cheapest
cell of the grid of fixed designs that found as many works with rate >= 0.3 in the same worlds.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from scipy.special import log_ndtr, ndtri, stdtrit

from benchmarks.sequential.designs import Outcome, fixed, judged, rounds, spent
from benchmarks.sequential.worlds import (
    GUIDED,
    HIGH,
    RATES,
    SEEDS,
    SHOWN,
    Dice,
    Floats,
    Setting,
    World,
    draw,
    triage,
)
from stages.statistics.discovery import fewest_findings
from stages.statistics.intervals import lower_limit
from stages.statistics.limits import detection_limit
from stages.statistics.spending import Rule, State
from stages.statistics.visits import sequential_limit

Q = 0.05
STEPS = {"quick": 4, "slow": 32}
"""Steps of the sequential design: the fewest at which 98 % of the memorized works are seen."""
LOOKS = {
    "looks once": Rule(looks=(1, 4, 16, 64)),
    "looks twice": Rule(looks=(2, 4, 16, 64)),
    "looks 4 times": Rule(looks=(4, 16, 64)),
    "looks 8 times": Rule(looks=(8, 16, 64)),
}
TRIAGED = {
    "triage, patient": Rule(looks=(1, 4, 16, 64), stake=0.5),
    "triage, strict": Rule(looks=(1, 4, 16, 64), stake=0.1, give_up=2.0),
}
NORMAL_B = ndtri((np.arange(40) + 0.5) / 40)
"""A normal law, as 40 equally likely values."""
DISTANCES = (0.0, 1.0, 2.5, 3.2, 4.9)
"""d' of the triage: standard deviations between works with rate >= 0.3 and all other units. On the
demo: 4.9 against captions that give no trained work back (`benchmarks.triage`), 3.2 against
control captions, of which some are answered with a memorized work of another caption."""


class Tally(NamedTuple):
    """What one design did, repeat by repeat."""

    found_RS: Floats
    """Works found by stratum of rate; float64[R, 3]."""
    false_R: Floats
    """Findings that are not memorized."""
    evaluations_R: Floats
    least_R: list[int | None]
    """k* of each repeat."""
    high_RK: Any
    """Which test units with rate >= 0.3 were found; bool[R, K]."""


def dice_for(seed: int, name: str) -> Dice:
    """Return random numbers of their own for each name."""
    return np.random.default_rng((seed, crc32(name.encode())))


def tally(outcomes: list[Outcome], worlds: list[World], setting: Setting) -> Tally:
    """Return the counts of one design over the repeats."""
    rate_RK = np.array([world.rate_U[: setting.units] for world in worlds])
    true_RK = np.array([world.memorized_U[: setting.units] for world in worlds])
    found_RK = np.array([outcome.found_K for outcome in outcomes])
    by_rate = [(found_RK & true_RK & (rate_RK == rate)).sum(axis=1) for rate in RATES]
    return Tally(
        np.array(by_rate, np.float64).T,
        (found_RK & ~true_RK).sum(axis=1).astype(np.float64),
        np.array([outcome.evaluations for outcome in outcomes]),
        [outcome.least_hits for outcome in outcomes],
        found_RK & true_RK & (rate_RK >= HIGH),
    )


def fixed_designs(worlds: list[World], setting: Setting) -> dict[tuple[int, int], Tally]:
    """Return (seeds, steps) -> what that fixed design did."""
    cells = {}
    for steps, shown in SHOWN[setting.curve].items():
        for seeds in SEEDS:
            outcomes = [fixed(w.hits(seeds, shown), seeds, steps, setting) for w in worlds]
            cells[seeds, steps] = tally(outcomes, worlds, setting)
    return cells


class Arm(NamedTuple):
    """One sequential design."""

    name: str
    rule: Rule
    distance: float | None
    """d' of its triage; None without."""


def arms() -> list[Arm]:
    """Return every sequential design that is shown."""
    plain = [Arm(name, rule, None) for name, rule in LOOKS.items()]
    triaged = [Arm(name, rule, d) for name, rule in TRIAGED.items() for d in DISTANCES]
    return plain + triaged


class Run(NamedTuple):
    """What one sequential design did."""

    tally: Tally
    look_R: Floats
    """Evaluations until everyone had been looked at, or passed over by the triage."""
    share_R: Floats
    """a, share of units that got every seed."""


def run_arm(arm: Arm, worlds: list[World], setting: Setting, seed: int) -> Run:
    """Return what a sequential design did."""
    dice = dice_for(seed, f"{setting} {arm.name} {arm.distance}")
    steps = STEPS[setting.curve]
    triaged = arm.distance is not None
    outcomes, looks, shares = [], [], []
    for world in worlds:
        states = list(rounds(start(arm, world, dice), arm.rule, hits_of(world, setting)))
        outcomes.append(judged(states[-1], steps, arm.rule, setting, triaged=triaged))
        looks.append(spent(states[0], steps, triaged=triaged))
        shares.append(float((states[-1].seeds_U == arm.rule.looks[-1]).mean()))
    return Run(tally(outcomes, worlds, setting), np.array(looks), np.array(shares))


def start(arm: Arm, world: World, dice: Dice) -> State:
    """Return the queue of an arm before the first seed."""
    draw_U = dice.random(len(world.rate_U))
    score_U = None if arm.distance is None else triage(world, arm.distance, dice)
    return State.begin(draw_U, arm.rule, score_U)


def hits_of(world: World, setting: Setting) -> Any:
    """Return the function that tells hits by number of seeds, at the steps of the sequential."""
    shown = SHOWN[setting.curve][STEPS[setting.curve]]
    return lambda seeds: world.hits(seeds, shown)


def measure(setting: Setting, seed: int, repeats: int) -> dict[str, Any]:
    """Return everything that is said of one setting."""
    dice = dice_for(seed, str(setting))
    worlds = [draw(setting, dice) for _ in range(repeats)]
    cells = fixed_designs(worlds, setting)
    whole = max(SHOWN[setting.curve])
    reference = cells[SEEDS[-1], whole]
    rows = [
        _row(arm, run_arm(arm, worlds, setting, seed), cells, reference, setting) for arm in arms()
    ]
    high = round(float(np.mean([(w.rate_U[w.memorized_U] >= HIGH).sum() for w in worlds])), 2)
    return {
        "prevalence": setting.prevalence,
        "units": setting.units,
        "controls": setting.controls,
        "chance": setting.chance,
        "curve": setting.curve,
        "memorized": setting.memorized,
        "high": high,
        "fewest_findings": fewest_findings(setting.units, setting.controls, Q),
        "reference": _fixed_told((SEEDS[-1], whole), reference, setting),
        "rows": rows,
    }


def _told(found: Tally, limit: Callable[[int], float | None]) -> dict[str, Any]:
    """Return works found, error and detection limit of a design."""
    size_R = found.found_RS.sum(axis=1) + found.false_R
    proportion_R = found.false_R / np.maximum(1, size_R)
    least = [least for least in found.least_R if least is not None]
    is_told = 2 * len(least) > len(found.least_R)
    pi_95 = limit(int(np.median(least))) if is_told else None
    by_rate = found.found_RS.mean(axis=0)
    return {
        "evaluations": round(float(found.evaluations_R.mean())),
        "found": {str(rate): round(float(n), 2) for rate, n in zip(RATES, by_rate, strict=True)},
        "fdr": round(float(proportion_R.mean()), 4),
        "fdr_low": round(_lower(proportion_R), 4),
        "pi_95": None if pi_95 is None else round(pi_95, 3),
    }


def _fixed_told(key: tuple[int, int], found: Tally, setting: Setting) -> dict[str, Any]:
    seeds, steps = key
    recall = SHOWN[setting.curve][steps]
    told = _told(found, lambda least: detection_limit(least, seeds, recall=recall))
    return {"seeds": seeds, "steps": steps} | told


def _limit_of(arm: Arm, setting: Setting) -> Callable[[int], float | None]:
    """Return the function from k* to the detection limit of a sequential design."""
    recall = SHOWN[setting.curve][STEPS[setting.curve]]
    if arm.distance is None:
        return lambda least: sequential_limit(least, arm.rule, recall=recall)
    distance = arm.distance

    def bonus_of(rate: float) -> Floats:
        score_B = NORMAL_B + distance * min(1.0, rate / HIGH)
        return np.asarray(np.log(arm.rule.stake) + (arm.rule.stake - 1) * log_ndtr(-score_B))

    return lambda least: sequential_limit(least, arm.rule, recall=recall, bonus_of=bonus_of)


def _lower(values_R: Floats) -> float:
    spread = float(values_R.std(ddof=1)) if len(values_R) > 1 else 0.0
    student = float(stdtrit(max(1, len(values_R) - 1), 0.95))
    return max(0.0, float(values_R.mean() - student * spread / np.sqrt(len(values_R))))


def cheapest(
    cells: Mapping[tuple[int, int], Tally], wanted: float
) -> tuple[tuple[int, int], Tally] | None:
    """Return the cheapest fixed design that found as many works of rate >= 0.3, if one did."""
    good = [(key, cell) for key, cell in cells.items() if cell.found_RS[:, 0].sum() >= wanted]
    return min(good, key=lambda item: item[0][0] * item[0][1], default=None)


def _row(
    arm: Arm,
    run: Run,
    cells: Mapping[tuple[int, int], Tally],
    reference: Tally,
    setting: Setting,
) -> dict[str, Any]:
    found = run.tally
    wanted = float(found.found_RS[:, 0].sum())
    of, both = int(reference.high_RK.sum()), int((reference.high_RK & found.high_RK).sum())
    told = _told(found, _limit_of(arm, setting))
    best = cheapest(cells, wanted) if wanted else None
    row = {"design": arm.name, "distance": arm.distance, "steps": STEPS[setting.curve]} | told
    row |= {
        "share": round(both / of, 4) if of else None,
        "share_low": round(lower_limit(both, of, 0.95), 4) if of else None,
        "reference_finds": of,
        "going_on": round(float(run.share_R.mean()), 4),
    }
    if best is None:
        return row | {"fixed": None, "ratio": None, "floor": None, "reached": False}
    key, cell = best
    cost = float(cell.evaluations_R.mean())
    stop = run.share_R.mean() * (arm.rule.looks[-1] - arm.rule.looks[0])
    after = stop * STEPS[setting.curve] * GUIDED * (setting.units + setting.controls)
    ratio = float(found.evaluations_R.mean()) / cost
    return row | {
        "fixed": _fixed_told(key, cell, setting),
        "ratio": round(ratio, 4),
        "floor": round(float(run.look_R.mean() + after) / cost, 4),
        "reached": ratio <= 0.1 and bool(of) and lower_limit(both, of, 0.95) >= 0.95,
    }
