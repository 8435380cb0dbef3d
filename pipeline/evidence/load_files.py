"""Load files as anybody reads them: Concordance DAT and Opticon OPT, with what is wrong in them.

Written against the convention, not against what writes them here, so that one checks the other.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

SEPARATOR, QUALIFIER = "\x14", "\u00fe"
_OPT_FIELDS = 7


class Defect(NamedTuple):
    """One thing that a platform would stumble over."""

    code: str
    """One word for the check."""

    where: str
    """File and row, or Bates number."""

    what: str
    """What was found, and what was expected."""


class Page(NamedTuple):
    """One row of an OPT."""

    bates: str
    path: str
    begins: bool
    """True for the first page of a document."""
    pages: str
    """Pages of the document, on its first page."""


class Loaded(NamedTuple):
    """What the load files say."""

    documents: list[Mapping[str, str]]
    pages: list[Page]


def decoded(name: str, raw: bytes) -> Iterator[Defect | str]:
    """Yield the text of a load file, or why it has none."""
    try:
        yield raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Defect("ENCODING", name, f"byte {error.start} is not UTF-8")


def read_dat(name: str, text: str) -> Iterator[Defect | Mapping[str, str]]:
    """Yield the documents of a DAT, and what is wrong with its rows."""
    if text and not text.endswith("\r\n"):
        yield Defect("ENCODING", name, "the last line does not end with CR LF")
    header: list[str] = []
    for number, line in enumerate(text.split("\r\n"), start=1):
        if not line:
            continue
        cells = line.split(SEPARATOR)
        open_cells = [cell for cell in cells if not _closed(cell)]
        if open_cells:
            what = f"{len(open_cells)} fields do not stand between U+00FE"
            yield Defect("UNTERMINATED_QUALIFIER", f"{name} row {number}", what)
            continue
        values = [cell[1:-1] for cell in cells]
        if not header:
            header = values
        elif len(values) != len(header):
            what = f"{len(values)} fields, the header has {len(header)}"
            yield Defect("FIELD_COUNT", f"{name} row {number}", what)
        else:
            yield dict(zip(header, values, strict=True))


def _closed(cell: str) -> bool:
    whole = len(cell) > 1 and cell[0] == cell[-1] == QUALIFIER
    return whole and QUALIFIER not in cell[1:-1]


def read_opt(name: str, text: str) -> Iterator[Defect | Page]:
    """Yield the pages of an OPT, and what is wrong with its rows."""
    for number, line in enumerate(text.split("\r\n"), start=1):
        if not line:
            continue
        cells = line.split(",")
        if len(cells) != _OPT_FIELDS:
            what = f"{len(cells)} fields, expected {_OPT_FIELDS}"
            yield Defect("FIELD_COUNT", f"{name} row {number}", what)
        else:
            yield Page(cells[0], cells[2], cells[3] == "Y", cells[6])
