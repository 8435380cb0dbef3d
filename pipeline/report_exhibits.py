"""Exhibits of a report: the findings to show, each with its pair and the seeds of its caption.

Large tables are read one column at a time and cut down to the captions that are shown, so that
memory follows the widest column and not the table.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Reader
from stages.verdicts.measures import larger

Row = Mapping[str, Any]

MAX_EXHIBITS = 40
MAX_AGREEING = 6
MAX_SEEDS = 48

_OF_GENERATION = ("model_id", "prompt_id", "image_id", "sample", "phase")
_OF_MATCH = (
    *("model_id", "prompt_id", "made_id", "work_id", "half", "neighbor_id", "adaptive_ratio"),
    "best",
)
_OF_SCORE = (
    *("model_id", "prompt_id", "made_id", "work_id", "half", "neighbor_id", "method", "score"),
    *("hit", "detail"),
)
_OF_WORK = ("artist", "title", "year", "licence", "place")


Box = tuple[int, int, int, int]
"""Top, left, bottom and right in pixels of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a model was asked."""

    text: str | None
    """The caption; None for a class, for nothing, or where an image came without one."""

    class_label: int | None
    """The class, None for a caption or nothing."""

    half: str | None
    """Half of the work whose caption it is, None if no work is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One generation of a caption."""

    image_id: str
    """Generation to show."""

    sample: int
    """Its number within the caption."""

    judged: bool
    """True for a confirmation seed, False for one that set the threshold."""

    score: float | None
    """Score against the work of the exhibit; None if that work was not a candidate."""

    hit: bool
    """True if the work is the closest one and lies beyond the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One finding with everything that is shown beside it."""

    finding: Row
    """FINDINGS row."""

    caption: Caption
    """What the model was asked."""

    work: Row
    """Artist, title, year, licence and place of the image that came back; empty if none did."""

    num_images: int
    """Images of the work in its half, 0 if no work is named."""

    rival: Row
    """The control work that lies closest to the same generation: neighbor_id and score, artist,
    title, year and licence; empty if it was compared with none."""

    boxes: Mapping[str, Box]
    """Regions that are the same: `made` and `work`, of a partial copy; else empty."""

    seeds: tuple[Seed, ...]
    """Generations of the caption in order, at most `MAX_SEEDS`."""

    num_seeds: int
    """Generations of the caption in all."""


def read_captions(prompts: Reader) -> dict[str, Caption]:
    """Return what each prompt asks, by prompt_id."""
    rows = prompts.read(["prompt_id", "text", "class_label", "half"])
    named = [(name, "first") for name in ("text", "class_label", "half")]
    once = rows.group_by("prompt_id", use_threads=False).aggregate(named)
    return {
        row["prompt_id"]: Caption(
            text=row["text_first"], class_label=row["class_label_first"], half=row["half_first"]
        )
        for row in once.to_pylist()
    }


def in_order(findings: Iterable[Row]) -> list[Row]:
    """Return findings as they are shown: each work once before any comes again, strongest first."""
    found = sorted(findings, key=_strength)
    seen: dict[Any, int] = defaultdict(int)
    turns = []
    for row in found:
        turns.append(seen[row["model_id"], row["work_id"]])
        seen[row["model_id"], row["work_id"]] += 1
    return [row for _, row in sorted(zip(turns, found, strict=True), key=lambda pair: pair[0])]


def _strength(row: Row) -> tuple[float, float, str]:
    sign = -1 if larger(row["method"]) else 1
    score = float("inf") if row["score"] is None else sign * row["score"]
    return -row["k"] / max(row["n"], 1), score, row["finding_id"]


def read_exhibits(
    readers: Mapping[str, Reader], findings: Sequence[Row], captions: Mapping[str, Caption]
) -> tuple[Exhibit, ...]:
    """Return an exhibit for each finding, in the same order.

    Args:
        readers: `generations`, `matches`, `scores`, `images`, `works`.
        findings: FINDINGS rows.
        captions: by prompt_id.
    """
    if not findings:
        return ()
    wanted = pa.array(sorted({row["prompt_id"] for row in findings}), pa.large_string())
    made = by_caption(rows_of(readers["generations"], _OF_GENERATION, wanted))
    close = by_caption(_pairs(readers, wanted))
    out = []
    for row in findings:
        key = (row["model_id"], row["prompt_id"])
        mine = [pair for pair in close[key] if pair["method"] == row["method"]]
        seeds = _seeds(row, made[key], mine)
        work: Row = {}
        num_images = 0
        if row["work_id"] is not None and row["neighbor_id"] is not None:
            (work,) = readers["images"].take([row["neighbor_id"]], _OF_WORK).to_pylist()
            near = readers["works"].take([row["neighbor_id"]], ["num_near"])
            num_images = near["num_near"][0].as_py()
        exhibit = Exhibit(
            finding=row,
            caption=captions.get(row["prompt_id"], _NO_CAPTION),
            work=work,
            num_images=num_images,
            rival=_rival(row, mine, readers) if work else {},
            boxes=_boxes(row, mine),
            seeds=tuple(seeds[:MAX_SEEDS]),
            num_seeds=len(seeds),
        )
        out.append(exhibit)
    return tuple(out)


def _pairs(readers: Mapping[str, Reader], wanted: Any) -> list[Row]:
    """Return every scored pair of some captions, by whatever method, under the same names."""
    plain = [
        {**row, "method": "adaptive_ratio", "score": row["adaptive_ratio"], "hit": row["best"]}
        for row in rows_of(readers["matches"], _OF_MATCH, wanted)
    ]
    return [*plain, *rows_of(readers["scores"], _OF_SCORE, wanted)]


def _rival(finding: Row, close: Iterable[Row], readers: Mapping[str, Reader]) -> Row:
    """Return the control work that lies closest to the generation of a finding."""
    sign = -1 if larger(finding["method"]) else 1
    against = sorted(
        (sign * row["score"], row["work_id"], row["neighbor_id"])
        for row in close
        if (row["made_id"], row["half"]) == (finding["best_made_id"], "control")
        and row["score"] is not None
    )
    ids = [neighbor_id for _, _, neighbor_id in against]
    mixed = readers["works"].take(ids, ["mixed"])["mixed"].to_pylist() if ids else []
    # a work with images in both halves is no control
    pure = (row for row, both in zip(against, mixed, strict=True) if not both)
    for score, _, neighbor_id in pure:
        (work,) = readers["images"].take([neighbor_id], _OF_WORK).to_pylist()
        return {**work, "neighbor_id": neighbor_id, "score": sign * score}
    return {}


def _boxes(finding: Row, close: Iterable[Row]) -> dict[str, Box]:
    """Return which regions of a pair are the same."""
    pair = (finding["best_made_id"], finding["work_id"])
    for row in close:
        detail = row.get("detail")
        if (row["made_id"], row["work_id"]) == pair and detail:
            found = json.loads(detail)
            return {side: tuple(found[f"{side}_box"]) for side in _SIDES if f"{side}_box" in found}
    return {}


_SIDES = ("made", "work")
_NO_CAPTION = Caption(text=None, class_label=None, half=None)


def rows_of(reader: Reader, names: Iterable[str], prompts: Any) -> list[Row]:
    """Return the named columns of the rows of some prompts, reading one column at a time."""
    kept = pc.is_in(reader.read(["prompt_id"])["prompt_id"], value_set=prompts)
    columns = {name: reader.read([name])[name].filter(kept) for name in names}
    rows: list[Row] = pa.table(columns).to_pylist()
    return rows


def by_caption(rows: Iterable[Row]) -> Mapping[tuple[str, str], list[Row]]:
    """Return the rows of each model and prompt, in order."""
    out: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        out[row["model_id"], row["prompt_id"]].append(row)
    return out


def _seeds(finding: Row, made: Iterable[Row], close: Iterable[Row]) -> list[Seed]:
    mine = {row["made_id"]: row for row in close if row["work_id"] == finding["work_id"]}
    out = []
    for row in sorted(made, key=lambda row: (row["sample"], row["image_id"])):
        match = mine.get(row["image_id"])
        score = match["score"] if match else None
        out.append(
            Seed(
                image_id=row["image_id"],
                sample=row["sample"],
                judged=row["phase"] == "confirmation",
                score=score,
                hit=match is not None and match["hit"] and _beyond(score, finding),
            )
        )
    return out


def _beyond(score: float | None, finding: Row) -> bool:
    """Return whether a score lies beyond the threshold of a finding."""
    if score is None or finding["threshold"] is None:
        return False
    mark: float = finding["threshold"]
    return score > mark if larger(finding["method"]) else score < mark
