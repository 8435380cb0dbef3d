"""Calibrate: how close a match must be, learnt from works that the model cannot have seen.

First form, until conformal calibration lands: the threshold of a model is the smallest adaptive
ratio that any discovery generation reached against any control work, and never above the ceiling.
What a finding has to beat besides is `control_best`, from the confirmation seeds that are judged.
A work with images in both halves is no control.

Imported generations have no discovery seeds: their threshold is the ceiling, fixed beforehand.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import MATCHES, PROMPTS, THRESHOLDS, WORKS

METHOD = "adaptive_ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateConfig:
    """Knobs of the calibrate stage."""

    ceiling: float = 1.0
    """Largest threshold that the controls may leave; above 0. 1 is the mark at which Carlini et al.
    2023, section 5.1, call a generation a copy."""

    def __post_init__(self) -> None:
        """Refuse a ceiling below which nothing can lie.

        Raises:
            ValueError: ceiling is not above 0.
        """
        if not self.ceiling > 0:
            raise ValueError(f"calibrate.ceiling: expected a number above 0, got {self.ceiling}")


def calibrate(
    inputs: Mapping[str, Iterable[pa.Table]], config: CalibrateConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the threshold of every model that has a comparison, one row per model, sorted.

    Args:
        inputs: `matches` MATCHES, `works` WORKS, `prompts` PROMPTS.
        config: the ceiling.
        kit: not used.

    Yields:
        THRESHOLDS.

    Source: statistics of target and control in one joint index; ratio and ceiling after Carlini et
    al. 2023, section 5.1.
    """
    del kit
    controls = _controls(inputs["works"])
    captions = _control_captions(inputs["prompts"], controls)
    tallies: dict[str, _Tally] = {}
    for batch in inputs["matches"]:
        for model_id in pc.unique(batch["model_id"]).to_pylist():
            rows = batch.filter(pc.equal(batch["model_id"], model_id))
            tallies.setdefault(model_id, _Tally()).add(rows, controls, captions)
    rows = [
        tallies[model_id].row(model_id, num_controls=len(controls), ceiling=config.ceiling)
        for model_id in sorted(tallies)
    ]
    yield Out(THRESHOLDS.of_rows(rows))


class _Tally:
    """What was seen of one model so far."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self.generations: set[str] = set()
        self.prompts: set[str] = set()

    def add(self, rows: pa.Table, controls: Any, captions: Any) -> None:
        """Take in MATCHES rows of this model."""
        asked = rows.filter(pc.is_in(rows["prompt_id"], value_set=captions))
        self.prompts.update(pc.unique(asked["prompt_id"]).to_pylist())
        rows = rows.filter(pc.is_valid(rows["adaptive_ratio"]))
        first = rows.filter(pc.equal(rows["phase"], "discovery"))
        self.generations.update(pc.unique(first["made_id"]).to_pylist())
        rows = rows.filter(pc.is_in(rows["work_id"], value_set=controls))
        for phase in pc.unique(rows["phase"]).to_pylist():
            ratios = rows.filter(pc.equal(rows["phase"], phase))["adaptive_ratio"]
            smallest = pc.min(ratios).as_py()
            self.best[phase] = min(smallest, self.best.get(phase, smallest))

    def row(self, model_id: str, *, num_controls: int, ceiling: float) -> dict[str, Any]:
        """Return the THRESHOLDS row of this model."""
        # both sides in float32: a ceiling such as 0.9 must not sit above its own float32 form
        mark = float(np.float32(ceiling))
        return {
            "model_id": model_id,
            "method": METHOD,
            "threshold": min(mark, self.best.get("discovery", mark)),
            "control_best": self.best.get("confirmation"),
            "num_controls": num_controls,
            "num_control_prompts": len(self.prompts),
            "num_generations": len(self.generations),
        }


def _controls(batches: Iterable[pa.Table]) -> Any:
    """Return the work_ids of the works that lie in the control half alone, sorted."""
    found: set[str] = set()
    for batch in batches:
        pure = pc.and_(pc.equal(batch["half"], "control"), pc.invert(batch["mixed"]))
        found.update(batch.filter(pure)["work_id"].to_pylist())
    return pa.array(sorted(found), pa.large_string())


def _control_captions(batches: Iterable[pa.Table], controls: Any) -> Any:
    """Return the prompt_ids of the captions of those works, sorted."""
    found: set[str] = set()
    for batch in batches:
        own = pc.is_in(batch["work_id"], value_set=controls)
        found.update(batch.filter(own)["prompt_id"].to_pylist())
    return pa.array(sorted(found), pa.large_string())


STAGE = FoldStage(
    name="calibrate",
    reads={
        "matches": columns("made_id model_id prompt_id phase work_id adaptive_ratio", MATCHES),
        "works": columns("work_id half mixed", WORKS),
        "prompts": columns("prompt_id work_id", PROMPTS),
    },
    writes=THRESHOLDS,
    config=CalibrateConfig,
    run=calibrate,
)
