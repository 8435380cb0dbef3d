import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.contract import Out, StageError
from stages.prompt_ids import prompt_id_of
from stages.sources.listing import list_files
from stages.sources.places import id_of
from stages.tables import FILES, OUTPUTS
from stages.text.read_outputs import OutputsConfig, read_outputs, settings_of
from stages.text.sources import OutputColumns, OutputSource


def run(*sources: str | Path | OutputSource, **knobs: Any) -> Out:
    given = [s if isinstance(s, OutputSource) else OutputSource(path=str(s)) for s in sources]
    config = OutputsConfig(**{"dataset": "suspect", "sources": tuple(given)} | knobs)
    out = read_outputs({"files": FILES.check(list_files(config))}, config)
    OUTPUTS.check(out.rows)
    return out


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one(tmp_path: Path, **row: Any) -> dict[str, Any]:
    (found,) = run(write(tmp_path / "a.jsonl", row)).rows.to_pylist()
    return dict(found)


def test_a_row_with_everything(tmp_path: Path) -> None:
    row = {
        "prompt": "Once",
        "output": " upon a time\0",
        "model": "gpt-4",
        "settings": {"top_p": 0.9, "n": 2},
        "attempt": 3,
        "context": "a system prompt",
        "seed": 2**64 - 1,
        "work_id": "ab",
        "half": "train",
    }
    assert one(tmp_path, **row) == {
        "output_id": id_of("suspect", 0, "a.jsonl", "", 1),
        "set": "0:a.jsonl",
        "model_id": "imported:gpt-4",
        "prompt_id": prompt_id_of(text="Once", context="a system prompt"),
        "sample": 3,
        "phase": "confirmation",
        "seed": 2**64 - 1,
        "settings": '{"n":2,"top_p":0.9}',
        "prompt": "Once",
        "context": "a system prompt",
        "text": " upon a time\0",
        "failure": None,
        "work_id": "ab",
        "half": "train",
        "origin": "file",
        "num_tokens": None,
        "suffix_logprob": None,
        "suffix_tokens": None,
    }


def test_a_row_with_nothing_but_an_output(tmp_path: Path) -> None:
    row = one(tmp_path, completion="text")
    assert (row["model_id"], row["prompt"], row["settings"]) == ("imported", None, "{}")
    assert row["prompt_id"] == prompt_id_of()
    assert row["sample"] >= 0
    assert (row["seed"], row["work_id"], row["half"]) == (None, None, None)


@pytest.mark.parametrize(
    ("row", "text", "failure"),
    [
        ({"output": None}, None, "the output is empty"),
        ({"output": ""}, None, "the output is empty"),
        ({"output": " \n"}, None, "the output is empty"),
        ({"output": None, "error": "timeout"}, None, "timeout"),
        ({"refusal": "I cannot"}, None, "I cannot"),
        ({"output": "I cannot.", "refusal": "policy"}, "I cannot.", "policy"),
        ({"output": "x", "error": {"code": 429}}, "x", '{"code":429}'),
        ({"output": "x", "error": None, "refusal": ""}, "x", None),
        ({"output": "x", "failure": False}, "x", None),
    ],
)
def test_attempts_that_failed_are_rows(
    tmp_path: Path, row: dict[str, Any], text: str | None, failure: str | None
) -> None:
    found = one(tmp_path, prompt="p", **row)
    assert (found["text"], found["failure"]) == (text, failure)


def test_an_output_equal_to_its_prompt_is_kept(tmp_path: Path) -> None:
    row = one(tmp_path, prompt="the same", output="the same")
    assert (row["prompt"], row["text"]) == ("the same", "the same")


def test_bad_lines_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"output": "first"},
        {"outptu": "x", "prompt": "p"},
        {"output": 3},
        {"output": "word " * 100},
    )
    path.write_bytes(path.read_bytes() + b'{"output": "cut\n[]\n{"output": "caf\xe9"}')
    out = run(path, max_bytes=300)
    assert {item.key: item.code for item in out.rejected} == {
        "0:a.jsonl#2": "no-output",
        "0:a.jsonl#3": "no-output",
        "0:a.jsonl#4": "too-large",
        "0:a.jsonl#5": "not-json",
        "0:a.jsonl#6": "not-json",
    }
    assert "the nearest is 'outptu'" in out.rejected[0].message
    assert out.rows["text"].to_pylist() == ["first", "caf\ufffd"]


def test_messages_as_a_prompt_are_kept_as_json(tmp_path: Path) -> None:
    row = one(tmp_path, prompt=[{"role": "user", "content": "h\u00e9 \ud800"}], output="x")
    assert row["prompt"] == '[{"content":"h\u00e9 \ufffd","role":"user"}]'


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        (None, "{}"),
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ("greedy", '"greedy"'),
        (b"greedy", '"greedy"'),
        ("", "{}"),
        (0.7, "0.7"),
        ({"t": float("nan")}, "\"{'t': nan}\""),
    ],
)
def test_settings_are_canonical(value: Any, settings: str) -> None:
    assert settings_of(value) == settings


@pytest.mark.parametrize(
    ("attempt", "number"),
    [(0, 0), ("7", 7), (2.0, 2), (2**31, None), (-1, None), ("x", None), (None, None), (1.5, None)],
)
def test_attempts_without_a_number_get_a_stable_one(
    tmp_path: Path, attempt: Any, number: int | None
) -> None:
    row = one(tmp_path, output="x", attempt=attempt)
    assert row["sample"] == (int(row["output_id"][:8], 16) >> 1 if number is None else number)


def test_rows_that_come_later_change_no_id(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "output": f"{n}"} for n in range(4)]
    few = run(write(tmp_path / "a.jsonl", *rows[:2])).rows
    assert run(write(tmp_path / "a.jsonl", *rows)).rows.slice(0, 2).equals(few)


def test_parquet_and_packed_lines_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "output": "x", "settings": {"n": 1}, "attempt": 0, "error": None},
        {"prompt": "p", "output": None, "settings": {"n": 1}, "attempt": 1, "error": "timeout"},
    ]
    plain = write(tmp_path / "a.jsonl", *rows)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    own = {"output_id", "set"}
    found = [
        [
            {name: value for name, value in row.items() if name not in own}
            for row in run(tmp_path / name).rows.to_pylist()
        ]
        for name in ("a.jsonl", "b.jsonl.gz", "c.parquet")
    ]
    assert found[0] == found[1] == found[2]
    assert [row["failure"] for row in found[0]] == [None, "timeout"]


def test_a_missing_column_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["p"], "answer": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(StageError, match=r"a\.parquet: 0 columns 'output'; it has: prompt, answer"):
        run(tmp_path)
    source = OutputSource(path=str(tmp_path), columns=OutputColumns(output="answer"))
    assert run(source).rows["text"].to_pylist() == ["x"]


def test_a_packed_file_cut_short(tmp_path: Path) -> None:
    data = gzip.compress(write(tmp_path / "x", {"output": "x"}).read_bytes())
    (tmp_path / "a.jsonl.gz").write_bytes(data[:-4])
    assert [item.code for item in run(tmp_path / "a.jsonl.gz").rejected] == ["truncated"]


def test_no_files_and_impossible_values() -> None:
    assert run().rows.equals(OUTPUTS.empty())
    with pytest.raises(ValueError, match=r"^max_bytes: expected"):
        OutputsConfig(max_bytes=0)
