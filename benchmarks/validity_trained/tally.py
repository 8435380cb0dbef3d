"""Error rates of all askings: over training runs, and within one model, never pooled."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, t

from benchmarks.validity_trained.asking import SCORES, SMALL, Examined, count, examine, small_nulls
from benchmarks.validity_trained.files import REPEATED_MODEL, read
from benchmarks.validity_trained.plan import Plan
from benchmarks.validity_trained.pool import open_pool
from benchmarks.validity_trained.split import split

ENOUGH = 20
"""Models from which the mean over training runs is called measured."""

Row = dict[str, Any]


def result(out: Path, plan: Plan) -> Row:
    """Test every asking that is there and sum up.

    Args:
        out: Folder that `runs.make` filled, in full or in part.
        plan: The one it was filled with.

    Returns:
        `summary` for people; `recipe`, `models` and `repeats` for whoever checks it.

    Raises:
        ValueError: If there is nothing to sum up.
    """
    askings = read(out)
    models = [asking for asking in askings if asking["asking"] == 0]
    if not models:
        raise ValueError(f"{out}: no model was asked yet; run it without --only-tally")
    repeats = [asking for asking in askings if asking["model"] == REPEATED_MODEL]
    tallied = {name: _sections(models, repeats, plan, name) for name in SCORES}
    return {
        "summary": {
            "models": len(models),
            "claim": _claim(len(models)),
            **_seconds(models, askings),
            "works_in_training": _shares(out, plan, models),
            "memorized": _memorized(models, plan),
            **{name: sections["summary"] for name, sections in tallied.items()},
        },
        "recipe": asdict(plan),
        "models": [_facts(asking) for asking in models],
        **{f"rows of {name}": sections["rows"] for name, sections in tallied.items()},
    }


def interval(values: Sequence[float]) -> Row:
    """Return the mean with its two-sided and one-sided 95 % limits by the t law.

    >>> interval([0.0, 0.1, 0.05, 0.05])["two_sided"]
    [-0.015, 0.115]
    """
    num = len(values)
    if num == 0:
        return {"replicates": 0}
    mean = float(np.mean(values))
    if num == 1:
        return {"mean": round(mean, 4), "replicates": 1}
    sd = float(np.std(values, ddof=1))
    two, one = (float(t.ppf(level, num - 1)) * sd / num**0.5 for level in (0.975, 0.95))
    return {
        "mean": round(mean, 4),
        "sd": round(sd, 4),
        "two_sided": [round(mean - two, 4), round(mean + two, 4)],
        "one_sided_lower": round(mean - one, 4),
        "one_sided_upper": round(mean + one, 4),
        "replicates": num,
    }


def _sections(models: Sequence[Row], repeats: Sequence[Row], plan: Plan, name: str) -> Row:
    """Test models and repeats with one score."""
    over = [examine(asking, plan, name) for asking in models]
    within = [examine(asking, plan, name) for asking in repeats]
    rows = {
        "over training runs": _rows(models, over, plan),
        "within one model": _rows(repeats, within, plan),
    }
    summary = {
        title: {str(level): _rates(made, level, plan) for level in plan.levels}
        for title, made in rows.items()
    }
    summary["over training runs"]["true nulls"] = _uniform(rows["over training runs"])
    return {"summary": summary, "rows": rows}


def _rows(askings: Sequence[Row], examined: Sequence[Examined], plan: Plan) -> list[Row]:
    """One row per asking: what was found at each level, and how the true nulls lie."""
    planted = [times for times, _ in plan.planted]
    return [
        {
            "model": asking["model"],
            "asking": asking["asking"],
            "tested": len(one.p_K),
            "nulls": int((one.times_K == 0).sum()),
            "controls": one.controls,
            "levels": {str(level): count(one, level, planted) for level in plan.levels},
            "small_nulls": small_nulls(one),
        }
        for asking, one in zip(askings, examined, strict=True)
    ]


def _rates(rows: Sequence[Row], level: float, plan: Plan) -> Row:
    """False discovery proportion and power of one level over replicates."""
    at = [row["levels"][str(level)] for row in rows]
    fdp = interval([row["fdp"] for row in at])
    nulls = [row["nulls"] / row["tested"] for row in rows]
    return {
        "fdp": fdp,
        "fdp_with_grey": interval([row["fdp_with_grey"] for row in at]),
        "exceeds_nominal": bool(fdp.get("one_sided_lower", 0.0) > level),
        "nominal_times_share_of_nulls": round(level * float(np.mean(nulls)), 4),
        "power": interval([row["power"] for row in at]),
        "power_by_times": {
            str(times): interval(
                [
                    row["power_by_times"][str(times)]
                    for row in at
                    if str(times) in row["power_by_times"]
                ]
            )
            for times, _ in plan.planted
        },
        "found": [row["found"] for row in at],
        "false": [row["false"] for row in at],
        "grey": [row["grey"] for row in at],
    }


def _uniform(rows: Sequence[Row]) -> Row:
    """How many models have too many small p among true nulls, each by its own exact law.

    Models are independent given the works, as their coins are; a model alone has a tail of at
    most 0.05 with a chance of at most 0.05.
    """
    told = {}
    for level in map(str, SMALL):
        told_rows = [row for row in rows if level in row["small_nulls"]]
        laws = [row["small_nulls"][level] for row in told_rows]
        shares = [law["small"] / row["nulls"] for law, row in zip(laws, told_rows, strict=True)]
        if laws:
            beyond = sum(law["tail"] <= 0.05 for law in laws)
            told[level] = {
                "models": len(laws),
                "models_with_tail_at_most_0.05": beyond,
                "chance_of_as_many": round(float(binom.sf(beyond - 1, len(laws), 0.05)), 4),
                "share_small": interval(shares),
            }
    return told


def _memorized(models: Sequence[Row], plan: Plan) -> Row:
    """Share of pictures whose nearest work is the unit's own, by occurrences: is there a signal."""
    told = {}
    for times in (0, 1, *(times for times, _ in plan.planted)):
        of_times = [np.array(asking["times"]) == times for asking in models]
        shares = [np.array(asking["own_nearest"]) for asking in models]
        told[str(times)] = interval(
            [float(s[of].mean()) for s, of in zip(shares, of_times, strict=True) if of.any()]
        )
    return told


def _shares(out: Path, plan: Plan, models: Sequence[Row]) -> Row:
    """In how many of the models a work was in training: the coins, seen."""
    units = open_pool(plan, out / "pool.npz").clusters
    ins_U = sum((split(units, plan, asking["model"]).times_U > 0).astype(int) for asking in models)
    ins = np.asarray(ins_U)
    return {
        "units": units,
        "models_least": int(ins.min()),
        "models_median": float(np.median(ins)),
        "models_most": int(ins.max()),
    }


def _seconds(models: Sequence[Row], askings: Sequence[Row]) -> Row:
    """Processor seconds, all threads together."""
    return {
        "cpu_seconds_training": round(sum(asking["training_seconds"] for asking in models)),
        "cpu_seconds_asking": round(sum(asking["asking_seconds"] for asking in askings)),
        "cpu_seconds_per_model": round(
            float(np.median([a["training_seconds"] + a["asking_seconds"] for a in models])), 1
        ),
        "device": sorted({asking["device"] for asking in models}),
    }


def _facts(asking: Mapping[str, Any]) -> Row:
    """What is known of a model besides its scores."""
    names = ("training_seconds", "asking_seconds", "training_rows", "units_in_training")
    return {name: asking[name] for name in ("model", *names, "parameters", "losses", "device")}


def _claim(models: int) -> str:
    """Say how far the figures reach."""
    if models >= ENOUGH:
        return f"{models} models of this recipe on drawn works; a replicate is a model"
    return f"only {models} models of at least {ENOUGH}: claims no more than these"
