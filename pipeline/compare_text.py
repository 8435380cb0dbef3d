"""Compare two texts: what of an output stands in a work, at once and without a case."""

from argparse import Namespace
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from indexes.query import Query
from indexes.runs import scan
from indexes.words import split
from pipeline.errors import CaseError
from stages.measures.echoes import echoed
from stages.measures.overlap_measures import LENGTHS, Measures, measure
from stages.measures.passages import Overlap, overlap
from stages.measures.wording import Lexicon, Wording
from stages.sources.decoding import Decoded, byte_offsets, decode, plain_encoding


@dataclass(frozen=True, kw_only=True)
class Document:
    """One of the files."""

    name: str
    """As it was typed."""

    raw: bytes
    """Its bytes."""

    decoded: Decoded
    """Its text."""

    wording: Wording
    """Its words."""

    @property
    def text(self) -> str:
        """The text of the file."""
        return self.decoded.text

    @property
    def encoding(self) -> str:
        """Encoding of the bytes behind the byte order mark."""
        return plain_encoding(self.raw, self.decoded.encoding)

    @cached_property
    def line_starts(self) -> list[int]:
        """Code points at which lines start."""
        return [0, *accumulate(len(line) for line in self.text.splitlines(keepends=True))]

    def line(self, char: int) -> int:
        """Return the line of a code point, 1.."""
        return max(1, bisect_left(self.line_starts, char + 1))


class Comparison(NamedTuple):
    """Everything that there is to say about two files."""

    output: Document
    work: Document
    found: Overlap
    measures: Measures


def compare_text(asked: Namespace) -> tuple[dict[str, Any], str, int]:
    """Do what the verb asks: return a JSON value, a text for a person, and the exit code."""
    compared = compare(Path(asked.output), Path(asked.work), asked.prompt and Path(asked.prompt))
    if asked.html is not None:
        _write_page(compared, Path(asked.html))
    if asked.json:
        return as_json(compared), "", 0
    from pipeline.compare_text_lines import as_lines

    lines = as_lines(compared)
    if asked.html is not None:
        lines += ["", f"page: {asked.html}"]
    return {}, "\n".join(lines), 0


def compare(output: Path, work: Path, prompt: Path | None = None) -> Comparison:
    """Return what an output and a work share.

    Args:
        output: file of what a model wrote.
        work: file of a work.
        prompt: file of what the model was given; its words are subtracted.

    Raises:
        CaseError: a file cannot be read.
    """
    lexicon = Lexicon()
    made, whole = _read(output, lexicon), _read(work, lexicon)
    sources = [_read(prompt, lexicon).wording] if prompt else []
    return compare_documents(made, whole, sources)


def compare_documents(made: Document, whole: Document, sources: Sequence[Wording]) -> Comparison:
    """Return what an output and a work share.

    Args:
        made: the output, with the lexicon of the work.
        whole: the work.
        sources: what the model was given; its words are subtracted.
    """
    runs = scan(Query.of(made.wording.words), whole.wording.words)
    found = overlap(
        made.wording,
        whole.wording,
        runs_R3=np.column_stack((runs.output_word_R, runs.text_word_R, runs.words_R)),
        echoed_N=echoed(made.wording, sources),
    )
    return Comparison(made, whole, found, measure(made.wording, whole.wording, found))


def _read(path: Path, lexicon: Lexicon) -> Document:
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CaseError(f"{path}: expected a file of text that can be read: {reason}") from error
    decoded = decode(raw)
    wording = Wording(decoded.text, lexicon, split([decoded.text]))
    return Document(name=str(path), raw=raw, decoded=decoded, wording=wording)


def _write_page(compared: Comparison, path: Path) -> None:
    from pipeline.compare_text_page import render

    try:
        path.write_text(render(compared), encoding="utf-8")
    except OSError as error:
        raise CaseError(f"{path}: the page cannot be written: {error.strerror}") from error


def as_json(compared: Comparison) -> dict[str, Any]:
    """Return everything as JSON values; offsets in code points and in bytes of the files."""
    m = compared.measures
    return {
        "output_words": m.output_words,
        "work_words": m.text_words,
        "longest_run_words": m.run_words,
        "longest_run_chars": m.run_chars,
        "verbatim_words": m.words_8,
        "near_words": m.near_words,
        "acs_words": m.acs_words,
        "rouge_l": m.rouge_l,
        "jaccard": m.jaccard,
        "near_recall": m.near_recall,
        "echoed_words": m.echoed_words,
        "words_in_runs": {str(words): getattr(m, f"words_{words}") for words in LENGTHS},
        "encoding": {
            "output": compared.output.encoding,
            "work": compared.work.encoding,
        },
        "spans": _spans(compared),
    }


def _spans(compared: Comparison) -> list[dict[str, Any]]:
    output, work, found, _ = compared
    outer = [(p.output_start, p.output_end, p.text_start, p.text_end) for p in found.passages]
    places = np.array(outer, np.int64).reshape(-1, 4)
    bytes_made = byte_offsets(output.raw, output.decoded.encoding, places[:, :2]).tolist()
    bytes_work = byte_offsets(work.raw, work.decoded.encoding, places[:, 2:]).tolist()
    return [
        {
            "kind": p.kind,
            "words": p.words,
            "echoed_words": p.echoed_words,
            "in_order": p.in_order,
            "level": p.level,
            "output": _place(output, (p.output_start, p.output_end), made),
            "work": _place(work, (p.text_start, p.text_end), held),
            "edits": [
                {
                    "kind": e.kind,
                    "output": [e.output_start, e.output_end],
                    "work": [e.text_start, e.text_end],
                    "output_text": output.text[e.output_start : e.output_end],
                    "work_text": work.text[e.text_start : e.text_end],
                }
                for e in p.edits
            ],
        }
        for p, made, held in zip(found.passages, bytes_made, bytes_work, strict=True)
    ]


def _place(document: Document, chars: tuple[int, int], places: list[int]) -> dict[str, Any]:
    start, end = chars
    return {
        "start": start,
        "end": end,
        "start_byte": places[0],
        "end_byte": places[1],
        "line": document.line(start),
        "text": document.text[start:end],
    }
