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
        file = name.rpartition("#")[0]
        if part.num_rows == most or file not in appended:
            assert after[name].equals(part), "byte for byte"
    ids = [one for part in after.values() for one in part["output_id"].to_pylist()]
    assert sorted(ids) == sorted(row["output_id"] for row in rows)
    for name, part in after.items():
        file, _, number = name.rpartition("#")
        assert 1 <= part.num_rows <= most
        assert part.num_rows == most or f"{file}#{int(number) + 1}" not in after


def test_nothing_and_impossible_values() -> None:
    assert gathered([], 5) == {}
    with pytest.raises(ValueError, match=r"^outputs_per_set: expected"):
        GatherConfig(outputs_per_set=0)
    assert STAGE.cut == ("set",)
    assert "set" in OUTPUTS.groups
