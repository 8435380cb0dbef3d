"""Reviews: what people decided on findings, and where a case says that it lies.

decisions.jsonl       one line for each finding and reviewer
adjudications.jsonl   the same, by a further person, where reviewers disagree
decoys.jsonl          what was shown among the findings to learn how often reviewers err
protocol.md           what reviewers were told
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.evidence.safe import without_secrets
from stages.contract import PathText

DECISIONS = ("copied", "partly_copied", "not_copied", "unsure")
"""What may be decided."""

CONFLICT = "conflict"
"""Outcome of a finding on which reviewers disagree, and nobody has ruled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewsConfig:
    """Where decisions of people on the findings lie; they enter bundles and no run."""

    decisions: PathText | None = None
    """JSON lines: finding, reviewer (a pseudonym such as R01), decision (copied, partly_copied,
    not_copied, unsure), utc; if wanted note, seconds, made. None: no review took place."""

    adjudications: PathText | None = None
    """The same, one line for each finding on which reviewers disagree, by a further person."""

    decoys: PathText | None = None
    """JSON lines: finding, truth (copied, not_copied) of what reviewers were shown to learn how
    often they err."""

    protocol: PathText | None = None
    """Text of what reviewers were told and what they saw."""

    def __post_init__(self) -> None:
        others = (self.adjudications, self.decoys, self.protocol)
        if self.decisions is None and any(others):
            raise ValueError("decisions: missing; without decisions there is no review to describe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one person decided on one finding."""

    finding: str
    """finding_id, or key of a decoy."""

    reviewer: str
    """Pseudonym; who it is stays outside of bundles."""

    decision: str
    """One of `DECISIONS`."""

    utc: str
    """When, by the clock of the reviewer's machine."""

    note: str | None = None
    """Reasons, in the reviewer's words."""

    seconds: float | None = None
    """Time spent on it."""

    made: str | None = None
    """Generation that was shown."""


@dataclass(frozen=True, kw_only=True)
class Reviews:
    """Everything that was decided; empty if no review took place."""

    decisions: Mapping[str, tuple[Decision, ...]] = field(default_factory=dict)
    """Finding -> decisions on it, by reviewer."""

    of_decoys: Mapping[str, tuple[Decision, ...]] = field(default_factory=dict)
    """Decoy -> decisions on it, by reviewer."""

    rulings: Mapping[str, Decision] = field(default_factory=dict)
    """Finding -> adjudication."""

    truths: Mapping[str, str] = field(default_factory=dict)
    """Decoy -> truth."""

    protocol: str | None = None
    """What reviewers were told."""

    digests: Mapping[str, str] = field(default_factory=dict)
    """Kind of a file that was read -> its sha256."""

    def of(self, finding: str) -> tuple[Decision, ...]:
        """Return the decisions on a finding, by reviewer."""
        return self.decisions.get(finding, ())

    def outcome(self, finding: str) -> str | None:
        """Return what came of a finding: the ruling, else what all say, else `CONFLICT`."""
        if finding in self.rulings:
            return self.rulings[finding].decision
        said = {one.decision for one in self.of(finding)}
        return CONFLICT if len(said) > 1 else next(iter(said), None)

    @property
    def took_place(self) -> bool:
        """True if anybody decided on anything."""
        return bool(self.decisions or self.of_decoys)


def shown(one: Decision) -> dict[str, Any]:
    """Return a decision as JSON values, without what was not said."""
    found = {name: value for name, value in asdict(one).items() if value is not None}
    return found | ({"note": without_secrets(one.note)} if one.note else {})


def review_of(reviews: Reviews, finding: str) -> dict[str, Any] | None:
    """Return what item.json says of the review of a finding; None if nobody decided on it."""
    if not reviews.of(finding):
        return None
    ruling = reviews.rulings.get(finding)
    drop = {"finding"}
    return {
        "outcome": reviews.outcome(finding),
        "decisions": [
            {name: value for name, value in shown(one).items() if name not in drop}
            for one in reviews.of(finding)
        ],
        "adjudication": ruling
        and {name: value for name, value in shown(ruling).items() if name not in drop},
    }
