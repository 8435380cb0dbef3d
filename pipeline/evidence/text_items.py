"""Text items: a work and the output that gave its words back, raw, and both side by side."""

from collections.abc import Mapping
from typing import Any

from pipeline.compare_text import Document as Side
from pipeline.compare_text import compare_documents
from pipeline.compare_text_page import render
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
from stages.contract import Kit
from stages.measures.wording import Lexicon, Wording
from stages.sources.decoding import Decoded
from stages.tables import OUTPUTS
from stages.text.pairs import PassagesConfig, open_pairs, read_texts

_OF_TEXT = (
    *("text_id", "place", "sha256", "format", "encoding", "title", "author", "date"),
    *("licence", "url", "num_words"),
)
_EXTS = frozenset({"txt", "md", "html", "pdf"})


class TextItems:
    """Makes the items of findings on texts."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.making = Making(material)
        readers = material.readers
        datasets = {"texts": readers["texts"], "works": readers["works"]}
        self.tools = open_pairs(PassagesConfig(), Kit(datasets=datasets))

    def item(self, name: str, row: Row) -> Item:
        """Return one item.

        Raises:
            StoreError: the text is not the one that the run recorded.
        """
        lexicon = Lexicon()
        (held,) = read_texts([row["neighbor_id"]], self.tools, lexicon)
        pair = self._pair(row, held.raw, held.wording.text)
        work_text, made_text = held.wording.text, pair.generated_raw.decode()
        sources = [
            Wording(pair.prompt[each], lexicon)
            for each in ("text", "context")
            if pair.prompt.get(each)
        ]
        compared = compare_documents(
            _side("generated.native.txt", made_text, lexicon),
            Side(
                name="reference.txt",
                raw=work_text.encode(),
                decoded=Decoded(work_text, "utf-8"),
                wording=held.wording,
            ),
            sources,
        )
        ext = pair.reference["format"] if held.raw is not None else "txt"
        ext = ext if ext in _EXTS else "txt"
        files: Files = {
            f"reference.native.{ext}": pair.reference_raw,
            "reference.txt": work_text.encode(),
            "generated.native.txt": pair.generated_raw,
            "compared.html": render(compared).encode(),
            "prompt.txt": (pair.prompt["text"] or "").encode(),
            "attempts.json": self._attempts(row),
        }
        facts = about(name, pair, [*files, "item.json", "page.html"])
        files["item.json"] = as_json(facts)
        files["page.html"] = item_page(facts, files)
        return Item(name, row, files, _documents(name, pair, (files["item.json"], ext, work_text)))

    def _pair(self, row: Row, raw: bytes | None, text: str) -> Pair:
        readers = self.material.readers
        (output,) = readers["outputs"].take([row["best_made_id"]], OUTPUTS.schema.names).to_pylist()
        first = self.tools.pieces[row["neighbor_id"]].ids[0]
        (known,) = readers["texts"].take([first], _OF_TEXT).to_pylist()
        native = text.encode() if raw is None else raw
        check_digest(f"text {row['neighbor_id']}", native, known["sha256"])
        asked = self.material.prompts.get(row["prompt_id"], {})
        hidden = {"prompt", "context", "text"}
        return Pair(
            finding=row,
            reference=known,
            generated={k: v for k, v in output.items() if k not in hidden},
            prompt={
                "text": output["prompt"],
                "context": output["context"],
                "class_label": None,
                "origin": output["origin"],
                "half": asked.get("half", output["half"]),
            },
            reference_raw=native,
            generated_raw=(output["text"] or "").encode(),
            making=self.making.of(row),
            **beside(self.material, row),
        )

    def _attempts(self, row: Row) -> bytes:
        made = self.material.written.rows(row["prompt_id"])
        shared = self.material.matches.rows(row["prompt_id"])
        return attempts_of(made, shared, row, "output_id")


def _side(name: str, text: str, lexicon: Lexicon) -> Side:
    decoded = Decoded(text, "utf-8")
    return Side(name=name, raw=text.encode(), decoded=decoded, wording=Wording(text, lexicon))


def _documents(name: str, pair: Pair, made_of: tuple[bytes, str, str]) -> tuple[Document, ...]:
    facts, ext, work_text = made_of
    shared: Mapping[str, Any] = fields_of(pair)
    item_text = "\n".join([name, *said(pair.finding)])
    made_text = pair.generated_raw.decode()
    return (
        Document("item", facts, "json", item_text, None, shared),
        Document("reference", pair.reference_raw, ext, work_text, None, shared),
        Document("generated", pair.generated_raw, "txt", made_text, None, shared),
    )
