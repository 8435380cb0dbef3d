"""Exhibits of a report on texts: what each prompt gave back of a work, with every attempt at it.

Large tables are read one column at a time and cut down to the prompts that are shown.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.compare_text_lines import shown
from pipeline.report_exhibits import rows_of
from stages.contract import Reader

Row = Mapping[str, Any]

MAX_EXHIBITS = 40
MAX_ATTEMPTS = 500

_OF_OUTPUT = ("output_id", "model_id", "prompt_id", "sample", "phase", "seed", "failure", "half")
_OF_ASKED = ("settings", "prompt", "context", "origin", "text")
_OF_MATCH = (
    *("made_id", "model_id", "prompt_id", "work_id", "neighbor_id", "output_words", "run_words"),
    *("run_chars", "run_tokens", "words_8", "words_20", "near_words", "near_block_words"),
    *("echoed_words", "surprisal", "num_holders", "tags"),
)
_OF_SPAN = (
    *("output_id", "prompt_id", "text_id", "kind", "output_start", "text_start"),
    *("output_start_byte", "output_end_byte", "text_start_byte", "text_end_byte"),
    *("surprisal", "num_holders", "tags"),
)
_OF_TEXT = ("title", "author", "date", "licence", "url", "place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a prompt, and how much of the work of the exhibit it has."""

    output: Row
    """Of OUTPUTS: sample, phase, seed, failure."""

    begins: str
    """First words that it wrote."""

    match: Row | None
    """MATCHES row of it and the work; None if they share no run."""

    long: bool
    """True if the passage is long enough for a finding, whatever else is said of it."""

    best: bool
    """True for the attempt that is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextExhibit:
    """What one prompt of a model gave back of one work."""

    findings: tuple[Row, ...]
    """FINDINGS rows, one for each measure; that of the longest run first."""

    output: Row
    """Attempt that is shown: all of OUTPUTS that is needed."""

    match: Row
    """MATCHES row of it and the work."""

    work: Row
    """Title, author, date, licence, url and place of the text that came back."""

    num_near: int
    """Texts of the work in its half."""

    spans: Mapping[tuple[str, int, int], Row]
    """SPANS rows of the two by kind and places."""

    attempts: tuple[Attempt, ...]
    """Every attempt at the prompt in order, at most `MAX_ATTEMPTS`."""

    num_attempts: int
    """Attempts in all."""

    failed: int
    """Of those, attempts that gave no text."""


def merged(findings: Iterable[Row]) -> list[tuple[Row, ...]]:
    """Return findings on the same prompt and work together, the longest runs first."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in findings:
        groups[row["model_id"], row["prompt_id"], row["work_id"]].append(row)
    order = {"verbatim_words": 0, "near_words": 1}
    found = [
        tuple(sorted(rows, key=lambda row: order.get(row["method"], 2))) for rows in groups.values()
    ]
    return sorted(found, key=_strength)


def _strength(group: tuple[Row, ...]) -> tuple[bool, float, float, str]:
    row = group[0]
    score = -(row["score"] or 0)
    return row["method"] != "verbatim_words", score, -row["k"] / max(row["n"], 1), row["finding_id"]


def gather_exhibits(
    readers: Mapping[str, Reader], groups: Sequence[tuple[Row, ...]]
) -> tuple[TextExhibit, ...]:
    """Return an exhibit for each group of findings, in the same order.

    Args:
        readers: `texts`, `works`, `outputs`, `matches`, `spans`.
        groups: findings on the same prompt and work.
    """
    if not groups:
        return ()
    wanted = pa.array(sorted({rows[0]["prompt_id"] for rows in groups}), pa.large_string())
    tables = {
        role: rows_of(readers[role], names, wanted)
        for role, names in (
            ("outputs", (*_OF_OUTPUT, *_OF_ASKED)),
            ("matches", _OF_MATCH),
            ("spans", _OF_SPAN),
        )
    }
    texts = _texts(readers, {rows[0]["neighbor_id"] for rows in groups})
    return tuple(_exhibit(group, tables, texts) for group in groups)


def _texts(readers: Mapping[str, Reader], ids: set[str]) -> dict[str, Row]:
    wanted = pa.array(sorted(ids), pa.large_string())
    rows = readers["texts"].read(["text_id", "piece", *_OF_TEXT])
    rows = rows.filter(pc.and_(pc.is_in(rows["text_id"], wanted), pc.equal(rows["piece"], 0)))
    near = readers["works"].read(["text_id", "num_near"])
    near = near.filter(pc.is_in(near["text_id"], wanted))
    counts = {row["text_id"]: row["num_near"] for row in near.to_pylist()}
    return {row["text_id"]: {**row, "num_near": counts[row["text_id"]]} for row in rows.to_pylist()}


def _exhibit(
    group: tuple[Row, ...], tables: Mapping[str, list[Row]], texts: Mapping[str, Row]
) -> TextExhibit:
    first = group[0]
    asked = (first["model_id"], first["prompt_id"])
    made = [row for row in tables["outputs"] if (row["model_id"], row["prompt_id"]) == asked]
    matches = {
        row["made_id"]: row for row in tables["matches"] if row["work_id"] == first["work_id"]
    }
    best, text_id = first["best_made_id"], first["neighbor_id"]
    (output,) = (row for row in made if row["output_id"] == best)
    attempts = [
        _attempt(row, matches.get(row["output_id"]), group)
        for row in sorted(made, key=lambda row: (row["sample"], row["output_id"]))
    ]
    return TextExhibit(
        findings=group,
        output=output,
        match=matches[best],
        work={name: texts[text_id][name] for name in _OF_TEXT},
        num_near=texts[text_id]["num_near"],
        spans={
            (row["kind"], row["output_start"], row["text_start"]): row
            for row in tables["spans"]
            if (row["output_id"], row["text_id"]) == (best, text_id)
        },
        attempts=tuple(attempts[:MAX_ATTEMPTS]),
        num_attempts=len(attempts),
        failed=sum(row["failure"] is not None for row in made),
    )


_MEASURE = {"verbatim_words": "run_words", "near_words": "near_block_words"}


def _attempt(row: Row, match: Row | None, group: Sequence[Row]) -> Attempt:
    return Attempt(
        output=row,
        begins=shown((row["text"] or "")[:80]),
        match=match,
        long=match is not None
        and any(match[_MEASURE[f["method"]]] >= (f["threshold"] or 0) for f in group),
        best=row["output_id"] == group[0]["best_made_id"],
    )
