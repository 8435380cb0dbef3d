"""Flag: what each caption gave back, judged on seeds that set no threshold.

A work is a candidate for `verbatim` if it is a training work, and enough confirmation generations
lie closer to it than to anything else and below the threshold; `confirm` says which candidates
stand out against the controls. Every caption of every model gets a row: the misses are evidence
too. Captions of training and of control works go through the same lines.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Kit, MapStage, Out, columns
from stages.tables import CLIQUES, FINDINGS, GENERATIONS, MATCHES, PROMPTS, THRESHOLDS, WORKS
from stages.verdicts.trials import (
    CONFIRMATION,
    Bench,
    Pair,
    Reason,
    Row,
    Trial,
    asked,
    foreign,
    grouped,
    judged,
    looked,
    plan,
    unexamined,
)

METHOD = "adaptive_ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagConfig:
    """Knobs of the flag stage."""

    min_hits: int = 1
    """Confirmation generations that must give a work back; 1 or more. One is enough while it must
    also beat every control; each hit more costs detection limit (1 of 16: 17 %, 3 of 16: 34 %)."""

    min_clique: int = 4
    """Fewest generations that agree with each other for `low_diversity`; 2 or more."""

    min_clique_share: float = 0.5
    """Smallest share of a caption's generations in one clique for `low_diversity`; in (0, 1]."""

    design: Literal["fixed", "sequential"] = "fixed"
    """How seeds were spent; set by the case. Where looking decided how many, the interval of k/n
    is a confidence sequence."""

    def __post_init__(self) -> None:
        """Refuse rules that nothing or everything would meet.

        Raises:
            ValueError: a knob is out of range.
        """
        for name, least in (("min_hits", 1), ("min_clique", 2)):
            if (found := getattr(self, name)) < least:
                raise ValueError(f"flag.{name}: expected {least} or more, got {found}")
        if not 0 < self.min_clique_share <= 1:
            found = self.min_clique_share
            raise ValueError(f"flag.min_clique_share: expected a share in (0, 1], got {found}")


class FlagTools(NamedTuple):
    """What `flag` needs besides its rows: the rule, THRESHOLDS by model, works in both halves."""

    config: FlagConfig
    marks: Mapping[str, Row]
    mixed: frozenset[str]


def open_flag(config: FlagConfig, kit: Kit) -> FlagTools:
    """Read the thresholds and the works that lie in both halves."""
    marks = kit.datasets["thresholds"].read(THRESHOLDS.schema.names).to_pylist()
    works = kit.datasets["works"].read(["work_id", "mixed"])
    mixed = works.filter(works["mixed"])["work_id"].to_pylist()
    by_model = {mark["model_id"]: mark for mark in marks if mark["method"] == METHOD}
    return FlagTools(config, by_model, frozenset(mixed))


def flag(inputs: Mapping[str, pa.Table], tools: FlagTools) -> Out:
    """Return the findings of every caption and model of this part.

    Args:
        inputs: `prompts` PROMPTS, `images` GENERATIONS, `cliques` CLIQUES, `matches` MATCHES; all
            rows of the same captions.
        tools: thresholds, works in both halves and the rule.

    Returns:
        FINDINGS by prompt, model and work: one row per nominated work (the caption's own, and those
        that lay closest and below the threshold), and one for the caption where none is verbatim.

    Source: ratio and cliques after Carlini et al. 2023, sections 5.1 and 4.2.
    """
    rows = [row for prompt in _prompts(inputs, tools) for row in _findings(*prompt, tools)]
    return Out(FINDINGS.of_rows(rows))


def _prompts(
    inputs: Mapping[str, pa.Table], tools: FlagTools
) -> Iterator[tuple[Trial, Sequence[Row]]]:
    """Yield each trial with the cliques of its images."""
    prompts = grouped(inputs["prompts"], "prompt_id")
    images = grouped(inputs["images"], "prompt_id", "model_id")
    cliques = grouped(inputs["cliques"], "prompt_id", "model_id")
    measured = inputs["matches"].filter(pc.is_valid(inputs["matches"]["adaptive_ratio"]))
    matches = grouped(measured, "prompt_id", "model_id")
    captions = [prompt_id for (prompt_id,) in prompts]
    made = {(prompt_id, model_id) for prompt_id, model_id in images}
    for prompt_id, model_id in asked(captions, made, tools.marks.keys()):
        key, mark = (prompt_id, model_id), tools.marks.get(model_id, {})
        pairs = [_pair(row, mark.get("threshold", 0.0)) for row in matches[key]]
        own, planned = plan(prompts[(prompt_id,)])
        made_here = [(row["image_id"], row["phase"]) for row in images[key]]
        yield (
            Trial(
                model_id=model_id,
                prompt_id=prompt_id,
                own=own,
                planned=planned,
                examined={pair.made_id for pair in pairs if pair.phase == CONFIRMATION},
                pairs=pairs,
                counted=not foreign(model_id),
                given_up=looked(made_here, tools.config.design),
            ),
            cliques[key],
        )


def _pair(row: Row, threshold: float) -> Pair:
    ratio = row["adaptive_ratio"]
    hit = row["best"] and ratio < threshold
    ids = (row["made_id"], row["phase"], row["work_id"], row["half"], row["neighbor_id"])
    return Pair(*ids, score=ratio, hit=hit, named=hit)


def _findings(trial: Trial, cliques: Sequence[Row], tools: FlagTools) -> Iterator[dict[str, Any]]:
    mark = tools.marks.get(trial.model_id, {})
    bench = Bench(
        method=METHOD,
        verdict="verbatim",
        larger=False,
        threshold=mark.get("threshold"),
        control_best=mark.get("control_best"),
        num_controls=mark.get("num_controls", 0),
        mixed=tools.mixed,
        min_hits=tools.config.min_hits,
        looked=tools.config.design == "sequential",
        made="image",
        holds="images",
        back="closest to it and below the threshold",
    )
    size = max((row["clique_size"] for row in cliques), default=None)

    def alone(row: Row) -> Reason:
        return _alone(size or 0, cliques, tools.config) if row["n"] else unexamined(bench)

    for row in judged(trial, bench, alone):
        yield row | {"clique_size": size}


def _alone(size: int, cliques: Sequence[Row], rule: FlagConfig) -> Reason:
    """Return the verdict on a caption that gave no work back, and why."""
    made = len(cliques)
    if size >= max(rule.min_clique, rule.min_clique_share * made):
        cut = "" if all(c["complete"] for c in cliques) else " (search cut short)"
        return "low_diversity", f"{size} of {made} images agree with each other{cut}, with no work"
    return "none", "no work came back that is a finding"


STAGE = MapStage(
    name="flag",
    reads={
        "prompts": columns("prompt_id phase work_id half", PROMPTS),
        "images": columns("image_id model_id prompt_id phase", GENERATIONS),
        "cliques": columns("model_id prompt_id clique_size complete", CLIQUES),
        "matches": columns(
            "made_id model_id prompt_id phase work_id half neighbor_id adaptive_ratio best",
            MATCHES,
        ),
    },
    writes=FINDINGS,
    config=FlagConfig,
    open=open_flag,
    run=flag,
    uses={
        "thresholds": columns(" ".join(THRESHOLDS.schema.names), THRESHOLDS),
        "works": columns("work_id mixed", WORKS),
    },
    per=("prompt_id",),
    version=2,
)
