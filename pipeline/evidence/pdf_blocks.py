"""Blocks: what a page says, as plain values that the template of the PDF sets.

A block is a mapping with `t`, its kind: h heading, p paragraph, list, terms, facts, table, fig, row
(figures side by side), seeds, box. Running text is a list `i` of strings and of mappings with `k`,
its look. A string in a list, or an `alt`, is text; every other string is a name of ours. So the
words of a PDF are those of the page, and none of them is ever read as markup.
"""

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from typing import Any

from pipeline.evidence.pdf_inline import UNSEEN, Inline, inline
from pipeline.evidence.pdf_nodes import Node

Block = dict[str, Any]

ORDER, BOOK = "order.json", "book.pdf"
"""What a process that writes a PDF finds in its folder, and what it leaves there."""
_BLOCKS = frozenset(
    {"p", "div", "section", "article", "header", "main", "footer", "figure", "figcaption", "table"}
    | {"ul", "ol", "dl", "details", "summary", "h1", "h2", "h3", "h4", "body", "html", "img", "svg"}
)
_BOXES = frozenset({"note", "prompt", "asked", "pane"})
_LEAST, _MOST = 3.0, 12.0
_SHORT = 14
_LOOK_OF_P = ("lead", "mark", "small", "hash", "stands")

Keep = Callable[[str], str | None]
"""Takes the source of a picture in, and returns its name; None if it cannot be shown."""


class Blocks:
    """Turns pages into blocks."""

    def __init__(self, keep: Keep, draw: Callable[[Node], str], deeper: int = 0) -> None:
        """Make one.

        Args:
            keep: takes pictures in.
            draw: takes drawings in.
            deeper: levels that are added to headings.
        """
        self.keep = keep
        self.draw = draw
        self.deeper = deeper

    def of(self, node: Node) -> list[Block]:
        """Return what stands in an element."""
        out: list[Block] = []
        line: list[Node | str] = []
        for each in node.inside:
            if isinstance(each, Node) and each.tag in UNSEEN:
                continue
            if isinstance(each, Node) and each.tag in _BLOCKS:
                out += _paragraph(line)
                line = []
                out += self._block(each)
            else:
                line.append(each)
        return out + _paragraph(line)

    def _block(self, node: Node) -> list[Block]:
        tag, kinds = node.tag, node.kinds
        made = {
            **dict.fromkeys(("h1", "h2", "h3", "h4"), self._heading),
            **dict.fromkeys(("figure", "img", "svg"), self._figure),
            "p": _paragraph_of,
            "summary": lambda each: [{"t": "p", "c": "summary", "i": inline(each)}],
            "table": _table,
            "ul": self._list,
            "ol": self._seeds if "seeds" in kinds else self._list,
            "dl": _terms,
        }.get(tag, self._division)
        found = made(node)
        return [{"t": "box", "x": found}] if kinds & _BOXES else found

    def _heading(self, node: Node) -> list[Block]:
        return [{"t": "h", "l": int(node.tag[1]) + self.deeper, "i": inline(node)}]

    def _division(self, node: Node) -> list[Block]:
        kinds = node.kinds
        if "pair" in kinds:
            return [{"t": "row", "x": [self._block(each) for each in node.all("figure")]}]
        if kinds & {"gone", "fold"}:
            return [{"t": "p", "c": "gone", "i": inline(node)}]
        if "pane" in kinds:
            return [{"t": "p", "c": "pane", "i": inline(node, pre=True)}]
        inside = self.of(node)
        if node.tag == "header" and inside and inside[0].get("l", 0) > self.deeper + 1:
            return [{"t": "head", "x": inside}]
        return inside

    def _figure(self, node: Node) -> list[Block]:
        """Return a picture or a drawing with its caption."""
        caption = node.first("figcaption")
        said = _said(caption) if caption else []
        pictures = [node] if node.tag in {"img", "svg"} else list(_pictures(node))
        shown = [self._picture(each) for each in pictures]
        if not shown:
            lost = next((each for each in node.all("div") if "gone" in each.kinds), None)
            shown = [{"src": None, "alt": "", "i": inline(lost) if lost else []}]
        out: list[Block] = [{"t": "fig", **each, "cap": []} for each in shown]
        out[-1]["cap"] = said
        return out

    def _picture(self, node: Node) -> dict[str, Any]:
        if node.tag == "svg":
            return {"src": self.draw(node), "alt": node.said.get("aria-label", ""), "i": []}
        name = self.keep(node.said.get("src", ""))
        small = "pixel" in node.kinds
        lost = [] if name else ["cannot be shown"]
        return {"src": name, "alt": node.said.get("alt", ""), "px": small, "i": lost}

    def _list(self, node: Node) -> list[Block]:
        items = [self.of(each) for each in node.inside if isinstance(each, Node)]
        return [{"t": "list", "n": node.tag == "ol", "x": [each for each in items if each]}]

    def _seeds(self, node: Node) -> list[Block]:
        out = []
        for each in node.all("li"):
            picture = each.first("img")
            shown = self._picture(picture) if picture else {"src": None, "alt": "", "i": []}
            span = each.first("span")
            label = inline(span) if span else []
            out.append({**shown, "hit": "hit" in each.kinds, "cap": label})
        return [{"t": "seeds", "n": 8 if "few" in node.kinds else 12, "x": out}]


def _paragraph_of(node: Node) -> list[Block]:
    look = next((each for each in _LOOK_OF_P if each in node.kinds), "")
    return [{"t": "p", "c": look, "i": inline(node)}]


def _terms(node: Node) -> list[Block]:
    names, values = (list(node.all(tag)) for tag in ("dt", "dd"))
    pairs = [[inline(a), inline(b)] for a, b in zip(names, values, strict=True)]
    return [{"t": "facts" if "facts" in node.kinds else "terms", "x": pairs}]


def _said(caption: Node) -> Inline:
    """Return a caption; what is bold in it has a line of its own, as on the page."""
    parts: list[Node | str] = []
    for each in caption.inside:
        parts.append(each)
        if isinstance(each, Node) and each.tag == "b":
            parts.append(Node("br", {}))
    return inline(Node("", {}, parts))


def _paragraph(line: Sequence[Node | str]) -> list[Block]:
    found = inline(Node("", {}, list(line)))
    return [{"t": "p", "c": "", "i": found}] if found else []


def _pictures(node: Node) -> Iterator[Node]:
    captions = {id(each) for part in node.all("figcaption") for each in part.all("img", "svg")}
    yield from (each for each in node.all("img", "svg") if id(each) not in captions)


def _table(node: Node) -> list[Block]:
    caption, head = node.first("caption"), node.first("thead")
    top = _rows(head) if head else []
    rows = [row for body in node.all("tbody") for row in _rows(body)]
    if not rows and not top:
        return []
    widths = _widths(rows or top, sum(cell["cs"] for cell in (top or rows)[0]))
    said = inline(caption) if caption else []
    return [{"t": "table", "w": widths, "cap": said, "head": top, "rows": rows}]


def _rows(body: Node) -> list[list[dict[str, Any]]]:
    return [
        [
            {
                "i": inline(cell),
                "cs": int(cell.said.get("colspan", "1")),
                "rs": int(cell.said.get("rowspan", "1")),
                "r": "num" in cell.kinds,
                "h": cell.tag == "th",
                "n": min(len(cell.text().strip()), 400),
            }
            for cell in row.all("th", "td")
        ]
        for row in body.all("tr")
    ]


def _widths(rows: Sequence[Sequence[dict[str, Any]]], columns: int) -> list[float]:
    """Return the share of each column by the longest of its texts; 0 for as wide as they are."""
    longest = [0] * columns
    for row in rows:
        if len(row) == columns:
            longest = [max(a, cell["n"]) for a, cell in zip(longest, row, strict=True)]
    short = [each <= _SHORT for each in longest]
    if all(short):
        return [1.0] * columns
    return [
        0.0 if brief else min(_MOST, max(_LEAST, sqrt(each)))
        for each, brief in zip(longest, short, strict=True)
    ]
