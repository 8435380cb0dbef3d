"""Items: one folder for each finding, with the untouched files and what helps to look at them.

    3_items/ITEM-000001/   item.json page.html prompt.txt attempts.json
        of images          reference.native.png generated.native.png, *.view.jpg, side_by_side.jpg
                           overlay.jpg difference.jpg
        of texts           reference.native.txt generated.native.txt reference.txt compared.html

Items are made a few at a time, so that memory does not follow their number.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from PIL import Image

from pipeline.errors import StoreError
from pipeline.evidence.material import Material, Row
from pipeline.evidence.reviews import review_of
from pipeline.evidence.safe import without_secrets
from stages.verdicts.sentences import error_of, hidden_bias, none_closer

TOGETHER = 256
"""Items whose rows are read together; their untouched files are read a few at a time."""

AIDS = ("side_by_side.jpg", "overlay.jpg", "difference.jpg", "compared.html")
"""Illustrative aids (FRE 107); everything else is data or a copy to look at."""

Files = dict[str, bytes]


class Document(NamedTuple):
    """One document of a production: the item itself, the work, or the generation."""

    kind: str
    """item, reference, generated."""

    native: bytes
    """The untouched file."""

    ext: str
    """Its extension."""

    text: str
    """What a search finds."""

    picture: Image.Image | None
    """What its page shows; None for a slip sheet."""

    fields: Mapping[str, str]
    """Further fields of the load file."""


class Item(NamedTuple):
    """One finding with everything behind it."""

    name: str
    """Such as ITEM-000001."""

    finding: Row
    """Row of FINDINGS."""

    files: Mapping[str, bytes]
    """Name in its folder -> content."""

    documents: tuple[Document, ...]
    """The item first, then the work, then the generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What an item is made of: two natives and what is known of them."""

    finding: Row
    """Row of FINDINGS."""

    reference: Mapping[str, Any]
    """What the run knows of the work's file."""

    generated: Mapping[str, Any]
    """What the run knows of the generation."""

    prompt: Mapping[str, Any]
    """What was asked."""

    reference_raw: bytes
    """The work's untouched file."""

    generated_raw: bytes
    """The generation's untouched file."""

    making: Mapping[str, Any] = field(default_factory=dict)
    """How the generation was made, as `pipeline.evidence.making` says."""

    placed: str | None = None
    """How both lie on each other, as JSON of the method; None if the method does not say."""

    review: Mapping[str, Any] | None = None
    """What people decided on it; None if nobody did."""

    occurrences: int | None = None
    """Images or texts of the case that are the work; None if the run does not say."""


def is_text(finding: Row) -> bool:
    """Return whether a finding is one on texts."""
    return str(finding["method"]).endswith("_words")


def name_of(number: int) -> str:
    """Return the name of an item.

    >>> name_of(7)
    'ITEM-000007'
    """
    return f"ITEM-{number:06}"


def items(material: Material) -> Iterator[Item]:
    """Yield every item, the surest finding first."""
    from pipeline.evidence.image_items import ImageItems

    images = ImageItems(material)
    texts = None
    found = material.items
    for start in range(0, len(found), TOGETHER):
        some = found[start : start + TOGETHER]
        pairs = images.pairs([row for row in some if not is_text(row)])
        for number, row in enumerate(some, start=start + 1):
            if not is_text(row):
                yield images.item(name_of(number), next(pairs))
                continue
            if texts is None:
                # what images alone need is not burdened with the libraries of texts
                from pipeline.evidence.text_items import TextItems

                texts = TextItems(material)
            yield texts.item(name_of(number), row)


def as_json(value: Any) -> bytes:
    """Return JSON that is exact and, being ASCII, turns nothing around it."""
    return (json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def beside(material: Material, row: Row) -> dict[str, Any]:
    """Return what is known of a finding beside its two files, as fields of `Pair`."""
    return {
        "review": review_of(material.reviews, row["finding_id"]),
        "occurrences": material.occurrences.get(row["work_id"]),
    }


def about(name: str, pair: Pair, files: Sequence[str]) -> dict[str, Any]:
    """Return what item.json says.

    Args:
        name: of the item.
        pair: what it is made of.
        files: names of the other files in its folder.
    """
    row = pair.finding
    return {
        "item": name,
        "kind": "text" if is_text(row) else "image",
        "finding": dict(row),
        "said": said(row),
        "review": pair.review,
        "occurrences_of_the_work": pair.occurrences,
        "prompt": dict(pair.prompt),
        "reference": _described(pair.reference, pair.reference_raw),
        "generated": _described(pair.generated, pair.generated_raw),
        "making": dict(pair.making),
        "placed": None if pair.placed is None else json.loads(pair.placed),
        "files": {each: kind_of(each) for each in sorted(files)},
    }


def kind_of(name: str) -> str:
    """Return what a file of an item is, and under which rule it may be offered."""
    if name in AIDS:
        return "illustrative aid (FRE 107)"
    if ".native." in name:
        return "untouched file"
    if name.endswith(".view.jpg"):
        return "display copy"
    return "record" if name != "page.html" else "page for people"


def said(row: Row) -> list[str]:
    """Return what may be said of a finding, sentence by sentence."""
    closer = none_closer(row) if row["p"] is not None else ""
    closer = "" if closer in row["reason"] else closer
    return [each for each in (row["reason"], closer, error_of(row), hidden_bias(row)) if each]


def _described(known: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    hidden = {"url", "place", "failure"}
    shown = {
        name: without_secrets(value) if name in hidden and value else value
        for name, value in known.items()
    }
    return {**shown, "file_sha256": sha256(raw).hexdigest(), "file_bytes": len(raw)}


def check_digest(what: str, raw: bytes, expected: str) -> None:
    """Refuse a file that is not the one that the run recorded.

    Raises:
        StoreError: it has another digest.
    """
    found = sha256(raw).hexdigest()
    if found != expected:
        raise StoreError(
            f"{what}: has sha256 {found[:16]}..., the run recorded {expected[:16]}...; nothing is"
            " sealed: `palimpsest check` names every damaged file"
        )


def attempts_of(
    rows: Sequence[dict[str, Any]], shared: Sequence[Row], finding: Row, id_name: str
) -> bytes:
    """Return every attempt at the prompt of an item, and what each shares with its work.

    Args:
        rows: attempts at the prompt, by any model.
        shared: rows of MATCHES of the prompt.
        finding: the item.
        id_name: column that identifies an attempt.
    """
    matches = {row["made_id"]: row for row in shared if row["work_id"] == finding["work_id"]}
    out = []
    for row in rows:
        if row["model_id"] != finding["model_id"]:
            continue
        match = matches.get(row[id_name], {})
        shown = {name: value for name, value in row.items() if name != "prompt_id"}
        if shown.get("failure"):
            shown["failure"] = without_secrets(shown["failure"])
        drop = {"prompt_id", "work_id", "made_id"}
        held = {k: v for k, v in match.items() if k not in drop and v is not None}
        out.append(json.dumps({**shown, "match": held or None}, allow_nan=False))
    head = json.dumps({"work_id": finding["work_id"], "made": len(out)})
    lines = ",\n".join(out)
    return f'{head[:-1]}, "attempts": [\n{lines}\n]}}\n'.encode()


def fields_of(pair: Pair) -> dict[str, str]:
    """Return the fields that all documents of an item share."""
    row = pair.finding
    return {
        "ARTIST": str(pair.reference.get("artist") or pair.reference.get("author") or ""),
        "MODELHASH": row["model_id"],
        "PROMPTHASH": row["prompt_id"],
        "SEED": "" if pair.generated.get("seed") is None else str(pair.generated["seed"]),
        "METRIC_NAME": row["method"],
        "METRIC_SCORE": _number(row["score"]),
        "METRIC_THRESHOLD": _number(row["threshold"]),
        "METRIC_P": _number(row["p"]),
        "METRIC_Q": _number(row["q"]),
        "TRIES": str(row["n"]),
        "HITS": str(row["k"]),
        "VERDICT": row["verdict"],
        "DECISION": pair.review["outcome"] if pair.review else "",
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
