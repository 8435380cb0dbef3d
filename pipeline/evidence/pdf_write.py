"""Writing one PDF: what a process of its own does with pages that lie in a folder.

    python -m pipeline.evidence.pdf_write FOLDER      order.json and pages in, book.pdf out

A process of its own, because Typst keeps what it set in memory: it ends, and the memory is free.
Typst sees one folder, no fonts but its own and no network. Written as PDF/A-2a and PDF/UA-1, with
tags; the date is that of the run.
"""

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from pipeline.evidence.pdf_blocks import BOOK, ORDER, Block, Blocks
from pipeline.evidence.pdf_inline import shortened
from pipeline.evidence.pdf_letters import Letters, clusters, lacking, lettered, words_of
from pipeline.evidence.pdf_nodes import read_page
from pipeline.evidence.pdf_pictures import Shelf, wide

TEMPLATE = "bundle_pdf.typ"
_PROBE = """\
#set document(title: "letters")
#set text(font: ("Libertinus Serif", "DejaVu Sans Mono", "New Computer Modern"), fallback: false)
#for each in json("letters.json") { par(text(each) + strong(each) + emph(each)) }
"""


class Press:
    """Typst, closed off from everything but one folder."""

    def __init__(self, folder: Path, moment: int) -> None:
        """Make one.

        Args:
            folder: all that it sees.
            moment: date of what it writes, in seconds since 1970.
        """
        self.folder = folder
        self.moment = moment
        self.fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)

    def write(self, source: Path, out: Path) -> None:
        """Write a PDF.

        Raises:
            typst.TypstError: it cannot be written by the standards.
        """
        typst.compile(
            source,
            out,
            root=self.folder,
            font_paths=self.fonts,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["a-2a", "ua-1"],
            timestamp=self.moment,
            package_path=self.folder,
            package_cache_path=self.folder,
        )

    def lacking(self, letters: set[str]) -> set[str]:
        """Return which letters beyond ASCII the fonts lack."""
        missing: set[str] = set()
        (self.folder / "probe.typ").write_text(_PROBE, encoding="utf-8")
        while left := sorted(each for each in letters if not missing & set(each)):
            (self.folder / "letters.json").write_text(json.dumps(left), encoding="utf-8")
            try:
                self.write(self.folder / "probe.typ", self.folder / "probe.pdf")
            except typst.TypstError as told:
                more = lacking(told.diagnostic) - missing
                missing |= more or {letter for each in left for letter in each}
            else:
                break
        return missing


def write_book(folder: Path) -> None:
    """Write book.pdf.

    Args:
        folder: holds order.json, with `title`, `foot`, `moment`, `start` (blocks that come first)
            and `pages` as `page_blocks` takes them.
    """
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    shelf = Shelf(folder / "pictures")
    shelf.folder.mkdir()
    blocks: list[Block] = list(order["start"])
    for page in order["pages"]:
        blocks += page_blocks(folder, page, shelf)
    press = Press(folder, order["moment"])
    texts = set(words_of([order["title"], blocks]))
    source = folder / TEMPLATE
    source.write_bytes(files("pipeline").joinpath("templates", TEMPLATE).read_bytes())
    try:
        _set(press, order, blocks, Letters(press.lacking(clusters(texts))))
    except typst.TypstError as told:
        if not lacking(told.diagnostic):
            raise
        # letters that can be drawn alone and not together: none beyond ASCII is drawn, then
        letters = {letter for text in texts for letter in text if not letter.isascii()}
        _set(press, order, blocks, Letters(letters))


def _set(press: Press, order: dict[str, Any], blocks: list[Block], letters: Letters) -> None:
    shown = lettered(blocks, letters)
    if letters.lost:
        _after_heading(shown, [{"t": "p", "c": "small", "i": [_LOST.format(many=letters.lost)]}])
    lines = {name: "".join(words_of(letters.shown(order[name]))) for name in ("title", "foot")}
    (press.folder / "book.json").write_text(json.dumps({**lines, "blocks": shown}))
    press.write(press.folder / TEMPLATE, press.folder / BOOK)


_LOST = (
    "{many} letters of this file are not in its fonts, or would be obeyed instead of shown. They"
    " stand as [U+4E00], by their numbers in Unicode; item.json and the untouched files hold every"
    " letter."
)


def page_blocks(folder: Path, page: dict[str, Any], shelf: Shelf) -> list[Block]:
    """Return what one page says.

    Args:
        folder: of all pages.
        page: its `path`; `deeper`, levels that are added to headings; `after`, blocks that follow
            its first heading; `new`, true if it begins on a new sheet; `most`, letters of a pane
            that are taken, and `whole`, where all of them are.
        shelf: takes pictures in.
    """
    path = folder / page["path"]
    made = Blocks(lambda source: shelf.keep(source, path.parent), shelf.draw, deeper=page["deeper"])
    found = made.of(read_page(path.read_text(encoding="utf-8")))
    if page["deeper"]:
        found = [each for each in found if each.get("c") != "mark"]
    _after_heading(found, page.get("after", []))
    for each in found:
        if each["t"] == "box" and "most" in page:
            _shorten(each, page["most"], page["whole"])
    return [{"t": "break"}, *_sized(found, shelf)] if page.get("new") else _sized(found, shelf)


def _after_heading(blocks: list[Block], more: list[Block]) -> None:
    at = next((at for at, each in enumerate(blocks, start=1) if each["t"] == "h"), 0)
    blocks[at:at] = more


def _shorten(box: Block, most: int, whole: str) -> None:
    for each in box["x"]:
        if each.get("c") == "pane":
            each["i"], left = shortened(each["i"], most)
            if left < 0:
                each["i"] += [{"k": "br"}, {"k": "q", "i": [f"(cut here; the whole: {whole})"]}]


def _sized(blocks: list[Block], shelf: Shelf) -> list[Block]:
    """Return blocks with the width of each picture, those after the first side by side."""
    out: list[Block] = []
    for each in blocks:
        if each["t"] != "fig" or not each["src"] or not each["src"].endswith(".jpg"):
            out.append(each)
        elif out and out[-1]["t"] == "fig" and "mm" in out[-1]:
            out.append({"t": "row", "n": 3, "x": [[each]]})
        elif out and out[-1]["t"] == "row":
            out[-1]["x"].append([each])
        else:
            out.append({**each, "mm": wide(*shelf.size(each["src"]))})
    return out


if __name__ == "__main__":
    write_book(Path(sys.argv[1]))
