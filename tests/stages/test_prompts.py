from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit, Out, StageError
from stages.images.prompts import STAGE, PromptsConfig, prompts
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import PROMPTS

Row = dict[str, Any]
NONE = PromptsConfig(seeds=4, discovery=2, block=2, duplicated=0, random_control=0)
ALL = replace(NONE, duplicated=1000, random_train=1000, random_control=1000)


def image(name: str, work: str, half: str = "train", caption: str | None = None) -> Row:
    return {
        "image_id": sha256(name.encode()).hexdigest(),
        "half": half,
        "work_id": work,
        "mixed": False,
        "caption": caption,
        "artist": None,
        "title": None,
    }


def signed(name: str, artist: str | None, title: str | None) -> Row:
    return image(name, f"w{name}") | {"artist": artist, "title": title}


def projected(rows: list[Row], role: str) -> pa.Table:
    wanted = STAGE.reads[role]
    table = wanted.of[0]
    schema = pa.schema([table.schema.field(name) for name in wanted.names])
    return pa.Table.from_pylist([{n: row[n] for n in wanted.names} for row in rows], schema=schema)


def outs(rows: list[Row], config: PromptsConfig, batch: int = 1000) -> list[Out]:
    cuts = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    inputs = {
        "works": [projected(part, "works") for part in cuts],
        "images": [projected(part, "images") for part in reversed(cuts)],
    }
    found = list(prompts(inputs, config, Kit()))
    PROMPTS.check(pa.concat_tables(out.rows for out in found))
    return found


def run(rows: list[Row], config: PromptsConfig, batch: int = 1000) -> list[Row]:
    tables = [out.rows for out in outs(rows, config, batch)]
    return pa.concat_tables(tables).to_pylist() if tables else []


def asked(rows: list[Row], config: PromptsConfig) -> dict[str | int | None, Row]:
    return {
        row["text"] if row["class_label"] is None else row["class_label"]: row
        for row in run(rows, config)
        if row["sample"] == 0
    }


def rejected(rows: list[Row], config: PromptsConfig) -> list[tuple[str, str, str]]:
    return [tuple(item) for out in outs(rows, config) for item in out.rejected]


def test_each_prompt_has_discovery_then_confirmation_seeds_in_blocks() -> None:
    config = replace(NONE, seeds=7, discovery=3, block=2, nothing=True, run_seed=5)
    rows = run([], config)
    prompt_id = prompt_id_of()
    assert [row["sample"] for row in rows] == list(range(7))
    assert [row["phase"] for row in rows] == ["discovery"] * 3 + ["confirmation"] * 4
    assert [row["block"] for row in rows] == [0, 0, 1, 1, 2, 2, 3]
    assert [row["seed"] for row in rows] == [seed_of(5, prompt_id, n) for n in range(7)]
    assert {(row["text"], row["class_label"], row["origin"]) for row in rows} == {
        (None, None, "nothing")
    }


def test_the_most_duplicated_works_of_each_half() -> None:
    rows = [image(f"a{n}", "A", caption="five") for n in range(5)]
    rows += [image(f"b{n}", "B", caption="three") for n in range(3)]
    rows += [image(f"c{n}", "C", "control", "two") for n in range(2)]
    rows += [image("d", "D", caption="one"), image("e", "E", "control", "alone")]
    assert set(asked(rows, replace(NONE, duplicated=1))) == {"five", "two"}
    found = asked(rows, replace(NONE, duplicated=9))
    assert set(found) == {"five", "three", "two"}
    assert {row["origin"] for row in found.values()} == {"duplicated"}
    assert (found["five"]["work_id"], found["five"]["half"]) == ("A", "train")
    assert (found["two"]["work_id"], found["two"]["half"]) == ("C", "control")


def test_works_with_both_halves_are_left_out() -> None:
    rows = [
        image(str(n), "M", half, "seen") | {"mixed": True}
        for n, half in enumerate(["train", "train", "control"])
    ]
    assert not asked(rows, ALL)
    found = asked(rows, replace(NONE, classes=(3,), nothing=True))
    assert set(found) == {3, None}


def test_a_work_gives_its_most_frequent_caption_and_ties_go_by_text() -> None:
    rows = [image(f"{n}", "A", caption=text) for n, text in enumerate("bbca")]
    assert set(asked(rows, ALL)) == {"b"}
    assert set(asked(rows[1:], ALL)) == {"a"}


def test_a_shared_caption_is_one_prompt_of_the_most_duplicated_work() -> None:
    rows = [
        image("1", "A", caption="x"),
        image("2", "B", caption="x"),
        image("3", "B", caption=None),
    ]
    found = run(rows, ALL)
    assert len(found) == NONE.seeds
    assert {row["work_id"] for row in found} == {"B"}


def test_a_caption_of_both_halves_names_no_work_and_says_so() -> None:
    rows = [image(f"a{n}", "A", caption="x") for n in range(2)]
    rows += [image(f"b{n}", "B", "control", "x") for n in range(3)]
    found = asked(rows, ALL)["x"]
    assert (found["work_id"], found["half"]) == (None, None)
    assert found["origin"] == "duplicated, caption of both halves"
    lonely = [image("a", "A", caption="x"), image("b", "B", "control", "x")]
    assert not asked(lonely, ALL), "such a caption is no control and no test"


def test_random_draws_come_from_the_works_that_are_left() -> None:
    rows = [image(f"t{n}", f"T{n}", "train", f"train {n}") for n in range(30)]
    rows += [image(f"c{n}", f"C{n}", "control", f"control {n}") for n in range(30)]
    rows += [image(f"d{n}", "D", "train", "twice") for n in range(2)]
    config = replace(NONE, duplicated=5, random_train=4, random_control=6)
    found = asked(rows, config)
    assert Counter((row["origin"], row["half"]) for row in found.values()) == {
        ("duplicated", "train"): 1,
        ("random", "train"): 4,
        ("random", "control"): 6,
    }
    assert set(found) != set(asked(rows, replace(config, choice_seed=1)))
    assert set(found) == set(asked(rows, replace(config, run_seed=9)))


def test_draws_are_fair_enough() -> None:
    rows = [image(f"t{n}", f"T{n:03}", "train", f"caption {n}") for n in range(40)]
    times = Counter(
        text
        for seed in range(100)
        for text in asked(rows, replace(NONE, random_train=10, choice_seed=seed))
    )
    assert len(times) == 40
    assert 8 <= min(times.values()) <= max(times.values()) <= 45  # mean 25, sd 4.3


def test_works_without_captions_do_no_harm() -> None:
    rows = [image("1", "A"), image("2", "A"), image("3", "C", "control")]
    assert not run(rows, ALL)
    assert not run([], ALL)


def test_templates_over_artists_and_titles() -> None:
    rows = [
        signed("1", "Ada Byron", "Lily"),
        signed("2", "Ada Byron", "Lily"),
        signed("3", "Ada Byron", "Rose"),
        signed("4", "Bo", "Oak"),
        signed("5", "Cy", None),
        signed("6", None, "Nobody's"),
    ]
    config = replace(NONE, templates=("a {title} by {artist}", "by {artist}"))
    everyone = set(asked(rows, config))
    assert everyone == {
        *("a Lily by Ada Byron", "a Rose by Ada Byron", "a Oak by Bo"),
        *("by Ada Byron", "by Bo", "by Cy"),
    }
    one = asked(rows, replace(config, artists=("ada  BYRON",)))
    assert set(one) == {"a Lily by Ada Byron", "a Rose by Ada Byron", "by ada  BYRON"}
    assert {row["origin"] for row in one.values()} == {"template"}


def test_an_artist_without_a_title_is_rejected_with_the_nearest_name() -> None:
    rows = [signed("1", "Ada Byron", "Lily"), signed("2", "Cy", None)]
    config = replace(NONE, templates=("{title} by {artist}",), artists=("Ada Biron", "Cy"))
    (first, second) = rejected(rows, config)
    assert first[:2] == ("artist Ada Biron: {title} by {artist}", "no-title")
    assert "'Ada Byron'" in first[2]
    assert second[0].startswith("artist Cy")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.txt", "one\r\n\n  \ntwo, with comma\none\n", {"one", "two, with comma"}),
        ("a.csv", 'id,text\n1,"one, two"\n2,"a\nb"\n', {"one, two", "a\nb"}),
        ("b.csv", "id;text\n1;one, two\n2;three\n", {"one, two", "three"}),
        ("a.tsv", "id\ttext\n1\tone\n", {"one"}),
        ("a.jsonl", '{"text": "one"}\n\n{"text": "<b>\\u05d0</b>"}\n', {"one", "<b>\u05d0</b>"}),
        ("bom.txt", "\ufeffone\n", {"one"}),
    ],
)
def test_captions_from_a_file(tmp_path: Path, name: str, text: str, wanted: set[str]) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    found = asked([], replace(NONE, file=str(path)))
    assert set(found) == wanted
    assert {row["origin"] for row in found.values()} == {"file"}


def test_lines_without_a_caption_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\nnot json\n{"text": ""}\n[1]\n{"other": "x"}\n')
    config = replace(NONE, file=str(path))
    assert set(asked([], config)) == {"one"}
    assert [item[:2] for item in rejected([], config)] == [
        (f"a.jsonl#{line}", "no-caption") for line in (2, 3, 4, 5)
    ]


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,caption\n1,x\n")
    with pytest.raises(StageError, match=r"no column 'text'; it has .*nearest is 'caption'"):
        run([], replace(NONE, file=str(tmp_path / "a.csv")))
    assert set(asked([], replace(NONE, file=str(tmp_path / "a.csv"), file_column="caption"))) == {
        "x"
    }
    for missing in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(StageError, match="cannot be read"):
            run([], replace(NONE, file=str(missing)))


def test_a_caption_from_a_file_names_its_work_and_one_prompt_bears_the_first_reason(
    tmp_path: Path,
) -> None:
    rows = [
        image("1", "A", caption="x"),
        image("2", "A", caption="y"),
        image("3", "A", caption="x"),
    ]
    path = tmp_path / "a.txt"
    path.write_text("x\ny\nz\n")
    found = asked(rows, replace(NONE, duplicated=5, file=str(path)))
    assert {text: (row["origin"], row["work_id"]) for text, row in found.items()} == {
        "x": ("duplicated", "A"),
        "y": ("file", "A"),
        "z": ("file", None),
    }


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("discovery", {"seeds": 4, "discovery": 4}),
        ("discovery", {"discovery": 0}),
        ("block", {"block": 0}),
        ("duplicated", {"duplicated": -1}),
        ("random_control", {"random_control": -1}),
        ("classes", {"classes": (1, -1)}),
        ("classes", {"classes": (2**31,)}),
        ("templates", {"templates": ("by {painter}",)}),
        ("templates", {"templates": ("by {artist.__class__}",)}),
        ("templates", {"templates": ("by {artist!r}",)}),
        ("templates", {"templates": ("by {artist:>9}",)}),
        ("templates", {"templates": ("by {artist",)}),
        ("templates", {"templates": ("by nobody",)}),
    ],
)
def test_impossible_values_name_the_field(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{field}: .*"):
        PromptsConfig(**values)


def test_a_large_answer_is_cut_between_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.images.prompts._BATCH_ROWS", 10)
    found = outs([], replace(NONE, classes=tuple(range(9))))
    ids = [set(out.rows["prompt_id"].to_pylist()) for out in found if out.rows.num_rows]
    assert len(ids) == 5
    assert sum(len(part) for part in ids) == len(set().union(*ids)) == 9


WORKS_SEEN = st.lists(
    st.tuples(
        st.integers(0, 8),  # work
        st.sampled_from([None, "a", "b", "c", "d", "e"]),  # caption
    ),
    max_size=24,
)


def corpus(seen: list[tuple[int, str | None]]) -> list[Row]:
    return [
        image(f"i{n}", f"W{work}", "train" if work % 2 else "control", caption)
        for n, (work, caption) in enumerate(seen)
    ]


@settings(max_examples=60)
@given(WORKS_SEEN, st.randoms(use_true_random=False), st.integers(1, 9))
def test_the_order_and_cut_of_the_input_do_not_matter(seen: Any, random: Any, batch: int) -> None:
    rows = corpus(seen)
    config = replace(ALL, duplicated=2, random_train=2, random_control=2)
    shuffled = random.sample(rows, len(rows))
    assert run(rows, config) == run(shuffled, config, batch)


@settings(max_examples=60)
@given(WORKS_SEEN, st.integers(0, 3), st.integers(0, 3), st.integers(1, 5))
def test_nothing_is_asked_twice_and_blocks_cover_every_sample(
    seen: Any, count: int, drawn: int, block: int
) -> None:
    config = replace(
        NONE, duplicated=count, random_train=drawn, random_control=drawn, block=block, seeds=5
    )
    rows = run(corpus(seen), config)
    texts = Counter(row["text"] for row in rows)
    assert set(texts.values()) <= {5}
    assert len({row["prompt_id"] for row in rows}) == len(texts) <= 2 * (count + drawn)
    for text in texts:
        mine = [row for row in rows if row["text"] == text]
        assert sorted(row["sample"] for row in mine) == list(range(5))
        assert [row["block"] for row in mine] == [row["sample"] // block for row in mine]
        captions = {caption for _, caption in seen}
        assert text in captions


ASKED = ("prompt_id", "sample", "phase", "block", "seed", "text", "class_label")


def sampled(rows: list[Row]) -> set[tuple[Any, ...]]:
    """What sampling reads of the rows."""
    return {tuple(row[name] for name in ASKED) for row in rows}


@settings(max_examples=60)
@given(WORKS_SEEN)
def test_one_more_training_image_only_adds_rows(seen: Any) -> None:
    before = sampled(run(corpus(seen), ALL))
    after = sampled(run([*corpus(seen), image("new", "W99", caption="a new caption")], ALL))
    assert before <= after
    assert {row[5] for row in after - before} == {"a new caption"}
    assert len(after - before) == ALL.seeds


@settings(max_examples=60)
@given(st.sets(st.integers(0, 60), min_size=10), st.integers(0, 5))
def test_one_more_work_moves_at_most_one_drawn_caption(works: set[int], count: int) -> None:
    config = replace(NONE, random_train=count)
    rows = [image(f"i{work}", f"W{work}", caption=f"caption {work}") for work in works]
    before = set(asked(rows, config))
    after = set(asked([*rows, image("new", "W99", caption="new")], config))
    assert len(before) == len(after) == count
    assert after - before <= {"new"}


def test_one_more_caption_in_the_file_and_more_seeds_only_add_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    config = replace(NONE, file=str(path))
    before = sampled(run([], config))
    path.write_text("zero\none\n")
    after = sampled(run([], config))
    assert before < after
    assert after < sampled(run([], replace(config, seeds=8)))


def test_hostile_captions_travel_unchanged() -> None:
    texts = ["x" * 10_000, "<script>alert(1)</script>", "\u202e\u05d0\u05d1", "{artist}", "a\nb"]
    rows = [image(str(n), f"W{n}", caption=text) for n, text in enumerate(texts)]
    assert set(asked(rows, ALL)) == set(texts)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=24))
def test_one_more_copy_of_a_captioned_image_changes_no_row(works: list[int]) -> None:
    seen = [(work, f"caption {work % 5}") for work in works]
    before = sampled(run(corpus(seen), ALL))
    after = sampled(run(corpus([*seen, seen[0]]), ALL))
    halves = {work % 2 for work, caption in seen if caption == seen[0][1]}
    if len(halves) == 1:
        assert before == after
    else:
        assert before <= after  # a caption of both halves is not drawn, but asked if duplicated
