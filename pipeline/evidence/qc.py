"""QC: what a review platform would stumble over, found before it does.

`check` reads a folder with a volume as its receiver does: load files, and every file they name.
`check_held` does the same before anything is on a disk.

    FIELD_COUNT UNTERMINATED_QUALIFIER ENCODING                      the load files can be read
    DUPLICATE_BATES OVERLAP_BATES REVERSED_BATES FORMAT_BATES PADDING_BATES GAP_BATES     numbers
    PAGE_MISMATCH NO_IMAGE_DOC ORPHAN_IMAGE_DOC                      documents and pages agree
    FAMILY_RANGE FAMILY_PARENT FAMILY_SPLIT                          families are whole
    FILE_MISSING ABSOLUTE_PATH PATH_OUTSIDE_ROOT CASE_MISMATCH       every path leads to its file
    HASH_MISMATCH EMPTY_TEXT ORPHAN_FILE                             files are what they are said
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

from pipeline.evidence.load_files import Defect, Loaded, Page, decoded, read_dat, read_opt

Row = Mapping[str, str]

_NUMBER = re.compile(r"([A-Za-z][A-Za-z0-9_-]*?)([0-9]+)")
_CHECKED = (
    *("BEGBATES", "ENDBATES", "BEGATTACH", "ENDATTACH", "PAGECOUNT", "NATIVEPATH", "TEXTPATH"),
    *("SHA256HASH", "ITEMID"),
)
_ABSOLUTE = re.compile(r"[\\/~]|[A-Za-z]:")


class Span(NamedTuple):
    """Numbers of one document."""

    first: int
    last: int
    name: str


class Held(NamedTuple):
    """The files of a production, on a disk or on their way to one."""

    sizes: Mapping[str, int]
    """Path from the folder that holds the volume -> bytes."""

    digest: Callable[[str], str]
    """Path -> sha256."""

    read: Callable[[str], bytes]
    """Path of a load file -> content."""


def check(root: Path, volume: str, prefix: str) -> list[Defect]:
    """Return everything that is wrong with a production on a disk.

    Args:
        root: folder that holds the volume.
        volume: name of the volume's folder.
        prefix: of the Bates numbers, and name of the load files.
    """
    there = [path for path in root.rglob("*") if path.is_file()]
    sizes = {path.relative_to(root).as_posix(): path.stat().st_size for path in there}
    held = Held(sizes, lambda path: _sha256(root / path), lambda path: (root / path).read_bytes())
    return check_held(held, volume, prefix)


def check_held(held: Held, volume: str, prefix: str) -> list[Defect]:
    """Return everything that is wrong with a production, wherever its files are."""
    found: list[Defect | str | Row | Page] = []
    for name, reader in ((f"{prefix}.dat", read_dat), (f"{prefix}.opt", read_opt)):
        path = f"{volume}/DATA/{name}"
        if path not in held.sizes:
            found.append(Defect("FILE_MISSING", name, "there is no load file of this name"))
            continue
        for text in decoded(name, held.read(path)):
            found.extend(map(_lean, reader(name, text)) if isinstance(text, str) else [text])
    loaded = Loaded(
        [row for row in found if isinstance(row, Mapping)],
        [page for page in found if isinstance(page, Page)],
    )
    defects = [one for one in found if isinstance(one, Defect)]
    spans, bad = _spans(loaded.documents, prefix)
    return [
        *defects,
        *bad,
        *_numbers(spans, prefix, _logged(held, f"{volume}/DATA/gaps.csv", prefix)),
        *_pages(loaded),
        *_families(loaded.documents, {span.name: span for span in spans}),
        *_files(held, volume, loaded),
    ]


def _lean(found: Defect | Page | Row) -> Defect | Page | Row:
    """Return what of a row is checked: a large volume has to fit into memory."""
    if not isinstance(found, Mapping):
        return found
    return {name: found.get(name, "") for name in _CHECKED}


def _spans(documents: Sequence[Row], prefix: str) -> tuple[list[Span], list[Defect]]:
    spans, defects = [], []
    for row in documents:
        name = row["BEGBATES"]
        ends = [_NUMBER.fullmatch(row[end]) for end in ("BEGBATES", "ENDBATES")]
        if ends[0] is None or ends[1] is None or ends[0][1] != prefix or ends[1][1] != prefix:
            what = f"{name!r} to {row['ENDBATES']!r}: expected {prefix} and digits"
            defects.append(Defect("FORMAT_BATES", name, what))
            continue
        first, last = int(ends[0][2]), int(ends[1][2])
        if last < first:
            defects.append(Defect("REVERSED_BATES", name, f"ends with {row['ENDBATES']}"))
        spans.append(Span(first, max(first, last), name))
    widths = Counter(len(span.name) for span in spans)
    usual = max(widths, key=lambda width: widths[width], default=0)
    for span in spans:
        if len(span.name) != usual:
            what = f"{len(span.name)} characters, others have {usual}"
            defects.append(Defect("PADDING_BATES", span.name, what))
    return spans, defects


def _logged(held: Held, path: str, prefix: str) -> set[int]:
    """Return the numbers that are written down as gaps."""
    if path not in held.sizes:
        return set()
    rows = csv.DictReader(held.read(path).decode("utf-8-sig").splitlines())
    ends = [(row["FIRST"].removeprefix(prefix), row["LAST"].removeprefix(prefix)) for row in rows]
    return {n for first, last in ends for n in range(int(first), int(last) + 1)}


def _numbers(spans: Sequence[Span], prefix: str, logged: set[int]) -> Iterator[Defect]:
    counts = Counter(span.first for span in spans)
    for span in spans:
        if counts[span.first] > 1:
            yield Defect("DUPLICATE_BATES", span.name, f"{counts[span.first]} documents have it")
    at = 0
    for span in sorted(spans):
        if span.first <= at and counts[span.first] == 1:
            yield Defect("OVERLAP_BATES", span.name, f"{prefix} {span.first} belongs to another")
        lost = next((n for n in range(at + 1, span.first) if n not in logged), None)
        if lost is not None:
            what = f"{lost} is missing before it and not in gaps.csv"
            yield Defect("GAP_BATES", span.name, what)
        at = max(at, span.last)


def _pages(loaded: Loaded) -> Iterator[Defect]:
    documents: dict[str, list[Page]] = {}
    at = ""
    for page in loaded.pages:
        at = page.bates if page.begins else at
        documents.setdefault(at, []).append(page)
    known = {row["BEGBATES"] for row in loaded.documents}
    for row in loaded.documents:
        pages = documents.get(row["BEGBATES"])
        if pages is None:
            yield Defect("NO_IMAGE_DOC", row["BEGBATES"], "has no page in the OPT")
            continue
        counts = {row["PAGECOUNT"], pages[0].pages, str(len(pages))}
        if len(counts) > 1:
            what = f"DAT, OPT and rows of the OPT disagree: {', '.join(sorted(counts))}"
            yield Defect("PAGE_MISMATCH", row["BEGBATES"], what)
    for bates in documents:
        if bates not in known:
            yield Defect("ORPHAN_IMAGE_DOC", bates, "has pages in the OPT and no row in the DAT")


def _families(documents: Sequence[Row], spans: Mapping[str, Span]) -> Iterator[Defect]:
    ends = {row["ENDBATES"] for row in documents}
    families: dict[str, set[str]] = {}
    for row in documents:
        name, first, last = row["BEGBATES"], row["BEGATTACH"], row["ENDATTACH"]
        if first not in spans or last not in ends:
            what = f"{first} to {last}: one of them is no document"
            yield Defect("FAMILY_PARENT", name, what)
            continue
        if not first <= name <= last:
            yield Defect("FAMILY_RANGE", name, f"does not lie in its family {first} to {last}")
        families.setdefault(row["ITEMID"], set()).add(f"{first} to {last}")
    for item, ranges in families.items():
        if len(ranges) > 1:
            what = f"its documents name several families: {', '.join(sorted(ranges))}"
            yield Defect("FAMILY_SPLIT", item, what)


def _files(held: Held, volume: str, loaded: Loaded) -> Iterator[Defect]:
    there = set(held.sizes)
    folded = {path.casefold(): path for path in there}
    named = set()
    for bates, path, digest, text in _named(loaded):
        place = path.replace("\\", "/")
        defect = _defect_of(place, there, folded)
        if defect:
            yield Defect(defect, bates, f"{path} in a load file")
            continue
        named.add(place)
        if digest and held.digest(place) != digest.lower():
            yield Defect("HASH_MISMATCH", bates, f"{path} does not have SHA256HASH")
        if text and not held.sizes[place]:
            yield Defect("EMPTY_TEXT", bates, f"{path} is empty")
    for path in sorted(there - named):
        if path.startswith(f"{volume}/") and not path.startswith(f"{volume}/DATA/"):
            yield Defect("ORPHAN_FILE", path, "no load file names it")


def _named(loaded: Loaded) -> Iterator[tuple[str, str, str, bool]]:
    """Yield every path of the load files: number, path, expected digest, whether it is text."""
    for row in loaded.documents:
        yield row["BEGBATES"], row["NATIVEPATH"], row["SHA256HASH"], False
        yield row["BEGBATES"], row["TEXTPATH"], "", True
    for page in loaded.pages:
        yield page.bates, page.path, "", False


def _defect_of(place: str, there: set[str], folded: Mapping[str, str]) -> str:
    if _ABSOLUTE.match(place):
        return "ABSOLUTE_PATH"
    if ".." in place.split("/"):
        return "PATH_OUTSIDE_ROOT"
    if place in there:
        return ""
    return "CASE_MISMATCH" if place.casefold() in folded else "FILE_MISSING"


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
