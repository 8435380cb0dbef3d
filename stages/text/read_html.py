"""Read HTML: the text that a reader sees, with a line break where a block begins or ends."""

import re
import warnings

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4 import MarkupResemblesLocatorWarning as LocatorWarning
from bs4.dammit import EncodingDetector
from bs4.element import CData, NavigableString, PageElement, Tag

from stages.sources.decoding import check_encoding, decode, encoding_of
from stages.sources.fields import text_of
from stages.text.extracted import Extracted

_DROPPED = frozenset(("script", "style", "template", "title", "rt", "rp"))
"""Not part of the text: programs, and what is said of it or beside it (the readings of ruby)."""

_AS_IT_IS = frozenset(("pre", "textarea", "listing", "plaintext"))
_BLOCK_NAMES = """
address article aside blockquote body br button caption center dd details dialog dir div dl dt
fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav
ol option p section select summary table tbody td tfoot th thead tr ul
"""
_BLOCKS = _AS_IT_IS.union(_BLOCK_NAMES.split())
_SPACES = re.compile(r"[ \t\n\r\f]+")
_AROUND_BREAK = re.compile(r"[ \t]*\n[ \t]*")
_BREAKS = re.compile(r"\n{3,}")


def read_html(data: bytes, encoding: str | None = None) -> Extracted:
    """Return the text of an HTML file.

    Args:
        data: the untouched file.
        encoding: as Python names it; None goes by the byte order mark, then by what the file
            declares, else UTF-8.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", LocatorWarning)
        soup = BeautifulSoup(decode(data, encoding or _declared(data)).text, "html.parser")
    title = soup.title.get_text() if soup.title else ""
    author = soup.find("meta", attrs={"name": re.compile("^author$", re.IGNORECASE)})
    stated = {
        "title": _SPACES.sub(" ", title).strip(),
        "author": author.get("content") if isinstance(author, Tag) else None,
    }
    said = {name: text for name, value in stated.items() if (text := text_of(value)) is not None}
    return Extracted(_text(soup), said)


def _declared(data: bytes) -> str:
    by_mark = encoding_of(data)
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    if by_mark != "utf-8" or declared is None:
        return by_mark
    try:
        check_encoding(declared)
    except ValueError:
        return by_mark
    # what can be read as ASCII as far as the declaration is no UTF-16
    return by_mark if declared.lower().startswith(("utf-16", "utf-32")) else declared


def _text(soup: BeautifulSoup) -> str:
    parts: list[str] = []
    todo: list[tuple[PageElement | str, bool]] = [(soup, False)]
    while todo:
        node, as_it_is = todo.pop()
        if isinstance(node, Tag):
            if node.name in _DROPPED:
                continue
            if node.name in _BLOCKS:
                parts.append("\n")
                todo.append(("\n", True))
            inside = as_it_is or node.name in _AS_IT_IS
            todo.extend((child, inside) for child in reversed(node.contents))
        elif type(node) in {str, NavigableString, CData}:
            parts.append(str(node) if as_it_is else _SPACES.sub(" ", str(node)))
    return _BREAKS.sub("\n\n", _AROUND_BREAK.sub("\n", "".join(parts))).strip()
