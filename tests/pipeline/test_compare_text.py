import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import compare_text_lines
from pipeline.cli import main
from pipeline.compare_text import as_json, compare
from pipeline.compare_text_page import render
from stages.sources.decoding import decode

ROOT = Path(__file__).parents[2]
WORK = (
    "The barge left the lock at dawn. Nobody on the towpath said a word about the flood that had"
    " taken seven gates, and the old keeper counted his coins twice before the rain came down.\n\n"
    "In the evening a stranger asked for lamp oil, paid in foreign silver and would not say where"
    " the road had brought him from; so we gave him bread, and the dog lay down across his boots."
)
FIRST, SECOND = WORK.split("\n\n")
EDITED = (
    SECOND.replace("stranger", "traveller").replace("foreign ", "").replace("bread", "warm bread")
)
OUTPUT = f"My story begins here.\n\n{EDITED}\n\nThen: {FIRST[4:].upper()} The end."
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Well-formedness, links and the text of each pane."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.panes: list[str] = []
        self.depth = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.tags.append(tag)
        self.ids += [said["id"]] if said.get("id") else []
        self.links += [said["href"]] if said.get("href") else []
        if "pane" in (said.get("class") or "").split():
            assert said["dir"] == "auto"
            self.panes.append("")
            self.depth = len(self.open) + 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if len(self.open) < self.depth:
            self.depth = 0

    def handle_data(self, data: str) -> None:
        if self.depth and not {"del", "sup", "summary"} & set(self.open):
            self.panes[-1] += data


def files(folder: Path, output: str | bytes = OUTPUT, work: str | bytes = WORK) -> list[str]:
    paths = [folder / "output.txt", folder / "work.txt"]
    for path, text in zip(paths, (output, work), strict=True):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(path) for path in paths]


def told(capsys: pytest.CaptureFixture[str], *asked: str) -> dict[str, Any]:
    assert main(["compare-text", *asked, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    return found


def sides(span: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("output", span["output"]), ("work", span["work"])]


def test_json_says_what_is_copied_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, *files(tmp_path))
    assert (found["work_words"], found["output_words"]) == (72, 78)
    assert found["longest_run_words"] == 34
    assert found["longest_run_chars"] == len(FIRST) - len("The .")
    assert found["words_in_runs"] == {"8": 59, "13": 50, "20": 34, "32": 34, "50": 0}
    assert found["verbatim_words"] == 59
    assert found["near_words"] == 69
    assert found["acs_words"] == 35
    near = found["spans"][0]
    assert (near["kind"], near["words"], near["level"]) == ("near", 35, "exact")
    assert [(e["kind"], e["work_text"], e["output_text"]) for e in near["edits"]] == [
        ("replace", "stranger", "traveller"),
        ("delete", "foreign", ""),
        ("insert", "", "warm"),
    ]
    assert near["output"]["line"] == 3
    moved = found["spans"][-1]
    assert (moved["kind"], moved["level"], moved["in_order"]) == ("verbatim", "folded", False)
    for span in found["spans"]:
        for name, place in sides(span):
            text = {"output": OUTPUT, "work": WORK}[name]
            assert text[place["start"] : place["end"]] == place["text"]
            for edit in span["edits"]:
                assert text[slice(*edit[name])] == edit[f"{name}_text"]


DRESSES = {
    "plain": lambda text: text.encode(),
    "marked": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "wide": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "wide, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "damaged": lambda text: b"\xff\xe2\x82 " + text.encode() + b" \xf0\x9f",
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
def test_bytes_cut_out_of_the_files_are_the_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dress: Any
) -> None:
    lead = "\u00e9\u20ac\U0001f600 na\u00efve: "
    paths = files(tmp_path, lead.encode() + OUTPUT.encode(), dress(lead + WORK))
    found = told(capsys, *paths)
    assert len(found["spans"]) >= 2
    for span in found["spans"]:
        for (name, place), path in zip(sides(span), paths, strict=True):
            part = Path(path).read_bytes()[place["start_byte"] : place["end_byte"]]
            assert part.decode(found["encoding"][name]) == place["text"]


@settings(max_examples=40)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_answered(tmp_path_factory: Any, before: bytes, within: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    half = len(FIRST) // 2
    raw = before + FIRST[:half].encode() + within + FIRST[half:].encode()
    output, work = (Path(path) for path in files(folder, FIRST, raw))
    compared = compare(output, work)
    found = json.loads(json.dumps(as_json(compared)))
    for span in found["spans"]:
        place = span["work"]
        part = raw[place["start_byte"] : place["end_byte"]]
        encoding = found["encoding"]["work"]
        assert part.decode(encoding, "palimpsest-mark") == place["text"]
    Page(render(compared))


def test_empty_files_share_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, *files(tmp_path, "", ""))
    assert found["spans"] == []
    assert not any(
        value for key, value in found.items() if key not in ("encoding", "words_in_runs")
    )
    assert main(["compare-text", *files(tmp_path, "", WORK)]) == 0
    assert "no passage" in capsys.readouterr().out


def test_missing_file_exits_with_2_and_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = files(tmp_path)
    assert main(["compare-text", paths[0], str(tmp_path / "gone.txt")]) == 2
    assert re.search(r"gone\.txt: expected a file .*No such file", capsys.readouterr().err)
    assert main(["compare-text", str(tmp_path), paths[1]]) == 2
    assert main(["compare-text", *paths, "--html", str(tmp_path / "no" / "page.html")]) == 2
    assert "page cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["compare-text", paths[0]])
    assert stop.value.code == 2


def test_words_of_the_prompt_are_subtracted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = files(tmp_path)
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(OUTPUT)
    found = told(capsys, *paths, "--prompt", str(prompt))
    assert (found["verbatim_words"], found["longest_run_words"], found["near_words"]) == (0, 0, 0)
    assert found["echoed_words"] == 69
    assert all(span["echoed_words"] == span["words"] for span in found["spans"])
    assert main(["compare-text", *paths, "--prompt", str(prompt)]) == 0
    assert "<BARGE LEFT" in capsys.readouterr().out


def test_terminal_is_told_without_colour_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = files(tmp_path)
    assert main(["compare-text", *paths]) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    assert "a [-stranger-] {+traveller+} asked" in " ".join(plain.split())
    assert "[-foreign-] silver" in " ".join(plain.split())
    assert re.search(r"1\. near-verbatim, 35 words, 3 edits, exact", plain)
    assert re.search(r"work +line 3, characters \d+ to \d+", plain)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["compare-text", *paths]) == 0
    coloured = capsys.readouterr().out
    assert "\x1b[1;4;31mBARGE\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["compare-text", *paths]) == 0
    assert capsys.readouterr().out == plain


def test_terminal_is_not_obeyed_by_what_a_text_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nasty = FIRST.replace(" lock", " \x1b[2J\x1b]0;x\x07\u202elock\x9b")
    assert main(["compare-text", *files(tmp_path, nasty, nasty)]) == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", capsys.readouterr().out)


def test_lines_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    japanese = "\u65e5\u672c\u306e\u5ddd\u306f\u9577\u304f\u6df1\u3044" * 12
    output, work = (Path(path) for path in files(tmp_path, japanese, japanese))
    for line in compare_text_lines.as_lines(compare(output, work)):
        if line.startswith("    ") and "line" not in line:
            assert compare_text_lines._columns(line) <= 60


def test_page_shows_both_texts_whole_and_every_link_leads_somewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["compare-text", *files(tmp_path), "--html", str(page)]) == 0
    assert f"page: {page}" in capsys.readouterr().out
    html = page.read_text()
    read = Page(html)
    assert read.open == []
    assert read.panes == [OUTPUT, WORK]
    assert len(set(read.ids)) == len(read.ids)
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert len(read.links) > 6
    assert "<del>stranger</del><ins>traveller</ins>" in html
    assert "<ins>stranger</ins>" in html
    assert '<html lang="en">' in html
    assert read.tags.count("h1") == 1
    assert "http:" not in html
    assert "https:" not in html
    assert not {"link", "img", "iframe"} & set(read.tags)
    for tag in ("style", "script"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = b64encode(sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in html


def test_markup_in_a_text_is_shown_as_text(tmp_path: Path) -> None:
    evil = (
        FIRST.replace("lock", "</a><script>alert(1)</script>&amp; lock") + '"><img src=x onerror=y>'
    )
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(FIRST[:60])
    paths = [Path(path) for path in files(tmp_path, evil + EDITED, evil + SECOND)]
    html = render(compare(paths[0], paths[1], prompt))
    read = Page(html)
    assert read.panes == [evil + EDITED, evil + SECOND]
    assert read.tags.count("script") == 1
    assert "img" not in read.tags


def test_long_stretches_without_a_match_are_folded(tmp_path: Path) -> None:
    far = " ".join(f"w{number}" for number in range(2000))
    book = f"{far} {FIRST} {far} {far} {far} {SECOND} {far}"
    paths = [Path(path) for path in files(tmp_path, f"{FIRST} so {SECOND}", book)]
    html = render(compare(*paths))
    read = Page(html)
    assert len(html) < len(book) + 60_000
    assert "words without a match, not in this page" in html
    assert read.tags.count("details") == 2
    assert FIRST in read.panes[1]
    assert SECOND in read.panes[1]
    counts = [
        int(n.replace("\u00a0", "")) for n in re.findall(r">([\d\u00a0]+) words without", html)
    ]
    assert 10_000 - 1000 < sum(counts) < 10_000


def test_command_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pipeline.cli import main\n"
        f"assert main(['compare-text', *{files(tmp_path)!r}, '--json']) == 0\n"
        "heavy = ('torch', 'pyarrow', 'distributed', 'faiss', 'transformers', 'jinja2')\n"
        "sys.exit(' '.join(name for name in heavy if name in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_decoder_of_the_tests_is_that_of_the_command(tmp_path: Path) -> None:
    raw = b"\xff" + WORK.encode()
    output, work = (Path(path) for path in files(tmp_path, OUTPUT, raw))
    assert compare(output, work).work.text == decode(raw).text == "\ufffd" + WORK
