"""Flag: what each caption gave back, judged on seeds that set no threshold.

A work is `verbatim` if it is a training work, enough confirmation generations lie closer to it than
to anything else and below the threshold, and the best of them beats every control work. Ties count
against the finding. Every caption of every model gets a row: the misses are evidence too.
Captions of training and of control works go through the same lines.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Kit, MapStage, Out, columns
from stages.measures.intervals import clopper_pearson
from stages.tables import CLIQUES, FINDINGS, GENERATIONS, MATCHES, PROMPTS, THRESHOLDS, WORKS

METHOD = "adaptive_ratio"
IMPORTED = "imported"
UNKNOWN_MODEL = "unknown"

Row = Mapping[str, Any]


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


class _Trial(NamedTuple):
    """Everything known of one caption of one model."""

    model_id: str
    prompt_id: str
    own: tuple[str, str] | None
    planned: int
    cliques: list[Row]
    pairs: list[Row]


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
    rows = [row for trial in _trials(inputs, tools) for row in _findings(trial, tools)]
    return Out(FINDINGS.of_rows(rows))


def _trials(inputs: Mapping[str, pa.Table], tools: FlagTools) -> Iterator[_Trial]:
    prompts = _grouped(inputs["prompts"], "prompt_id")
    images = _grouped(inputs["images"], "prompt_id", "model_id")
    cliques = _grouped(inputs["cliques"], "prompt_id", "model_id")
    measured = inputs["matches"].filter(pc.is_valid(inputs["matches"]["adaptive_ratio"]))
    matches = _grouped(measured, "prompt_id", "model_id")
    # a caption of which a model made no image must still have its row
    models = set(tools.marks) - {IMPORTED}
    wanted = {(prompt_id, model_id) for (prompt_id,) in prompts for model_id in models}
    made = {prompt_id for prompt_id, model_id in images if model_id != IMPORTED}
    if not models:
        wanted = {(prompt_id, UNKNOWN_MODEL) for (prompt_id,) in prompts if prompt_id not in made}
    for prompt_id, model_id in sorted(wanted | set(images)):
        key, asked = (prompt_id, model_id), prompts[(prompt_id,)]
        own = {(row["work_id"], row["half"]) for row in asked if row["work_id"]}
        planned = sum(row["phase"] == "confirmation" for row in asked)
        mine = min(own, default=None)
        yield _Trial(model_id, prompt_id, mine, planned, cliques[key], matches[key])


def _grouped(table: pa.Table, *keys: str) -> Mapping[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in table.to_pylist():
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def _findings(trial: _Trial, tools: FlagTools) -> Iterator[dict[str, Any]]:
    threshold = tools.marks.get(trial.model_id, {}).get("threshold", 0.0)
    hits = [row for row in trial.pairs if row["best"] and row["adaptive_ratio"] < threshold]
    halves = {row["work_id"]: row["half"] for row in hits}
    nominated = {row["work_id"] for row in hits if row["phase"] == "discovery"}
    if trial.own:
        halves.setdefault(*trial.own)
        nominated.add(trial.own[0])
    judged = [row for row in trial.pairs if row["phase"] == "confirmation"]
    hits = [row for row in hits if row["phase"] == "confirmation"]
    n, verbatim = _count(judged), False
    for work_id in sorted(halves):
        close = [row for row in judged if row["work_id"] == work_id]
        back = [row for row in hits if row["work_id"] == work_id]
        row = _numbers(trial, tools, back or close, k=_count(back), n=n)
        own = trial.own is not None and trial.own[0] == work_id
        row |= {"work_id": work_id, "half": halves[work_id], "own_caption": own}
        verdict, reason = _verdict(row, tools)
        if work_id not in nominated:
            row |= {"k_low": None, "k_high": None}
            reason += "; first seen in the seeds that are judged, so no interval"
        verbatim = verbatim or verdict == "verbatim"
        yield _signed(row, verdict, reason, trial)
    if not verbatim:
        back = [row for row in hits if row["half"] == "train" and row["work_id"] not in tools.mixed]
        row = _numbers(trial, tools, judged, k=_count(back), n=n)
        yield _signed(row, *_caption_verdict(row, trial, tools.config), trial)


def _count(pairs: Iterable[Row]) -> int:
    return len({pair["made_id"] for pair in pairs})


def _numbers(
    trial: _Trial, tools: FlagTools, close: list[Row], *, k: int, n: int
) -> dict[str, Any]:
    """Return a FINDINGS row that names no work and has no verdict yet."""
    rate = clopper_pearson(k, n) if n and trial.model_id != IMPORTED else None
    best = min(close, key=itemgetter("adaptive_ratio", "made_id", "work_id"), default={})
    mark = tools.marks.get(trial.model_id, {})
    return {
        "model_id": trial.model_id,
        "prompt_id": trial.prompt_id,
        "method": METHOD,
        "k": k,
        "n": n,
        "k_low": rate.low if rate else None,
        "k_high": rate.high if rate else None,
        "score": best.get("adaptive_ratio"),
        "threshold": mark.get("threshold"),
        "control_best": mark.get("control_best"),
        "num_controls": mark.get("num_controls", 0),
        "best_made_id": best.get("made_id"),
        "neighbor_id": best.get("neighbor_id"),
        "clique_size": max((row["clique_size"] for row in trial.cliques), default=None),
        "own_caption": False,
    }


def _verdict(row: Row, tools: FlagTools) -> tuple[str, str]:
    """Return the verdict on one work and why, first reason first."""
    k, n, rival = row["k"], row["n"], row["control_best"]
    if not n:
        return "not_examined", "no confirmation image was compared"
    if row["work_id"] in tools.mixed:
        return "none", "the work has images in both halves, so it can be no finding and no control"
    if row["half"] != "train":
        return "none", f"a control work, {k} of {n} images closest to it and below the threshold"
    if k < tools.config.min_hits:
        return "none", f"{k} of {n} images gave the work back, {tools.config.min_hits} are needed"
    if rival is not None and not row["score"] < rival:
        return "none", f"a control work came as close: {rival:.4f} against {row['score']:.4f}"
    rivals = f"closer than any of {row['num_controls']} control works"
    rivals = rivals if row["num_controls"] else "but no control work stood against it"
    return "verbatim", f"{k} of {n} images gave the work back, {rivals}"


def _caption_verdict(row: Row, trial: _Trial, rule: FlagConfig) -> tuple[str, str]:
    """Return the verdict on a caption that gave no work back, and why."""
    if not row["n"]:
        return "not_examined", "no confirmation image was compared"
    size, made = row["clique_size"] or 0, len(trial.cliques)
    if size >= max(rule.min_clique, rule.min_clique_share * made):
        cut = "" if all(c["complete"] for c in trial.cliques) else " (search cut short)"
        return "low_diversity", f"{size} of {made} images agree with each other{cut}, with no work"
    return "none", "no work came back that is a finding"


def _signed(row: dict[str, Any], verdict: str, reason: str, trial: _Trial) -> dict[str, Any]:
    if trial.model_id == IMPORTED:
        reason += "; imported images, existence only: k of n is a count, not a rate"
    elif lost := trial.planned - row["n"]:
        reason += f"; {lost} of {trial.planned} planned confirmation images missing"
    named = (trial.model_id, trial.prompt_id, row.get("work_id") or "", METHOD)
    finding_id = sha256("\x1f".join(named).encode()).hexdigest()
    return row | {"finding_id": finding_id, "verdict": verdict, "reason": reason}


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
)
