"""Report on texts: a planted passage is shown on both sides, every attempt too, and all is bounded.

The run is a real one: imported outputs with planted copies against a corpus of a few works.
"""

import json
import math
import random
import re
from argparse import Namespace
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from indexes.words import normal
from pipeline import report_texts_spreads, verbs
from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.project import open_store
from pipeline.report import READS, collect
from pipeline.report_page import TextHalf, render
from pipeline.report_texts import TEXT_READS, collect_texts
from pipeline.report_texts_authors import count_authors
from pipeline.report_texts_counts import count_text_models, profile
from pipeline.report_texts_plots import HEIGHT, WIDTH, chance_lines, draw_chances
from pipeline.report_texts_spreads import plain
from pipeline.report_texts_suffixes import count_suffixes
from pipeline.report_texts_words import attempts, origin, probability, settings
from stages.contract import Reader
from stages.tables import ARTISTS, FINDINGS, MATCHES, OUTPUTS
from tests.pipeline.test_report import FACTS, Page, Shelf, small_run

HOSTILE = '<script>alert("x")</script>'
OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}"
HEBREW = [chr(code) for code in range(0x5D0, 0x5EA)]
EIGHT = 8


class Library:
    """Works of random words, so that nothing is shared that is not planted."""

    def __init__(self) -> None:
        self.random = random.Random(5)
        self.vocabulary = [f"w{number:04d}" for number in range(4000)]

    def prose(self, words: int) -> list[str]:
        return [self.random.choice(self.vocabulary) for _ in range(words)]

    def right_to_left(self, words: int) -> list[str]:
        return ["".join(self.random.choices(HEBREW, k=7)) for _ in range(words)]


def plant(library: Library) -> tuple[list[Any], list[Any], list[Any]]:
    """Return works, control works and outputs; prompts a to f say what is planted."""
    works = [library.prose(500) for _ in range(5)]
    works.append(library.right_to_left(500))
    authors = ["Ada Long", "Ada Long", HOSTILE, "Ben Short", None, f"\u05d0{OVERRIDE}\u05d1"]
    train = [
        {"title": f"Title {n} <b>", "author": author, "text": " ".join(words)}
        for n, (words, author) in enumerate(zip(works, authors, strict=True))
    ]
    control = [
        {"title": f"Control {n}", "author": "Ada Long", "text": " ".join(library.prose(500))}
        for n in range(6)
    ]
    rows: list[dict[str, Any]] = []

    def ask(prompt: str, number: int, passage: list[str]) -> None:
        body = library.prose(40) + passage + library.prose(40)
        rows.append({"prompt": prompt, "attempt": number, "model": "gpt", "output": " ".join(body)})

    near = list(works[1][50:200])
    near[7::8] = ["changed"] * len(near[7::8])
    echoed = " ".join(works[3][10:30])
    for number in range(EIGHT):
        ask("a: verbatim", number, works[0][100:160] if number % 2 == 0 else [])
        ask("b: near", number, near if number < 3 else [])
        ask(f"c: {HOSTILE} {OVERRIDE}", number, [HOSTILE, *works[2][0:55], "\x07", OVERRIDE])
        ask(f"d: {echoed}", number, works[3][10:90] if number == 5 else [])
        ask("e: nothing", number, works[4][20:40] if number == 1 else [])
        ask("f: other script", number, works[5][300:370] if number == 0 else [])
    for prompt, number, failure in (("a", 7, "overloaded"), ("f", 3, f"refused {HOSTILE}")):
        (lost,) = (r for r in rows if r["prompt"][0] == prompt and r["attempt"] == number)
        lost |= {"output": None, "failure": failure}
    return train, control, rows


CASE = """
name: texts
train_texts: {sources: [{path: train.jsonl}]}
control_texts: {sources: [{path: control.jsonl}]}
outputs: {sources: [{path: outputs.jsonl}]}
cluster: {kind: inline, threads: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for name, rows in zip(("train", "control", "outputs"), plant(Library()), strict=True):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    (folder / "case.yaml").write_text(CASE)
    return folder


@pytest.fixture(scope="module")
def answer(folder: Path) -> dict[str, Any]:
    return verbs.run(Namespace(retry_rejected=False), folder / "case.yaml").found


@pytest.fixture(scope="module")
def readers(folder: Path, answer: dict[str, Any]) -> Mapping[str, Reader]:
    assert answer["rejected"] == 0
    store = open_store(folder / "case.yaml")[1]
    return {role: open_dataset(store, table, *n) for role, (table, n) in TEXT_READS.items()}


@pytest.fixture(scope="module")
def html(answer: dict[str, Any]) -> str:
    return Path(answer["report"]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def exhibits(html: str) -> list[str]:
    return re.findall(r'<article class="exhibit text-exhibit".*?</article>', html, re.DOTALL)


def exhibit(html: str, prompt: str) -> str:
    (found,) = (part for part in exhibits(html) if f">{prompt}" in part)
    return found


def panes(part: str) -> list[str]:
    return re.findall(r'<div class="pane".*?</div>\s*</section>', part, re.DOTALL)


def marked(pane: str, kind: str) -> list[str]:
    """Return the words of a pane that are marked so."""
    found = re.findall(rf'<a class="{kind}[^"]*" href[^>]*>(.*?)</a>', pane, re.DOTALL)
    return " ".join(found).split()


def test_the_run_counts_its_verdicts_and_the_page_says_the_same(
    answer: dict[str, Any], page: Page
) -> None:
    assert answer["verdicts"]["verbatim_text"] == 4
    assert answer["verdicts"]["near_text"] >= 1
    rows = sum(answer["verdicts"].values())
    assert f"The table of findings holds {rows} rows" in page.text
    assert "5 of 6 prompts gave text of a training work back , 5 training works in all" in page.text
    assert "48 attempts: 48 at 6 prompts that came with imported outputs" in page.text
    assert "2 failed (a refusal or an error); they count as attempts that gave nothing" in page.text
    assert page.row("came back word for word")[1:] == ["runs of equal words", "4"]


def test_a_planted_passage_is_marked_on_both_sides(html: str) -> None:
    library = plant(Library())
    words = library[0][0]["text"].split()[100:160]
    output, work = panes(exhibit(html, "a: verbatim"))
    assert marked(output, "verbatim") == words
    assert marked(work, "verbatim") == words
    script = library[0][5]["text"].split()[300:370]
    for pane in panes(exhibit(html, "f: other script")):
        assert marked(pane, "verbatim") == script
        assert 'dir="auto"' in pane


def test_every_mark_leads_to_the_same_words_on_the_other_side(html: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]+)"', html)
    assert set(links) <= set(ids)
    pairs = re.findall(r'<a class="(?:verbatim|near)[^"]*" href="#([ow]\d+-\d+)">(.*?)</a>', html)
    said: dict[str, str] = {}
    for target, text in pairs:
        said[target] = said.get(target, "") + " " + text
    assert len(said) > EIGHT
    for target, text in said.items():
        own = ("o" if target[0] == "w" else "w") + target[1:]
        assert [normal(word) for word in text.split()] == [normal(w) for w in said[own].split()]


def test_words_that_differ_are_framed_and_struck(html: str) -> None:
    output, work = panes(exhibit(html, "b: near"))
    original = plant(Library())[0][1]["text"].split()[50:200]
    replaced = original[7::8]
    inside = replaced[: len(re.findall("<ins>", output))]
    assert len(inside) >= len(replaced) - 1
    assert re.findall("<ins>(.*?)</ins>", output) == ["changed"] * len(inside)
    assert re.findall("<del>(.*?)</del>", output) == inside
    assert re.findall("<ins>(.*?)</ins>", work) == inside
    assert "3 of 8</b> judged attempts" in exhibit(html, "b: near")


def test_words_from_the_prompt_are_grey_and_do_not_count(html: str) -> None:
    part = exhibit(html, "d: ")
    words = plant(Library())[0][3]["text"].split()
    assert marked(panes(part)[0], "verbatim echo") == words[10:30]
    assert "longest run <b>60 words</b>" in part
    assert "20 words echoed from the prompt are left out" in part


def test_every_attempt_is_listed_the_misses_too(html: str) -> None:
    page = Page(exhibit(html, "a: verbatim"))
    rows = [[cell.strip() for cell in row] for row in page.rows if len(row) == 6][1:]
    sign = "\N{BLACK CIRCLE}"
    assert [row[0].removeprefix(sign).strip() for row in rows] == [str(n) for n in range(EIGHT)]
    assert [row[0].startswith(sign) for row in rows] == [n % 2 == 0 for n in range(EIGHT)]
    assert [row[2] for row in rows] == ["60", "-"] * 4
    assert rows[7][5].split() == ["failed:", "overloaded"]
    assert "8 in all; 1 failed and count as misses" in page.text
    assert "4 of 8 judged attempts" in page.text


def test_places_point_at_the_work(html: str, readers: Mapping[str, Reader]) -> None:
    part = Page(exhibit(html, "a: verbatim")).text
    text = plant(Library())[0][0]["text"]
    passage = " ".join(text.split()[100:160])
    start = text.index(passage)
    spaced = [f"{n:,}".replace(",", "\N{NO-BREAK SPACE}") for n in (start, start + len(passage))]
    assert f"{spaced[0]} to {spaced[1]} line 1, bytes {spaced[0]} to {spaced[1]}" in part
    spans = readers["spans"].read(["text_start", "text_end"]).to_pylist()
    assert {"text_start": start, "text_end": start + len(passage)} in spans


def test_prompts_that_gave_nothing_are_listed(page: Page) -> None:
    (row,) = [row for row in page.rows if row and "e: nothing" in row[0]]
    assert [cell.strip() for cell in row[1:3]] == ["8", "20"]
    assert "1 prompt gave no text of a training work back" in page.text


def test_authors_have_their_counts(page: Page) -> None:
    # 60 words verbatim, and a near passage whose runs are 7 words long
    assert page.row("Ada Long")[1:6] == ["2", "2", "2", "60", "7 of 16"]
    assert page.row("Ben Short")[1:6] == ["1", "1", "1", "60", "1 of 8"]
    assert page.row("not stated")[1:4] == ["1", "0", "0"]


def test_thresholds_are_applied_to_what_was_measured(page: Page) -> None:
    # attempts: 4 at a, 8 at c, 1 at d and 1 at f; the passage at e has 20 words
    assert page.row("50 words in a row")[1:5] == ["14", "4", "0", "0"]
    assert page.row("20 words in a row")[1:5] == ["15", "5", "0", "0"]
    assert page.row("100 words, nearly in a row")[1:5] == ["3", "1", "0", "0"]
    assert page.row("50 tokens in a row")[1] == "not measured: no tokenizer was named"


def test_a_mark_counts_outputs_and_works_once() -> None:
    names = ["made_id", "work_id", "half", "run_tokens", "run_words", "run_chars"]
    rows = [
        ("o1", "w1", "train", 50, 49, 160, 99),
        ("o1", "w2", "train", 49, 50, 159, 100),
        ("o2", "w1", "train", 10, 8, 40, 20),
        ("o2", "c1", "control", 60, 31, 150, 0),
    ]
    columns = list(zip(*rows, strict=True))
    table = pa.table(dict(zip([*names, "near_block_words"], columns, strict=True)))
    found = {
        (line.mark.measure, line.mark.least): (
            *line.outputs.values(),
            *line.works.values(),
        )
        for line in profile(table)
    }
    assert found["run_tokens", 50] == (1, 1, 1, 1)
    assert found["run_words", 50] == (1, 0, 1, 0)
    assert found["run_chars", 160] == (1, 0, 1, 0)
    assert found["run_chars", 150] == (1, 1, 2, 1)
    assert found["near_block_words", 100] == (1, 0, 1, 0)
    assert found["run_words", 8] == (2, 1, 2, 1)
    empty = profile(MATCHES.empty())
    assert not any(sum(line.outputs.values()) for line in empty)


def test_hostile_texts_stay_texts(html: str, page: Page) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == len(page.all("script")) == 1
    assert "alert" not in scripts[0]
    policy = next(a["content"] or "" for a in page.all("meta") if "http-equiv" in a)
    digest = b64encode(sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    style = html.split("<style>")[1].split("</style>", maxsplit=1)[0]
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)
    assert "iframe" not in {tag for tag, _ in page.tags}
    assert HOSTILE in page.text
    assert f"refused {HOSTILE}" in page.text
    assert "\x07" not in html
    for pane in panes(html):
        assert OVERRIDE not in pane
    for found in re.finditer(OVERRIDE, html):
        before = html[: found.start()]
        assert before.rindex("<bdi>") > before.rindex("</bdi>")


def test_a_page_needs_nothing_else(html: str) -> None:
    assert not re.search(r"(src|action)\s*=|url\(|@import", html)
    assert set(re.findall(r'href="(.)', html)) == {"#"}


def test_a_page_does_not_rely_on_colour_alone(html: str) -> None:
    style = html.split("<style>")[1].split("</style>", maxsplit=1)[0]
    for look in ("underline", "dotted", "line-through", "italic", "@media print"):
        assert look in style


def test_what_a_page_cannot_hold_is_listed(
    readers: Mapping[str, Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_texts_spreads, "BUDGET_LETTERS", 5000)
    summary = collect_texts(readers, 1)
    html = render(collect(empty_shelves(), FACTS), {}, TextHalf(summary, readers))
    shown = len(exhibits(html))
    assert 0 < shown < summary.num_exhibits == 5
    assert f"The first {shown} of 5 pairs" in Page(html).text
    for row in summary.found.rows:
        assert f"t-{row['finding_id'][:16]}" in html


def empty_shelves() -> dict[str, Shelf]:
    return {role: Shelf(table.empty()) for role, (table, _) in READS.items()}


def test_texts_alone_say_nothing_of_images(html: str) -> None:
    page = Page(re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL))
    for word in ("caption", "image", "picture", "Artists", "Nothing was examined"):
        assert word not in page.text


def test_a_case_with_both_halves_has_both(readers: Mapping[str, Reader]) -> None:
    shelves = small_run().shelves()
    summary = collect(shelves, replace(FACTS, names={"imported:gpt": "never used"}))
    html = render(summary, shelves, TextHalf(collect_texts(readers, 9), readers))
    page = Page(html)
    assert "captions gave a training work back" in page.text
    assert "prompts gave text of a training work back" in page.text
    assert "run seed 7 of images, 9 of texts" in page.text
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    rows = len(shelves["findings"].table) + readers["findings"].read(["verdict"]).num_rows
    assert f"The table of findings holds {rows} rows" in page.text


def test_look_up_of_an_author_in_a_case_of_texts(
    folder: Path, answer: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert answer["case"] == "texts"
    capfd.readouterr()
    assert main(["lookup", "long, ada", str(folder / "case.yaml"), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["works_in_set"], found["works_came_back"]) == (2, 2)
    assert len(found["control"]) == 6
    verbatim = next(w for w in found["train"] if w["title"].startswith("Title 0"))
    (judged,) = verbatim["judgements"]
    passage = judged["pair"]["passage"]
    text = plant(Library())[0][0]["text"]
    assert (judged["verdict"], judged["k"], judged["n"]) == ("verbatim_text", 4, 8)
    assert text[passage["text_start"] : passage["text_end"]].split() == text.split()[100:160]
    assert text[passage["text_start"] :].startswith(passage["text"])
    assert main(["lookup", "Ada Long", str(folder / "case.yaml")]) == 0
    said = capfd.readouterr().out
    assert "60 words, verbatim, characters" in said
    assert f"(attempt {judged['pair']['sample']}, no seed stated)" in said


def chance(words: int, events: int, rate: float, low: float, high: float) -> dict[str, Any]:
    counts = {"num_events": events, "num_blocks": 300, "num_works": 9, "corpus_words": 10**6}
    return {"words": words, **counts, "rate": rate, "low": low, "high": high}


def test_the_chance_curve_is_drawn_as_measured() -> None:
    rows = [chance(8, 30, 0.1, 0.01, 1.0), chance(9, 3, 0.01, 0.0, 0.1), chance(12, 0, 0, 0, 0.01)]
    drawn = draw_chances(rows, 10)
    first, second = drawn.seen
    # decades from 1 down to 0.01
    assert (first.x, first.y, first.low_y, first.high_y) == (0, HEIGHT / 2, HEIGHT, 0)
    assert (second.x, second.y) == (WIDTH / 4, HEIGHT)
    assert second.low_y == HEIGHT
    (bound,) = drawn.bounds
    assert (bound.x, bound.y) == (WIDTH, HEIGHT)
    assert drawn.mark_x == WIDTH / 2
    assert [label for _, label in drawn.y_ticks] == ["0.01", "0.1", "1"]
    # nothing beyond what was measured, and no mark outside
    assert draw_chances(rows, 32).mark_x is None
    assert draw_chances([], 32).seen == ()


def test_the_table_beside_the_curve_is_short_and_names_the_first_unseen_length() -> None:
    rows = [chance(n, n < 17, 0.1 * (n < 17), 0, 0.5) for n in range(8, 65)]
    listed = [row["words"] for row in chance_lines(rows)]
    assert listed == [8, 10, 13, 16, 17, 20, 25, 32, 40, 50, 64]
    assert chance_lines(rows[:3]) == rows[:3]


def suffix_rows(*said: tuple[str, str, float | None]) -> Shelf:
    blank = dict.fromkeys(OUTPUTS.schema.names)
    rows = [
        {**blank, "output_id": f"{n}-{sample}", "set": "s", "model_id": "m", "prompt_id": prompt}
        | {"sample": sample, "phase": "discovery", "settings": "{}", "origin": "prefix"}
        | {"half": half, "suffix_logprob": logprob, "suffix_tokens": 50, "text": "x"}
        for n, (prompt, half, logprob) in enumerate(said)
        for sample in range(2)
    ]
    return Shelf(OUTPUTS.check(OUTPUTS.of_rows(rows)))


def test_attempts_for_a_true_suffix() -> None:
    found = count_suffixes(
        suffix_rows(
            ("p1", "train", math.log(0.5)),
            ("p2", "train", 0.0),
            ("p3", "train", -1000.0),
            ("p4", "control", None),
        )
    )
    (one,) = found
    assert one.num_prompts == {"train": 3, "control": 1}
    within = {line.attempts: (line.half_chance, line.sure) for line in one.lines}
    # 0.5 needs one attempt for 0.5, and 5 for 0.95: 1 - 0.5^5 = 0.97
    assert within[1] == ({"train": 2, "control": 0}, {"train": 1, "control": 0})
    assert within[10] == ({"train": 2, "control": 0}, {"train": 2, "control": 0})
    assert within[1_000_000][1] == {"train": 2, "control": 0}
    first, second, third = one.likeliest["train"]
    assert [s.prompt_id for s in (first, second, third)] == ["p2", "p1", "p3"]
    assert [attempts(s, 0.95) for s in (first, second)] == ["1", "5"]
    assert attempts(third, 0.5) == "1.4e434"
    assert attempts(one.likeliest["control"][0], 0.5) == "never"
    assert [probability(s) for s in (first, second)] == ["1", "0.5"]
    assert count_suffixes(Shelf(OUTPUTS.empty())) == ()


def test_settings_and_origins_in_words() -> None:
    said = settings('{"greedy":true,"top_k":null,"stop":["a"],"dtype":"float32"}')
    assert said == 'greedy yes, top k none, stop ["a"], dtype float32'
    assert settings("not json") == "not json"
    assert settings("[1]") == "[1]"
    assert origin("elsewhere") == "elsewhere"


def test_plain_keeps_every_place() -> None:
    hostile = f"a\x00b{OVERRIDE}c\nd\ue000\u05d0"
    assert len(plain(hostile)) == len(hostile)
    assert plain(hostile) == "a\ufffdb\ufffdc\nd\ue000\u05d0"


def finding(name: str, prompt: str, work: str | None, verdict: str, **said: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FINDINGS.schema.names)
    row |= {"finding_id": name, "model_id": "m", "prompt_id": prompt, "work_id": work, "k": 0}
    row |= {"half": work and "train", "method": "verbatim_words", "verdict": verdict, "n": 10}
    return row | {"num_controls": 7, "own_caption": False, "reason": "", "threshold": 32.0} | said


def test_control_prompts_are_counted_apart() -> None:
    found = [
        finding("f1", "p1", "w1", "verbatim_text", control_best=9.0),
        finding("f2", "p1", "w1", "near_text", method="near_words", control_best=40.0),
        finding("f3", "p2", None, "none"),
        finding("f4", "c1", "w1", "verbatim_text"),
        finding("f5", "c2", None, "none", n=12),
        finding("f6", "p3", None, "not_examined", n=0),
    ]
    shelves = {"outputs": suffix_rows(("p1", "train", None)), "matches": Shelf(MATCHES.empty())}
    (model,) = count_text_models(shelves, found, {"c1": "control", "c2": "control"}, 1)
    assert (model.prompts, model.prompts_back, model.works_back) == (2, 1, 1)
    assert (model.control_prompts, model.control_prompts_back) == (2, 1)
    assert (model.not_examined, model.n_low, model.n_high) == (1, 10, 12)
    assert (model.control_best, model.num_controls, model.min_words) == (9.0, 7, 32.0)
    assert (model.attempts, model.failed, model.discovery) == (2, 0, 2)
    assert model.findings[0] == ("verbatim_text", "verbatim_words", 2)
    # one hit in ten judged attempts is enough for the rule
    assert model.detection_limit == pytest.approx(0.2589, abs=1e-4)


def credited(work: str, author: str, verdict: str, name: str | None) -> dict[str, Any]:
    row = {"model_id": "m", "work_id": work, "half": "train", "artist": author, "title": None}
    row |= {"image_id": work, "num_images": 1, "verdict": verdict, "finding_id": name}
    return row | {"k": 0, "n": 10 if name else 0}


def test_an_author_is_judged_on_prompts_cut_from_their_works() -> None:
    rate = {"k_low": 0.1, "k_high": 0.9}
    found = [
        finding("f1", "p1", "w1", "verbatim_text", own_caption=True, k=4, **rate),
        finding("f2", "p1", "w1", "none", method="near_words", own_caption=True, k=3, **rate),
        finding("f3", "p2", "w2", "none", own_caption=True, k=0, **rate),
        # the same work comes up elsewhere too, which tells no rate
        finding("f4", "p9", "w1", "verbatim_text", k=9),
        finding("f5", "p9", "x1", "verbatim_text", k=2),
        finding("f6", "p8", "x1", "none", k=1),
        finding("f7", "p8", "y1", "none", k=1),
    ]
    rows = [
        credited("w1", "Own", "verbatim_text", "f1"),
        credited("w2", "Own", "none", "f3"),
        credited("x1", "Elsewhere", "verbatim_text", "f5"),
        credited("y1", "Beaten", "none", "f7"),
    ]
    authors, works = count_authors(
        {"authors": Shelf(ARTISTS.of_rows(rows)), "matches": Shelf(MATCHES.empty())}, found
    )
    lines = {line.author: line for line in authors["m"]}
    own = lines["Own"]
    assert (own.works, own.examined, own.back, own.k, own.n) == (2, 2, 1, 4, 20)
    # Clopper-Pearson for 4 of 20
    assert (own.k_low, own.k_high) == pytest.approx((0.0573, 0.4366), abs=1e-4)
    other = lines["Elsewhere"]
    assert (other.k, other.n, other.k_low) == (2, 10, None)
    assert (lines["Beaten"].k, lines["Beaten"].n) == (0, 0)
    assert [work.work_id for work in works["m"]] == ["w1", "x1"]
