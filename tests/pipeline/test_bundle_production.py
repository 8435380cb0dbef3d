"""Production: load files are read back by another parser, and each check of the QC pass fires.

The volume is a real one of three families; each defect is planted in a copy of it.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image, ImageDraw

from pipeline.errors import CaseError, RunError
from pipeline.evidence.bates import Numbering, open_register
from pipeline.evidence.items import Document, Item
from pipeline.evidence.pictures import stamped
from pipeline.evidence.production import FIELDS, PER_FOLDER, Volume
from pipeline.evidence.qc import check
from pipeline.evidence.safe import in_load_file
from tests.pipeline.tiny_run import HOSTILE, OVERRIDE

LINE = re.compile("\u00fe([^\u00fe\x14]*)\u00fe")


def item(number: int, words: str = "words", native: bytes | None = None) -> Item:
    raw = native or f"native {number}".encode()
    shared = {"ARTIST": words, "MODELHASH": "m" * 64, "SEED": "7", "VERDICT": "verbatim"}
    view = Image.new("RGB", (24, 20), "red")
    documents = (
        Document("item", b"{}\n", "json", f"Item {number}", None, shared),
        Document("reference", raw, "png", words, view, shared),
        Document("generated", raw + b"!", "png", words, view, shared),
    )
    return Item(f"ITEM-{number:06}", {"finding_id": f"{number:064}"}, {}, documents)


def volume(home: Path, items: list[Item], *, bom: bool = True) -> Path:
    """Write a volume and return the folder that holds it."""
    register = open_register(home, Numbering())
    written(home / "production", Volume(register, "2026-11-22", bom=bom), items)
    register.save()
    return home / "production"


def written(root: Path, made: Volume, items: list[Item]) -> None:
    files = [pair for each in items for pair in made.add(each)]
    for name, raw in [*files, *made.load_files().items()]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)


def rows_of(root: Path) -> list[dict[str, str]]:
    """Read a Concordance file with nothing of what wrote it."""
    text = (root / "VOL001" / "DATA" / "PAL.dat").read_bytes().decode("utf-8-sig")
    lines = text.split("\r\n")
    assert lines.pop() == ""
    header, *rows = [LINE.findall(line) for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("clean")
    items = [item(number, HOSTILE[number - 1]) for number in (1, 2, 3)]
    return volume(home, items)


def test_clean_volume_has_no_defect(clean: Path) -> None:
    assert check(clean, "VOL001", "PAL") == []


def test_dat_is_read_back_with_every_field(clean: Path) -> None:
    rows = rows_of(clean)
    assert [tuple(row) for row in rows] == [FIELDS] * 9
    assert [row["BEGBATES"] for row in rows] == [f"PAL{n:07}" for n in range(1, 10)]
    assert {row["BEGATTACH"] for row in rows} == {"PAL0000001", "PAL0000004", "PAL0000007"}
    assert [row["DOCTYPE"] for row in rows[:3]] == ["item", "reference", "generated"]
    for row in rows:
        native = clean / row["NATIVEPATH"].replace("\\", "/")
        raw = native.read_bytes()
        assert row["SHA256HASH"] == sha256(raw).hexdigest()
        assert row["MD5HASH"] == md5(raw, usedforsecurity=False).hexdigest()
        assert row["FILESIZE"] == str(len(raw))
        assert (clean / row["TEXTPATH"].replace("\\", "/")).read_text("utf-8")
        assert row["DATECREATED"] == ("" if row["DOCTYPE"] == "reference" else "2026-11-22")


def test_hostile_words_break_no_load_file(clean: Path) -> None:
    raw = (clean / "VOL001" / "DATA" / "PAL.dat").read_bytes()
    assert raw.count(b"\x14") == 10 * (len(FIELDS) - 1)
    text = raw.decode("utf-8-sig")
    assert text.count("\u00fe") == 10 * 2 * len(FIELDS)
    assert OVERRIDE not in text
    assert max(len(row["ARTIST"]) for row in rows_of(clean)) == 250
    sheet = (clean / "VOL001" / "DATA" / "PAL.csv").read_text("utf-8-sig")
    assert "'=HYPERLINK" in sheet
    assert ",=HYPERLINK" not in sheet
    assert ',"=HYPERLINK' not in sheet
    readme = (clean / "VOL001" / "DATA" / "README.txt").read_text()
    # one artist with marks of the format, one too long, each in three documents
    assert "Substitutions: 6 fields" in readme


def test_opt_names_one_page_for_each_document(clean: Path) -> None:
    lines = (clean / "VOL001" / "DATA" / "PAL.opt").read_bytes().decode("ascii").split("\r\n")
    assert lines.pop() == ""
    for number, line in enumerate(lines, start=1):
        bates, name, path, first, folder, box, pages = line.split(",")
        assert (bates, name, first, folder, box, pages) == (
            *(f"PAL{number:07}", "VOL001", "Y", "", "", "1"),
        )
        with Image.open(clean / path.replace("\\", "/")) as page:
            assert (page.format, getattr(page, "n_frames", 1)) == ("JPEG", 1)


def test_byte_order_mark_can_be_left_out(tmp_path: Path, clean: Path) -> None:
    plain = volume(tmp_path, [item(1)], bom=False) / "VOL001" / "DATA"
    assert (plain / "PAL.dat").read_bytes().startswith("\u00fe".encode())
    assert "without a byte order mark" in (plain / "README.txt").read_text()
    marked = (clean / "VOL001" / "DATA" / "PAL.dat").read_bytes()
    assert marked.startswith("\ufeff\u00fe".encode())


def test_the_stamp_stands_on_the_page_and_not_on_the_native(tmp_path: Path) -> None:
    one = volume(tmp_path, [item(1)]) / "VOL001"
    pages = [(one / "IMAGES" / "001" / f"PAL000000{n}.jpg").read_bytes() for n in (2, 3)]
    assert pages[0] != pages[1]  # the same picture under two numbers
    assert (one / "NATIVES" / "001" / "PAL0000002.png").read_bytes() == b"native 1"


def test_numbers_are_never_given_twice_and_gaps_are_logged(tmp_path: Path) -> None:
    first = rows_of(volume(tmp_path / "a", [item(1), item(2), item(3)]))
    shutil.copytree(tmp_path / "a" / "bates", tmp_path / "b" / "bates")
    later = volume(tmp_path / "b", [item(4), item(3), item(2, native=b"other")])
    rows = rows_of(later)
    assert [row["BEGBATES"][-2:] for row in rows] == [
        *("07", "08", "09", "10", "11", "12", "13", "14", "15")
    ]
    by_item = {row["ITEMID"]: row["BEGBATES"] for row in reversed(rows)}
    before = {row["ITEMID"]: row["BEGBATES"] for row in reversed(first)}
    assert by_item["ITEM-000003"] == before["ITEM-000003"]
    assert by_item["ITEM-000002"] not in before.values()
    gaps = (later / "VOL001" / "DATA" / "gaps.csv").read_text().splitlines()
    assert gaps[1].startswith("PAL0000001,PAL0000006,")
    assert check(later, "VOL001", "PAL") == []


def test_register_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    volume(tmp_path, [item(1)])
    (tmp_path / "bates" / "PAL-7.json").write_text("{")
    with pytest.raises(RunError, match="given twice"):
        open_register(tmp_path, Numbering())


@pytest.mark.parametrize(("prefix", "padding"), [("", 7), ("1A", 7), ("A B", 7), ("A", 3)])
def test_numbers_that_no_platform_takes(prefix: str, padding: int) -> None:
    with pytest.raises(CaseError):
        Numbering(prefix=prefix, padding=padding)


def test_numbers_that_outgrow_their_digits() -> None:
    assert Numbering(padding=4).show(9999) == "PAL9999"
    with pytest.raises(RunError, match="does not fit"):
        Numbering(padding=4).show(10_000)


def test_folders_stay_small(tmp_path: Path) -> None:
    register = open_register(tmp_path, Numbering())
    register.next = PER_FOLDER
    written(tmp_path, Volume(register, "2026-11-22"), [item(1)])
    folders = sorted(path.name for path in (tmp_path / "VOL001" / "NATIVES").iterdir())
    assert folders == ["001", "002"]
    assert check(tmp_path, "VOL001", "PAL") == []


def test_slip_sheet_of_a_long_text_says_that_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def heard(self: ImageDraw.ImageDraw, place: Any, text: str, **more: Any) -> None:
        drawn.append(text)
        draw(self, place, text, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", heard)
    stamped(None, ["kind", "", "word " * 20_000], "PAL0000001")
    assert drawn[-2:] == ["(cut here: the whole stands in the text file)", "PAL0000001"]
    assert {word for line in drawn[2:-2] for word in line.split()} == {"word"}
    drawn.clear()
    stamped(None, ["kind", "", "\u0436 short"], "PAL0000002")
    assert drawn == ["kind", "", "? short", "PAL0000002"]


def test_load_file_form() -> None:
    assert in_load_file("a\r\nb\rc\nd") == "a\u00aeb\u00aec\u00aed"


class Planted(NamedTuple):
    """The load files of a copy, to be spoilt."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "VOL001" / "DATA"

    def dat(self, change: Callable[[list[str]], None]) -> None:
        self._lines("PAL.dat", change)

    def opt(self, change: Callable[[list[str]], None]) -> None:
        self._lines("PAL.opt", change)

    def cell(self, row: int, name: str, value: str) -> None:
        def change(lines: list[str]) -> None:
            cells = lines[row].split("\x14")
            cells[FIELDS.index(name)] = f"\u00fe{value}\u00fe"
            lines[row] = "\x14".join(cells)

        self.dat(change)

    def place(self, kind: str, name: str) -> Path:
        return self.root / "VOL001" / kind / "001" / name

    def _lines(self, name: str, change: Callable[[list[str]], None]) -> None:
        path = self.data / name
        lines = path.read_bytes().decode().split("\r\n")
        change(lines)
        path.write_bytes("\r\n".join(lines).encode())


def _more(lines: list[str]) -> None:
    lines[2] += "\x14\u00fe\u00fe"


def _open(lines: list[str]) -> None:
    lines[2] = lines[2][:-1]


def _twice(lines: list[str]) -> None:
    lines.insert(3, lines[2])


def _without(row: int) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        del lines[row]

    return change


def _two_pages(lines: list[str]) -> None:
    lines[1] = lines[1][:-1] + "2"


def _foreign_page(lines: list[str]) -> None:
    lines.insert(1, lines[0].replace("0000001", "0000099", 1))


def _short_opt(lines: list[str]) -> None:
    lines[1] = lines[1].rsplit(",", 1)[0]


def _latin(planted: Planted) -> None:
    path = planted.data / "PAL.dat"
    path.write_bytes(path.read_bytes().replace("\u00fe".encode(), b"\xfe"))


def _cut_end(planted: Planted) -> None:
    path = planted.data / "PAL.dat"
    path.write_bytes(path.read_bytes()[:-2])


def _flip(planted: Planted) -> None:
    planted.place("NATIVES", "PAL0000002.png").write_bytes(b"other")


def _rename(planted: Planted) -> None:
    path = planted.place("NATIVES", "PAL0000002.png")
    path.rename(path.with_name("pal0000002.PNG"))


DEFECTS: Mapping[str, tuple[str, Callable[[Planted], object]]] = {
    "more fields": ("FIELD_COUNT", lambda p: p.dat(_more)),
    "fewer columns of a page": ("FIELD_COUNT", lambda p: p.opt(_short_opt)),
    "an open field": ("UNTERMINATED_QUALIFIER", lambda p: p.dat(_open)),
    "another encoding": ("ENCODING", _latin),
    "a last line cut short": ("ENCODING", _cut_end),
    "a row twice": ("DUPLICATE_BATES", lambda p: p.dat(_twice)),
    "ranges that overlap": ("OVERLAP_BATES", lambda p: p.cell(2, "ENDBATES", "PAL0000003")),
    "a range backwards": ("REVERSED_BATES", lambda p: p.cell(3, "ENDBATES", "PAL0000001")),
    "another prefix": ("FORMAT_BATES", lambda p: p.cell(2, "BEGBATES", "XXX0000002")),
    "digits missing": ("PADDING_BATES", lambda p: p.cell(2, "BEGBATES", "PAL002")),
    "a number missing": ("GAP_BATES", lambda p: p.dat(_without(4))),
    "pages that disagree": ("PAGE_MISMATCH", lambda p: p.opt(_two_pages)),
    "pages of the data file": ("PAGE_MISMATCH", lambda p: p.cell(2, "PAGECOUNT", "3")),
    "a document without a page": ("NO_IMAGE_DOC", lambda p: p.opt(_without(3))),
    "a page of nobody": ("ORPHAN_IMAGE_DOC", lambda p: p.opt(_foreign_page)),
    "outside its family": ("FAMILY_RANGE", lambda p: p.cell(2, "BEGATTACH", "PAL0000003")),
    "no such parent": ("FAMILY_PARENT", lambda p: p.cell(2, "BEGATTACH", "PAL0000098")),
    "two families": ("FAMILY_SPLIT", lambda p: p.cell(2, "ENDATTACH", "PAL0000002")),
    "a native is gone": (
        "FILE_MISSING",
        lambda p: p.place("NATIVES", "PAL0000002.png").unlink(),
    ),
    "a page is gone": ("FILE_MISSING", lambda p: p.place("IMAGES", "PAL0000002.jpg").unlink()),
    "no load file": ("FILE_MISSING", lambda p: (p.data / "PAL.opt").unlink()),
    "a path from the root": ("ABSOLUTE_PATH", lambda p: p.cell(2, "NATIVEPATH", "C:\\x.png")),
    "a share": ("ABSOLUTE_PATH", lambda p: p.cell(2, "TEXTPATH", "\\\\host\\x.txt")),
    "a path upwards": (
        "PATH_OUTSIDE_ROOT",
        lambda p: p.cell(2, "NATIVEPATH", "VOL001\\..\\..\\x.png"),
    ),
    "letters of another case": ("CASE_MISMATCH", _rename),
    "a changed native": ("HASH_MISMATCH", _flip),
    "an empty text": (
        "EMPTY_TEXT",
        lambda p: p.place("TEXT", "PAL0000002.txt").write_bytes(b""),
    ),
    "a file that nobody names": (
        "ORPHAN_FILE",
        lambda p: p.place("TEXT", "PAL0000077.txt").write_bytes(b"x"),
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_each_check_fires(name: str, clean: Path, tmp_path: Path) -> None:
    code, spoil = DEFECTS[name]
    root = tmp_path / "production"
    shutil.copytree(clean, root)
    spoil(Planted(root))
    found = {one.code for one in check(root, "VOL001", "PAL")}
    assert code in found


def test_every_check_that_is_listed_has_its_defect() -> None:
    from pipeline.evidence import qc

    listed = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b|\bENCODING\b", qc.__doc__ or ""))
    assert listed == {code for code, _ in DEFECTS.values()}


def test_one_report_is_the_same_twice(clean: Path, tmp_path: Path) -> None:
    shutil.copytree(clean, tmp_path / "x")
    _flip(Planted(tmp_path / "x"))
    one, other = (check(tmp_path / "x", "VOL001", "PAL") for _ in range(2))
    assert json.dumps(one) == json.dumps(other)
