"""Report: what a run found, counted and chosen for one page.

`collect` reads the tables of a finished run; `report_page.render` makes the page. The truth of a
demonstration is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import rounds
from pipeline.report_counts import BACK, ModelCounts, count_models
from pipeline.report_exhibits import (
    MAX_AGREEING,
    MAX_EXHIBITS,
    Caption,
    Exhibit,
    in_order,
    read_captions,
    read_exhibits,
)
from pipeline.report_lists import Listed, RejectedLine, list_rejected, listed
from pipeline.report_triage import TriageLine, count_triage
from stages.contract import Reader, Table
from stages.tables import (
    ARTISTS,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    MATCHES,
    PROMPTS,
    REJECTED,
    SCORES,
    SIGNALS,
    THRESHOLDS,
    WORKS,
)

Row = Mapping[str, Any]

READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "images": (IMAGES, ("train.images", "control.images")),
    "generations": (GENERATIONS, rounds.IMAGES),
    "works": (WORKS, ("input.works",)),
    "prompts": (PROMPTS, ("made.prompts",)),
    "matches": (MATCHES, rounds.MATCHES),
    "scores": (SCORES, ("made.scores",)),
    "thresholds": (THRESHOLDS, ("made.thresholds",)),
    "findings": (FINDINGS, ("made.findings",)),
    "artists": (ARTISTS, ("made.artists",)),
    "signals": (SIGNALS, ("made.signals", "made.losses")),
}
"""Role -> table and the datasets behind one reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """What one step of the flow took."""

    step: str
    """Dataset that the step writes."""

    parts: int
    """Parts made."""

    rows: int
    """Rows written."""

    seconds: float
    """Seconds of work, summed over workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the tables do not say of a run."""

    case: str
    """Name of the case."""

    setting: str
    """`randomised`, `matched` or `portfolio`: how the controls arose."""

    run_seed: int
    """Seed of the run."""

    date: str
    """Date of the report, as it is to be printed."""

    min_hits: int = 1
    """Hits that the rule asks for."""

    timings: tuple[StepTime, ...] = ()
    """Steps in the order of the flow."""

    rejected: pa.Table = field(default_factory=REJECTED.empty)
    """REJECTED rows of the whole run."""

    erased: Mapping[str, int] = field(default_factory=dict)
    """What was erased on request, in numbers; of whom is not known any more."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Name of each model in the case, by model_id."""

    digests: Mapping[str, str] = field(default_factory=dict)
    """What was used (case, models, descriptor) and its sha256."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Program, Python, libraries, device and their versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that the page says."""

    facts: RunFacts
    """What the tables do not say."""

    num_images: Mapping[str, int]
    """Input images by half."""

    num_works: Mapping[str, int]
    """Works by half; `mixed` counts those with images in both, which are in neither."""

    num_generations: int
    """Generated images, imported ones too."""

    models: tuple[ModelCounts, ...]
    """Counts of each model."""

    captions: Mapping[str, Caption]
    """What was asked, for the rows that are listed, by prompt_id."""

    exhibits: tuple[Exhibit, ...]
    """Findings with pictures, at most `MAX_EXHIBITS`."""

    agreeing: tuple[Exhibit, ...]
    """Captions of low diversity with pictures, at most `MAX_AGREEING`."""

    found: Listed
    """Findings that name a work, in the order of the exhibits."""

    misses: Listed
    """Captions that gave nothing back, `low_diversity` first."""

    unexamined: Listed
    """Captions of which no image was judged."""

    verdicts: Mapping[str, int]
    """FINDINGS rows of each verdict, those on single works too."""

    rejected: tuple[RejectedLine, ...]
    """Rows that failed, by stage and reason."""

    triage: tuple[TriageLine, ...]
    """Signals from inside the models, on which nothing else rests."""


def collect(readers: Mapping[str, Reader], facts: RunFacts) -> Summary:
    """Return everything that the page says, from the tables of a finished run.

    Args:
        readers: a reader for each role of `READS`.
        facts: what the tables do not say.
    """
    captions = read_captions(readers["prompts"])
    findings = readers["findings"].read(FINDINGS.schema.names)
    verdict, named = findings["verdict"], pc.is_valid(findings["work_id"])
    back = findings.filter(pc.is_in(verdict, pa.array(BACK, pa.large_string()))).to_pylist()
    found = in_order(back)
    alone = findings.filter(pc.invert(named))
    agree = in_order(alone.filter(pc.equal(alone["verdict"], "low_diversity")).to_pylist())
    none = in_order(alone.filter(pc.equal(alone["verdict"], "none")).to_pylist())
    blind = alone.filter(pc.equal(alone["verdict"], "not_examined")).to_pylist()
    lists = [listed(rows) for rows in (found, [*agree, *none], blind)]
    shown = {row["prompt_id"] for rows in lists for row in rows.rows}
    works = readers["works"].read(["work_id", "half", "mixed"])
    return Summary(
        facts=facts,
        num_images=by_half(works["half"]),
        num_works=works_by_half(works),
        num_generations=readers["generations"].read(["sample"]).num_rows,
        models=count_models(
            readers, {key: caption.half for key, caption in captions.items()}, facts.min_hits
        ),
        captions={key: caption for key, caption in captions.items() if key in shown},
        exhibits=read_exhibits(readers, found[:MAX_EXHIBITS], captions),
        agreeing=read_exhibits(readers, agree[:MAX_AGREEING], captions),
        found=lists[0],
        misses=lists[1],
        unexamined=lists[2],
        verdicts={row["values"]: row["counts"] for row in pc.value_counts(verdict).to_pylist()},
        rejected=list_rejected(facts.rejected),
        triage=count_triage(readers["signals"]),
    )


def by_half(values: Any) -> dict[str, int]:
    """Return how many values name each half."""
    counts = {row["values"]: row["counts"] for row in pc.value_counts(values).to_pylist()}
    return {half: counts.get(half, 0) for half in ("train", "control")}


def works_by_half(works: pa.Table) -> dict[str, int]:
    """Return the works of each half alone, and those that are `mixed`.

    Args:
        works: work_id, half, mixed of WORKS or TEXT_WORKS.
    """
    once = works.group_by(["work_id", "half", "mixed"]).aggregate([])
    pure = once.filter(pc.invert(once["mixed"]))
    mixed = once.filter(once["mixed"])
    return {**by_half(pure["half"]), "mixed": len(pc.unique(mixed["work_id"]))}
