"""Openings: what is cut, that halves decide nothing, that suffixes go on where prompts end."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.words import split
from stages.contract import Kit, StageError
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import PROMPTS, TEXT_WORKS
from stages.text.openings import STAGE, OpeningsConfig, openings
from tests.stages.tiny_texts import prose, table

CONFIG = OpeningsConfig(
    seeds=3, discovery=1, block=2, works=100, duplicated=0, prefix_words=5, suffix_words=4
)
NONE = replace(CONFIG, places=0)
Row = dict[str, Any]


def story(number: int, words: int = 40) -> str:
    made = prose(np.random.default_rng(number), words)
    return "".join(word + ".,;"[n % 3] + (" " if n % 7 else "\n") for n, word in enumerate(made))


STORIES = {f"t{number:02d}": story(number) for number in range(12)}
HALVES = {name: "train" if n % 2 else "control" for n, name in enumerate(STORIES)}


def works(texts: Mapping[str, str], halves: Mapping[str, str], **of: Any) -> pa.Table:
    """Return TEXT_WORKS: each text is a work, or what `work` and `mixed` say of it."""
    rows = [
        {
            "text_id": name,
            "half": halves[name],
            "work_id": of.get("work", {}).get(name, name),
            "sha256": sha256(text.encode()).hexdigest(),
            "num_exact": 1,
            "num_near": 1,
            "mixed": name in of.get("mixed", ()),
        }
        for name, text in texts.items()
    ]
    return TEXT_WORKS.of_rows(rows)


def run(
    config: OpeningsConfig,
    texts: Mapping[str, str] = STORIES,
    halves: Mapping[str, str] = HALVES,
    cut: int | None = None,
    **of: Any,
) -> list[Row]:
    full = table(texts, cut)
    inputs = {
        "works": [works(texts, halves, **of).select(list(STAGE.reads["works"].names))],
        "lengths": [full.select(list(STAGE.reads["lengths"].names))],
        "texts": [
            full[n : n + 1].select(list(STAGE.reads["texts"].names)) for n in range(len(full))
        ],
    }
    outs = list(openings(inputs, config, Kit()))
    made = PROMPTS.check(pa.concat_tables(out.rows for out in outs))
    rows: list[Row] = made.to_pylist()
    return rows


def asked(*args: Any, **of: Any) -> list[Row]:
    return [row for row in run(*args, **of) if row["sample"] == 0]


def words_of(text: str) -> list[int]:
    hashes: list[int] = split([text]).hashes_N.tolist()
    return hashes


def test_prompt_and_suffix_together_stand_in_the_work() -> None:
    rows = asked(replace(CONFIG, places=3))
    assert len(rows) == 3 * len(STORIES)
    for row in rows:
        whole = STORIES[row["work_id"]]
        assert row["text"] + row["suffix"] in whole
        assert len(words_of(row["text"])) == 5
        assert len(words_of(row["suffix"])) == 4
        assert row["origin"] == "prefix"
        assert row["half"] == HALVES[row["work_id"]]


def test_each_prompt_has_discovery_then_confirmation_seeds_in_blocks() -> None:
    config = replace(NONE, seeds=5, discovery=2, block=2, run_seed=9, free=("why?",))
    rows = run(config)
    prompt_id = prompt_id_of(text="why?")
    assert {row["prompt_id"] for row in rows} == {prompt_id}
    assert [row["sample"] for row in rows] == list(range(5))
    assert [row["phase"] for row in rows] == ["discovery"] * 2 + ["confirmation"] * 3
    assert [row["block"] for row in rows] == [0, 0, 1, 1, 2]
    assert [row["seed"] for row in rows] == [seed_of(9, prompt_id, n) for n in range(5)]


def test_regular_places_reach_from_the_first_word_to_the_last_possible() -> None:
    rows = asked(replace(CONFIG, places=4, spread="regular"))
    for name, text in STORIES.items():
        ends = split([text]).starts_N.tolist()
        mine = sorted(text.index(row["text"]) for row in rows if row["work_id"] == name)
        assert [ends.index(place) for place in mine] == [0, 10, 20, 31]


def test_more_places_than_words_take_one_at_every_word() -> None:
    for spread in ("random", "regular"):
        rows = asked(replace(CONFIG, places=10**9, spread=spread))
        assert len(rows) == len(STORIES) * (40 - 9 + 1)


@given(st.integers(10, 60), st.integers(1, 8), st.sampled_from(["random", "regular"]))
def test_cutting_texts_into_pieces_changes_nothing(cut: int, places: int, spread: Any) -> None:
    config = replace(CONFIG, places=places, spread=spread, opening_words=3)
    texts = {name: story(n, 200) for n, name in enumerate(STORIES)}
    assert run(config, texts, cut=cut) == run(config, texts)


def test_the_half_decides_nothing_but_how_the_rows_are_labelled() -> None:
    config = replace(CONFIG, works=3, places=2, opening_words=3)
    swapped = {name: "control" if half == "train" else "train" for name, half in HALVES.items()}
    rows, others = run(config), run(config, halves=swapped)
    assert [row | {"half": None} for row in rows] == [row | {"half": None} for row in others]
    assert all(row["half"] != other["half"] for row, other in zip(rows, others, strict=True))
    counts = {half: sum(row["half"] == half for row in rows) for half in ("train", "control")}
    assert counts["train"] == counts["control"] == 3 * 3 * config.seeds


def test_a_work_more_moves_no_other_place() -> None:
    few = {name: STORIES[name] for name in list(STORIES)[:6]}
    before = {row["prompt_id"] for row in run(CONFIG, few)}
    assert before < {row["prompt_id"] for row in run(CONFIG)}


def test_another_choice_seed_asks_other_things_and_another_run_seed_the_same() -> None:
    config = replace(CONFIG, works=3)
    ids = {row["prompt_id"] for row in run(config)}
    assert ids != {row["prompt_id"] for row in run(replace(config, choice_seed=1))}
    again = run(replace(config, run_seed=2))
    assert ids == {row["prompt_id"] for row in again}
    assert {row["seed"] for row in again}.isdisjoint({row["seed"] for row in run(config)})


def test_works_with_the_most_copies_come_first_and_the_draw_fills_up() -> None:
    work = {"t01": "t01", "t03": "t01", "t05": "t01", "t07": "t07", "t09": "t07"}
    config = replace(CONFIG, works=2, duplicated=1)
    train = {row["work_id"] for row in asked(config, work=work) if row["half"] == "train"}
    assert "t01" in train
    assert len(train) == 2
    both = replace(config, duplicated=2)
    rows = asked(both, work=work)
    assert {row["work_id"] for row in rows if row["half"] == "train"} == {"t01", "t07"}
    assert len({row["work_id"] for row in rows if row["half"] == "control"}) == 2


def test_mixed_and_short_works_are_not_asked() -> None:
    texts = STORIES | {"short": "only eight words are in this short text"}
    rows = asked(CONFIG, texts, HALVES | {"short": "train"}, mixed=("t00", "t01"))
    assert {row["work_id"] for row in rows} == set(STORIES) - {"t00", "t01"}


def test_a_beginning_keeps_what_stands_before_its_first_word() -> None:
    texts = {"t": "\n \u201cOnce there was a goose, and it could count to nine."}
    (row,) = asked(replace(NONE, opening_words=3), texts, {"t": "train"})
    assert row["text"] == "\u201cOnce there was"
    assert row["suffix"] == " a goose, and it"
    assert row["origin"] == "opening"


def test_scripts_without_spaces_are_cut_at_characters() -> None:
    texts = {"t": "\u5409\u7530\u8089\u5c4b\u3067\u6d77\u98a8\u96e8\u96ea\u6708"}
    (row,) = asked(replace(NONE, opening_words=3), texts, {"t": "train"})
    assert (row["text"], row["suffix"]) == (texts["t"][:3], texts["t"][3:7])


def test_what_both_halves_begin_with_belongs_to_nobody() -> None:
    texts = {name: f"It was a dark night {story(n)}" for n, name in enumerate("abc")}
    config = replace(NONE, opening_words=5)
    (row,) = asked(config, texts, {"a": "train", "b": "control", "c": "train"})
    assert (row["work_id"], row["half"], row["suffix"]) == (None, None, None)
    assert row["origin"] == "opening, of both halves"
    (row,) = asked(config, texts, dict.fromkeys("abc", "train"))
    assert row["work_id"] in texts
    assert row["text"] + row["suffix"] in texts[row["work_id"]]


def test_free_prompts_come_from_config_and_file_and_never_hide_a_work(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\ufeffTell me a tale.\n\nIt was a dark night\n", encoding="utf-8")
    texts = {"t": f"It was a dark night {story(1)}"}
    config = replace(NONE, opening_words=5, free=("Why?\nSay it.",), file=str(file))
    rows = {row["text"]: row for row in asked(config, texts, {"t": "train"})}
    assert set(rows) == {"Tell me a tale.", "It was a dark night", "Why?\nSay it."}
    assert rows["It was a dark night"]["work_id"] == "t"
    assert rows["Why?\nSay it."]["origin"] == "free"
    assert rows["Why?\nSay it."]["suffix"] is None


def test_a_file_that_cannot_be_read_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be read as UTF-8"):
        run(replace(NONE, file=str(tmp_path / "none.txt")))
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(StageError, match="cannot be read as UTF-8"):
        run(replace(NONE, file=str(tmp_path / "latin")))


def test_nothing_to_ask_gives_an_empty_table() -> None:
    assert run(NONE) == []
    assert run(CONFIG, {}, {}) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("discovery", 3, "discovery: expected 1 to 2, .* got 3 of 3 seeds"),
        ("block", 0, "block: expected 1 or more, got 0"),
        ("prefix_words", 0, "prefix_words: expected 1 or more, got 0"),
        ("suffix_words", 0, "suffix_words: expected 1 or more, got 0"),
        ("works", -1, "works: expected 0 or more, got -1"),
        ("duplicated", -1, "duplicated: expected 0 or more, got -1"),
        ("places", -1, "places: expected 0 or more, got -1"),
        ("opening_words", -1, "opening_words: expected 0 or more, got -1"),
        ("spread", "even", "spread: expected random or regular, got 'even'"),
    ],
)
def test_impossible_knobs_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **{field: value})
