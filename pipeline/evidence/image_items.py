"""Image items: a work and the generation that gave it back, untouched, and pictures of both."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from pipeline.evidence import pictures
from pipeline.evidence.item_page import item_page
from pipeline.evidence.items import (
    Document,
    Files,
    Item,
    Pair,
    about,
    as_json,
    attempts_of,
    beside,
    check_digest,
    fields_of,
    said,
)
from pipeline.evidence.making import Making
from pipeline.evidence.material import Material, Row
from stages.tables import GENERATIONS, IMAGES
from stages.verdicts.trials import foreign

_EXT = {"jpeg": "jpg", "tiff": "tif"}
_EXTS = frozenset({"png", "jpg", "webp", "gif", "tif", "bmp"})
_OF_IMAGE = [name for name in IMAGES.schema.names if name not in {"pdq", "pdq_quality", "bytes"}]
_OF_MADE = [name for name in GENERATIONS.schema.names if name not in {"guidance_norms", "bytes"}]
_NATIVE = ("image_id", "bytes")
_PIXELS = 4_000_000
"""Pixels of natives that are in memory together, beside those of one item."""

_UNKNOWN = {"text": None, "class_label": None, "origin": None, "half": None}


class ImageItems:
    """Makes the items of findings on images."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.making = Making(material)

    def pairs(self, findings: Sequence[Row]) -> Iterator[Pair]:
        """Yield what some items are made of, in their order.

        Raises:
            StoreError: a file is not the one that the run recorded.
        """
        made = self._rows("generations", [row["best_made_id"] for row in findings], _OF_MADE)
        works = self._rows("images", [row["neighbor_id"] for row in findings], _OF_IMAGE)
        for some in _together(findings, made, works):
            made_raw = self._rows("generations", [row["best_made_id"] for row in some], _NATIVE)
            work_raw = self._rows("images", [row["neighbor_id"] for row in some], _NATIVE)
            for row in some:
                generated, reference = made[row["best_made_id"]], works[row["neighbor_id"]]
                raw = made_raw[row["best_made_id"]]["bytes"], work_raw[row["neighbor_id"]]["bytes"]
                check_digest(f"generation {generated['image_id']}", raw[0], generated["sha256"])
                check_digest(f"work {reference['image_id']}", raw[1], reference["sha256"])
                placed = (row["best_made_id"], row["work_id"], row["method"])
                yield Pair(
                    finding=row,
                    reference=reference,
                    generated=generated,
                    prompt=self._prompt(row),
                    reference_raw=raw[1],
                    generated_raw=raw[0],
                    making=self.making.of(row),
                    **beside(self.material, row),
                    placed=self.material.placed.get(placed),
                )

    def _prompt(self, row: Row) -> Row:
        """Return what was asked; of an imported image, the caption that it came with."""
        if not foreign(row["model_id"]):
            return self.material.prompts.get(row["prompt_id"], _UNKNOWN)
        suspects = self.material.readers["suspects"]
        (caption,) = suspects.take([row["best_made_id"]], ["caption"])["caption"].to_pylist()
        return {**_UNKNOWN, "text": caption, "origin": "imported"}

    def _rows(self, role: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Row]:
        table = self.material.readers[role].take(list(dict.fromkeys(ids)), names)
        return {row["image_id"]: row for row in table.to_pylist()}

    def item(self, name: str, pair: Pair) -> Item:
        """Return one item."""
        row = pair.finding
        shown = {
            "reference": _view(pair.reference_raw),
            "generated": _view(pair.generated_raw),
        }
        both = _both(shown["reference"], shown["generated"])
        exts = {"reference": _ext(pair.reference), "generated": _ext(pair.generated)}
        files: Files = {
            f"reference.native.{exts['reference']}": pair.reference_raw,
            f"generated.native.{exts['generated']}": pair.generated_raw,
            **{f"{each}.view.jpg": pictures.jpeg(view) for each, view in shown.items() if view},
            **{f"{each}.jpg": pictures.jpeg(picture) for each, picture in both.items()},
            "prompt.txt": (pair.prompt["text"] or "").encode(),
            "attempts.json": self._attempts(row),
        }
        facts = about(name, pair, [*files, "item.json", "page.html"])
        files["item.json"] = as_json(facts)
        files["page.html"] = item_page(facts, files)
        shared = fields_of(pair)
        documents = (
            Document(
                "item",
                files["item.json"],
                "json",
                "\n".join([name, *said(row)]),
                both.get("side_by_side"),
                shared,
            ),
            Document(
                "reference",
                pair.reference_raw,
                exts["reference"],
                _words(pair.reference, ("title", "artist", "year", "caption", "licence")),
                shown["reference"],
                shared,
            ),
            Document(
                "generated",
                pair.generated_raw,
                exts["generated"],
                pair.prompt["text"] or "no prompt is known",
                shown["generated"],
                shared,
            ),
        )
        return Item(name, row, files, documents)

    def _attempts(self, row: Row) -> bytes:
        made = self.material.made.rows(row["prompt_id"])
        shared = self.material.matches.rows(row["prompt_id"])
        return attempts_of(made, shared, row, "image_id")


def _together(
    findings: Sequence[Row], made: Mapping[str, Row], works: Mapping[str, Row]
) -> Iterator[list[Row]]:
    """Yield findings whose natives are read at once: many small ones, or one that is large."""
    some: list[Row] = []
    pixels = 0
    for row in findings:
        pair = made[row["best_made_id"]], works[row["neighbor_id"]]
        pixels += sum(each["width"] * each["height"] for each in pair)
        some.append(row)
        if pixels > _PIXELS:
            yield some
            some, pixels = [], 0
    if some:
        yield some


def _ext(known: Mapping[str, Any]) -> str:
    ext = _EXT.get(known["format"], known["format"])
    return ext if ext in _EXTS else "bin"


def _view(raw: bytes) -> Image.Image | None:
    rgb_HWC = pictures.decoded(raw)
    return None if rgb_HWC is None else pictures.view(rgb_HWC)


def _both(work: Image.Image | None, made: Image.Image | None) -> dict[str, Image.Image]:
    if work is None or made is None:
        return {}
    return {
        "side_by_side": pictures.side_by_side(work, made),
        "overlay": pictures.overlay(work, made),
        "difference": pictures.difference(work, made),
    }


def _words(known: Mapping[str, Any], names: Sequence[str]) -> str:
    found = [f"{name}: {known[name]}" for name in names if known.get(name) is not None]
    return "\n".join(found) or "nothing is stated of this work"
