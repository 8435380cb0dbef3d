"""Twins: planted near-duplicates, no part of the half, the order or the pieces."""

from collections.abc import Mapping
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit, StageError
from stages.tables import TEXT_WORKS
from stages.text import twins as module
from stages.text.twins import STAGE, TwinsConfig
from tests.stages.tiny_texts import batches, prose, table

# words of one letter make chance overlaps likely; 256 bands of 1 miss none
SURE: dict[str, Any] = {"bands": 256, "rows": 1}

Texts = Mapping[str, str]


def works(
    train: Texts, control: Texts, cut: int | None = None, **knobs: Any
) -> list[dict[str, Any]]:
    inputs = {
        "train": batches(STAGE, "train", table(train, cut)),
        "control": batches(STAGE, "control", table(control, cut), 1),
    }
    (*outs,) = STAGE.run(inputs, TwinsConfig(**knobs), Kit())
    rows = [row for out in outs for row in TEXT_WORKS.check(out.rows).to_pylist()]
    assert [row["text_id"] for row in rows] == sorted([*train, *control])
    return rows


def clusters(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["text_id"]: row["work_id"] for row in rows}


def edited(words: list[str], every: int) -> str:
    return " ".join("edit" if n % every == every - 1 else w for n, w in enumerate(words))


def test_planted_twins_and_their_counts() -> None:
    rng = np.random.default_rng(1)
    sea, hill, moon = (prose(rng, 600) for _ in range(3))
    train = {
        "t1": " ".join(sea),
        "t2": " ".join(sea),
        "t3": "\n".join(sea).upper() + "!",
        "t4": " ".join(hill),
    }
    control = {"c1": edited(sea, 20), "c2": " ".join(moon), "c3": edited(moon, 20), "c4": "moon"}
    rows = {row["text_id"]: row for row in works(train, control)}
    assert clusters(list(rows.values())) == {
        "t1": "c1",
        "t2": "c1",
        "t3": "c1",
        "c1": "c1",
        "t4": "t4",
        "c2": "c2",
        "c3": "c2",
        "c4": "c4",
    }
    sea_rows = [rows[name] for name in ("t1", "t2", "t3", "c1")]
    assert [row["num_exact"] for row in sea_rows] == [2, 2, 1, 1]
    assert [row["num_near"] for row in sea_rows] == [3, 3, 3, 1]
    assert {name for name, row in rows.items() if row["mixed"]} == {"t1", "t2", "t3", "c1"}
    assert [rows[name]["num_near"] for name in ("c2", "c3", "c4", "t4")] == [2, 2, 1, 1]
    assert {rows[name]["half"] for name in train} == {"train"}


def test_a_chapter_is_no_twin_of_its_book() -> None:
    book = prose(np.random.default_rng(2), 900)
    rows = works({"book": " ".join(book)}, {"chapter": " ".join(book[:300])})
    assert clusters(rows) == {"book": "book", "chapter": "chapter"}


def test_edits_beyond_the_mark_part_and_within_it_join() -> None:
    words = prose(np.random.default_rng(3), 1200)
    # of five-word grams 1 - 5/12 are left whole: Jaccard 0.41; of 1 - 5/20: 0.6
    for every, joined in ((12, False), (20, True)):
        rows = works({"t": " ".join(words)}, {"c": edited(words, every)})
        assert rows[0]["mixed"] is joined


@pytest.mark.parametrize("cut", [5, 70, 1000])
def test_pieces_of_a_text_are_one_text(cut: int) -> None:
    rng = np.random.default_rng(4)
    sea, hill = (prose(rng, 400) for _ in range(2))
    train = {"t1": " ".join(sea), "t2": " ".join(hill)}
    control = {"c1": edited(sea, 20), "c2": " ".join(sea), "c3": ""}
    assert works(train, control, cut) == works(train, control)
    # the one in pieces and the other whole are the same work
    other = {"t3": "\n".join(sea)}
    full = table(train, cut)
    inputs = {"train": batches(STAGE, "train", full), "control": [table(other)]}
    inputs["control"] = batches(STAGE, "control", table(other))
    (out,) = STAGE.run(inputs, TwinsConfig(), Kit())
    assert clusters(out.rows.to_pylist()) == {"t1": "t1", "t2": "t2", "t3": "t1"}


def test_bytes_read_in_two_ways_are_one_work_in_any_order() -> None:
    rng = np.random.default_rng(5)
    shown, marked = (" ".join(prose(rng, 100)) for _ in range(2))
    rows = table({"a": shown, "b": marked, "c": shown + "!", "d": marked + "!"}).to_pylist()
    for row, form in zip(rows, ("txt", "html", "txt", "txt"), strict=True):
        row["format"] = form
    rows[1]["sha256"] = rows[0]["sha256"]
    # a and b have the same bytes: c is near what a shows, d near what b shows
    found = []
    for order in (rows, rows[::-1]):
        full = module.TEXTS.of_rows(order)
        inputs = {
            "train": batches(STAGE, "train", full),
            "control": batches(STAGE, "control", full.slice(0, 0)),
        }
        (out,) = STAGE.run(inputs, TwinsConfig(min_jaccard=0.4), Kit())
        found.append(clusters(out.rows.to_pylist()))
    assert found == [dict.fromkeys("abcd", "a")] * 2


def test_a_text_given_twice_is_refused() -> None:
    with pytest.raises(StageError, match="given twice"):
        works({"x": "one two"}, {"x": "one two three"})


def test_nothing_gives_nothing() -> None:
    inputs = {half: batches(STAGE, half, table({})) for half in ("train", "control")}
    assert sum(len(out.rows) for out in STAGE.run(inputs, TwinsConfig(), Kit())) == 0


@pytest.mark.parametrize(
    ("knob", "value", "said"),
    [
        ("min_jaccard", 0.0, r"twins\.min_jaccard: expected .*, got 0"),
        ("bands", 1, r"twins\.bands: expected 2 or more, got 1"),
        ("rows", 0, r"twins\.rows: expected 1 or more, got 0"),
        ("scheme", "words-0", r"twins\.scheme: expected 'words-.*, got 'words-0'"),
    ],
)
def test_impossible_knobs_are_refused(knob: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TwinsConfig(**{knob: value})


def brute(texts: Texts) -> dict[str, str]:
    """Return the clusters after the definition, on the words themselves."""
    words = {name: text.split() for name, text in texts.items()}
    sets = {n: {tuple(w[i : i + 5]) for i in range(len(w) - 4)} for n, w in words.items()}
    label = {name: name for name in texts}
    for one, other in combinations(sorted(texts), 2):
        a, b = sets[one], sets[other]
        if texts[one] == texts[other] or (a & b and 2 * len(a & b) >= len(a | b)):
            old, new = label[other], label[one]
            label = {name: new if at == old else at for name, at in label.items()}
    return {name: min(n for n in texts if label[n] == label[name]) for name in texts}


drawn = st.lists(
    st.one_of(
        st.text("ab", max_size=12).map(" ".join),
        st.integers(0, 4).map(lambda n: " ".join("abcdefghijklmn"[n:])),
    ),
    max_size=7,
)


@settings(max_examples=40)
@given(drawn, drawn, st.randoms(use_true_random=False), st.sampled_from([None, 1, 3]))
def test_clusters_are_those_of_the_definition(
    train: list[str], control: list[str], random: Random, cut: int | None
) -> None:
    names = [f"x{n}" for n in range(len(train) + len(control))]
    random.shuffle(names)
    given_train = dict(zip(names, train, strict=False))
    given_control = dict(zip(names[len(train) :], control, strict=False))
    rows = works(given_train, given_control, cut, **SURE)
    assert clusters(rows) == brute({**given_train, **given_control})
    swapped = works(given_control, given_train, cut, **SURE)
    assert clusters(swapped) == clusters(rows)
    assert [row["mixed"] for row in swapped] == [row["mixed"] for row in rows]
