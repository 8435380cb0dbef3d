"""Nodes: a page of ours, read into a tree, and its style left behind.

Only pages that this program made are read: what comes from a table is escaped in them and arrives
here as text, whatever it looks like.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape, unescape

_ALONE = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_PART = re.compile(
    r"<!doctype[^>]*>|<!--.*?-->|<(?:script|style)\b.*?</(?:script|style)>"
    r'|<(/?)([a-z][a-z0-9]*)((?:[^>"]|"[^"]*")*?)(/?)>|([^<]+)',
    re.DOTALL,
)
_SAID = re.compile(r'([a-zA-Z:-]+)="([^"]*)"')


@dataclass(slots=True)
class Node:
    """One element."""

    tag: str
    """Its name; empty for the page itself."""

    said: dict[str, str]
    """Its attributes."""

    inside: list["Node | str"] = field(default_factory=list)
    """Elements and text, in order."""

    @property
    def kinds(self) -> frozenset[str]:
        """Names in its class."""
        return frozenset(self.said.get("class", "").split())

    def all(self, *tags: str) -> Iterator["Node"]:
        """Yield the elements of some names, in order, those inside of others too."""
        for each in self.inside:
            if isinstance(each, Node):
                if each.tag in tags:
                    yield each
                yield from each.all(*tags)

    def first(self, *tags: str) -> "Node | None":
        """Return the first element of some names."""
        return next(self.all(*tags), None)

    def text(self) -> str:
        """Return all text inside."""
        return "".join(each if isinstance(each, str) else each.text() for each in self.inside)

    def source(self) -> str:
        """Return it as XML."""
        said = "".join(f' {name}="{escape(value)}"' for name, value in self.said.items())
        inside = (escape(each) if isinstance(each, str) else each.source() for each in self.inside)
        return f"<{self.tag}{said}>{''.join(inside)}</{self.tag}>"


def read_page(html: str) -> Node:
    """Return a page as a tree.

    Args:
        html: a page of ours: in it every attribute stands in double quotes, and every `<` that is
            no tag is escaped.

    >>> page = read_page('<p class="a b">1 &lt; <b>2</b><br></p>')
    >>> page.first("p").text(), sorted(page.first("p").kinds)
    ('1 < 2', ['a', 'b'])
    """
    path = [Node("", {})]
    for found in _PART.finditer(html):
        ends, tag, said, alone, text = found.groups()
        if text is not None:
            path[-1].inside.append(unescape(text) if "&" in text else text)
        elif ends:
            names = [node.tag for node in path]
            if tag in names:
                del path[len(names) - 1 - names[::-1].index(tag) :]
        elif tag:
            node = Node(tag, {name: unescape(value) for name, value in _SAID.findall(said)})
            path[-1].inside.append(node)
            if not alone and tag not in _ALONE:
                path.append(node)
    return path[0]
