"""Kinds of look-up: what differs between images and texts when somebody asks for a name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import rounds
from stages.contract import Reader, Table
from stages.tables import (
    ARTISTS,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    OUTPUTS,
    SPANS,
    TEXT_WORKS,
    TEXTS,
    WORKS,
)
from stages.verdicts.excuses import LITTLE

Row = Mapping[str, Any]
Data = Mapping[str, Reader]

READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "images": (IMAGES, ("train.images", "control.images")),
    "works": (WORKS, ("input.works",)),
    "findings": (FINDINGS, ("made.findings",)),
    "artists": (ARTISTS, ("made.artists",)),
    "generations": (GENERATIONS, rounds.IMAGES),
}
"""Role -> table and the datasets behind one reader, for images."""

TEXT_READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "texts": (TEXTS, ("train.texts", "control.texts")),
    "text_works": (TEXT_WORKS, ("input.text_works",)),
    "text_findings": (FINDINGS, ("made.text_findings",)),
    "authors": (ARTISTS, ("made.authors",)),
    "outputs": (OUTPUTS, ("made.outputs",)),
    "spans": (SPANS, ("made.spans",)),
}
"""The same for texts."""

_MOST_LETTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The longest passage of a work that an output gave back."""

    words: int
    """Matched words."""

    kind: str
    """`verbatim` or `near`."""

    output_start: int
    """First code point in the output."""

    output_end: int
    """Code point after the last in the output."""

    text_start: int
    """First code point in the text of the work."""

    text_end: int
    """Code point after the last in the text."""

    text_start_byte: int | None
    """First byte of the original; None if the text was extracted from another format."""

    text_end_byte: int | None
    """Byte after the last."""

    tags: str
    """Why it may say little: quoted, common, boilerplate, echoed, twin."""

    text: str
    """Its words as the output has them, at most the first 400 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a model made and the image or text that it gave back."""

    generation_id: str
    """image_id of the generation, or output_id."""

    sample: int
    """Its number within the caption or prompt."""

    seed: int | None
    """Seed of its noise or of the sampler; None if it was imported without one."""

    image_id: str
    """Indexed image or text of the work."""

    place: str
    """File, member and row that the indexed image or text was read from."""

    passage: Passage | None = None
    """The longest passage of those that count, else of all; None for images."""


class Piece(NamedTuple):
    """One image or text under the name that was asked for."""

    work_id: str
    half: str
    name: str
    title: str | None
    year: int | None
    date: str | None
    place: str


class Kind(NamedTuple):
    """Images or texts."""

    name: str
    """`image` or `text`."""
    names: tuple[str, str]
    """Role and column of the names."""
    credits: str
    """Role of what came back of each work."""
    findings: str
    pieces: Callable[[Any, Data], list[Piece]]
    """Everything under some names."""
    pairs: Callable[[Sequence[Row], Data], list[Pair]]
    """Pairs of findings that name a work, in their order."""


def _images(wanted: Any, data: Data) -> list[Piece]:
    ids = data["images"].read(["image_id", "artist"])
    ids = ids.filter(pc.is_in(ids["artist"], value_set=wanted))["image_id"].to_pylist()
    images = data["images"].take(ids, ("artist", "title", "year", "place")).to_pylist()
    known = data["works"].take(ids, ["work_id", "half"]).to_pylist()
    return [
        Piece(**work, name=image.pop("artist"), date=None, **image)
        for image, work in zip(images, known, strict=True)
    ]


def _image_pairs(findings: Sequence[Row], data: Data) -> list[Pair]:
    made = data["generations"].take([row["best_made_id"] for row in findings], ["sample", "seed"])
    images = data["images"].take([row["neighbor_id"] for row in findings], ["place"])
    return [
        Pair(generation_id=finding["best_made_id"], image_id=finding["neighbor_id"], **one, **other)
        for finding, one, other in zip(findings, made.to_pylist(), images.to_pylist(), strict=True)
    ]


def _texts(wanted: Any, data: Data) -> list[Piece]:
    rows = _first_pieces(data, ["author", "title", "date"])
    rows = rows.filter(pc.is_in(rows["author"], value_set=wanted))
    known = data["text_works"].take(rows["text_id"].to_pylist(), ["work_id", "half"]).to_pylist()
    return [
        Piece(
            **work,
            name=text["author"],
            title=text["title"],
            year=None,
            date=text["date"],
            place=text["place"],
        )
        for text, work in zip(rows.to_pylist(), known, strict=True)
    ]


def _first_pieces(data: Data, names: Sequence[str]) -> pa.Table:
    rows = data["texts"].read(["text_id", "piece", "place", *names])
    return rows.filter(pc.equal(rows["piece"], 0))


def _text_pairs(findings: Sequence[Row], data: Data) -> list[Pair]:
    ids = [row["best_made_id"] for row in findings]
    made = data["outputs"].take(ids, ["sample", "seed", "text"]).to_pylist()
    texts = {row["text_id"]: row["place"] for row in _first_pieces(data, []).to_pylist()}
    spans = data["spans"].read(["output_id", "text_id", "echoed_words", *_OF_PASSAGE])
    spans = spans.filter(pc.is_in(spans["output_id"], pa.array(ids, pa.large_string())))
    longest: dict[tuple[str, str], Row] = {}
    for row in spans.to_pylist():
        key = (row["output_id"], row["text_id"])
        longest[key] = max(longest.get(key, row), row, key=_weight)
    return [
        Pair(
            generation_id=finding["best_made_id"],
            sample=one["sample"],
            seed=one["seed"],
            image_id=finding["neighbor_id"],
            place=texts[finding["neighbor_id"]],
            passage=_passage(
                longest.get((finding["best_made_id"], finding["neighbor_id"])), one["text"]
            ),
        )
        for finding, one in zip(findings, made, strict=True)
    ]


_OF_PASSAGE = tuple(name for name in Passage.__dataclass_fields__ if name != "text")


def _passage(span: Row | None, text: str) -> Passage | None:
    if span is None:
        return None
    shown = text[span["output_start"] : span["output_end"]][:_MOST_LETTERS]
    return Passage(**{name: span[name] for name in _OF_PASSAGE}, text=shown)


def _weight(span: Row) -> tuple[bool, int, int]:
    """Return how much a passage says: one that nothing speaks against, then the longest."""
    little = any(tag in LITTLE for tag in span["tags"].split(","))
    return not little, span["words"] - span["echoed_words"], -span["text_start"]


KINDS = (
    Kind("image", ("images", "artist"), "artists", "findings", _images, _image_pairs),
    Kind("text", ("texts", "author"), "authors", "text_findings", _texts, _text_pairs),
)
