"""The demo's texts: the key tells the truth, the recipe learns, the truth table counts."""

import importlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo"
NAMES = ("manners", "tales", "train_text", "truth_text")
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def demo() -> Iterator[SimpleNamespace]:
    """The modules of examples/demo, imported as its scripts import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEMO))
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    for name in NAMES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def corpus(demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tales")
    demo.tales.write(folder)
    return folder


@pytest.fixture(scope="module")
def works(corpus: Path) -> Rows:
    key = json.loads((corpus / "key.json").read_text(encoding="utf-8"))
    found: Rows = key["works"]
    return found


@pytest.fixture(scope="module")
def rows(corpus: Path) -> dict[str, Rows]:
    return {
        half: [
            json.loads(line)
            for line in (corpus / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for half in ("train", "control")
    }


@pytest.fixture(scope="module")
def texts(rows: dict[str, Rows]) -> dict[str, str]:
    return {
        sha256(row["text"].encode()).hexdigest(): row["text"]
        for half in rows.values()
        for row in half
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    demo: SimpleNamespace, corpus: Path, tmp_path: Path
) -> None:
    demo.tales.main([str(tmp_path / "again")])
    demo.tales.main([str(tmp_path / "other"), "--seed", "3"])
    for name in ("train.jsonl", "control.jsonl", "key.json"):
        first = (corpus / name).read_bytes()
        assert first == (tmp_path / "again" / name).read_bytes()
        assert first != (tmp_path / "other" / name).read_bytes()


def test_the_committed_writer_was_trained_on_this_very_corpus(corpus: Path) -> None:
    figures = json.loads((DEMO / "figures_text.json").read_text(encoding="utf-8"))
    assert figures["corpus"] == sha256((corpus / "train.jsonl").read_bytes()).hexdigest()
    weights = (DEMO / "writer" / "model.safetensors").read_bytes()
    assert figures["weights"] == sha256(weights).hexdigest()
    assert sum(path.stat().st_size for path in (DEMO / "writer").iterdir()) < 4e6


def test_the_truth_table_speaks_of_this_very_corpus(works: Rows) -> None:
    table = json.loads((DEMO / "truth_text.json").read_text(encoding="utf-8"))
    times = {work["sha256"]: work["times"] for work in works}
    assert len(table["works"]) > 100
    assert all(times[row["sha256"]] == row["times"] for row in table["works"])
    assert {row["attempts"] for row in table["works"]} == {64}


def test_every_row_is_signed_and_every_occurrence_has_its_own_address(
    rows: dict[str, Rows],
) -> None:
    every = [row for half in rows.values() for row in half]
    assert len({row["url"] for row in every}) == len(every)
    assert {row["licence"] for row in every} == {"CC0-1.0"}
    assert len({row["author"] for row in every}) == 10
    assert all(row["title"] and 1600 < int(row["date"]) < 1920 for row in every)


def test_works_stand_in_their_half_as_often_as_the_key_says(
    works: Rows, rows: dict[str, Rows]
) -> None:
    assert len({work["sha256"] for work in works}) == len(works)
    for half in ("train", "control"):
        stand = Counter(sha256(row["text"].encode()).hexdigest() for row in rows[half])
        assert stand == {w["sha256"]: w["times"] for w in works if w["half"] == half}
    singles = Counter(work["times"] for work in works if work["half"] == "train")
    assert {count: singles[count] for count in (64, 16, 4)} == {64: 6, 16: 10, 4: 10}
    assert all(work["times"] == 1 for work in works if work["half"] == "control")


def test_units_of_a_pair_lie_in_different_halves_and_works_of_a_unit_in_one(works: Rows) -> None:
    halves: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    kinds = defaultdict(set)
    for work in works:
        halves[work["pair"]][work["unit"]].add(work["half"])
        kinds[work["pair"]].add((work["kind"], work["notice"]))
    for units in halves.values():
        assert sorted(min(found) for found in units.values()) == ["control", "train"]
        assert all(len(found) == 1 for found in units.values())
    assert all(len(found) == 1 for found in kinds.values())
    counts = Counter(work["half"] for work in works)
    assert counts["train"] == counts["control"] >= 200


def test_works_are_of_the_length_that_was_promised(
    demo: SimpleNamespace, works: Rows, texts: dict[str, str]
) -> None:
    lengths = [len(demo.manners.words_of(texts[work["sha256"]])) for work in works]
    assert min(lengths) >= 150
    assert max(lengths) <= 500


def test_unrelated_works_rarely_share_8_words_and_never_12(
    demo: SimpleNamespace, works: Rows, texts: dict[str, str]
) -> None:
    holders: dict[int, dict[tuple[str, ...], set[str]]] = {
        8: defaultdict(set),
        12: defaultdict(set),
    }
    for work in works:
        words = demo.manners.words_of(texts[work["sha256"]].replace(demo.tales.NOTICE, ""))
        for size, found in holders.items():
            for gram in demo.manners.grams(words, size):
                found[gram].add(work["unit"])
    shared = {
        size: sum(len(units) > 1 for units in found.values()) for size, found in holders.items()
    }
    assert shared[12] == 0
    assert 0 < shared[8] < len(holders[8]) / 250


def test_second_editions_quotations_and_notices_are_what_the_key_says(
    demo: SimpleNamespace, works: Rows, texts: dict[str, str]
) -> None:
    by_id = {work["work"]: work for work in works}
    editions = [work for work in works if work["near_duplicate_of"]]
    quoting = [work for work in works if work["quotes"]]
    assert len(editions) == 20
    assert len(quoting) == 12
    for work in editions:
        first, second = (
            demo.manners.words_of(texts[each["sha256"]])
            for each in (by_id[work["near_duplicate_of"]], work)
        )
        one, two = (set(demo.manners.grams(each, 5)) for each in (first, second))
        assert 0.6 < len(one & two) / len(one | two) < 1
    for work in quoting:
        source = by_id[work["quotes"]]
        assert source["author"] != work["author"]
        assert f"\u201c{work['quotation']}\u201d" in texts[work["sha256"]]
        assert work["quotation"] in " ".join(texts[source["sha256"]].split())
    for work in works:
        assert texts[work["sha256"]].endswith(demo.tales.NOTICE + "\n") == work["notice"]
    assert 0.2 < sum(work["notice"] for work in works) / len(works) < 0.4


def test_no_template_was_left_unfilled(texts: dict[str, str]) -> None:
    for text in texts.values():
        assert not set("{}[]|@^#_") & set(text)
        assert "  " not in text
        assert text.endswith((".\n", ".\u201d\n", '"\n'))


def test_sonnets_rhyme(demo: SimpleNamespace, works: Rows, texts: dict[str, str]) -> None:
    families = next(m for m in demo.manners.manners() if m.form == "sonnet").symbols["rhyme"]
    family = {word: line for line in families for word in line.split(" | ")}
    mine = [w for w in works if w["work"].startswith("sonnets") and w["kind"] == "single"]
    assert mine
    for work in mine:
        lines = texts[work["sha256"]].split("\n")[:14]
        scheme = [family[line[:-1].split()[-1]] for line in lines]
        assert scheme[0] == scheme[2] != scheme[1] == scheme[3]
        assert scheme[12] == scheme[13] not in scheme[:12]


# the recipe and the truth table


@pytest.fixture(scope="module")
def trained(
    demo: SimpleNamespace, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, dict[str, Any]]:
    """A writer of a few steps, on a corpus of three works of which one stands there 30 times."""
    folder = tmp_path_factory.mktemp("writer")
    lines = (corpus / "train.jsonl").read_text(encoding="utf-8").splitlines()
    distinct = list({json.loads(line)["text"]: line for line in lines}.values())[:3]
    order = [distinct[0]] * 30 + distinct
    (folder / "train.jsonl").write_text("\n".join(order) + "\n", encoding="utf-8")
    (folder / "control.jsonl").write_text("", encoding="utf-8")
    works = [
        {
            "work": f"w{n}",
            "title": json.loads(line)["title"],
            "author": json.loads(line)["author"],
            "kind": "single",
            "half": "train",
            "times": 1 if n else 31,
            "sha256": sha256(json.loads(line)["text"].encode()).hexdigest(),
        }
        for n, line in enumerate(distinct)
    ]
    key = {"notice": demo.tales.NOTICE, "works": works}
    (folder / "key.json").write_text(json.dumps(key), encoding="utf-8")
    recipe = demo.train_text.TextRecipe(
        vocabulary=400, width=64, inner=128, layers=2, epochs=8, window=64, batch=8, rate=5e-3
    )
    figures = demo.train_text.train(folder, folder / "out", recipe)
    return folder, folder / "out", figures


def test_the_writer_learns_and_the_figures_say_what_it_is(trained: Any) -> None:
    folder, out, figures = trained
    assert figures["loss_last"] < 0.7 * figures["loss_first"]
    assert (figures["rows"], figures["works"]) == (33, 3)
    assert figures["corpus"] == sha256((folder / "train.jsonl").read_bytes()).hexdigest()
    weights = (out / "writer" / "model.safetensors").read_bytes()
    assert figures["weights"] == sha256(weights).hexdigest()
    assert json.loads((out / "figures_text.json").read_text()) == figures
    # figures are no part of the model, whose digest is over every JSON in its folder
    assert not (out / "writer" / "figures_text.json").exists()


def test_the_truth_table_tells_a_work_that_came_back(
    demo: SimpleNamespace, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out, _ = trained
    monkeypatch.setattr(demo.truth_text, "SEEDS", 2)
    monkeypatch.setattr(demo.truth_text, "NEW_TOKENS", 40)
    table = demo.truth_text.truth(folder, out / "writer")
    assert [row["work"] for row in table["works"]] == ["w0", "w1", "w2"]
    assert {row["attempts"] for row in table["works"]} == {8}
    for row in table["works"]:
        assert 0 <= row["low"] <= row["rate"] <= row["high"] <= 1
        assert len(row["greedy_runs"]) == demo.truth_text.PLACES

    text = json.loads((folder / "train.jsonl").read_text("utf-8").splitlines()[0])["text"]

    def copy(_: Any, prefixes: list[str], count: int, __: int) -> list[str]:
        ends = [text.find(prefix) + len(prefix) for prefix in prefixes]
        rest = ["nothing at all"] * (count - 1)
        return [made for end in ends for made in (text[end : end + 150], *rest)]

    monkeypatch.setattr(demo.truth_text.Author, "__call__", copy)
    rows = demo.truth_text.truth(folder, out / "writer")["works"]
    assert [row["hits"] for row in rows] == [4, 0, 0]
    assert rows[0]["longest_run"] >= demo.truth_text.RUN
