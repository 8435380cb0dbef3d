"""Production: a volume that review platforms load, with Concordance DAT and Opticon OPT.

    VOL001/DATA/PAL.dat PAL.opt PAL.csv gaps.csv README.txt   IMAGES/ NATIVES/ TEXT/ 001/ ...

Each item is a family of three documents of one page: the item itself, the work, the generation.
Bates numbers stand on the pages, never on the untouched files. Paths in load files begin with the
volume, and are relative to the folder that holds it.
"""

import codecs
import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from io import BytesIO, TextIOWrapper
from itertools import chain

from pipeline.evidence import pictures
from pipeline.evidence.bates import Register, gaps
from pipeline.evidence.items import Document, Item
from pipeline.evidence.safe import in_cell, in_load_file, visible

VOLUME = "VOL001"
SEPARATOR, QUALIFIER = "\x14", "\u00fe"

FIELDS = (
    *("BEGBATES", "ENDBATES", "BEGATTACH", "ENDATTACH", "PAGECOUNT", "CONFIDENTIALITY"),
    *("CUSTODIAN", "DOCTYPE", "FILENAME", "FILEEXT", "FILESIZE", "DATECREATED", "SHA256HASH"),
    *("MD5HASH", "NATIVEPATH", "TEXTPATH", "REDACTED", "ITEMID", "ARTIST", "MODELHASH"),
    *("PROMPTHASH", "SEED", "METRIC_NAME", "METRIC_SCORE", "METRIC_THRESHOLD", "METRIC_P"),
    *("METRIC_Q", "TRIES", "HITS", "VERDICT", "DECISION"),
)
"""Columns of the DAT."""

PER_FOLDER = 1000
"""Pages in a folder; some platforms take at most 5,000."""

_ON_A_SHEET = 20_000

README = """\
Load files of this volume

{prefix}.dat   Concordance: UTF-8 {bom}, fields between U+00FE, separated by 0x14, a new
              line inside a field is U+00AE; one row a document. Characters that the format cannot
              hold became blanks, and fields of more than 250 characters are cut: the whole stands
              in the native and in the text file. Substitutions: {substitutions} fields.
{prefix}.opt   Opticon: one row a page; single-page JPEG.
{prefix}.csv   The same rows as the DAT, for a spreadsheet; formulas are quoted.
gaps.csv      Bates numbers that no page of this volume has, and why.

Paths begin with {volume} and are relative to the folder that holds it. Families: item, reference,
generated, one page each. Documents without a picture have a slip sheet. Bates numbers stand on the
pages alone; natives are untouched, and SHA256HASH is that of the native. DATECREATED is the day on
which the run ended; for references it is empty, because the run does not know it. DECISION is what
reviewers decided: copied, partly_copied, not_copied, unsure, or conflict where they disagree and
nobody has ruled; empty if nobody decided. CUSTODIAN is for the party that reviews.
"""


@dataclass
class Volume:
    """A volume that is being made; its files are handed on and not kept."""

    register: Register
    """Numbers given before."""

    date: str
    """Day on which the run ended, YYYY-MM-DD."""

    bom: bool = True
    """True: the DAT begins with a byte order mark, as most platforms expect."""

    rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    """Number and fields of each document, in the order of `FIELDS`."""

    used: list[tuple[int, int]] = field(default_factory=list)
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Path of each file so far -> its digest and size."""

    def add(self, item: Item) -> Iterator[tuple[str, bytes]]:
        """Yield the files of the three documents of an item."""
        digests = [sha256(document.native).hexdigest() for document in item.documents]
        key = sha256("\n".join([item.finding["finding_id"], *digests[1:]]).encode()).hexdigest()
        first = self.register.number(key, len(item.documents))
        self.used.append((first, len(item.documents)))
        show = self.register.numbering.show
        family = {"BEGATTACH": show(first), "ENDATTACH": show(first + len(item.documents) - 1)}
        for number, document in enumerate(item.documents, start=first):
            bates = show(number)
            contents = _contents(number, bates, document)
            yield from self._kept(contents)
            _, native, text = (place.replace("/", "\\") for place in contents)
            paths = {"NATIVEPATH": native, "TEXTPATH": text}
            row = dict.fromkeys(FIELDS, "") | family | dict(document.fields) | paths
            row |= {"BEGBATES": bates, "ENDBATES": bates, "PAGECOUNT": "1", "REDACTED": "N"}
            row |= {"ITEMID": item.name, "DOCTYPE": document.kind, "FILEEXT": document.ext}
            row |= {"FILENAME": f"{item.name}.{document.kind}.{document.ext}"}
            row |= {"FILESIZE": str(len(document.native))}
            row |= {"SHA256HASH": sha256(document.native).hexdigest()}
            row |= {"MD5HASH": md5(document.native, usedforsecurity=False).hexdigest()}
            row |= {"DATECREATED": "" if document.kind == "reference" else self.date}
            self.rows.append((number, tuple(row[name] for name in FIELDS)))

    def _kept(self, contents: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
        for place, raw in contents.items():
            self.held[place] = (sha256(raw).hexdigest(), len(raw))
            yield place, raw

    def load_files(self) -> dict[str, bytes]:
        """Return the load files, by path."""
        prefix = self.register.numbering.prefix
        rows = self._pages()
        changed = sum(in_load_file(cell) != cell for _, row in rows for cell in row)
        about = {
            "prefix": prefix,
            "bom": "with a byte order mark" if self.bom else "without a byte order mark",
            "substitutions": changed,
            "volume": VOLUME,
        }
        mark = codecs.BOM_UTF8 if self.bom else b""
        # bytes from the start: as text with such a mark these files have twice their size
        loads = {
            f"{prefix}.dat": b"".join([mark, _dat_line(FIELDS), *(_dat_line(r) for _, r in rows)]),
            f"{prefix}.opt": b"".join(_opt_line(number, row) for number, row in rows),
            f"{prefix}.csv": codecs.BOM_UTF8 + _sheet(chain([FIELDS], (row for _, row in rows))),
            "gaps.csv": _sheet(chain([("FIRST", "LAST", "REASON")], self._gaps())),
            "README.txt": README.format(**about).encode(),
        }
        return dict(self._kept({f"{VOLUME}/DATA/{name}": raw for name, raw in loads.items()}))

    def _pages(self) -> list[tuple[int, tuple[str, ...]]]:
        return sorted(self.rows, key=lambda pair: pair[0])

    def _gaps(self) -> Iterator[tuple[str, str, str]]:
        show = self.register.numbering.show
        for gap in gaps(self.used):
            why = "given in an earlier bundle of this run to documents that are not in this one"
            yield show(gap.first), show(gap.last), why


def _contents(number: int, bates: str, document: Document) -> dict[str, bytes]:
    """Return page, native and text of a document, by path."""
    folder = f"{1 + (number - 1) // PER_FOLDER:03}"
    lines = [f"{document.kind}, produced as native", "", *document.text[:_ON_A_SHEET].splitlines()]
    return {
        f"{VOLUME}/IMAGES/{folder}/{bates}.jpg": pictures.stamped(document.picture, lines, bates),
        f"{VOLUME}/NATIVES/{folder}/{bates}.{document.ext}": document.native,
        f"{VOLUME}/TEXT/{folder}/{bates}.txt": (visible(document.text) or "(empty)").encode(),
    }


def _dat_line(row: tuple[str, ...]) -> bytes:
    cells = (QUALIFIER + in_load_file(cell) + QUALIFIER for cell in row)
    return (SEPARATOR.join(cells) + "\r\n").encode()


def _opt_line(number: int, row: tuple[str, ...]) -> bytes:
    folder = f"{1 + (number - 1) // PER_FOLDER:03}"
    image = f"{VOLUME}\\IMAGES\\{folder}\\{row[0]}.jpg"
    return f"{row[0]},{VOLUME},{image},Y,,,1\r\n".encode()


def _sheet(rows: Iterable[tuple[str, ...]]) -> bytes:
    out = BytesIO()
    text = TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    csv.writer(text).writerows([in_cell(cell) for cell in row] for row in rows)
    return out.getvalue()
