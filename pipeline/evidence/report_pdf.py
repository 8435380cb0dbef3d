"""Report of a bundle as PDF: report.pdf, and every item in volumes of at most 125.

    report.pdf            what report.html says
    report-vol001.pdf     ITEM-000001 to ITEM-000125, one after the other; and so on

Each is written by a process of its own (`pdf_write`) from the pages that lie in the bundle, while
the next items are made; never more than two at a time, so that memory does not follow the items.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pipeline
from pipeline.errors import RunError
from pipeline.evidence.items import Item, name_of
from pipeline.evidence.pdf_blocks import BOOK, ORDER, Block
from pipeline.evidence.safe import on_one_line

NAME = "report.pdf"
PER_VOLUME = 125
"""Items of a volume, at most 250: what Typst sets it keeps in memory, about 2.5 MB an item."""

AT_ONCE = 2
"""PDFs that are written at a time: printing an item takes longer than making it."""

_SHOWN = ("page.html", "compared.html", "side_by_side.jpg", "overlay.jpg", "difference.jpg")
_OF_TEXTS = 6_000
"""Letters of a text and of its work that are shown side by side; the page holds them all."""

STANDING = (
    "The PDF files are written as PDF/A-2a and PDF/UA-1. No validator other than their writer has"
    " seen these files; to have one look: verapdf --flavour 2a FILE."
)
"""What may be said of the standards: a sealed file cannot tell of a validator that comes later."""


def volume_name(number: int) -> str:
    """Return the name of a volume.

    >>> volume_name(7)
    'report-vol007.pdf'
    """
    return f"report-vol{number:03}.pdf"


def volumes(items: int) -> list[tuple[str, int, int]]:
    """Return name, first and last item of each volume.

    >>> volumes(126)
    [('report-vol001.pdf', 1, 125), ('report-vol002.pdf', 126, 126)]
    """
    starts = range(1, items + 1, PER_VOLUME)
    return [
        (volume_name(number), start, min(items, start + PER_VOLUME - 1))
        for number, start in enumerate(starts, start=1)
    ]


class _Running(NamedTuple):
    """A PDF that is being written."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]


class Printer:
    """Has PDFs written, a few at a time, and hands them on in their order."""

    def __init__(self, scratch: Path, facts: Mapping[str, Any]) -> None:
        """Make one.

        Args:
            scratch: a folder for what is on its way.
            facts: `case`, `items` and `ended` of the run.
        """
        self.scratch = scratch / "pdf"
        self.facts = facts
        self.plan = volumes(facts["items"])
        self.pages: list[dict[str, Any]] = []
        self.held = 0
        self.volume = 0
        self.running: deque[_Running] = deque()

    def __enter__(self) -> Self:
        self.scratch.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        found: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        while self.running:
            process = self.running.popleft().process
            process.kill()
            process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def report(self, page: bytes) -> Iterator[tuple[str, Path]]:
        """Have report.pdf written.

        Args:
            page: report.html.
        """
        folder = self._folder(NAME)
        (folder / "report.html").write_bytes(page)
        self.pages = [{"path": "report.html", "deeper": 0, "after": self._about()}]
        yield from self._write(NAME, folder, f"Report: {self._case()}", [])

    def add(self, item: Item, bates: str) -> Iterator[tuple[str, Path]]:
        """Take an item into its volume, and yield what has been written meanwhile.

        Args:
            item: what is shown.
            bates: its numbers.
        """
        name, first, last = self.plan[self.volume]
        folder = self.scratch / name
        if not self.held:
            self._folder(name)
        beside = folder / item.name
        beside.mkdir()
        for each in _SHOWN:
            if each in item.files:
                (beside / each).write_bytes(item.files[each])
        page = {"path": f"{item.name}/page.html", "deeper": 1, "new": True}
        self.pages.append({**page, "after": [_small(f"Bates {bates}")]})
        if "compared.html" in item.files:
            whole = f"3_items/{item.name}/compared.html"
            self.pages.append(
                {"path": f"{item.name}/compared.html", "deeper": 2, "most": _OF_TEXTS}
                | {"whole": whole}
            )
        self.held += 1
        if first + self.held > last:
            title = f"Items {name_of(first)} to {name_of(last)}: {self._case()}"
            start: list[Block] = [
                {"t": "h", "l": 1, "i": [f"Items {name_of(first)} to {name_of(last)}"]},
                _small(f"Case: {self._case()}. How sure: {NAME}."),
                _small(STANDING),
                {"t": "contents", "l": 2},
            ]
            yield from self._write(name, folder, title, start)
            self.volume, self.held = self.volume + 1, 0

    def rest(self) -> Iterator[tuple[str, Path]]:
        """Yield what is still being written."""
        yield from self._until(0)

    def _until(self, left: int) -> Iterator[tuple[str, Path]]:
        """Yield those that were begun first, once they are there, until so many are left."""
        while len(self.running) > left:
            yield from self._first()

    def _first(self) -> Iterator[tuple[str, Path]]:
        name, folder, process = self.running[0]
        code = process.wait()
        self.running.popleft()
        if code:
            told = (folder / "told.txt").read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line for line in reversed(told) if line.strip()), f"exit {code}")
            raise RunError(f"{name} could not be written: {on_one_line(last)}")
        yield name, folder / BOOK
        shutil.rmtree(folder)

    def _about(self) -> list[Block]:
        listed = [
            [_small(f"{name}: {name_of(first)} to {name_of(last)}")]
            for name, first, last in self.plan
        ]
        if not listed:
            return [_small(STANDING)]
        return [
            _small(STANDING),
            _small("Every item, in volumes beside this file:"),
            {"t": "list", "n": False, "x": listed},
        ]

    def _case(self) -> str:
        return on_one_line(self.facts["case"])

    def _folder(self, name: str) -> Path:
        folder = self.scratch / name
        folder.mkdir()
        self.pages = []
        return folder

    def _write(
        self, name: str, folder: Path, title: str, start: list[Block]
    ) -> Iterator[tuple[str, Path]]:
        """Begin to write a PDF, once there is room for it."""
        yield from self._until(AT_ONCE - 1)
        order = {
            "title": title,
            "foot": f"{name}; run finished {self.facts['ended']}",
            "moment": int(datetime.fromisoformat(self.facts["ended"]).timestamp()),
            "start": start,
            "pages": self.pages,
        }
        (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
        with (folder / "told.txt").open("wb") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.evidence.pdf_write", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                env=_environment(),
            )
        self.running.append(_Running(name, folder, process))


def _small(text: str) -> Block:
    return {"t": "p", "c": "small", "i": [text]}


def _environment() -> dict[str, str]:
    """Return all that the process is to know: where this program lies, and nothing else."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    root = str(Path(pipeline.__file__).parents[1])
    return kept | {"PYTHONPATH": root, "PYTHONUTF8": "1", "RAYON_NUM_THREADS": "1"}
