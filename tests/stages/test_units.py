"""Units: what is tested together, whatever its half."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Kit, StageError
from stages.tables import PROMPTS, UNITS, WORKS
from stages.verdicts.units import STAGE, UnitsConfig

HALVES = {"t1": "train", "t2": "train", "c1": "control", "c2": "control"}
Asked = Iterable[tuple[str, str, str | None]]


def units(
    asked: Asked, halves: Mapping[str, str] = HALVES, mixed: Iterable[str] = (), **knobs: Any
) -> dict[str, dict[str, Any]]:
    """Return UNITS by work; `asked` has prompt, its text and its work."""
    works = [{"work_id": w, "half": half, "mixed": w in mixed} for w, half in halves.items()]
    prompts = [{"prompt_id": p, "text": text, "work_id": work} for p, text, work in asked]
    inputs = {
        role: [table.of_rows(rows).select(list(STAGE.reads[role].names))]
        for role, table, rows in (("works", WORKS, works), ("prompts", PROMPTS, prompts))
    }
    outs = list(STAGE.run(inputs, UnitsConfig(**knobs), Kit()))
    return {row["work_id"]: row for out in outs for row in UNITS.check(out.rows).to_pylist()}


LONG = "a view of the old harbour at dusk with three small boats"


def test_near_duplicate_captions_and_their_works_are_one_unit() -> None:
    rows = units([("p", LONG, "t1"), ("q", LONG + " now", "t2"), ("r", "something else", "c1")])
    assert rows["t1"]["unit_id"] == rows["t2"]["unit_id"] == "t1"
    assert rows["t1"]["label"] == "test"
    assert sorted(rows["t1"]["prompt_ids"]) == ["p", "q"]
    assert rows["t1"]["prompt_ids"] == rows["t2"]["prompt_ids"]
    assert (rows["c1"]["label"], rows["c1"]["prompt_ids"]) == ("control", ["r"])
    assert "c2" not in rows


def test_a_unit_with_works_of_both_halves_is_mixed_whatever_the_order() -> None:
    for one, other in (("t1", "c1"), ("c1", "t1")):
        rows = units([("p", LONG, one), ("q", LONG.upper(), other)])
        assert {row["label"] for row in rows.values()} == {"mixed"}
    assert units([("p", LONG, "t1")], mixed=["t1"])["t1"]["label"] == "mixed"


def test_several_prompts_of_a_work_stand_in_an_order_that_only_the_seed_decides() -> None:
    asked = [(f"p{n}", f"words number {n} of the work {n} times", "t1") for n in range(12)]
    orders = {
        tuple(units(order, choice_seed=seed)["t1"]["prompt_ids"])
        for seed in range(3)
        for order in (asked, asked[::-1])
    }
    assert len(orders) == 3
    assert all(sorted(order) == sorted(p for p, _, _ in asked) for order in orders)


def test_without_captions_every_work_is_a_unit() -> None:
    rows = units([("nothing", "", None)], of="works")
    assert {work: row["unit_id"] for work, row in rows.items()} == {w: w for w in HALVES}
    assert all(row["prompt_ids"] == [] for row in rows.values())


def test_one_unit_that_holds_everything_is_an_error() -> None:
    halves = {f"t{n}": "train" for n in range(30)}
    with pytest.raises(StageError, match="30 of 30 prompts are one unit"):
        units([(f"p{n}", LONG, f"t{n}") for n in range(30)], halves)


COLOURS = ["red", "green", "blue", "sea", "sky", "tree", "bird"]
words = st.lists(st.sampled_from(COLOURS), max_size=6)


@given(st.lists(st.tuples(words, st.sampled_from(sorted(HALVES))), min_size=1, max_size=8))
def test_clusters_do_not_know_the_halves(spec: list[tuple[list[str], str]]) -> None:
    asked = [(f"p{n}", " ".join(text), work) for n, (text, work) in enumerate(spec)]
    other = {"train": "control", "control": "train"}
    label = {"test": "control", "control": "test", "mixed": "mixed"}
    here, there = units(asked), units(asked, {w: other[h] for w, h in HALVES.items()})
    assert {w: row | {"label": label[row["label"]]} for w, row in here.items()} == there
    for row in here.values():
        assert (row["label"] == "mixed") == (
            len({HALVES[w] for w, each in here.items() if each["unit_id"] == row["unit_id"]}) == 2
        )


@pytest.mark.parametrize(
    "knobs", [{"of": "rows"}, {"min_jaccard": 0.0}, {"min_jaccard": 1.1}, {"choice_seed": -1}]
)
def test_wrong_knobs_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(knobs))):
        UnitsConfig(**knobs)
