"""Portraits: what the stages of a finished case gave, so that a changed output is noticed."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.flow import FLOW
from pipeline.identity import digest
from stages.contract import Artefact

FLOATS = {
    "train.embeddings": ("vector",),
    "control.embeddings": ("vector",),
    "made.embeddings": ("vector",),
    "made.sampled": ("guidance_norms",),
    "made.neighbors": ("similarity",),
    "made.cliques": ("clique_distance", "degree", "clique_size"),
    "made.matches": ("similarity", "l2", "tiled_l2", "adaptive_ratio"),
    "made.thresholds": ("threshold", "control_best"),
    "made.candidates": ("score", "threshold", "control_best", "clique_size"),
    "made.findings": ("score", "threshold", "control_best", "clique_size"),
    "made.assessments": ("score",),
    "made.blind": ("auc", "low", "high"),
    "made.text_blind": ("auc", "low", "high"),
    "made.leanings": ("p", "gamma"),
    "made.text_leanings": ("p", "gamma"),
    "made.spans": ("surprisal",),
    "made.text_matches": ("surprisal", "rouge_l", "jaccard", "near_recall"),
    "input.chances": ("low", "high"),
}
"""Columns that another processor may round otherwise: their mean and spread are compared."""

ROUNDED = {
    "input.works": ("num_clip",),
    "made.sampled": ("sha256", "bytes"),
    "made.neighbors": ("neighbor_id", "work_id", "half", "rank"),
    "made.cliques": ("in_clique",),
    "made.matches": (
        "made_id",
        "work_id",
        "half",
        "neighbor_id",
        "via",
        "best",
        "model_id",
        "prompt_id",
        "sample",
        "phase",
    ),
    "made.candidates": ("best_made_id", "neighbor_id", "reason", "k_low", "k_high"),
    "made.findings": ("best_made_id", "neighbor_id", "reason", "k_low", "k_high", "p_bound", "q"),
    "made.assessments": ("made_id", "neighbor_id", "p_bound", "q", "gamma_star"),
}
"""Columns that may differ because of them: a cosine on the other side of a bound."""


def portrait(store: Any, step: Any) -> dict[str, Any]:
    """Digest of what is the same on every machine, and mean and spread of the floats."""
    parts = [part for record in store.current(step.writes) for part in record.parts]
    if isinstance(step.run.writes, Artefact):
        return {"exact": digest(sorted(name for part in parts for name in part.columns))}
    moving = {*FLOATS.get(step.writes, ()), *ROUNDED.get(step.writes, ())}
    names = [name for name in step.run.writes.schema.names if name not in moving]
    exact = sorted([part.name, *(part.columns[name] for name in names)] for part in parts)
    close = {}
    for name in FLOATS.get(step.writes, ()):
        column = pa.chunked_array([c for p in parts for c in store.read(p, [name])[name].chunks])
        if pa.types.is_large_list(column.type) or pa.types.is_list(column.type):
            column = pc.list_flatten(column)
        values = column.drop_null().to_numpy().astype(np.float64)
        close[name] = [float(values.mean()), float(values.std())] if len(values) else []
    return {"exact": digest(exact), "close": close}


def compare(store: Any, golden: Path) -> None:
    """Fail where a stage gives something else than it did, with the same version.

    A changed output is a changed stage: its version has to be raised. `RENEW_GOLDEN=1 make test`
    writes the file anew, after a version was raised on purpose.
    """
    now = {
        step.writes: {"version": step.run.version, **portrait(store, step)}
        for step in FLOW
        if any(part.rows for record in store.current(step.writes) for part in record.parts)
        or (isinstance(step.run.writes, Artefact) and store.current(step.writes))
    }
    if os.environ.get("RENEW_GOLDEN"):
        golden.write_text(json.dumps(now, indent=1) + "\n")
    before = json.loads(golden.read_text())
    assert set(now) == set(before)
    for dataset, found in now.items():
        close, wanted = found.pop("close", {}), before[dataset].pop("close", {})
        assert found == before[dataset], dataset
        for name, numbers in close.items():
            assert numbers == pytest.approx(wanted[name], rel=0.02, abs=1e-3), f"{dataset}.{name}"
