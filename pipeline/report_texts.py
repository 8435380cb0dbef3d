"""Report on texts: what a run found in outputs of language models, for the second half of the page.

`collect_texts` reads the tables of a finished run; `report_page.render` shows them beside what was
found in images. Thresholds that others have published are applied here and nowhere before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report import by_half, works_by_half
from pipeline.report_lists import Listed, listed
from pipeline.report_texts_authors import AuthorLine, WorkLine, count_authors
from pipeline.report_texts_counts import TextModel, count_text_models
from pipeline.report_texts_exhibits import MAX_EXHIBITS, TextExhibit, gather_exhibits, merged
from pipeline.report_texts_suffixes import Suffixes, count_suffixes
from stages.contract import Reader, Table
from stages.tables import (
    ARTISTS,
    CHANCES,
    FINDINGS,
    MATCHES,
    OUTPUTS,
    PROMPTS,
    SPANS,
    TEXT_WORKS,
    TEXTS,
)

Row = Mapping[str, Any]

FOUND = ("verbatim_text", "near_text")
"""Verdicts that name a work that came back."""

TEXT_READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "texts": (TEXTS, ("train.texts", "control.texts")),
    "works": (TEXT_WORKS, ("input.text_works",)),
    "prompts": (PROMPTS, ("made.openings",)),
    "outputs": (OUTPUTS, ("made.outputs",)),
    "matches": (MATCHES, ("made.text_matches",)),
    "spans": (SPANS, ("made.spans",)),
    "chances": (CHANCES, ("input.chances",)),
    "findings": (FINDINGS, ("made.text_findings",)),
    "authors": (ARTISTS, ("made.authors",)),
}
"""Role -> table and the datasets behind one reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSummary:
    """Everything that the page says of texts."""

    run_seed: int
    """Seed from which the seeds of the attempts come."""

    num_texts: Mapping[str, int]
    """Input texts by half."""

    num_works: Mapping[str, int]
    """Works by half; `mixed` counts those with texts in both, which are in neither."""

    num_outputs: int
    """Attempts, imported and failed ones too."""

    models: tuple[TextModel, ...]
    """Counts of each model."""

    chances: tuple[Row, ...]
    """CHANCES by length."""

    exhibits: tuple[TextExhibit, ...]
    """What came back, at most `MAX_EXHIBITS`."""

    num_exhibits: int
    """Prompts and works with a finding."""

    found: Listed
    """Findings, in the order of the exhibits."""

    misses: Listed
    """One row for each prompt of a model that gave nothing back."""

    unexamined: Listed
    """Prompts of which no attempt was judged."""

    prompts: Mapping[str, str | None]
    """What was asked, for the rows that are listed, by prompt_id."""

    halves: Mapping[str, str | None]
    """Half of the work that a prompt was cut from, by prompt_id."""

    authors: Mapping[str, tuple[AuthorLine, ...]]
    """Authors by model_id, those of which most came back first."""

    works: Mapping[str, tuple[WorkLine, ...]]
    """Works that came back, by model_id."""

    suffixes: tuple[Suffixes, ...]
    """How probable the true suffixes are, of each model that says so."""

    verdicts: Mapping[str, int]
    """FINDINGS rows of each verdict."""


def collect_texts(readers: Mapping[str, Reader], run_seed: int, min_hits: int = 1) -> TextSummary:
    """Return everything that the page says of texts, from the tables of a finished run.

    Args:
        readers: a reader for each role of `TEXT_READS`.
        run_seed: seed of the attempts.
        min_hits: hits that the rule asks for.
    """
    findings = readers["findings"].read(FINDINGS.schema.names).to_pylist()
    halves = _halves(readers)
    found = merged(row for row in findings if row["verdict"] in FOUND)
    lists = {
        "found": listed([row for group in found for row in group]),
        "misses": listed(_alone(findings, "none")),
        "unexamined": listed(_alone(findings, "not_examined")),
    }
    shown = {row["prompt_id"] for rows in lists.values() for row in rows.rows}
    works = readers["works"].read(["text_id", "half", "work_id", "mixed"])
    authors, back = count_authors(readers, findings)
    return TextSummary(
        run_seed=run_seed,
        num_texts=by_half(works["half"]),
        num_works=works_by_half(works),
        num_outputs=readers["outputs"].read(["sample"]).num_rows,
        models=count_text_models(readers, findings, halves, min_hits),
        chances=tuple(readers["chances"].read(CHANCES.schema.names).sort_by("words").to_pylist()),
        exhibits=gather_exhibits(readers, found[:MAX_EXHIBITS]),
        num_exhibits=len(found),
        **lists,
        prompts=_prompts(readers, shown),
        halves={key: half for key, half in halves.items() if key in shown},
        authors=authors,
        works=back,
        suffixes=count_suffixes(readers["outputs"]),
        verdicts=_counted(findings),
    )


def _alone(findings: list[Row], verdict: str) -> list[Row]:
    """Return one row for each model and prompt that came to this verdict by every measure."""
    strong = {"none": FOUND, "not_examined": (*FOUND, "none")}[verdict]
    better = {(r["model_id"], r["prompt_id"]) for r in findings if r["verdict"] in strong}
    kept: dict[tuple[str, str], Row] = {}
    for row in findings:
        key = (row["model_id"], row["prompt_id"])
        if row["verdict"] == verdict and key not in better:
            kept[key] = max(kept.get(key, row), row, key=_told)
    return sorted(kept.values(), key=lambda row: (-(row["score"] or 0), row["finding_id"]))


def _told(row: Row) -> tuple[float, bool, bool]:
    """Return how much a row says: what came close, and of which work."""
    return row["score"] or 0, row["work_id"] is not None, row["method"] == "verbatim_words"


def _halves(readers: Mapping[str, Reader]) -> dict[str, str | None]:
    halves: dict[str, str | None] = {}
    for role in ("prompts", "outputs"):
        rows = readers[role].read(["prompt_id", "half"])
        for row in rows.group_by(["prompt_id", "half"]).aggregate([]).to_pylist():
            halves[row["prompt_id"]] = halves.get(row["prompt_id"]) or row["half"]
    return halves


def _prompts(readers: Mapping[str, Reader], wanted: set[str]) -> dict[str, str | None]:
    asked: dict[str, str | None] = {}
    keep = pa.array(sorted(wanted), pa.large_string())
    for role, name in (("outputs", "prompt"), ("prompts", "text")):
        rows = readers[role].read(["prompt_id", name])
        rows = rows.filter(pc.is_in(rows["prompt_id"], value_set=keep))
        for row in rows.group_by(["prompt_id", name]).aggregate([]).to_pylist():
            asked[row["prompt_id"]] = asked.get(row["prompt_id"]) or row[name]
    return asked


def _counted(findings: list[Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in findings:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    return counts
