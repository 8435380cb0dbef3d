"""Standing in a report: what the numbers of the verdicts mean, and what they rest on.

`collect_standing` reads how the units stand against the controls, whether works and controls can be
told apart without the model, what could not have been seen, and what was registered. The wording of
single numbers is that of `stages.verdicts.sentences`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pipeline.report_null import Drawing, draw_null
from stages.contract import Reader, Table
from stages.statistics.discovery import expected_false, needed_controls
from stages.statistics.placebo import ByCoin, ByLook, by_coin, by_look
from stages.statistics.repairs import effective
from stages.tables import ASSESSMENTS, BALANCE, BLIND, FINDINGS, LEANINGS, LIMITS
from stages.verdicts.against import Rule, closeness, fewest
from stages.verdicts.blindfold import Place, Repair
from stages.verdicts.confirm import COPIES
from stages.verdicts.measures import larger
from stages.verdicts.sentences import none_closer, repair_of

Row = Mapping[str, Any]

STANDING_READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "assessments": (ASSESSMENTS, ("made.assessments", "made.text_assessments")),
    "balance": (BALANCE, ("made.balance", "made.text_balance")),
    "blind": (BLIND, ("made.blind", "made.text_blind")),
    "findings": (FINDINGS, ("made.findings", "made.text_findings")),
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
    findings: int
    """Units of those that are findings by this method."""
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
    overlap: tuple[str, ...]
    """Units with works of both halves: controls that are no controls."""
    constant: bool
    """True if all score the same, so that none could have stood out."""
    drawing: Drawing | None
    """The null and the units in it; None where there is nothing to draw."""
    limit: Row | None
    """Row of LIMITS; None if nothing was planted."""
    scores: Mapping[str, float | None]
    """Score of each tested unit, by unit_id."""
    closest: float | None
    """Closest score of a control unit; None if none had a match."""
    coin: ByCoin | None
    """What is found if control units stand in for works, by coin; None if there are too few."""
    look: ByLook | None
    """The same for those that look most like works; None if nobody looked, or there are too few."""


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
    repair: str
    """What was done about controls that can be told from works, in one sentence; empty if nothing
    was."""

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
    looks = {row["unit_id"]: row for row in rows["balance"]}
    departed = any(place.startswith(_REPAIR) for place in departures) if registered else None
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows["findings"]:
        if row["verdict"] in COPIES and row["unit_id"] is not None:
            named[row["model_id"], row["method"]].add(row["unit_id"])
    lists: dict[tuple[str, bool, int, str], list[Row]] = {}
    for row in rows["assessments"]:
        order = list(NAMES).index(row["method"]) if row["method"] in NAMES else len(NAMES)
        key = (row["model_id"], not row["primary"], order, row["method"])
        lists.setdefault(key, []).append(row)
    return StandingSummary(
        q=q,
        lists=tuple(
            replace(
                _standing(found, q, limits.get((model_id, method)), looks),
                findings=len(named[model_id, method]),
            )
            for (model_id, _, _, method), found in sorted(lists.items())
        ),
        blind=tuple(rows["blind"]),
        leanings=tuple(rows["leanings"]),
        registered=registered,
        departures=tuple(departures),
        repair=_repaired(rows["balance"], departed=departed),
    )


_REPAIR = ("case.blind.repair", "case.blind.caliper", "case.blind.strata")


def _repaired(balance: Sequence[Row], *, departed: bool | None) -> str:
    controls = [row["weight"] for row in balance if row["label"] == "control" and row["kept"]]
    kinds = {row["repair"] for row in balance}
    if not controls or kinds == {"none"}:
        return ""
    return repair_of(min(kinds), (len(controls), effective(controls)), departed=departed)


def _names(role: str) -> Sequence[str]:
    return list(STANDING_READS[role][0].schema.names)


def _standing(
    rows: Sequence[Row], q: float, limit: Row | None, looks: Mapping[str, Row]
) -> Standing:
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
        controls=len(controls),
        standing_out=len(found),
        findings=0,
        unreached=sum(row["num_exceeding"] == 0 for row in tested),
        expected_false=expected_false(q, len(found)),
        fewest=_fewest(tested, controls, q, looks) if tested else 0,
        for_one=needed_controls(max(1, first["num_units"]), q),
        excluded=Counter(row["excluded"] for row in rows if row["excluded"]),
        overlap=tuple(sorted(row["unit_id"] for row in rows if row["label"] == "mixed")),
        constant=len({row["score"] for row in (*tested, *controls)}) == 1,
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
        **_placebo(first, controls, q, looks),
    )


def _fewest(
    tested: Sequence[Row], controls: Sequence[Row], q: float, looks: Mapping[str, Row]
) -> int:
    rule = Rule(q, _kind(tested, looks), larger=True, listed=True, hidden=True)
    placed = {name: Place(r["kept"], r["stratum"], r["weight"]) for name, r in looks.items()}
    return fewest(tested, controls, rule, placed)


def _kind(rows: Sequence[Row], looks: Mapping[str, Row]) -> Repair:
    found: Repair = looks[rows[0]["unit_id"]]["repair"] if rows[0]["unit_id"] in looks else "none"
    return found


def _placebo(
    first: Row, controls: Sequence[Row], q: float, looks: Mapping[str, Row]
) -> dict[str, Any]:
    """Return what is found if control units stand in for works."""
    if not first["primary"] or not controls:
        return {"coin": None, "look": None}
    scores_m = closeness(controls, larger=larger(first["method"]))
    look_m = [looks[row["unit_id"]]["look"] for row in controls if row["unit_id"] in looks]
    return {
        "coin": by_coin(scores_m, q, 0),
        "look": by_look(scores_m, look_m, q) if len(look_m) == len(controls) else None,
    }


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
