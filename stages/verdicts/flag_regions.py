"""Flag regions: which works came back in part: as a layout (`template`) or as a region (`partial`).

The rule is that of `flag`: a generation gives a work back if the method's own rule holds, no other
work lies closer, and the score lies beyond every score that a control work reached in the discovery
seeds. Each method has candidates of its own; which of them stand is for `confirm`.

A template takes several generations that agree, so that fewer than those read as none: k is then 0
and has no interval.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Kit, MapStage, Out, columns
from stages.tables import FINDINGS, MATCHES, PROMPTS, SCORES, WORKS
from stages.verdicts.measures import PRIMARY, REGIONS, larger
from stages.verdicts.trials import (
    CONFIRMATION,
    DISCOVERY,
    Bench,
    Pair,
    Row,
    Trial,
    foreign,
    grouped,
    judged,
    looked,
    plan,
    unexamined,
)

VERDICTS = {method: verdict for verdict, method in PRIMARY.items() if method in REGIONS}
"""Method -> verdict, the stronger first."""

_LEAST = {"template": 1.0, "partial": 0.0}
"""Where the threshold lies if no control reaches it: a ratio of 1, a margin of nothing."""

_BACK = {
    "template": "as the nearest work to a layout that images share",
    "partial": "as the work that tells a region best",
}

_CONTROLS = "model_id method phase work_id half score"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRegionsConfig:
    """When a layout or a region becomes a candidate; the case fills it in from `flag`."""

    min_hits: int = 1
    """Confirmation generations that must give a work back; 1 or more."""

    design: Literal["fixed", "sequential"] = "fixed"
    """How seeds were spent, see `flag`."""


class Mark(NamedTuple):
    """What control works reached."""

    threshold: float
    """A hit lies strictly beyond it."""

    control_best: float | None
    """Closest of any control work in the confirmation seeds."""


class RegionTools(NamedTuple):
    """The rule, what control works reached by model and method, and works in both halves."""

    config: FlagRegionsConfig
    marks: Mapping[tuple[str, str], Mark]
    mixed: frozenset[str]
    num_controls: int


def open_regions(config: FlagRegionsConfig, kit: Kit) -> RegionTools:
    """Read what control works reached anywhere in the run."""
    works = kit.datasets["works"].read(["work_id", "half", "mixed"])
    mixed = frozenset(works.filter(works["mixed"])["work_id"].to_pylist())
    pure = pc.and_(pc.equal(works["half"], "control"), pc.invert(works["mixed"]))
    controls = pc.unique(works.filter(pure)["work_id"])
    scores = kit.datasets["controls"].read(_CONTROLS.split())
    return RegionTools(config, _marks(scores, controls), mixed, len(controls))


def _marks(scores: pa.Table, controls: Any) -> dict[tuple[str, str], Mark]:
    marks = {}
    asked = scores.group_by(["model_id", "method"]).aggregate([]).to_pylist()
    mine = scores.filter(
        pc.and_(pc.is_in(scores["work_id"], value_set=controls), pc.is_valid(scores["score"]))
    )
    for model_id, method in sorted((row["model_id"], row["method"]) for row in asked):
        if method not in VERDICTS:
            continue
        here = pc.and_(pc.equal(mine["model_id"], model_id), pc.equal(mine["method"], method))
        best = {
            phase: _best(mine.filter(pc.and_(here, pc.equal(mine["phase"], phase))), method)
            for phase in (DISCOVERY, CONFIRMATION)
        }
        least, nearest = float(np.float32(_LEAST[method])), best[DISCOVERY]
        ends = [least] if nearest is None else [least, nearest]
        threshold = max(ends) if larger(method) else min(ends)
        marks[model_id, method] = Mark(threshold, best[CONFIRMATION])
    return marks


def _best(rows: pa.Table, method: str) -> float | None:
    found: float | None = (pc.max if larger(method) else pc.min)(rows["score"]).as_py()
    return found


def flag_regions(inputs: Mapping[str, pa.Table], tools: RegionTools) -> Out:
    """Return the works that came back in part, method by method.

    Args:
        inputs: `prompts` PROMPTS, `matches` MATCHES and `scores` SCORES of the same prompts.
        tools: the rule and the controls.

    Returns:
        FINDINGS by prompt, model, method and work: the prompt's own work, and those that came back.
        That nothing came back of a prompt at all is said by `flag`.
    """
    prompts = grouped(inputs["prompts"], "prompt_id")
    compared = grouped(inputs["matches"], "prompt_id", "model_id")
    scores = grouped(inputs["scores"], "prompt_id", "model_id", "method")
    rows = [
        row
        for prompt_id, model_id in sorted(compared)
        for method in VERDICTS
        if (model_id, method) in tools.marks
        for row in _findings(
            _trial(
                prompts[(prompt_id,)],
                compared[prompt_id, model_id],
                scores[prompt_id, model_id, method],
                tools.marks[model_id, method],
                tools.config.design,
            ),
            method,
            tools,
        )
    ]
    return Out(FINDINGS.of_rows(rows))


def _trial(
    planned: Sequence[Row],
    compared: Sequence[Row],
    scores: Sequence[Row],
    mark: Mark,
    design: str,
) -> Trial:
    own, number = plan(planned)
    model_id = compared[0]["model_id"]
    pairs = [_pair(row, mark) for row in scores if row["score"] is not None]
    return Trial(
        model_id=model_id,
        prompt_id=compared[0]["prompt_id"],
        own=own,
        planned=number,
        examined={row["made_id"] for row in compared if row["phase"] == CONFIRMATION},
        pairs=pairs,
        counted=not foreign(model_id),
        given_up=looked(((row["made_id"], row["phase"]) for row in compared), design),
    )


def _pair(row: Row, mark: Mark) -> Pair:
    sign = 1 if larger(row["method"]) else -1
    hit = row["hit"] and sign * row["score"] > sign * mark.threshold
    ids = (row["made_id"], row["phase"], row["work_id"], row["half"], row["neighbor_id"])
    return Pair(*ids, score=row["score"], hit=hit, named=hit)


def _findings(trial: Trial, method: str, tools: RegionTools) -> Iterator[dict[str, Any]]:
    mark = tools.marks[trial.model_id, method]
    bench = Bench(
        method=method,
        verdict=VERDICTS[method],
        larger=larger(method),
        threshold=mark.threshold,
        control_best=mark.control_best,
        num_controls=tools.num_controls,
        mixed=tools.mixed,
        min_hits=tools.config.min_hits,
        looked=tools.config.design == "sequential",
        made="image",
        holds="images",
        back=_BACK[method],
    )
    for row in judged(trial, bench, lambda _: unexamined(bench)):
        if row.get("work_id") is None:
            continue
        unseen = method == "template" and not row["k"]
        yield row | ({"k_low": None, "k_high": None} if unseen else {})


STAGE = MapStage(
    name="flag_regions",
    reads={
        "prompts": columns("prompt_id phase work_id half", PROMPTS),
        "matches": columns("made_id model_id prompt_id phase", MATCHES),
        "scores": columns(
            "made_id model_id prompt_id phase work_id half neighbor_id method score hit", SCORES
        ),
    },
    writes=FINDINGS,
    config=FlagRegionsConfig,
    open=open_regions,
    run=flag_regions,
    uses={
        "controls": columns(_CONTROLS, SCORES),
        "works": columns("work_id half mixed", WORKS),
    },
    per=("prompt_id",),
)
