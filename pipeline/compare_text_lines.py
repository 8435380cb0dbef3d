"""Lines: a comparison of two texts for a terminal, with colours and marks, or with marks alone."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.compare_text import Comparison
from stages.measures.chaining import Stretch
from stages.measures.overlap_measures import LENGTHS
from stages.measures.passages import Overlap, Passage
from stages.measures.wording import Wording

VERBATIM, NEAR, LOST, ADDED, ECHO = "1;4;31", "1", "36", "35", "2"
"""Graphic renditions: bold, underlined red; bold; cyan; magenta; faint."""

DIFFER = "[-words of the work-] {+words of the output+} differ"
"""Says how words that differ are marked."""

_HEAD, _TAIL, _WHOLE = 30, 20, 60
_INDENT = "    "


class Piece(NamedTuple):
    """Text in one rendition."""

    text: str
    rendition: str


class Sides(NamedTuple):
    """Two texts and what they share."""

    output: Wording
    work: Wording
    found: Overlap


def as_lines(compared: Comparison) -> list[str]:
    """Return the numbers, then every passage with its places and the words that differ."""
    lines = [*_numbers(compared), ""]
    outer = list(top_passages(compared.found.passages))
    if not outer:
        lines.append("no passage of 8 words or more stands in the work")
    elif any(passage.edits for passage in outer):
        lines.append(DIFFER)
    if any(passage.echoed_words for passage in outer):
        lines.append("<words> stand in the prompt")
    sides = Sides(compared.output.wording, compared.work.wording, compared.found)
    for number, passage in enumerate(outer, start=1):
        lines += ["", *_heading(compared, passage, number)]
        lines += passage_lines(sides, passage)
    return lines


def passage_lines(sides: Sides, passage: Passage) -> Iterator[str]:
    """Yield the words of a passage, marked, in colours if a terminal shows them."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = max(40, min(100, shutil.get_terminal_size().columns))
    yield from _wrapped(list(_pieces(sides, passage)), width, colours=colours)


def top_passages(passages: tuple[Passage, ...]) -> Iterator[Passage]:
    """Yield near-verbatim passages, and verbatim ones that are not part of them."""
    within = {stretch for passage in passages if passage.edits for stretch in passage.stretches}
    for passage in passages:
        if passage.edits or passage.stretches[0] not in within:
            yield passage


def _numbers(compared: Comparison) -> Iterator[str]:
    m = compared.measures
    yield f"{shown(compared.output.name)}: {m.output_words:,} words"
    yield f"{shown(compared.work.name)}: {m.text_words:,} words"
    yield ""
    runs = ", ".join(f"{getattr(m, f'words_{k}'):,} in runs of {k}+" for k in LENGTHS[1:])
    rows = [
        ("longest run", f"{m.run_words:,} words, {m.run_chars:,} characters"),
        ("verbatim", f"{m.words_8:,} words in runs of 8+ ({runs})"),
        ("near-verbatim", f"{m.near_words:,} words in blocks of 20 matched words or more"),
        ("of the work", f"{m.near_recall:.2%} recalled in blocks of 100 matched words or more"),
        ("ACS", f"{m.acs_words:,} words in common runs of 4+"),
        ("ROUGE-L", f"{m.rouge_l:.4f}; Jaccard of 5-grams {m.jaccard:.4f}"),
    ]
    if m.echoed_words:
        rows.append(
            ("echoed", f"{m.echoed_words:,} words of passages stand in the prompt; left out")
        )
    for name, said in rows:
        yield f"  {name:14} {said}"


def _heading(compared: Comparison, passage: Passage, number: int) -> Iterator[str]:
    yield f"{number}. {described(passage)}"
    for side, document, start, end in (
        ("output", compared.output, passage.output_start, passage.output_end),
        ("work", compared.work, passage.text_start, passage.text_end),
    ):
        yield f"{_INDENT}{side:7} line {document.line(start):,}, characters {start:,} to {end:,}"


def described(passage: Passage) -> str:
    """Return kind, length and likeness of a passage in words."""
    kind = {"near": "near-verbatim"}.get(passage.kind, passage.kind)
    num = len(passage.edits)
    edits = f", {num:,} edit{'s' if num > 1 else ''}" if num else ""
    order = "" if passage.in_order else ", out of order"
    return f"{kind}, {passage.words:,} words{edits}, {passage.level}{order}"


def _pieces(sides: Sides, passage: Passage) -> Iterator[Piece]:
    output, work, found = sides
    verbatim = {p.stretches[0] for p in found.passages if not p.edits}
    for at, stretch in enumerate(passage.stretches):
        rendition = VERBATIM if stretch in verbatim else NEAR
        yield from _stretch_pieces(sides, stretch, rendition)
        if at < len(passage.edits):
            edit = passage.edits[at]
            if edit.text_start < edit.text_end:
                lost = shown(work.text[edit.text_start : edit.text_end])
                yield Piece(f"[-{lost}-]", LOST)
            if edit.output_start < edit.output_end:
                added = shown(output.text[edit.output_start : edit.output_end])
                yield Piece(f"{{+{added}+}}", ADDED)


def _stretch_pieces(sides: Sides, stretch: Stretch, rendition: str) -> Iterator[Piece]:
    """Yield equal words, the middle of many left out, echoed ones apart."""
    first, end = stretch.output, stretch.output + stretch.words
    parts = [(first, end)]
    if stretch.words > _WHOLE:
        parts = [(first, first + _HEAD), (end - _TAIL, end)]
    for number, part in enumerate(parts):
        if number:
            yield Piece(f"... {stretch.words - _HEAD - _TAIL:,} words ...", "")
        yield from _echo_pieces(sides, part, rendition)


def _echo_pieces(sides: Sides, part: tuple[int, int], rendition: str) -> Iterator[Piece]:
    start, (first, end) = part[0], part
    echoed_N = sides.found.echoed_N
    for word in range(first + 1, end + 1):
        if word == end or echoed_N[word] != echoed_N[start]:
            text = _words(sides.output, start, word)
            yield Piece(f"<{text}>", ECHO) if echoed_N[start] else Piece(text, rendition)
            start = word


def _words(output: Wording, first: int, end: int) -> str:
    return shown(output.text[slice(*output.chars(first, end))])


def shown(text: str) -> str:
    r"""Return a text on one line without what a terminal would obey.

    >>> shown("a\x1b[31m\n b\u202e")
    'a\ufffd[31m b'
    """
    plain = (
        " " if sign.isspace() else _PLAIN.get(unicodedata.category(sign), sign)
        for sign in text
        if unicodedata.bidirectional(sign) not in _TURNS
    )
    return " ".join("".join(plain).split())


_PLAIN = {"Cc": "\ufffd", "Cs": "\ufffd"}
_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _wrapped(pieces: list[Piece], width: int, *, colours: bool) -> Iterator[str]:
    """Yield lines of at most `width` columns, as far as no word is wider."""
    line: list[str] = []
    room = width - len(_INDENT)
    used = 0
    for piece in pieces:
        for word in _bits(piece.text, room):
            size = _columns(word)
            if used and used + 1 + size > room:
                yield _INDENT + " ".join(line)
                line, used = [], 0
            code = piece.rendition
            line.append(f"\x1b[{code}m{word}\x1b[0m" if colours and code else word)
            used += size + (1 if used else 0)
    if line:
        yield _INDENT + " ".join(line)


def _bits(text: str, room: int) -> Iterator[str]:
    """Yield words; a very long one, as scripts without spaces have, in bits that fit."""
    for word in text.split():
        step = max(1, room // 2)
        yield from (word[at : at + step] for at in range(0, len(word), step))


def _columns(word: str) -> int:
    return sum(
        0 if unicodedata.combining(s) else 1 + (unicodedata.east_asian_width(s) in "WF")
        for s in word
    )
