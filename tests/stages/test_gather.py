from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit
from stages.tables import OUTPUTS
from stages.text.gather import STAGE, GatherConfig, gather


def output(number: int, origin_set: str = "0:a.jsonl", **said: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(OUTPUTS.schema.names)
    row = {
        "output_id": f"{origin_set}/{number}",
        "set": origin_set,
        "model_id": "imported",
        "prompt_id": f"p{number}",
        "sample": number,
        "phase": "confirmation",
        "settings": "{}",
        "text": f"text {number}",
        "origin": "file",
    }
    return nothing | row | said


def gathered(rows: list[dict[str, Any]], most: int, batch: int = 3) -> dict[str, pa.Table]:
    edges = [*range(0, len(rows), batch), len(rows)]
    batches = [OUTPUTS.of_rows(rows[a:b]) for a, b in pairwise(edges)]
    outs = list(gather({"outputs": batches}, GatherConfig(outputs_per_set=most), Kit()))
    assert not any(out.rejected for out in outs)
    table = OUTPUTS.check(pa.concat_tables([OUTPUTS.empty(), *(out.rows for out in outs)]))
    names = dict.fromkeys(table["set"].to_pylist())
    return {name: table.filter(pa.compute.equal(table["set"], name)) for name in names}


def test_sets_are_filled_one_after_the_other() -> None:
    rows = [output(number, name) for number in range(5) for name in ("0:a#b.jsonl", "writer")]
    found = gathered(rows, 2)
    assert {name: part["sample"].to_pylist() for name, part in found.items()} == {
        "0:a#b.jsonl#0": [0, 1],
        "0:a#b.jsonl#1": [2, 3],
        "0:a#b.jsonl#2": [4],
        "writer#0": [0, 1],
        "writer#1": [2, 3],
        "writer#2": [4],
    }


def test_more_attempts_at_the_same_prompts_stand_last() -> None:
    rows = [
        output(prompt * 9 + sample, "writer", sample=sample, origin="prefix")
        for prompt in range(3)
        for sample in range(4)
    ]
    first = gathered([row for row in rows if row["sample"] < 2], 3)
    more = gathered(rows, 3)
    assert len(more) == 2 * len(first) == 4
    assert all(more[name].equals(part) for name, part in first.items())


def files(sizes: dict[str, int]) -> list[dict[str, Any]]:
    """Return the outputs of files, in the order in which files are listed."""
    names = sorted(sizes, key=lambda name: (int(name.partition(":")[0]), name))
    return [output(number, name) for name in names for number in range(sizes[name])]


def folder(count: int, rows: int, source: int = 0) -> dict[str, int]:
    return {f"{source}:{number:04d}.jsonl": rows for number in range(count)}


@pytest.mark.parametrize(
    ("most", "fewest", "largest"), [(2000, 1, 1), (300, 1, 2), (100, 3, 6), (30, 10, 20)]
)
def test_many_small_files_make_few_sets(most: int, fewest: int, largest: int) -> None:
    found = gathered(files(folder(100, 3)), most)
    assert fewest <= len(found) <= largest
    assert sum(part.num_rows for part in found.values()) == 300
    assert all(part.num_rows <= most for part in found.values())


def test_a_set_of_several_files_is_named_after_the_first() -> None:
    found = gathered(files({"0:a.jsonl": 5, "0:b.jsonl": 1, "1:c.jsonl": 1}), 4)
    assert {name: part["output_id"].to_pylist() for name, part in found.items()} == {
        "0:a.jsonl#0": [f"0:a.jsonl/{n}" for n in range(4)],
        "0:a.jsonl#1+1": ["0:a.jsonl/4", "0:b.jsonl/0"],
        "1:c.jsonl#0": ["1:c.jsonl/0"],
    }


def changed(before: dict[str, pa.Table], after: dict[str, pa.Table]) -> int:
    """Return how many sets have to be searched."""
    return sum(name not in before or not before[name].equals(part) for name, part in after.items())


def test_a_file_that_comes_or_grows_changes_the_set_that_it_falls_into() -> None:
    many = folder(200, 3)
    before = gathered(files(many), 30)
    assert len(before) > 20
    costs = []
    for number in range(0, 200, 17):
        costs += [
            changed(before, gathered(files({**many, f"0:{number:04d}-new.jsonl": 3}), 30, 99)),
            changed(before, gathered(files({**many, f"0:{number:04d}.jsonl": 5}), 30, 99)),
        ]
    assert min(costs) >= 1
    # a set of its own would cost 1 each time; what stands between two cuts costs a little more
    assert sum(costs) / len(costs) < 2
    assert max(costs) <= 6


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from([f"0:{n}.jsonl" for n in range(9)]), st.integers(1, 20)),
    st.dictionaries(st.sampled_from([f"1:{n}.jsonl" for n in range(9)]), st.integers(1, 20)),
    st.integers(1, 12),
)
def test_a_new_source_leaves_all_sets_as_they_are(
    held: dict[str, int], added: dict[str, int], most: int
) -> None:
    before, after = gathered(files(held), most, 99), gathered(files({**held, **added}), most)
    for name, part in before.items():
        assert after[name].equals(part), "byte for byte"
    assert changed(before, after) == len(gathered(files(added), most, 99))


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["0:a.jsonl", "0:b.jsonl", "1:c.parquet"]), max_size=30),
    st.lists(st.sampled_from(["0:a.jsonl", "0:b.jsonl", "1:d.jsonl"]), max_size=30),
    st.integers(1, 6),
    st.integers(1, 9),
)
def test_what_is_appended_leaves_full_sets_as_they_are(
    held: list[str], appended: list[str], most: int, batch: int
) -> None:
    names = [*held, *appended]
    rows = [
        output(number * 7 % 31, name, output_id=f"{number}") for number, name in enumerate(names)
    ]
    # files are read one after the other, and each in its own order
    before = gathered(sorted(rows[: len(held)], key=lambda row: str(row["set"])), most)
    after = gathered(sorted(rows, key=lambda row: str(row["set"])), most, batch)
    for name, part in before.items():
        if part.num_rows == most and "+" not in name:
            assert after[name].equals(part), "byte for byte"
    ids = [one for part in after.values() for one in part["output_id"].to_pylist()]
    assert sorted(ids) == sorted(row["output_id"] for row in rows)
    assert all(1 <= part.num_rows <= most for part in after.values())
    full = sum(part.num_rows == most and "+" not in name for name, part in after.items())
    assert full >= sum(names.count(name) // most for name in set(names))


@settings(max_examples=20)
@given(st.permutations(range(6)), st.integers(1, 30))
def test_the_order_of_parts_changes_no_set(order: list[int], most: int) -> None:
    sizes = {f"{number % 2}:{number}.jsonl": 3 * number + 1 for number in range(6)}
    mixed = [row for number in order for row in files(sizes) if f":{number}.js" in row["set"]]
    assert changed(gathered(files(sizes), most), gathered(mixed, most)) == 0


def test_nothing_and_impossible_values() -> None:
    assert gathered([], 5) == {}
    with pytest.raises(ValueError, match=r"^outputs_per_set: expected"):
        GatherConfig(outputs_per_set=0)
    assert STAGE.cut == ("set",)
    assert "set" in OUTPUTS.groups
