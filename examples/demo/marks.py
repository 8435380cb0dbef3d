"""Marks: a finished run's verdicts beside the truth tables, of images and of texts.

A work is named by its bytes; what the pipeline sees as one work (with its near-duplicates) is one
work here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.statistics.limits import detection_limit
from stages.tables import ARTISTS, PROMPTS, TEXT_WORKS, WORKS

RATE = 0.3
"""Works that come back in this share of seeds or more, by the truth table, are to be found."""


class Marks(NamedTuple):
    """The run's answers beside the truth.

    `rare` are flagged works that come back by the truth table too, but in fewer seeds than `RATE`;
    `false` are those that never did.
    """

    found: list[str]
    missed: list[str]
    rare: list[str]
    false: list[str]
    unmemorized: int
    detection_limit: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the numbers for the last line of the demo."""
        return {
            "found": len(self.found),
            "planted": len(self.found) + len(self.missed),
            "rare": len(self.rare),
            "false": len(self.false),
            "detection_limit": self.detection_limit and round(self.detection_limit, 4),
        }


class Judged(NamedTuple):
    """What of a run is marked."""

    prompts: tuple[str, ...]
    """Dataset with what the model was asked."""

    works: tuple[Any, str]
    """Table and dataset that say which bytes belong to which work."""

    verdicts: tuple[str, frozenset[str]]
    """Dataset with one row per work, and the verdicts that say that a work came back."""


IMAGES = Judged(
    ("made.prompts",), (WORKS, "input.works"), ("made.artists", frozenset({"verbatim"}))
)
TEXTS = Judged(
    ("made.openings",),
    (TEXT_WORKS, "input.text_works"),
    ("made.authors", frozenset({"verbatim_text", "near_text"})),
)


def mark_images(case: Path, key: Path, truth: Path) -> Marks:
    """Compare the verdicts on images with the truth table."""
    works = json.loads(key.read_text(encoding="utf-8"))["works"]
    names = {work["sha256"]: work["near_duplicate_of"] or work["work"] for work in works}
    rows = json.loads(truth.read_text(encoding="utf-8"))["captions"]
    settings, _ = open_store(case)
    limit = detection_limit(
        settings.flag.min_hits, settings.prompts.seeds - settings.prompts.discovery
    )
    return _mark(case, IMAGES, (names, {row["work"]: row["rate"] for row in rows}), limit)


def mark_texts(case: Path, key: Path, truth: Path) -> Marks:
    """Compare the verdicts on texts with the truth table."""
    works = json.loads(key.read_text(encoding="utf-8"))["works"]
    names = {work["sha256"]: work["work"] for work in works}
    rows = json.loads(truth.read_text(encoding="utf-8"))["works"]
    settings, _ = open_store(case)
    asked = settings.openings
    limit = detection_limit(settings.judge_texts.min_hits, asked.seeds - asked.discovery)
    return _mark(case, TEXTS, (names, {row["work"]: row["rate"] for row in rows}), limit)


def _mark(
    case: Path, judged: Judged, truth: tuple[Mapping[str, str], Mapping[str, float]], limit: float | None
) -> Marks:
    names, rates = truth
    _, store = open_store(case)
    members: dict[str, set[str]] = {}
    table, dataset = judged.works
    for row in open_dataset(store, table, dataset).read(["work_id", "sha256"]).to_pylist():
        members.setdefault(row["work_id"], set()).add(names[row["sha256"]])
    prompts = open_dataset(store, PROMPTS, *judged.prompts).read(["work_id", "half"]).to_pylist()
    asked = {name for p in prompts if p["half"] == "train" for name in members[p["work_id"]]}
    memorized = {name for name, rate in rates.items() if rate >= RATE}
    planted = memorized & asked
    dataset, back = judged.verdicts
    rows = open_dataset(store, ARTISTS, dataset).read(["work_id", "verdict"]).to_pylist()
    flagged = [members[row["work_id"]] for row in rows if row["verdict"] in back]
    found = {name for group in flagged for name in group if name in planted}
    others = [group for group in flagged if not group & memorized]
    rare = {name for name, rate in rates.items() if 0 < rate < RATE}
    return Marks(
        found=sorted(found),
        missed=sorted(planted - found),
        rare=sorted(min(group & rare) for group in others if group & rare),
        false=sorted(min(group) for group in others if not group & rare),
        unmemorized=sum(rates.get(name, 1.0) == 0 for name in asked),
        detection_limit=limit,
    )
