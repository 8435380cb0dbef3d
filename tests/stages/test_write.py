"""Write with a planted model: nothing here imports torch."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from stages.models.causal import Ask, Prompt, Written
from stages.models.files import ModelRef
from stages.prompt_ids import prompt_id_of
from stages.tables import OUTPUTS, PROMPTS
from stages.text import write

MODEL = ModelRef(path="somewhere")
CONFIG = write.WriteConfig(model=MODEL)


class FakeWriter:
    """Writes its seed after the last three words; scores a suffix by its length."""

    def __init__(self, broken: Sequence[int | None] = (), mute: Sequence[int | None] = ()) -> None:
        self.broken = broken
        self.mute = mute
        self.num_scored = 0

    def prompt(self, text: str, suffix: str | None = None) -> Prompt:
        words, rest = text.split()[-3:], (suffix or "").split()[:2]
        return Prompt(tuple(map(len, words)), " ".join(words), tuple(map(len, rest)))

    def write(self, asks: Sequence[Ask]) -> list[Written]:
        return [
            Written(
                " \n" if ask.seed in self.mute else f"{ask.seed} after {ask.tokens}",
                7,
                ask.seed not in self.broken,
            )
            for ask in asks
        ]

    def score(self, prompts: Sequence[Prompt]) -> NDArray[np.float64]:
        self.num_scored += len(prompts)
        values = {1: -1.5, 2: -np.inf, 3: np.nan}
        return np.array([values[prompt.suffix[0]] for prompt in prompts])


def tools(writer: FakeWriter | None = None, **settings: Any) -> write.WriteTools:
    return write.WriteTools(
        writer or FakeWriter(), "m" * 64, {"greedy": False, "top_k": 40} | settings
    )


def prompts(*rows: tuple[str | None, int, int], suffix: str | None = "a b c") -> pa.Table:
    """Return PROMPTS of (text, sample, seed)."""
    made = [
        {
            "prompt_id": prompt_id_of(text=text),
            "sample": sample,
            "phase": "confirmation" if sample else "discovery",
            "seed": seed,
            "text": text,
            "suffix": suffix,
            "work_id": "w",
            "half": "train",
            "origin": "prefix",
        }
        for text, sample, seed in rows
    ]
    names = write.STAGE.reads["prompts"].names
    return pa.Table.from_pylist(made, pa.schema([PROMPTS.schema.field(name) for name in names]))


def rows_of(table: pa.Table, given: write.WriteTools) -> list[dict[str, Any]]:
    out = write.write({"prompts": table}, given)
    assert not out.rejected
    rows: list[dict[str, Any]] = OUTPUTS.check(out.rows).to_pylist()
    return rows


def test_each_prompt_row_becomes_one_attempt_in_order() -> None:
    given = prompts(("one two three four", 0, 5), ("one two three four", 1, 6), ("five", 0, 7))
    rows = rows_of(given, tools())
    assert [row["text"] for row in rows] == [
        "5 after (3, 5, 4)",
        "6 after (3, 5, 4)",
        "7 after (4,)",
    ]
    assert [row["prompt"] for row in rows] == ["two three four", "two three four", "five"]
    assert [row["seed"] for row in rows] == [5, 6, 7]
    assert [row["phase"] for row in rows] == ["discovery", "confirmation", "discovery"]
    for row in rows:
        assert (row["work_id"], row["half"], row["origin"]) == ("w", "train", "prefix")
        assert (row["suffix_logprob"], row["suffix_tokens"]) == (-1.5, 2)
        assert (row["num_tokens"], row["failure"], row["context"]) == (7, None, None)
        assert json.loads(row["settings"]) == {"greedy": False, "top_k": 40}


def test_only_sample_0_is_greedy_and_says_so() -> None:
    given = prompts(("one", 0, 5), ("one", 1, 6))
    rows = rows_of(given, tools(greedy=True))
    assert [row["text"] for row in rows] == ["None after (3,)", "6 after (3,)"]
    assert [row["seed"] for row in rows] == [None, 6]
    assert [json.loads(row["settings"])["greedy"] for row in rows] == [True, False]
    # the sampled attempts are the same whatever sample 0 is
    assert rows[1] == rows_of(given, tools())[1]


def test_cutting_a_part_gives_the_same_rows() -> None:
    given = prompts(("one", 0, 1), ("one", 1, 2), ("two", 0, 3), ("two", 1, 4))
    whole = rows_of(given, tools(FakeWriter(broken=[2])))
    for cut in range(5):
        parts = [
            rows_of(part, tools(FakeWriter(broken=[2]))) for part in (given[:cut], given[cut:])
        ]
        assert parts[0] + parts[1] == whole


def test_an_attempt_with_nan_is_kept_as_a_failure_and_the_others_go_on() -> None:
    given = prompts(("one", 0, 1), ("one", 1, 2), ("one", 2, 3))
    rows = rows_of(given, tools(FakeWriter(broken=[2])))
    assert [row["text"] is None for row in rows] == [False, True, False]
    assert [row["failure"] for row in rows] == [None, write.NOT_FINITE, None]


def test_an_attempt_that_wrote_nothing_is_kept() -> None:
    (row,) = rows_of(prompts(("one", 0, 1)), tools(FakeWriter(mute=[1])))
    assert (row["text"], row["failure"]) == (None, write.EMPTY)


@pytest.mark.parametrize(
    ("suffix", "logprob", "tokens"),
    [("a b", -1.5, 2), ("aa b", None, 2), ("aaa b", None, None), (None, None, None)],
)
def test_a_suffix_of_probability_0_is_told_from_one_that_was_not_scored(
    suffix: str | None, logprob: float | None, tokens: int | None
) -> None:
    (row,) = rows_of(prompts(("one", 0, 1), suffix=suffix), tools())
    assert (row["suffix_logprob"], row["suffix_tokens"]) == (logprob, tokens)


def test_a_suffix_is_scored_once_for_all_attempts() -> None:
    writer = FakeWriter()
    rows_of(prompts(*[("one", n, n) for n in range(9)], ("two", 0, 1)), tools(writer))
    assert writer.num_scored == 2


def test_a_prompt_without_a_token_is_rejected_and_the_others_go_on() -> None:
    out = write.write({"prompts": prompts(("", 0, 1), ("one", 0, 2), (None, 0, 3))}, tools())
    assert OUTPUTS.check(out.rows)["seed"].to_pylist() == [2]
    assert [each.code for each in out.rejected] == ["empty-prompt", "empty-prompt"]
    assert len({each.key for each in out.rejected} | set(out.rows["output_id"].to_pylist())) == 3


def test_no_prompts_give_no_outputs() -> None:
    assert rows_of(prompts(), tools()) == []


def test_the_id_says_model_prompt_sample_seed_and_settings() -> None:
    def output_id(
        given: write.WriteTools, text: str = "one", sample: int = 1, seed: int = 1
    ) -> str:
        return str(rows_of(prompts((text, sample, seed)), given)[0]["output_id"])

    plain = output_id(tools())
    assert plain == output_id(tools())
    others = [
        output_id(tools()._replace(model_id="n" * 64)),
        output_id(tools(top_k=3)),
        output_id(tools(), text="two"),
        output_id(tools(), sample=2),
        output_id(tools(), seed=2),
    ]
    assert len({plain, *others}) == 6


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("temperature", 0.0, "temperature must be above 0, got 0.0; .* `greedy: true`"),
        ("temperature", float("nan"), "temperature must be above 0, got nan"),
        ("temperature", float("inf"), "temperature must be above 0, got inf"),
        ("top_k", 0, "top_k must be 1 or more, got 0"),
        ("top_p", 0.0, r"top_p must be above 0 and at most 1, got 0\.0"),
        ("top_p", 1.1, r"top_p must be above 0 and at most 1, got 1\.1"),
        ("prompt_tokens", 0, "prompt_tokens must be 1 or more, got 0"),
        ("new_tokens", 0, "new_tokens must be 1 or more, got 0"),
        ("suffix_tokens", -1, "suffix_tokens must be 0 or more, got -1"),
        ("batch", 0, "batch must be 1 or more, got 0"),
        ("dtype", "int8", "dtype must be float32, float16 or bfloat16, got 'int8'"),
    ],
)
def test_impossible_knobs_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **{field: value})
