"""Spreads of a report on texts: an output and the work that it gives back, side by side.

Passages are found again in the two texts, by the code that found them; what the tables say of them
(bytes, surprisal, holders, tags) is looked up, never computed here.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.compare_text import Comparison, Document, compare_documents
from pipeline.compare_text_lines import top_passages
from pipeline.compare_text_marks import marks_of
from pipeline.compare_text_panes import Part, Segment, output_pane, work_pane
from pipeline.report_texts_exhibits import TextExhibit
from stages.contract import Kit, Reader
from stages.measures.passages import Passage
from stages.measures.wording import Lexicon, Wording
from stages.sources.decoding import Decoded
from stages.text.pairs import PassagesConfig, open_pairs, read_texts

Row = Mapping[str, Any]

BUDGET_LETTERS = 3_000_000
"""Characters of outputs and works on a page; exhibits beyond are listed without their texts."""


class PlaceLine(NamedTuple):
    """One numbered passage."""

    number: int
    passage: Passage
    unit: int
    work_line: int
    span: Row
    """What SPANS says of it, empty if it has no row."""


class Spread(NamedTuple):
    """Output and work side by side."""

    output: list[Segment]
    work: list[Part]
    places: list[PlaceLine]
    text_words: int


def spreads(
    exhibits: Sequence[TextExhibit], readers: Mapping[str, Reader]
) -> Iterator[tuple[TextExhibit, Spread]]:
    """Yield exhibits with their texts, one at a time, until the page holds enough letters.

    Args:
        exhibits: what to show.
        readers: `texts`, `works`.
    """
    if not exhibits:
        return
    tools = open_pairs(PassagesConfig(), Kit(datasets=readers))
    left = BUDGET_LETTERS
    for exhibit in exhibits:
        lexicon = Lexicon()
        (side,) = read_texts([exhibit.findings[0]["neighbor_id"]], tools, lexicon)
        sources = [
            Wording(exhibit.output[name], lexicon)
            for name in ("prompt", "context")
            if exhibit.output[name]
        ]
        compared = compare_documents(
            _document(Wording(exhibit.output["text"], lexicon)), _document(side.wording), sources
        )
        spread = _spread(compared, exhibit)
        left -= sum(len(s.text) for s in spread.output)
        left -= sum(len(s.text) for part in spread.work for s in part.segments)
        if left < 0:
            return
        yield exhibit, spread


def _document(wording: Wording) -> Document:
    return Document(name="", raw=b"", decoded=Decoded(wording.text, "utf-8"), wording=wording)


def _spread(compared: Comparison, exhibit: TextExhibit) -> Spread:
    marks = marks_of(compared)
    return Spread(
        output=[_plain(segment) for segment in output_pane(compared, marks)],
        # what lies far from every match stays in the table
        work=[
            Part((), part.folded_words)
            if part.folded_words
            else Part(tuple(_plain(segment) for segment in part.segments), 0)
            for part in work_pane(compared, marks)
        ],
        places=[
            PlaceLine(
                number,
                passage,
                marks.units[passage.stretches[0]],
                compared.work.line(passage.text_start),
                exhibit.spans.get((passage.kind, passage.output_start, passage.text_start), {}),
            )
            for number, passage in enumerate(top_passages(compared.found.passages), start=1)
        ],
        text_words=len(compared.work.wording),
    )


def _plain(segment: Segment) -> Segment:
    return segment._replace(text=plain(segment.text), lost=tuple(plain(t) for t in segment.lost))


def plain(text: str) -> str:
    r"""Return a text with a sign instead of each character that a page must not obey.

    >>> plain("a\x00\n\u202eb") == "a\ufffd\n\ufffdb"
    True
    """
    return "".join(sign if _harmless(sign) else "\ufffd" for sign in text)


def _harmless(sign: str) -> bool:
    if sign in "\n\t\r":
        return True
    return unicodedata.category(sign) not in {"Cc", "Cs"} and (
        unicodedata.bidirectional(sign) not in _TURNS
    )


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
