"""Report: the page says what the tables say, and hostile tables do it no harm."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline import report_exhibits, report_lists, report_page, report_pictures
from pipeline.report import READS, RunFacts, StepTime, collect
from pipeline.report_counts import count_models
from pipeline.report_page import render
from pipeline.report_pictures import Album, difference_of
from pipeline.report_scores import Bar, draw_scores
from pipeline.report_standing import StandingSummary, collect_standing
from stages.contract import Kit
from stages.tables import (
    ARTISTS,
    ASSESSMENTS,
    BALANCE,
    BLIND,
    CLIQUES,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    LEANINGS,
    LIMITS,
    MATCHES,
    PROMPTS,
    REJECTED,
    SCORES,
    SIGNALS,
    THRESHOLDS,
    UNITS,
    WORKS,
)
from stages.verdicts import assess, attribute, calibrate, confirm, flag, flag_regions, lean
from stages.verdicts.blindfold import PLACES
from stages.verdicts.sentences import limit_of
from stages.verdicts.standing import AssessConfig

DISCOVERY, SEEDS = 4, 12
LEVEL = 0.3
"""False discovery rate of the small runs: with a handful of controls less cannot be reached."""

OPEN = "\N{LEFT DOUBLE QUOTATION MARK}"
HOSTILE = [
    '<script>alert("x")</script><img src=x onerror=alert(1)>',
    "\N{HEBREW LETTER ALEF}\N{RIGHT-TO-LEFT OVERRIDE}evil\x00\n{{ 7 * 7 }}",
    "long " * 2000,
    "\"'></bdi></title></style><style>*{display:none}</style>&amp;",
]


class Shelf:
    """A dataset in memory, as `stages.contract.Reader`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def read(self, names: Sequence[str]) -> pa.Table:
        return self.table.select(list(names))

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        places = {key: row for row, key in enumerate(self.table["image_id"].to_pylist())}
        return self.table.take([places[key] for key in ids]).select(list(names))


def png(seed: int, side: int = 24) -> bytes:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    out = BytesIO()
    small.resize((side, side)).save(out, "PNG")
    return out.getvalue()


class Run:
    """A small finished run, drawn with a seed and judged by the real stages."""

    def __init__(self, rng_seed: int = 0) -> None:
        self.rng = np.random.default_rng(rng_seed)
        self.rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("images", "works", "prompts", "generations", "matches", "cliques")
        }
        self.first: dict[str, tuple[str, str]] = {}
        self.config = AssessConfig(q=LEVEL, setting="randomised")
        self.blind = [told("captions", 0.5, 0.45, 0.54, "calibrated")]
        self.balance: list[dict[str, Any]] = []
        self.limits: list[dict[str, Any]] = []
        self.scores: list[dict[str, Any]] = []

    def work(self, name: str, half: str, picture: bytes, times: int = 1, **said: Any) -> None:
        """Add a work with its images."""
        self.first[name] = (f"{name}-0", half)
        counts = dict.fromkeys(("num_exact", "num_near", "num_pdq", "num_clip"), times)
        signed = {"caption": None, "title": None, "artist": None, "year": None}
        signed |= {"licence": None, "url": None}
        for number in range(times):
            image_id = f"{name}-{number}"
            plain = {"image_id": image_id, "place": f"{half}/{name}.png", "sha256": name}
            shape = {"format": "png", "width": 24, "height": 24, "pdq": "0", "pdq_quality": 100}
            self.rows["images"].append(plain | shape | signed | said | {"bytes": picture})
            row = {"image_id": image_id, "half": half, "work_id": f"{name}-0", "sha256": name}
            self.rows["works"].append(row | counts | {"mixed": False})

    def ask(
        self,
        caption: str | None,
        own: str | None,
        hits: Mapping[int, bytes],
        misses: Sequence[bytes],
        **by: Any,
    ) -> None:
        """Ask a caption; `hits` are the seeds that give the caption's own work back."""
        model, clique = by.get("model", "m" * 64), by.get("clique", 1)
        prompt_id = f"p{len(self.rows['prompts']):06d}"
        work_id, half = self.first[own] if own else (None, None)
        for sample in range(SEEDS):
            phase = "discovery" if sample < DISCOVERY else "confirmation"
            ids = {"prompt_id": prompt_id, "sample": sample, "phase": phase}
            what = {"text": caption, "class_label": None, "work_id": work_id, "half": half}
            self.rows["prompts"].append(ids | what | {"block": 0, "seed": 1, "origin": "file"})
            if not misses:
                continue
            self._make(ids | {"model_id": model}, work_id, hits.get(sample), misses)
            self._agree(ids, model, clique)

    def _make(
        self, ids: dict[str, Any], own: str | None, hit: bytes | None, misses: Sequence[bytes]
    ) -> None:
        sample = ids["sample"]
        made = ids | {"image_id": f"g-{ids['model_id'][:2]}-{ids['prompt_id']}-{sample}"}
        blank = {"seed": 1, "sha256": "0", "format": "png", "width": 24, "height": 24}
        data = hit if hit is not None else misses[sample % len(misses)]
        self.rows["generations"].append(made | blank | {"guidance_norms": None, "bytes": data})
        others = self.rng.choice([work_id for work_id, _ in self.first.values()], 3)
        wanted = dict.fromkeys([own, *map(str, others)])
        far = {work_id: 1.05 + 0.3 * self.rng.random() for work_id in wanted if work_id}
        if own and hit is not None:
            far[own] = 0.3 + 0.4 * self.rng.random()
        least = min(far.values())
        halves = dict(self.first.values())
        for work_id, ratio in far.items():
            near = {
                "work_id": work_id,
                "half": halves[work_id],
                "neighbor_id": work_id,
                "via": "pixels",
            }
            numbers = {"similarity": None, "l2": 0.1, "tiled_l2": 0.2, "adaptive_ratio": ratio}
            match = made | {"made_id": made["image_id"]}
            self.rows["matches"].append(match | near | numbers | {"best": ratio == least})

    def _agree(self, ids: dict[str, Any], model: str, clique: int) -> None:
        made = {"image_id": self.rows["generations"][-1]["image_id"], "model_id": model}
        agree = {"degree": 0, "clique_size": clique, "in_clique": ids["sample"] < clique}
        rest = {"clique_distance": None, "complete": True}
        named = {"prompt_id": ids["prompt_id"], "sample": ids["sample"]}
        self.rows["cliques"].append(made | named | agree | rest)

    def region(self, own: str, score: float, box: tuple[int, int, int, int]) -> None:
        """Score every generation of the caption of a work, as `partial` does."""
        work_id, half = self.first[own]
        asked = {r["prompt_id"] for r in self.rows["prompts"] if r["work_id"] == work_id}
        for row in self.rows["generations"]:
            if row["prompt_id"] not in asked:
                continue
            ids = {name: row[name] for name in ("model_id", "prompt_id", "sample", "phase")}
            pair = {"made_id": row["image_id"], "work_id": work_id, "half": half}
            lies = {"made_box": box, "work_box": box, "matrix": [[1, 0, 0], [0, 1, 0]]}
            found = {"neighbor_id": work_id, "method": "partial", "score": score, "hit": score > 0}
            more = {"detail": json.dumps(lies), "mask": None, "score_id": str(len(self.scores))}
            self.scores.append(ids | pair | found | more)

    def units(self) -> pa.Table:
        """Return UNITS: every work whose caption is asked is one."""
        asked: dict[str, list[str]] = {}
        for row in self.rows["prompts"]:
            if row["work_id"] and row["prompt_id"] not in asked.setdefault(row["work_id"], []):
                asked[row["work_id"]].append(row["prompt_id"])
        halves = dict(self.first.values())
        labels = {"train": "test", "control": "control"}
        rows = [
            {"work_id": work_id, "unit_id": work_id, "label": labels[halves[work_id]]}
            | {"rank": "0", "prompt_ids": prompts}
            for work_id, prompts in sorted(asked.items())
        ]
        return UNITS.check(UNITS.of_rows(rows))

    def tables(self) -> dict[str, pa.Table]:
        """Return every table of the run, after the stages have judged."""
        kinds = {"images": IMAGES, "works": WORKS, "prompts": PROMPTS, "matches": MATCHES}
        kinds |= {"generations": GENERATIONS, "cliques": CLIQUES}
        tables = {}
        for name, kind in kinds.items():
            seen = {tuple(row[key] for key in kind.key): row for row in self.rows[name]}
            tables[name] = kind.check(kind.of_rows(list(seen.values())))
        read = {role: [tables[role]] for role in ("matches", "works", "prompts", "images")}
        (out,) = calibrate.STAGE.run(read, calibrate.CalibrateConfig(), Kit())
        tables["thresholds"] = THRESHOLDS.check(out.rows)
        kit = Kit(datasets={name: Shelf(tables[name]) for name in ("thresholds", "works")})
        roles = {role: tables[role] for role in ("prompts", "cliques", "matches")}
        roles["images"] = tables["generations"]
        read["candidates"] = [flag.STAGE.run(roles, flag.STAGE.open(flag.FlagConfig(), kit)).rows]
        tables["scores"] = roles["scores"] = SCORES.check(SCORES.of_rows(self.scores))
        kit = Kit(datasets={"controls": Shelf(tables["scores"]), "works": Shelf(tables["works"])})
        tools = flag_regions.STAGE.open(flag_regions.FlagRegionsConfig(), kit)
        read["candidates"].append(flag_regions.STAGE.run(roles, tools).rows)
        read |= {"units": [self.units()], "made": [tables["generations"]]}
        read["scores"] = [tables["scores"]]
        tables["balance"] = BALANCE.check(BALANCE.of_rows(self.balance))
        read["balance"] = [tables["balance"].select(list(PLACES))]
        for role, stage, table in (
            ("assessments", assess.STAGE, ASSESSMENTS),
            ("blind", None, BLIND),
            ("findings", confirm.STAGE, FINDINGS),
            ("leanings", lean.STAGE, LEANINGS),
            ("artists", attribute.STAGE, ARTISTS),
        ):
            outs = [] if stage is None else stage.run(read, self.config, Kit())
            made = [out.rows for out in outs] if stage else [BLIND.of_rows(self.blind)]
            tables[role] = table.check(pa.concat_tables([table.empty(), *made]))
            read[role] = [tables[role]]
        tables["limits"] = LIMITS.check(LIMITS.of_rows(self.limits))
        tables["signals"] = SIGNALS.empty()
        return tables

    def shelves(self) -> dict[str, Shelf]:
        """Return the readers of `collect`."""
        tables = self.tables()
        return {role: Shelf(tables[role]) for role in READS}

    def standing(self, *registered: Any) -> StandingSummary:
        """Return what the page says of error rates, with registration and departures."""
        tables = self.tables()
        roles = ("assessments", "balance", "blind", "findings", "leanings", "limits")
        shelves = {role: Shelf(tables[role]) for role in roles}
        return collect_standing(shelves, self.config.q, *registered)


def told(material: str, auc: float, low: float, high: float, judgement: str) -> dict[str, Any]:
    """Return a row of BLIND."""
    row: dict[str, Any] = {"material": material, "num_test": 6, "num_control": 6, "auc": auc}
    return row | {"low": low, "high": high, "judgement": judgement}


def limited(**said: Any) -> dict[str, Any]:
    """Return a row of LIMITS of the model of a small run, measured on planted copies."""
    row: dict[str, Any] = dict.fromkeys(LIMITS.schema.names)
    row |= {"model_id": "m" * 64, "method": "adaptive_ratio", "n": 8, "k_star": 1, "cutoff": 0.2}
    row |= {"num_works": 100, "num_copies": 800, "recall": 1.0, "recall_low": 0.9638}
    row |= {"sensitivity": 0.95, "sensitivity_low": 0.93, "pi_95": 0.3721, "pi_50": 0.09}
    row |= {"by_edit": "crop 0.9"} | said
    return row | {"sentence": limit_of(row)}


def small_run() -> Run:
    run = Run()
    for number in range(8):
        said = {"artist": f"Artist {number % 3}", "title": f"Title {number}", "year": 1990}
        run.work(f"t{number}", "train", png(number), times=1 + 8 * (number % 2), **said)
        run.work(f"c{number}", "control", png(100 + number), artist="Artist 0")
    far = [png(200 + number) for number in range(5)]
    for number in range(6):
        hits = {s: png(number) for s in range(SEEDS) if number % 2 and s % 3 == 0}
        run.ask(f"Title {number} by Artist", f"t{number}", hits, far)
        run.ask(f"control caption {number}", f"c{number}", {}, far)
    run.ask("they agree", None, {}, far[:1], clique=12)
    run.ask("all rejected", "t7", {}, [])
    return run


FACTS = RunFacts(
    case="a case",
    setting="randomised",
    run_seed=7,
    date="22 November 2026",
    timings=(
        StepTime(step="train.images", parts=2, rows=40, seconds=1.5),
        StepTime(step="made.sampled", parts=9, rows=14_000, seconds=431.0),
    ),
    rejected=REJECTED.of_rows(
        [
            {"key": f"k{n}", "stage": "ingest", "code": "truncated", "message": "cut <short>"}
            for n in range(3)
        ]
    ),
    names={"m" * 64: "demo"},
    digests={"case": "ab" * 32},
    versions={"palimpsest": "0.1.0"},
)


def spaced(text: str) -> str:
    """Return a text with single spaces; those that do not break are left alone."""
    return re.sub(r"[ \n\t]+", " ", text).strip(" ")


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(html)
        self.text = spaced(" ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.in_cell = True
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.in_cell:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.in_cell = False

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def row(self, first: str) -> list[str]:
        rows = ([spaced(cell) for cell in row] for row in self.rows)
        return next(row for row in rows if row[0] == first)


def page_of(run: Run, **facts: Any) -> tuple[Page, str, dict[str, Shelf]]:
    run.config = replace(run.config, setting=facts.get("setting", "randomised"))
    shelves = run.shelves()
    html = render(collect(shelves, replace(FACTS, **facts)), shelves, None, run.standing())
    return Page(html), html, shelves


@pytest.fixture(scope="module")
def small() -> tuple[Page, str, dict[str, Shelf]]:
    return page_of(small_run())


def test_headline_equals_the_tables(small: tuple[Page, str, dict[str, Shelf]]) -> None:
    page, _, shelves = small
    findings = shelves["findings"].table.to_pylist()
    halves = {r["prompt_id"]: r["half"] for r in shelves["prompts"].table.to_pylist()}
    judged = {r["prompt_id"] for r in findings if r["n"]}
    back = {r["prompt_id"] for r in findings if r["verdict"] == "verbatim"}
    mine = {p for p in judged if halves[p] != "control"}
    assert len(back) == 3
    assert f"{len(back & mine)} of {len(mine)} captions gave a training work back" in page.text
    assert f"Of {len(judged - mine)} captions of control works, none did" in page.text
    # 1 - 0.05 ** (1 / 8): one hit in eight judged seeds is enough for the rule
    assert "at least 31 % of seeds" in page.text
    assert "A coin decided before training" in page.text


def test_tables_on_the_page_equal_the_tables(small: tuple[Page, str, dict[str, Shelf]]) -> None:
    page, _, shelves = small
    rows = shelves["artists"].table.to_pylist()
    for artist in ("Artist 0", "Artist 1", "Artist 2"):
        mine = [r for r in rows if r["artist"] == artist]
        train = [r for r in mine if r["half"] == "train"]
        seen = [r for r in train if r["verdict"] != "not_examined"]
        back = [r for r in train if r["verdict"] == "verbatim"]
        shown = page.row(artist)
        counts = [len(train), len(seen), len(back)]
        assert shown[1:4] == [str(count) for count in counts]
        assert shown[5] == str(len(mine) - len(train))
    assert page.row("4 to 15")[1] == "4"
    assert page.row("1")[1] == "4"
    assert page.row("ingest")[1:3] == ["truncated", "3"]
    assert page.row("made.sampled")[2:4] == ["14\N{NO-BREAK SPACE}000", "7 min 11 s"]


def test_every_finding_is_shown_or_counted(small: tuple[Page, str, dict[str, Shelf]]) -> None:
    page, html, shelves = small
    found = shelves["findings"].table.to_pylist()
    for row in found:
        if row["verdict"] == "verbatim":
            assert row["finding_id"] in html
            assert f"{row['k']} of {row['n']}" in page.text
        elif row["work_id"] is None:
            assert f"f-{row['finding_id'][:16]}" in html
    assert f"The table of findings holds {len(found)} rows" in page.text
    assert "they agree" in page.text
    assert "1 caption has no judged image" in page.text


def test_pictures_and_marks(small: tuple[Page, str, dict[str, Shelf]]) -> None:
    page, _, shelves = small
    images = page.all("img")
    # three findings of 12 seeds, a pair, its difference and a control each, and the sheet of the
    # caption that agrees; a hit was compared with no control here and there
    rivals = page.text.count("Closest control") - page.text.count("none was compared")
    assert rivals > 0
    assert len(images) == 3 * (SEEDS + 3) + rivals + SEEDS
    assert all((image["src"] or "").startswith("data:image/") for image in images)
    assert all(image["alt"] for image in images)
    marked = [a for a in page.all("li") if "hit" in (a.get("class") or "")]
    assert len(marked) == 3 * 4
    judged = [a for a in marked if "trial" not in (a["class"] or "")]
    found = shelves["findings"].table.to_pylist()
    assert len(judged) == sum(r["k"] for r in found if r["verdict"] == "verbatim")
    assert page.text.count("\N{BLACK CIRCLE}") == len(judged) + 1
    assert page.text.count("\N{WHITE CIRCLE}") == 3 * 2 + 1


def test_page_needs_and_runs_nothing(small: tuple[Page, str, dict[str, Shelf]]) -> None:
    page, html, _ = small
    assert not re.search(
        r"(src|href|action)\s*=\s*[\"']?\s*(https?:|//|javascript:)", html, re.IGNORECASE
    )
    assert "url(" not in html
    assert "@import" not in html
    assert not {"script", "iframe", "object", "link", "form", "base"} & {t for t, _ in page.tags}
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)
    policy = next(
        a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_style_passes_its_own_policy(small: tuple[Page, str, dict[str, Shelf]]) -> None:
    from base64 import b64encode
    from hashlib import sha256

    _, html, _ = small
    style = html.split("<style>")[1].split("</style>")[0]
    assert b64encode(sha256(style.encode()).digest()).decode() in html


def hostile_run() -> Run:
    run = Run()
    for number, text in enumerate(HOSTILE):
        said = dict.fromkeys(("artist", "title", "licence"), text)
        run.work(f"t{number}", "train", png(number), **said)
        run.work(f"c{number}", "control", png(50 + number), **said)
    for number, text in enumerate(HOSTILE):
        run.ask(text, f"t{number}", {s: png(number) for s in range(SEEDS)}, [png(9)])
        run.ask(text + " control", f"c{number}", {}, [b"not an image"])
    return run


def test_hostile_text_stays_text() -> None:
    rejected = [
        {"key": text, "stage": f"s{n}", "code": text, "message": text}
        for n, text in enumerate(HOSTILE)
    ]
    bad = HOSTILE[0]
    page, html, _ = page_of(
        hostile_run(),
        case=bad,
        rejected=REJECTED.of_rows(rejected),
        names={"m" * 64: bad},
        digests={bad: bad},
        versions={bad: bad},
    )
    assert not {"script", "iframe"} & {tag for tag, _ in page.tags}
    assert html.count("<style>") == html.count("</style>") == 1
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert HOSTILE[0] in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\x00" not in html
    assert "10\N{NO-BREAK SPACE}000 characters, the first 240 shown" in page.text
    assert "long " * 300 not in html
    # direction stays inside the element that holds the text
    for found in re.finditer("\N{RIGHT-TO-LEFT OVERRIDE}", html):
        before = html[: found.start()]
        inside = before.rindex("<bdi>") > before.rindex("</bdi>")
        assert inside or before.rindex(' alt="') > before.rindex("<img")


def test_images_that_do_not_decode_leave_a_space() -> None:
    run = small_run()
    for row in run.rows["generations"]:
        row["bytes"] = b"broken"
    page, _, _ = page_of(run)
    shown = page.text.count("cannot be shown")
    # the two works of a pair are there, the difference is not
    assert shown == 3 * (SEEDS + 2) + SEEDS


def test_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    out = BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    run = Run()
    for number in range(6):
        run.work(f"t{number}", "train", out.getvalue())
        run.work(f"c{number}", "control", png(number))
    for number in range(6):
        hits = dict.fromkeys(range(SEEDS), out.getvalue())
        run.ask(f"caption {number}", f"t{number}", hits, [png(9)])
        run.ask(f"control caption {number}", f"c{number}", {}, [png(9)])
    monkeypatch.setattr(report_page, "Album", lambda: Album(budget_bytes=600_000))
    page, html, _ = page_of(run)
    shown = len([a for a in page.all("article") if a.get("class") == "exhibit"])
    assert 0 < shown < 6
    assert f"The first {shown} of 6 findings have pictures" in page.text
    assert len(html) < 600_000 + 100_000
    found = [row for row in page.rows if row and row[0].startswith(OPEN)]
    assert len([row for row in found if row[1] == "verbatim"]) == 6


def test_long_lists_say_how_long_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_lists, "MAX_ROWS", 2)
    monkeypatch.setattr(report_exhibits, "MAX_SEEDS", 5)
    page, _, _ = page_of(small_run())
    assert "The first 2 of 10 rows" in page.text
    assert "The first 5 of 12 images made from this caption" in page.text


@pytest.mark.parametrize("setting", ["randomised", "matched", "portfolio"])
def test_empty_run_renders(setting: str) -> None:
    page, _, _ = page_of(Run(), setting=setting, timings=(), rejected=REJECTED.empty())
    assert "Nothing was examined" in page.text
    assert "No row was rejected" in page.text


def test_portfolio_claims_nothing_about_a_training_set() -> None:
    page, html, _ = page_of(small_run(), setting="portfolio")
    assert "gave a work of the portfolio back" in page.text
    assert "training image" not in html.lower()
    assert "training work" not in html.lower()


def test_imported_images_show_existence_only() -> None:
    run = small_run()
    run.ask(None, "t2", {6: png(2)}, [png(9)], model="imported")
    page, _, _ = page_of(run)
    assert "imported images: 1 of 1 captions gave a training work back" in page.text
    assert "show existence only" in page.text
    assert "detection limit none" in page.text


def test_counts_of_a_model_by_hand() -> None:
    shelves = small_run().shelves()
    prompts = shelves["prompts"].table.to_pylist()
    (counts,) = count_models(shelves, {r["prompt_id"]: r["half"] for r in prompts}, 1)
    assert (counts.captions, counts.captions_back, counts.works_back) == (7, 3, 3)
    assert (counts.control_captions, counts.control_captions_back) == (6, 0)
    assert (counts.low_diversity, counts.not_examined) == (1, 1)
    assert (counts.n_low, counts.n_high) == (8, 8)
    assert counts.detection_limit == pytest.approx(1 - 0.05 ** (1 / 8))
    best = [r for r in shelves["matches"].table.to_pylist() if r["best"]]
    judged = [r for r in best if r["phase"] == "confirmation"]
    assert sum(bar.train + bar.control for bar in counts.bars) == len(judged)
    below = [r for r in judged if r["adaptive_ratio"] < 1 and r["half"] == "train"]
    assert sum(bar.train for bar in counts.bars if bar.low < 0.99) == len(below)


def test_histogram_stands_on_one_line() -> None:
    bars = [Bar(low=0.0, train=9, control=1), Bar(low=1.0, train=0, control=0)]
    drawing = draw_scores(bars, 1.0)
    (up,), (down,) = drawing.train, drawing.control
    assert up.y + up.height == down.y == 0
    assert up.height == 3 * down.height
    assert drawing.threshold_x == 360
    assert draw_scores((), None).train == ()


def test_difference_has_the_smaller_size_and_saturates() -> None:
    white, black = np.full((8, 6, 3), 255, np.uint8), np.zeros((4, 9, 3), np.uint8)
    unlike, same = difference_of(white, black), difference_of(white, white)
    assert unlike is not None
    assert same is not None
    assert unlike.shape == (4, 6, 3)
    assert unlike.max() == 0
    assert same.min() == 255
    assert difference_of(None, white) is None


def test_album_keeps_small_pictures_exact_and_shrinks_large_ones() -> None:
    small = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    picture = Album().add(small, report_pictures.PAIR_SIDE)
    assert picture is not None
    assert (picture.width, picture.height, picture.small) == (30, 20, True)
    large = Album().add(np.zeros((900, 600, 3), np.uint8), 320)
    assert large is not None
    assert (large.width, large.height, large.small) == (213, 320, False)
