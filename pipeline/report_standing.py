"""Standing in a report: what the numbers of the verdicts mean, and what they rest on.

`collect_standing` reads how the units stand against the controls, whether works and controls can be
told apart without the model, what could not have been seen, and what was registered. The wording of
single numbers is that of `stages.verdicts.sentences`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report_null import Drawing, draw_null
from stages.contract import Reader, Table
from stages.statistics.discovery import expected_false, needed_controls
from stages.tables import ASSESSMENTS, BLIND, LEANINGS, LIMITS
from stages.verdicts.sentences import limit_of

Row = Mapping[str, Any]

STANDING_READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "assessments": (ASSESSMENTS, ("made.assessments", "made.text_assessments")),
    "blind": (BLIND, ("made.blind", "made.text_blind")),
    "leanings": (LEANINGS, ("made.leanings", "made.text_leanings")),
    "limits": (LIMITS, ("made.limits", "made.text_limits")),
}
"""Role -> table and the datasets behind one reader."""

NAMES = {
    "adaptive_ratio": "adaptive ratio",
    "clip": "CLIP cosine",
    "l2": "l2 distance",
    "tiled_l2": "tiled l2 distance",
    "verbatim_words": "words of the longest run",
    "near_words": "matched words of the largest near-verbatim block",
}
"""Method -> what its score is, on an axis."""

LARGER = frozenset({"clip", "verbatim_words", "near_words"})
"""Methods whose larger score lies closer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The units of one model, by one method."""

    model_id: str
    method: str
    name: str
    """What the score is."""
    primary: bool
    units: int
    """Test units K."""
    controls: int
    """Control units m."""
    findings: int
    """Test units whose q is at most the level."""
    unreached: int
    """Test units that no control unit reaches."""
    expected_false: float
    """False findings to expect, on average over runs."""
    for_one: int
    """Controls that a single finding would need."""
    excluded: Mapping[str, int]
    """Why units are in no test, and how many."""
    drawing: Drawing | None
    """The null and the units in it; None where there is nothing to draw."""
    limit: str
    """From which rate on a work would have been found, as a sentence; empty if not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSummary:
    """What the page says of error rates."""

    q: float
    lists: tuple[Standing, ...]
    """By model; primary methods first."""
    blind: tuple[Row, ...]
    """Rows of BLIND."""
    leanings: tuple[Row, ...]
    """Rows of LEANINGS."""
    registered: Row | None
    """`digest` and `registered`; None if nothing was registered."""
    departures: tuple[str, ...]
    """What is not as it was registered."""

    @property
    def told(self) -> str:
        """The worst judgement of the blind test; empty if it was not made."""
        found = [row["judgement"] for row in self.blind]
        order = ("not calibrated", "warning", "calibrated")
        return next((each for each in order if each in found), "not tested" if found else "")


def collect_standing(
    readers: Mapping[str, Reader],
    q: float,
    registered: Row | None = None,
    departures: Sequence[str] = (),
) -> StandingSummary:
    """Return what the page says of error rates.

    Args:
        readers: a reader for each role of `STANDING_READS`.
        q: level of the run.
        registered: the registration, if there is one.
        departures: what is not as it was registered.
    """
    rows = {role: reader.read(_names(role)).to_pylist() for role, reader in readers.items()}
    limits = {(row["model_id"], row["method"]): row for row in rows["limits"]}
    lists: dict[tuple[str, bool, str], list[Row]] = {}
    for row in rows["assessments"]:
        lists.setdefault((row["model_id"], not row["primary"], row["method"]), []).append(row)
    return StandingSummary(
        q=q,
        lists=tuple(
            _standing(found, q, limits.get((model_id, method)))
            for (model_id, _, method), found in sorted(lists.items())
        ),
        blind=tuple(rows["blind"]),
        leanings=tuple(rows["leanings"]),
        registered=registered,
        departures=tuple(departures),
    )


def _names(role: str) -> Sequence[str]:
    return list(STANDING_READS[role][0].schema.names)


def _standing(rows: Sequence[Row], q: float, limit: Row | None) -> Standing:
    first = rows[0]
    tested = [row for row in rows if row["p"] is not None]
    controls = [row for row in rows if row["label"] == "control" and row["excluded"] is None]
    found = [row for row in tested if row["q"] is not None and row["q"] <= q]
    method = first["method"]
    return Standing(
        model_id=first["model_id"],
        method=method,
        name=NAMES.get(method, method.replace("_", " ")),
        primary=first["primary"],
        units=first["num_units"],
        controls=first["num_controls"],
        findings=len(found),
        unreached=sum(row["num_exceeding"] == 0 for row in tested),
        expected_false=expected_false(q, len(found)),
        for_one=needed_controls(max(1, first["num_units"]), q),
        excluded=Counter(row["excluded"] for row in rows if row["excluded"]),
        drawing=draw_null(
            _scores(row for row in tested if row not in found),
            _scores(found),
            _scores(controls),
            larger=method in LARGER,
        )
        if first["primary"]
        else None,
        limit="" if limit is None else limit_of(limit),
    )


def _scores(rows: Iterable[Row]) -> list[float | None]:
    return [row["score"] for row in rows]
