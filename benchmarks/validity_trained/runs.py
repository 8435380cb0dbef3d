"""Trains the models and asks them, one JSON file per asking: a run that is cut goes on."""

import json
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.validity_trained.files import REPEATED_MODEL, asking_path, weights_path, write
from benchmarks.validity_trained.network import Drawer, sample, train
from benchmarks.validity_trained.plan import Plan
from benchmarks.validity_trained.pool import Pool, open_pool
from benchmarks.validity_trained.score import score
from benchmarks.validity_trained.split import NOISE, TRAINING, Split, seed_of, split, training_rows


def make(out: Path, plan: Plan, models: int) -> None:
    """Make every asking that is missing: first all models, then the repeats of one of them.

    Args:
        out: Folder of this plan, made where missing.
        plan: Every number.
        models: Training runs.

    Raises:
        ValueError: If the folder holds askings of another plan.
    """
    out.mkdir(parents=True, exist_ok=True)
    _same_plan(out / "plan.json", plan)
    pool = open_pool(plan, out / "pool.npz")
    for model in range(models):
        if not asking_path(out, model, 0).exists():
            _make_model(out, plan, pool, model)
    missing = [n for n in range(plan.repeats) if not asking_path(out, REPEATED_MODEL, n).exists()]
    if missing:
        drawer = Drawer(pool.vocabulary, plan)
        drawer.load_state_dict(torch.load(weights_path(out), weights_only=True))
        drawer.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        made = split(pool.clusters, plan, REPEATED_MODEL)
        for number in missing:
            asked = ask(drawer, pool, made, plan, (REPEATED_MODEL, number))
            write(asking_path(out, REPEATED_MODEL, number), asked)


def ask(
    drawer: Drawer, pool: Pool, made: Split, plan: Plan, asking: tuple[int, int]
) -> dict[str, Any]:
    """Ask a model for pictures of every asked unit, in an order by lot, and score them.

    Args:
        drawer: The model.
        pool: All works.
        made: The model's split; only which units are asked is read before the scores stand.
        plan: Every number.
        asking: Number of the model, number of the asking.

    Returns:
        What JSON holds: one column per fact, one row per asked unit.
    """
    began = time.process_time()
    units_U = np.flatnonzero(made.asked_U)
    units_U = units_U[np.argsort(made.rank_U[units_U])]
    words_UT = pool.words_WT[pool.firsts_U[units_U]]
    scores = score(
        sample(drawer, words_UT, plan, seed_of(plan, NOISE, *asking)), units_U, pool, plan
    )
    return {
        "model": asking[0],
        "asking": asking[1],
        "asking_seconds": round(time.process_time() - began, 1),
        "unit": units_U.tolist(),
        "times": made.times_U[units_U].tolist(),
        "rank": made.rank_U[units_U].tolist(),
        "own": scores.own_U.round(6).tolist(),
        "joint": scores.joint_U.round(6).tolist(),
        "best": scores.best_U.tolist(),
        "own_nearest": scores.own_nearest_U.tolist(),
    }


def _make_model(out: Path, plan: Plan, pool: Pool, model: int) -> None:
    """Split, train, ask, keep."""
    made = split(pool.clusters, plan, model)
    rows_R = training_rows(pool, made)
    began = time.process_time()
    trained = train(pool, rows_R, plan, seed_of(plan, TRAINING, model))
    facts = {
        "training_seconds": round(time.process_time() - began, 1),
        "training_rows": len(rows_R),
        "units_in_training": int((made.times_U > 0).sum()),
        "parameters": trained.parameters,
        "losses": [round(loss, 4) for loss in trained.losses],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
    }
    if model == REPEATED_MODEL:
        part = weights_path(out).with_suffix(".part")
        torch.save(trained.drawer.state_dict(), part)
        part.replace(weights_path(out))
    asked = ask(trained.drawer, pool, made, plan, (model, 0))
    write(asking_path(out, model, 0), facts | asked)
    print(f"model {model}: {facts}", flush=True)


def _same_plan(path: Path, plan: Plan) -> None:
    """Write the plan, or refuse a folder of another one."""
    mine = json.loads(json.dumps(asdict(plan)))
    if not path.exists():
        write(path, mine)
    elif (found := json.loads(path.read_text())) != mine:
        other = {name for name in mine if found.get(name) != mine[name]}
        raise ValueError(
            f"{path} is of another plan (it differs in {', '.join(sorted(other))}); "
            "give a new folder, or remove this one"
        )
