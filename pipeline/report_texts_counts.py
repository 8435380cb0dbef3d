"""Counts of a report on texts: what each model was asked, what it gave, and how long the runs were.

The profile applies the lengths that courts, laws and studies have named to what was measured; no
stage knows them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Reader
from stages.statistics.limits import detection_limit
from stages.verdicts.credits import STRENGTH
from stages.verdicts.trials import foreign

Row = Mapping[str, Any]


class Mark(NamedTuple):
    """A length that somebody has named."""

    measure: str
    """Column of MATCHES."""

    least: int
    """An output passes at it or above."""

    label: str
    """What is counted."""

    source: str
    """Who names it."""


MARKS = (
    Mark("run_tokens", 50, "50 tokens in a row", "Carlini et al. 2022, and most studies since"),
    Mark("run_words", 50, "50 words in a row", "studies of verbatim copying"),
    Mark("run_chars", 160, "160 characters in a row", "German law on uses of small extent"),
    Mark("run_chars", 150, "150 characters in a row", "filter of a programming assistant"),
    Mark("near_block_words", 100, "100 words, nearly in a row", "Ahmed et al. 2026"),
    Mark("run_words", 32, "32 words in a row", ""),
    Mark("run_words", 20, "20 words in a row", ""),
    Mark("run_words", 13, "13 words in a row", ""),
    Mark("run_words", 8, "8 words in a row", "the shortest run that the search is sure to find"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLine:
    """What passes one mark."""

    mark: Mark
    """The length."""

    known: bool
    """False if the measure was not taken."""

    outputs: Mapping[str, int]
    """Outputs with such a passage of a work, by half of the work."""

    works: Mapping[str, int]
    """Works with such a passage, by half."""


class Origin(NamedTuple):
    """Attempts at prompts of one origin."""

    name: str
    prompts: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """What one model was asked and gave."""

    model_id: str
    """Digest of the model, or `imported` and its name."""

    prompts: int
    """Prompts that were judged and are not cut from control works."""

    prompts_back: int
    """Of those, prompts that gave a training work back."""

    works_back: int
    """Training works that came back."""

    control_prompts: int
    """Prompts cut from control works that were judged."""

    control_prompts_back: int
    """Of those, prompts that gave a training work back."""

    not_examined: int
    """Prompts of which no attempt was judged."""

    attempts: int
    """All attempts."""

    failed: int
    """Attempts that gave no text."""

    discovery: int
    """Attempts that nominate works and are not judged."""

    n_low: int
    """Fewest judged attempts at a prompt; 0 if none was judged."""

    n_high: int
    """Most judged attempts at a prompt."""

    detection_limit: float | None
    """Smallest rate seen with probability 0.95 at `n_low` attempts; None where k/n is no rate."""

    num_controls: int
    """Control works to beat."""

    min_words: float | None
    """Words of a run from which on it can be a finding; None if nothing was judged."""

    min_near_words: float | None
    """The same of matched words in a near-verbatim block."""

    control_best: float | None
    """Longest run of words in common with a control work that counts."""

    origins: tuple[Origin, ...]
    """How it was prompted."""

    settings: tuple[tuple[str, int], ...]
    """Settings as canonical JSON, and attempts with them; most first."""

    findings: tuple[tuple[str, str, int], ...]
    """Verdict, method and how many rows."""

    profile: tuple[ProfileLine, ...]
    """Outputs and works that pass each mark."""


_MEASURES = tuple(dict.fromkeys(mark.measure for mark in MARKS))


def count_text_models(
    readers: Mapping[str, Reader],
    findings: Sequence[Row],
    halves: Mapping[str, str | None],
    min_hits: int,
) -> tuple[TextModel, ...]:
    """Return the counts of every model in FINDINGS, by model_id.

    Args:
        readers: `outputs`, `matches`.
        findings: FINDINGS rows of texts.
        halves: half of the work that a prompt was cut from, by prompt_id.
        min_hits: hits that the rule asks for.
    """
    names = ["model_id", "prompt_id", "phase", "failure", "origin", "settings"]
    outputs = readers["outputs"].read(names)
    matches = readers["matches"].read(["model_id", "made_id", "work_id", "half", *_MEASURES])
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in findings:
        by_model[row["model_id"]].append(row)
    return tuple(
        TextModel(
            model_id=model_id,
            **_judged(rows, halves, 0 if foreign(model_id) else min_hits),
            **_asked(outputs.filter(pc.equal(outputs["model_id"], model_id))),
            findings=_by_verdict(rows),
            profile=profile(matches.filter(pc.equal(matches["model_id"], model_id))),
        )
        for model_id, rows in sorted(by_model.items())
    )


def _judged(rows: Sequence[Row], halves: Mapping[str, str | None], min_hits: int) -> dict[str, Any]:
    judged = {row["prompt_id"]: row["n"] for row in rows if row["n"]}
    found = [row for row in rows if row["verdict"] in {"verbatim_text", "near_text"}]
    back = {row["prompt_id"] for row in found}
    controls = {prompt for prompt in judged if halves.get(prompt) == "control"}
    n_low = min(judged.values(), default=0)
    limits = [row["control_best"] for row in rows if row["method"] == "verbatim_words"]
    marks = {row["method"]: row["threshold"] for row in rows}
    return {
        "prompts": len(judged) - len(controls),
        "prompts_back": len(back - controls),
        "works_back": len({row["work_id"] for row in found}),
        "control_prompts": len(controls),
        "control_prompts_back": len(back & controls),
        "not_examined": len({row["prompt_id"] for row in rows} - judged.keys()),
        "n_low": n_low,
        "n_high": max(judged.values(), default=0),
        "detection_limit": detection_limit(min_hits, n_low) if 0 < min_hits <= n_low else None,
        "num_controls": max((row["num_controls"] for row in rows), default=0),
        "min_words": marks.get("verbatim_words"),
        "min_near_words": marks.get("near_words"),
        "control_best": max((best for best in limits if best is not None), default=None),
    }


def _asked(outputs: pa.Table) -> dict[str, Any]:
    origins = outputs.group_by("origin").aggregate(
        [("prompt_id", "count_distinct"), ("origin", "count")]
    )
    settings = Counter(outputs["settings"].to_pylist())
    return {
        "attempts": outputs.num_rows,
        "failed": outputs.num_rows - outputs["failure"].null_count,
        "discovery": pc.sum(pc.equal(outputs["phase"], "discovery")).as_py() or 0,
        "origins": tuple(
            sorted(
                Origin(row["origin"], row["prompt_id_count_distinct"], row["origin_count"])
                for row in origins.to_pylist()
            )
        ),
        "settings": tuple(settings.most_common()),
    }


def _by_verdict(rows: Iterable[Row]) -> tuple[tuple[str, str, int], ...]:
    counts = Counter((row["verdict"], row["method"]) for row in rows)
    order = {name: place for place, name in enumerate(STRENGTH)}
    ranked = sorted(counts, key=lambda key: (order[key[0]], key[1] != "verbatim_words", key[1]))
    return tuple((*key, counts[key]) for key in ranked)


def profile(matches: pa.Table) -> tuple[ProfileLine, ...]:
    """Return how many outputs and works pass each mark, in the order of `MARKS`.

    Args:
        matches: made_id, work_id, half and measures of MATCHES of texts.
    """
    return tuple(
        ProfileLine(
            mark=mark,
            known=matches[mark.measure].null_count < matches.num_rows or not matches.num_rows,
            outputs=_distinct(matches, mark, "made_id"),
            works=_distinct(matches, mark, "work_id"),
        )
        for mark in MARKS
    )


def _distinct(matches: pa.Table, mark: Mark, name: str) -> dict[str, int]:
    passing = matches.filter(pc.greater_equal(matches[mark.measure], mark.least))
    return {
        half: len(pc.unique(passing.filter(pc.equal(passing["half"], half))[name]))
        for half in ("train", "control")
    }
