"""Look-up: what a run knows of one artist or author.

A name is answered only where its normal form is equal; a name that is merely like it is a
suggestion. Answers are given image by image: a work whose near-duplicates bear several names is
found under each of them. Training and control works are told apart, and a work that nobody looked
for says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from indexes.names import Names, Person
from pipeline.lookup_kinds import KINDS, READS, TEXT_READS, Kind, Pair, Piece
from stages.contract import Reader
from stages.verdicts.sentences import family_of, within_family
from stages.verdicts.trials import foreign

Row = Mapping[str, Any]

__all__ = ["READS", "TEXT_READS", "Family", "FoundWork", "Judgement", "LookupResult", "lookup"]

_OF_FINDING = ("finding_id", "k_low", "k_high", "score", "threshold", "control_best", "reason")
_OF_PAIR = ("best_made_id", "neighbor_id")
_OF_FAMILY = ("artist", "artist_units", "artist_q")
_BACK = ("verbatim", "template", "partial", "verbatim_text", "near_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one model gave back of one work: its strongest finding."""

    model_id: str
    """Digest of the model, or `imported`."""

    verdict: str
    """verbatim, template, partial, verbatim_text, near_text, none or not_examined."""

    k: int
    """Confirmation generations or attempts that gave the work back."""

    n: int
    """Confirmation generations or attempts that were judged."""

    k_low: float | None
    """Lower 95 % limit of k/n; None where k of n is no rate."""

    k_high: float | None
    """Upper 95 % limit of k/n."""

    score: float | None
    """Best adaptive ratio, or words of the longest passage; None if nothing was compared."""

    threshold: float | None
    """A match lies strictly below it; of words, at it or above."""

    control_best: float | None
    """Best score of any control work."""

    reason: str
    """Why the verdict is what it is."""

    finding_id: str | None
    """The finding, None if nobody looked."""

    q: float | None
    """False discovery rate within the list of this artist alone; None if the work was not tested.
    The q of the whole run, which the reason may name, does not belong to this list."""

    standing: str
    """What that q means; empty without one."""

    pair: Pair | None
    """The pair with the best score, None unless the work came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The tested units of one artist or author, as a family of their own."""

    artist: str
    """Name as the source writes it."""

    kind: str
    """`image` or `text`."""

    model_id: str
    """Digest of the model."""

    method: str
    """Measure that the units are tested by."""

    units: int
    """Tested units."""

    q: float
    """False discovery rate, over artists, of a list of artists that holds this one."""

    standing: str
    """What that q means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWork:
    """One work of the artist or author."""

    kind: str
    """`image` or `text`."""

    work_id: str
    """The work."""

    half: str
    """`train` or `control`; a work with images in both is listed in each."""

    artist: str
    """Name as the source writes it."""

    title: str | None
    """Title, None if none is stated."""

    year: int | None
    """Year, None if none is stated."""

    date: str | None
    """Date of a text as it is stated; None if none is."""

    places: tuple[str, ...]
    """Where the images or texts under this name lie, in order."""

    judgements: tuple[Judgement, ...]
    """One per model."""

    @property
    def came_back(self) -> bool:
        """True if any model gave the work back."""
        return any(judgement.verdict in _BACK for judgement in self.judgements)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupResult:
    """The answer to one name."""

    name: str
    """The name as it was asked."""

    names: tuple[str, ...]
    """Names in the sources that mean the same, as they are written; empty if there is none."""

    train: tuple[FoundWork, ...]
    """Works in the set, those that came back first."""

    control: tuple[FoundWork, ...]
    """Works among the controls."""

    families: tuple[Family, ...]
    """How the tested units under these names stand, by name, model and measure."""

    suggestions: tuple[str, ...]
    """Names that are like it, likest first; never an answer."""


def lookup(name: str, data: Mapping[str, Reader]) -> LookupResult:
    """Return what a run knows of an artist or author.

    Args:
        name: as a person types it.
        data: a reader for each role of `READS`, of `TEXT_READS`, or of both.
    """
    kinds = [kind for kind in KINDS if kind.names[0] in data]
    known = {maker: None for kind in kinds for maker in _makers(kind, data)}
    answer = Names(Person(maker, maker) for maker in known).find(name)
    names = tuple(person.name for person in answer.people)
    works = [work for kind in kinds for work in _works(kind, names, data)]
    works.sort(key=lambda work: (not work.came_back, work.title or "", work.work_id))
    return LookupResult(
        name=name,
        names=names,
        train=tuple(work for work in works if work.half == "train"),
        control=tuple(work for work in works if work.half == "control"),
        families=tuple(family for kind in kinds for family in _families(kind, names, data)),
        suggestions=tuple(suggestion.person.name for suggestion in answer.suggestions),
    )


def _makers(kind: Kind, data: Mapping[str, Reader]) -> list[str]:
    role, column = kind.names
    makers: list[str] = pc.unique(data[role].read([column])[column]).drop_null().to_pylist()
    return makers


def _works(kind: Kind, names: Sequence[str], data: Mapping[str, Reader]) -> list[FoundWork]:
    if not names:
        return []
    grouped: dict[tuple[str, str], list[Piece]] = defaultdict(list)
    for piece in kind.pieces(pa.array(names, pa.large_string()), data):
        grouped[piece.work_id, piece.half].append(piece)
    judged = _judgements(kind, {work_id for work_id, _ in grouped}, data)
    return [
        FoundWork(
            kind=kind.name,
            work_id=work_id,
            half=half,
            artist=pieces[0].name,
            title=next((piece.title for piece in pieces if piece.title), None),
            year=next((piece.year for piece in pieces if piece.year is not None), None),
            date=next((piece.date for piece in pieces if piece.date), None),
            places=tuple(sorted(piece.place for piece in pieces)),
            judgements=tuple(judged[work_id]),
        )
        for (work_id, half), pieces in grouped.items()
    ]


def _judgements(
    kind: Kind, wanted: Iterable[str], data: Mapping[str, Reader]
) -> Mapping[str, list[Judgement]]:
    """Return the judgement of every model on each work."""
    works = pa.array(sorted(wanted), pa.large_string())
    rows = data[kind.credits].read(["model_id", "work_id", "verdict", "k", "n", "finding_id", "q"])
    strongest = rows.filter(pc.is_in(rows["work_id"], value_set=works)).to_pylist()
    ids = [row["finding_id"] for row in strongest if row["finding_id"] is not None]
    found = data[kind.findings].take(ids, (*_OF_FINDING, *_OF_PAIR)).to_pylist()
    by_id = {row["finding_id"]: row for row in found}
    back = [row["finding_id"] for row in strongest if row["verdict"] in _BACK]
    pairs = dict(zip(back, kind.pairs([by_id[n] for n in back], data), strict=True)) if back else {}
    out: dict[str, list[Judgement]] = defaultdict(list)
    for row in strongest:
        finding = by_id.get(row["finding_id"], _NOTHING)
        said = {name: finding[name] for name in _OF_FINDING} | {"finding_id": row["finding_id"]}
        counts = {name: row[name] for name in ("model_id", "verdict", "k", "n")}
        q = None if foreign(row["model_id"]) else row["q"]
        said |= {"q": q, "standing": "" if q is None else within_family(q)}
        pair = pairs.get(row["finding_id"])
        out[row["work_id"]].append(Judgement(**counts, **said, pair=pair))
    return out


def _families(kind: Kind, names: Sequence[str], data: Mapping[str, Reader]) -> list[Family]:
    """Return how the artists stand whose works were tested, by name, model and measure."""
    rows = data[kind.credits].read(["model_id", "finding_id", *_OF_FAMILY])
    wanted = pc.is_in(rows["artist"], value_set=pa.array(names, pa.large_string()))
    tested = rows.filter(pc.and_(wanted, pc.is_valid(rows["artist_q"]))).to_pylist()
    tested = [row for row in tested if not foreign(row["model_id"])]
    ids = [row["finding_id"] for row in tested]
    methods = data[kind.findings].take(ids, ["method"])["method"].to_pylist() if ids else []
    found = {
        (row["artist"], row["model_id"], method): row
        for row, method in zip(tested, methods, strict=True)
    }
    return [
        Family(
            artist=artist,
            kind=kind.name,
            model_id=model_id,
            method=method,
            units=row["artist_units"],
            q=row["artist_q"],
            standing=family_of(row["artist_units"], row["artist_q"]),
        )
        for (artist, model_id, method), row in sorted(found.items())
    ]


_NOTHING: Row = {
    **dict.fromkeys(_OF_FINDING),
    "reason": "no caption of this run asked for it, and no prompt",
}
