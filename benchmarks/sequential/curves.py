"""Works found against evaluations, if the queue is stopped at any moment; and their drawing.

The queue spends a small budget each round, strongest evidence first, so that units are finished one
after the other; whoever is not finished when it stops has p = 1.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

import numpy as np

from benchmarks.sequential.designs import fixed, judged, rounds
from benchmarks.sequential.trial import STEPS, Arm, arms, dice_for, hits_of, start
from benchmarks.sequential.worlds import HIGH, SEEDS, SHOWN, Setting, World, draw

SHOWN_ARMS = (
    ("looks 4 times", None),
    ("triage, patient", 2.5),
    ("triage, strict", 4.9),
)
WORLDS = 4
ROUNDS = 120
GRID = tuple(float(x) for x in np.round(np.geomspace(0.5, 600, 60), 3))
"""Evaluations per unit, test units and controls alike."""

WIDTH, HEIGHT, LEFT, TOP = 620.0, 300.0, 60.0, 40.0
DASHES = ("2 4", "9 3 2 3", "7 4", "")


def curves(setting: Setting, seed: int, worlds: int = WORLDS) -> dict[str, Any]:
    """Return for each design the works of rate >= 0.3 found by evaluations per unit."""
    dice = dice_for(seed, f"curves {setting}")
    drawn = [draw(setting, dice) for _ in range(worlds)]
    lines = {f"fixed, {STEPS[setting.curve]} steps": [_fixed(w, setting) for w in drawn]}
    for arm in arms():
        if (arm.name, arm.distance) in SHOWN_ARMS:
            name = arm.name if arm.distance is None else f"{arm.name}, d' = {arm.distance:g}"
            lines[name] = [_anytime(arm, w, setting, seed) for w in drawn]
    mean = {name: np.mean([_on_grid(p) for p in paths], axis=0) for name, paths in lines.items()}
    return {
        "evaluations_per_unit": list(GRID),
        "worlds": worlds,
        "found": {name: [round(float(y), 2) for y in found] for name, found in mean.items()},
    }


Path = list[tuple[float, float]]


def _fixed(world: World, setting: Setting) -> Path:
    steps = STEPS[setting.curve]
    shown = SHOWN[setting.curve][steps]
    outcomes = [fixed(world.hits(n, shown), n, steps, setting) for n in SEEDS]
    return [_point(outcome, world, setting) for outcome in outcomes]


def _anytime(arm: Arm, world: World, setting: Setting, seed: int) -> Path:
    dice = dice_for(seed, f"anytime {arm.name} {arm.distance}")
    state = start(arm, world, dice)
    hits, steps = hits_of(world, setting), STEPS[setting.curve]
    total = int([*rounds(state, arm.rule, hits)][-1].seeds_U.sum())
    budget = max(arm.rule.looks[-1], total // ROUNDS)
    path = []
    for after in rounds(state, arm.rule, hits, budget):
        outcome = judged(after, steps, arm.rule, setting, triaged=arm.distance is not None)
        path.append(_point(outcome, world, setting))
    return path


def _point(outcome: Any, world: World, setting: Setting) -> tuple[float, float]:
    is_high_K = (world.memorized_U & (world.rate_U >= HIGH))[: setting.units]
    per_unit = outcome.evaluations / (setting.units + setting.controls)
    return per_unit, float((outcome.found_K & is_high_K).sum())


def _on_grid(path: Path) -> Any:
    """Return what had been found by each place of the grid."""
    x, y = np.array(path).T
    at = np.searchsorted(x, GRID, side="right") - 1
    return np.where(at >= 0, y[at], 0.0)


def plot(told: Mapping[str, Any], title: str) -> str:
    """Return the curves as one SVG file; dashes tell the designs apart."""
    found: Mapping[str, Sequence[float]] = told["found"]
    most = max(1.0, *(max(line) for line in found.values()))
    low, high = log10(GRID[0]), log10(GRID[-1])

    def place(x: float, y: float) -> str:
        at = LEFT + WIDTH * (log10(x) - low) / (high - low)
        return f"{at:.1f} {TOP + HEIGHT * (1 - y / (1.05 * most)):.1f}"

    parts = [f'<text x="{LEFT}" y="22" class="title">{escape(title)}</text>']
    for x in (1, 3, 10, 30, 100, 300):
        foot, head = place(x, 0).split(), place(x, 1.05 * most).split()
        parts.append(f'<path class="grid" d="M{" ".join(foot)}L{" ".join(head)}"/>')
        parts.append(f'<text class="mid" x="{foot[0]}" y="{TOP + HEIGHT + 18}">{x}</text>')
    for y in range(0, int(most) + 1, max(1, round(most / 5))):
        ends = place(GRID[0], y), place(GRID[-1], y)
        parts.append(f'<path class="grid" d="M{ends[0]}L{ends[1]}"/>')
        parts.append(
            f'<text class="end" x="{LEFT - 8}" y="{float(ends[0].split()[1]) + 4}">{y}</text>'
        )
    for number, (name, line) in enumerate(found.items()):
        dash = DASHES[number % len(DASHES)]
        steps = "L".join(place(x, y) for x, y in zip(GRID, line, strict=True))
        parts.append(f'<path class="curve" stroke-dasharray="{dash}" d="M{steps}"/>')
        y_key = TOP + 16 + 20 * number
        x_key = LEFT + WIDTH + 16
        key = f"M{x_key} {y_key}L{x_key + 36} {y_key}"
        parts.append(f'<path class="curve" stroke-dasharray="{dash}" d="{key}"/>')
        parts.append(f'<text x="{x_key + 44}" y="{y_key + 4}">{escape(name)}</text>')
    middle = f'x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 40}"'
    parts.append(f'<text class="mid" {middle}>network evaluations per unit, controls too</text>')
    style = (
        "text{font:13px sans-serif}.title{font-weight:600}.mid{text-anchor:middle}"
        ".end{text-anchor:end}.grid{stroke:#ccc;fill:none}"
        ".curve{stroke:#000;stroke-width:1.8;fill:none}"
    )
    size = f'viewBox="0 0 {LEFT + WIDTH + 240:.0f} {TOP + HEIGHT + 56:.0f}"'
    start_tag = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([start_tag, f"<style>{style}</style>", *parts, "</svg>", ""])
