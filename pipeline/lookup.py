"""Look-up: what a run knows of one artist.

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
from stages.contract import Reader, Table
from stages.tables import ARTISTS, FINDINGS, GENERATIONS, IMAGES, WORKS

Row = Mapping[str, Any]

READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "images": (IMAGES, ("train.images", "control.images")),
    "works": (WORKS, ("input.works",)),
    "findings": (FINDINGS, ("made.findings",)),
    "artists": (ARTISTS, ("made.artists",)),
    "generations": (GENERATIONS, ("made.sampled", "made.adopted")),
}
"""Role -> table and the datasets behind one reader."""

_OF_IMAGE = ("image_id", "artist", "title", "year", "place")
_OF_FINDING = ("finding_id", "k_low", "k_high", "score", "threshold", "control_best", "reason")
_OF_PAIR = ("best_made_id", "neighbor_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A generation and the image that it gave back."""

    generation_id: str
    """image_id of the generation."""

    sample: int
    """Its number within the caption."""

    seed: int | None
    """Seed of its noise, None if it was imported."""

    image_id: str
    """Indexed image of the work."""

    place: str
    """File, member and row that the indexed image was read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one model gave back of one work: its strongest finding."""

    model_id: str
    """Digest of the model, or `imported`."""

    verdict: str
    """verbatim, none or not_examined."""

    k: int
    """Confirmation generations that gave the work back."""

    n: int
    """Confirmation generations that were judged."""

    k_low: float | None
    """Lower 95 % limit of k/n; None where k of n is no rate."""

    k_high: float | None
    """Upper 95 % limit of k/n."""

    score: float | None
    """Best adaptive ratio, None if nothing was compared."""

    threshold: float | None
    """A match lies strictly below it."""

    control_best: float | None
    """Best adaptive ratio of any control work."""

    reason: str
    """Why the verdict is what it is."""

    finding_id: str | None
    """The finding, None if nobody looked."""

    pair: Pair | None
    """The pair with the best score, None unless the work came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWork:
    """One work of the artist."""

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

    places: tuple[str, ...]
    """Where the images under this name lie, in order."""

    judgements: tuple[Judgement, ...]
    """One per model."""

    @property
    def came_back(self) -> bool:
        """True if any model gave the work back."""
        return any(judgement.verdict == "verbatim" for judgement in self.judgements)


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

    suggestions: tuple[str, ...]
    """Names that are like it, likest first; never an answer."""


def lookup(name: str, data: Mapping[str, Reader]) -> LookupResult:
    """Return what a run knows of an artist.

    Args:
        name: as a person types it.
        data: a reader for each role of `READS`.
    """
    artists = pc.unique(data["images"].read(["artist"])["artist"]).drop_null().to_pylist()
    answer = Names(Person(artist, artist) for artist in artists).find(name)
    names = tuple(person.name for person in answer.people)
    works = _works(names, data)
    return LookupResult(
        name=name,
        names=names,
        train=tuple(work for work in works if work.half == "train"),
        control=tuple(work for work in works if work.half == "control"),
        suggestions=tuple(suggestion.person.name for suggestion in answer.suggestions),
    )


def _works(names: Sequence[str], data: Mapping[str, Reader]) -> list[FoundWork]:
    if not names:
        return []
    wanted = pa.array(names, pa.large_string())
    ids = data["images"].read(["image_id", "artist"])
    ids = ids.filter(pc.is_in(ids["artist"], value_set=wanted))["image_id"].to_pylist()
    images = data["images"].take(ids, _OF_IMAGE).to_pylist()
    known = data["works"].take(ids, ["work_id", "half"]).to_pylist()
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for image, work in zip(images, known, strict=True):
        grouped[work["work_id"], work["half"]].append(image)
    judged = _judgements({work_id for work_id, _ in grouped}, data)
    works = [
        FoundWork(
            work_id=work_id,
            half=half,
            artist=rows[0]["artist"],
            title=next((row["title"] for row in rows if row["title"]), None),
            year=next((row["year"] for row in rows if row["year"] is not None), None),
            places=tuple(sorted(row["place"] for row in rows)),
            judgements=tuple(judged[work_id]),
        )
        for (work_id, half), rows in grouped.items()
    ]
    return sorted(works, key=lambda work: (not work.came_back, work.title or "", work.work_id))


def _judgements(wanted: Iterable[str], data: Mapping[str, Reader]) -> Mapping[str, list[Judgement]]:
    """Return the judgement of every model on each work."""
    works = pa.array(sorted(wanted), pa.large_string())
    rows = data["artists"].read(["model_id", "work_id", "verdict", "k", "n", "finding_id"])
    strongest = rows.filter(pc.is_in(rows["work_id"], value_set=works)).to_pylist()
    ids = [row["finding_id"] for row in strongest if row["finding_id"] is not None]
    found = data["findings"].take(ids, (*_OF_FINDING, *_OF_PAIR)).to_pylist()
    by_id = {row["finding_id"]: row for row in found}
    out: dict[str, list[Judgement]] = defaultdict(list)
    for row in strongest:
        finding = by_id.get(row["finding_id"], _NOTHING)
        said = {name: finding[name] for name in _OF_FINDING} | {"finding_id": row["finding_id"]}
        pair = _pair(finding, data) if row["verdict"] == "verbatim" else None
        counts = {name: row[name] for name in ("model_id", "verdict", "k", "n")}
        out[row["work_id"]].append(Judgement(**counts, **said, pair=pair))
    return out


_NOTHING: Row = {**dict.fromkeys(_OF_FINDING), "reason": "no caption of this run asked for it"}


def _pair(finding: Row, data: Mapping[str, Reader]) -> Pair:
    (made,) = data["generations"].take([finding["best_made_id"]], ["sample", "seed"]).to_pylist()
    (image,) = data["images"].take([finding["neighbor_id"]], ["place"]).to_pylist()
    return Pair(
        generation_id=finding["best_made_id"],
        sample=made["sample"],
        seed=made["seed"],
        image_id=finding["neighbor_id"],
        place=image["place"],
    )
