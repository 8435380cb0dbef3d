"""Standing in a report: what the numbers of the verdicts mean, and what they rest on.

`collect_standing` reads how the units stand against the controls, whether works and controls can be
told apart without the model, what could not have been seen, and what was registered. The wording of
single numbers is that of `stages.verdicts.sentences`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.report_null import Drawing, draw_null
from stages.contract import Reader, Table
from stages.statistics.discovery import expected_false, fewest_findings, needed_controls
from stages.tables import ASSESSMENTS, BLIND, LEANINGS, LIMITS
from stages.verdicts.measures import larger
from stages.verdicts.sentences import none_closer

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
    "template": "layout, masked ratio",
    "partial": "region, by how much the work tells it best",
    "verbatim_words": "words of the longest run",
    "near_words": "matched words of the largest near-verbatim block",
    "clip": "CLIP cosine",
    "l2": "l2 distance",
    "tiled_l2": "tiled l2 distance",
}
"""Method -> what its score is, on an axis; in the order in which they are shown."""


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
    standing_out: int
    """Test units whose q is at most the level; a finding has to have come back besides."""
    unreached: int
    """Test units that no control unit reaches."""
    expected_false: float
    """False findings to expect, on average over runs."""
    fewest: int
    """Fewest units that can stand out together with so many controls; 0 without controls."""
    for_one: int
    """Controls that a single one would need."""
    excluded: Mapping[str, int]
    """Why units are in no test, and how many."""
    drawing: Drawing | None
    """The null and the units in it; None where there is nothing to draw."""
    limit: Row | None
    """Row of LIMITS; None if nothing was planted."""
    scores: Mapping[str, float | None]
    """Score of each tested unit, by unit_id."""
    closest: float | None
    """Closest score of a control unit; None if none had a match."""


class Strip(NamedTuple):
    """Where the unit of one finding lies in the null."""

    number: int
    """Place of its list in the summary."""
    drawing: Drawing
    score: float | None
    """Score of the unit, which may rest on another prompt than the finding."""
    closest: float | None
    """Closest score of a control unit."""


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

    def list_of(self, model_id: str, method: str) -> Standing | None:
        """Return the units of one model by one method, if they were tested."""
        mine = (one for one in self.lists if (one.model_id, one.method) == (model_id, method))
        return next(mine, None)

    def strip(self, finding: Row) -> Strip | None:
        """Return where a finding lies in the null; None if its unit was not tested."""
        for number, one in enumerate(self.lists):
            mine = (one.model_id, one.method) == (finding["model_id"], finding["method"])
            if mine and one.drawing is not None and finding["unit_id"] in one.scores:
                return Strip(number, one.drawing, one.scores[finding["unit_id"]], one.closest)
        return None

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
    lists: dict[tuple[str, bool, int, str], list[Row]] = {}
    for row in rows["assessments"]:
        order = list(NAMES).index(row["method"]) if row["method"] in NAMES else len(NAMES)
        key = (row["model_id"], not row["primary"], order, row["method"])
        lists.setdefault(key, []).append(row)
    return StandingSummary(
        q=q,
        lists=tuple(
            _standing(found, q, limits.get((model_id, method)))
            for (model_id, _, _, method), found in sorted(lists.items())
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
    out = {row["unit_id"] for row in found}
    method = first["method"]
    nearer = max if larger(method) else min
    return Standing(
        model_id=first["model_id"],
        method=method,
        name=NAMES.get(method, method.replace("_", " ")),
        primary=first["primary"],
        units=first["num_units"],
        controls=first["num_controls"],
        standing_out=len(found),
        unreached=sum(row["num_exceeding"] == 0 for row in tested),
        expected_false=expected_false(q, len(found)),
        fewest=fewest_findings(first["num_units"], first["num_controls"], q) if tested else 0,
        for_one=needed_controls(max(1, first["num_units"]), q),
        excluded=Counter(row["excluded"] for row in rows if row["excluded"]),
        drawing=draw_null(
            _scores(row for row in tested if row["unit_id"] not in out),
            _scores(found),
            _scores(controls),
            larger=larger(method),
        )
        if first["primary"]
        else None,
        limit=limit,
        scores={row["unit_id"]: row["score"] for row in tested},
        closest=nearer(
            (row["score"] for row in controls if row["score"] is not None), default=None
        ),
    )


def _scores(rows: Iterable[Row]) -> list[float | None]:
    return [row["score"] for row in rows]


def remarks(finding: Row) -> list[str]:
    """Return what a reason says besides how often the work came back and how its unit stands.

    >>> row = {"p": None, "reason": "3 of 8 images gave the work back; no control stood against it"}
    >>> remarks(row)
    ['no control stood against it']
    """
    parts: list[str] = finding["reason"].split("; ")[1:]
    if finding["p"] is None:
        return parts
    said = {*none_closer(finding).split("; "), f"q {finding['q']:.3g}"}
    return [part for part in parts if part not in said]
