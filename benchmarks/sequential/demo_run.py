"""The same queue on the demo's real model, seed by seed: nothing simulated.

    python -m benchmarks.sequential.demo_run CORPUS OUT

CORPUS is a folder that `examples/demo/draw.py` wrote. Test units are the captions of the demo's
truth table, which says from 64 other seeds how often each work comes back; controls are all control
captions. Writes OUT/demo.json. About eight minutes of one core.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sequential.demo_model import DEMO, STEPS, DemoModel
from benchmarks.sequential.designs import Q, rounds, spent
from benchmarks.sequential.trial import dice_for
from benchmarks.sequential.worlds import GUIDED, HIGH, Floats, Ints
from stages.statistics.discovery import bh
from stages.statistics.intervals import lower_limit
from stages.statistics.spending import Rule, State, scores, verdicts

SEED = 1
CURVE_STEPS = (1, 2, 3, 4, 6, 8, 12)
CURVE_SEEDS = 8
RULES = {
    "looks once": (Rule(looks=(1, 4, 16)), False),
    "triage, patient": (Rule(looks=(1, 4, 16), stake=0.5), True),
    "triage, strict": (Rule(looks=(1, 4, 16), stake=0.1, give_up=2.0), True),
}
GRID_SEEDS = (1, 2, 3, 4, 6, 8, 12, 16)


class Seen:
    """Hits of captions, each seed sampled once however many rules ask for it."""

    def __init__(self, model: DemoModel, places: Sequence[int]) -> None:
        self._model = model
        self._places = places
        self._hit: dict[tuple[int, int], bool] = {}

    def first(self, seeds: int, units: Sequence[int]) -> Ints:
        """Return the hits of all units in their first seeds; sampled are only those named."""
        asked = [(u, s) for u in units for s in range(seeds) if (u, s) not in self._hit]
        places = [self._places[unit] for unit, _ in asked]
        found = self._model.hits(places, [sample for _, sample in asked], STEPS)
        self._hit |= dict(zip(asked, found, strict=True))
        hits_U = np.zeros(len(self._places), np.int64)
        for unit in units:
            hits_U[unit] = sum(self._hit[unit, sample] for sample in range(seeds))
        return hits_U


def run(name: str, seen: Seen, triage_U: Floats, rate_K: Floats) -> dict[str, Any]:
    """Return what one rule did; test units come first."""
    rule, triaged = RULES[name]
    dice = dice_for(SEED, name)
    state = State.begin(dice.random(len(triage_U)), rule, triage_U if triaged else None)
    going = [~state.given_up_U]
    for look in rule.looks:
        # one look a round, so that the units that are open are those that get it
        units = np.flatnonzero(~state.given_up_U).tolist()
        state = next(rounds(state, rule, partial(seen.first, units=units)), state)
        going.append(~state.given_up_U)
        print(f"{name}: {len(units)} units at {look} seeds, {going[-1].sum()} go on", flush=True)
    num = len(rate_K)
    score_U = scores(state, rule)
    found_K = bh(verdicts(score_U[:num], score_U[num:])) <= Q
    is_high_K, is_never_K = rate_K >= HIGH, rate_K == 0
    cost = spent(state, STEPS, triaged=triaged)
    per_unit = cost / len(triage_U)
    both = int((found_K & is_high_K).sum())
    return {
        "evaluations": round(cost),
        "evaluations_per_unit": round(per_unit, 3),
        "found_high": both,
        "high": int(is_high_K.sum()),
        "share_low": round(lower_limit(both, int(is_high_K.sum()), 0.95), 4),
        "found_below_high": int((found_K & ~is_high_K & ~is_never_K).sum()),
        "found_of_rate_0": int((found_K & is_never_K).sum()),
        "controls_that_got_every_seed": int(going[-2][num:].sum()),
        "ratio_to_16_seeds_8_steps": round(per_unit / (16 * STEPS * GUIDED), 4),
    }


def curve(model: DemoModel, places: Sequence[int]) -> dict[str, Any]:
    """Return how many images give their caption's work back, by steps, and how many works ever."""
    asked = [place for place in places for _ in range(CURVE_SEEDS)]
    samples = [sample for _ in places for sample in range(CURVE_SEEDS)]
    told = {}
    for steps in CURVE_STEPS:
        hits_P = np.array(model.hits(asked, samples, steps)).reshape(len(places), -1).sum(axis=1)
        told[str(steps)] = {"hits": int(hits_P.sum()), "works": int((hits_P > 0).sum())}
        print(f"{steps} steps: {told[str(steps)]} of {len(asked)}, {len(places)}", flush=True)
    return {"captions": len(places), "seeds": CURVE_SEEDS, "by_steps": told}


def cheapest(rate_K: Floats, shown: dict[str, Any], wanted: int) -> dict[str, Any] | None:
    """Return the cheapest fixed design that is expected to see so many works of rate >= 0.3.

    Seen is a work with one hit, as no control was: the truth table's rates, thinned by the share
    of works that came back at all at so many steps.
    """
    high_P = rate_K[rate_K >= HIGH]
    most = shown["by_steps"][str(STEPS)]["works"]
    options = [
        (seeds * int(steps) * GUIDED, seeds, int(steps))
        for seeds in GRID_SEEDS
        for steps, told in shown["by_steps"].items()
        if (1 - (1 - high_P) ** seeds).sum() * min(1.0, told["works"] / most) >= wanted - 0.5
    ]
    best = min(options, default=None)
    return best and {"evaluations_per_unit": best[0], "seeds": best[1], "steps": best[2]}


def main() -> int:
    """Write the file."""
    options = argparse.ArgumentParser(description="Sample the demo's model caption by caption.")
    options.add_argument("corpus", type=Path)
    options.add_argument("out", type=Path)
    asked = options.parse_args()
    began = time.process_time()
    truth = json.loads((DEMO / "truth.json").read_text("utf-8"))["captions"]
    rate_of = {row["caption"]: row["rate"] for row in truth}
    model = DemoModel(asked.corpus)
    tests = [at for at, w in enumerate(model.works) if w.half == "train" and w.caption in rate_of]
    controls = [at for at, work in enumerate(model.works) if work.half == "control"]
    places = tests + controls
    rate_K = np.array([rate_of[model.works[at].caption] for at in tests])
    triage_U = model.triage(places)
    seen = Seen(model, places)
    rows = {name: run(name, seen, triage_U, rate_K) for name in RULES}
    shown = curve(model, [at for at, rate in zip(tests, rate_K, strict=True) if rate > 0])
    for row in rows.values():
        best = cheapest(rate_K, shown, row["found_high"])
        row["cheapest_fixed"] = best
        if best:
            row["ratio_to_cheapest"] = round(
                row["evaluations_per_unit"] / best["evaluations_per_unit"], 3
            )
    report = {
        "command": "python -m benchmarks.sequential.demo_run CORPUS OUT",
        "test_units": len(tests),
        "controls": len(controls),
        "q": Q,
        "steps": STEPS,
        "designs": rows,
        "steps_curve": shown,
        "cpu_seconds": round(time.process_time() - began),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "demo.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
