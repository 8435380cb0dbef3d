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
from stages.tables import ARTISTS, FINDINGS, LIMITS, PROMPTS, TEXT_WORKS, WORKS

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
    limit: str
    """The same as a sentence."""
    worst_q: float | None
    """Largest q of any finding."""

    def as_json(self) -> dict[str, Any]:
        """Return the numbers for the last line of the demo."""
        return {
            "found": len(self.found),
            "planted": len(self.found) + len(self.missed),
            "rare": len(self.rare),
            "false": len(self.false),
            "detection_limit": self.detection_limit and round(self.detection_limit, 4),
            "worst_q": self.worst_q and round(self.worst_q, 4),
        }


class Judged(NamedTuple):
    """What of a run is marked."""

    prompts: str
    """Dataset with what the model was asked."""

    works: tuple[Any, str]
    """Table and dataset that say which bytes belong to which work."""

    credits: str
    """Dataset with one row per work."""

    findings: str
    """Dataset with the verdicts."""

    limits: tuple[str, str]
    """Dataset with what could not have been seen, and the method that is shown."""


IMAGES = Judged(
    prompts="made.prompts",
    works=(WORKS, "input.works"),
    credits="made.artists",
    findings="made.findings",
    limits=("made.limits", "adaptive_ratio"),
)
TEXTS = Judged(
    prompts="made.openings",
    works=(TEXT_WORKS, "input.text_works"),
    credits="made.authors",
    findings="made.text_findings",
    limits=("made.text_limits", "verbatim_words"),
)
BACK = frozenset({"verbatim", "template", "partial", "verbatim_text", "near_text"})
"""Verdicts that say that a work came back."""


def mark_images(case: Path, key: Path, truth: Path) -> Marks:
    """Compare the verdicts on images with the truth table."""
    works = json.loads(key.read_text(encoding="utf-8"))["works"]
    names = {work["sha256"]: work["near_duplicate_of"] or work["work"] for work in works}
    rows = json.loads(truth.read_text(encoding="utf-8"))["captions"]
    return _mark(case, IMAGES, names, {row["work"]: row["rate"] for row in rows})


def mark_texts(case: Path, key: Path, truth: Path) -> Marks:
    """Compare the verdicts on texts with the truth table."""
    works = json.loads(key.read_text(encoding="utf-8"))["works"]
    names = {work["sha256"]: work["work"] for work in works}
    rows = json.loads(truth.read_text(encoding="utf-8"))["works"]
    return _mark(case, TEXTS, names, {row["work"]: row["rate"] for row in rows})


def _mark(
    case: Path, judged: Judged, names: Mapping[str, str], rates: Mapping[str, float]
) -> Marks:
    _, store = open_store(case)
    members: dict[str, set[str]] = {}
    table, dataset = judged.works
    for row in open_dataset(store, table, dataset).read(["work_id", "sha256"]).to_pylist():
        members.setdefault(row["work_id"], set()).add(names[row["sha256"]])
    prompts = open_dataset(store, PROMPTS, judged.prompts).read(["work_id", "half"]).to_pylist()
    asked = {name for p in prompts if p["half"] == "train" for name in members[p["work_id"]]}
    memorized = {name for name, rate in rates.items() if rate >= RATE}
    planted = memorized & asked
    rows = open_dataset(store, ARTISTS, judged.credits).read(["work_id", "verdict"]).to_pylist()
    flagged = [members[row["work_id"]] for row in rows if row["verdict"] in BACK]
    found = {name for group in flagged for name in group if name in planted}
    others = [group for group in flagged if not group & memorized]
    rare = {name for name, rate in rates.items() if 0 < rate < RATE}
    findings = open_dataset(store, FINDINGS, judged.findings).read(["verdict", "q"]).to_pylist()
    dataset, method = judged.limits
    limits = open_dataset(store, LIMITS, dataset).read(["method", "pi_95", "sentence"])
    (limit,) = (row for row in limits.to_pylist() if row["method"] == method)
    return Marks(
        found=sorted(found),
        missed=sorted(planted - found),
        rare=sorted(min(group & rare) for group in others if group & rare),
        false=sorted(min(group) for group in others if not group & rare),
        unmemorized=sum(rates.get(name, 1.0) == 0 for name in asked),
        detection_limit=limit["pi_95"],
        limit=limit["sentence"],
        worst_q=max((row["q"] for row in findings if row["verdict"] in BACK), default=None),
    )
