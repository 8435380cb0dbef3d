"""Running text: what stands in an element of a page, as strings and as text of a certain look.

A string is text; a mapping has a look `k` and its text `i`, or stands for a line end, a bar or a
key of a legend.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipeline.evidence.pdf_nodes import Node

Inline = list[Any]

LOOKS = {
    "b": "b",
    "strong": "b",
    "code": "m",
    "sup": "sup",
    "ins": "ins",
    "del": "del",
    "verbatim": "same",
    "near": "near",
    "echo": "echo",
    "hash": "m",
    "quiet": "q",
    "aid": "q",
    "small": "s",
    "ordinal": "o",
}
"""Element or class -> look of its text."""

UNSEEN = frozenset({"head", "style", "script", "nav"})
_BLANKS = re.compile("[ \n\t\r]+")


def inline(node: Node, *, pre: bool = False) -> Inline:
    r"""Return the running text of an element, without blanks at its edges.

    Args:
        node: the element.
        pre: True keeps the ends of its lines, and its blanks.

    >>> from pipeline.evidence.pdf_nodes import read_page
    >>> inline(read_page("<p> a  <b>\n b</b> </p>").first("p"))
    ['a ', {'k': 'b', 'i': ['b']}]
    """
    found = list(_inside(node, pre=pre))
    if not pre:
        found, _ = _single(found, blank=True)
        found = list(reversed(ended(reversed(found))))
    return found


def _single(found: Sequence[Any], *, blank: bool) -> tuple[Inline, bool]:
    """Return running text with one blank where several meet, and whether it ends with one."""
    out: Inline = []
    for each in found:
        if isinstance(each, str):
            text = each[1:] if blank and each[:1] == " " else each
            if text:
                out.append(text)
                blank = text[-1] == " "
        elif "i" in each:
            inside, blank = _single(each["i"], blank=blank)
            if inside:
                out.append({**each, "i": inside})
        else:
            out.append(each)
            blank = each["k"] == "br"
    return out, blank


def ended(found: Iterable[Any]) -> Inline:
    """Return running text, read from its end, without blanks and line ends there."""
    out: Inline = []
    for each in found:
        if not out and each == {"k": "br"}:
            continue
        last = each.rstrip(" ") if isinstance(each, str) and not out else each
        if last != "":
            out.append(last)
    return out


def _inside(node: Node, *, pre: bool) -> Iterator[Any]:
    for each in node.inside:
        if isinstance(each, str):
            yield from _lines(each) if pre else [_BLANKS.sub(" ", each)]
        elif each.tag == "br":
            yield {"k": "br"}
        elif each.tag == "svg":
            yield from _bar(each)
        elif "key" in each.kinds:
            yield {"k": "key", "c": next(iter(each.kinds - {"key"}), "")}
        elif "fold" in each.kinds:
            yield from [{"k": "br"}, {"k": "q", "i": inline(each)}, {"k": "br"}]
        elif each.tag not in UNSEEN:
            yield from _looked(each, list(_inside(each, pre=pre)))


def _looked(node: Node, found: Inline) -> Inline:
    if node.tag in {"div", "p", "li"}:
        found = [*found, {"k": "br"}]
    for name in (node.tag, *sorted(node.kinds)):
        if name in LOOKS and found:
            found = [{"k": LOOKS[name], "i": found}]
    return [{"k": "bdi", "i": found}] if node.tag == "bdi" and found else found


def _bar(node: Node) -> Iterator[Any]:
    """Yield a bar for a share; other drawings inside of text are for the eye alone."""
    parts = [each for each in node.all("rect") if "part" in each.kinds]
    if any("all" in each.kinds for each in node.all("rect")):
        yield {"k": "bar", "x": float(parts[0].said["width"]) / 100 if parts else 0.0}


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n")):
        if number:
            yield {"k": "br"}
        yield line.replace("\t", " ").replace("\r", "")


def shortened(found: Sequence[Any], most: int) -> tuple[Inline, int]:
    """Return the first letters of running text, and how many more there was room for.

    >>> shortened(["abc", {"k": "b", "i": ["def"]}], 4)
    (['abc', {'k': 'b', 'i': ['d']}], -2)
    """
    out: Inline = []
    for each in found:
        if isinstance(each, str):
            out.append(each[: max(0, most)])
            most -= len(each)
        elif most > 0 and "i" in each:
            inside, most = shortened(each["i"], most)
            out.append({**each, "i": inside})
        elif most > 0:
            out.append(each)
    return [each for each in out if each != ""], most
