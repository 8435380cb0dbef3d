from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from stages.contract import Kit, StageError
from stages.images.allocate import LAST_ROUND, AllocateConfig, allocate, stage_of
from stages.tables import MATCHES, PROMPTS, SIGNALS, TURNS

SEEDS, DISCOVERY = 6, 3
SEQUENTIAL = AllocateConfig(design="sequential", looks=(1, 3), pack=2)
MISS, HIT = 1.4, 0.3


def planned(*ids: str, half: str | None = "train") -> pa.Table:
    return PROMPTS.of_rows(
        [
            {
                "prompt_id": prompt_id,
                "sample": sample,
                "phase": "discovery" if sample < DISCOVERY else "confirmation",
                "block": sample // 4,
                "seed": 100 + sample,
                "text": f"caption {prompt_id}",
                "work_id": f"work of {prompt_id}",
                "half": half,
                "origin": "random",
            }
            for prompt_id in ids
            for sample in range(SEEDS)
        ]
    )


def match(prompt_id: str, sample: int, ratio: float | None, **other: Any) -> dict[str, Any]:
    return {
        "made_id": f"{prompt_id}{sample}",
        "model_id": "m",
        "prompt_id": prompt_id,
        "sample": sample,
        "phase": "discovery",
        "work_id": "w",
        "half": "train",
        "neighbor_id": "n",
        "via": "descriptor+caption",
        "best": True,
        "adaptive_ratio": ratio,
        **other,
    }


def signal(prompt_id: str, value: float, **other: Any) -> dict[str, Any]:
    same = {"model_id": "m", "method": "wen", "steps": 1, "seeds": 1, "evaluations": 2}
    return same | {"prompt_id": prompt_id, "value": value} | other


def turns(
    number: int,
    prompts: pa.Table,
    config: AllocateConfig = SEQUENTIAL,
    matches: Sequence[dict[str, Any]] = (),
    signals: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    stage = stage_of(number)
    given = {
        "prompts": prompts,
        "matches": MATCHES.of_rows(matches),
        "signals": SIGNALS.of_rows(signals),
    }
    inputs = {role: [given[role].select(wanted.names)] for role, wanted in stage.reads.items()}
    found: list[dict[str, Any]] = []
    for out in allocate(number, inputs, config, Kit()):
        found += TURNS.check(out.rows).to_pylist()
    return found


def asked(rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["prompt_id"], []).append(row["sample"])
    return found


def test_the_fixed_design_makes_everything_at_once() -> None:
    rows = turns(1, planned("a", "b"), AllocateConfig())
    assert asked(rows) == {"a": list(range(SEEDS)), "b": list(range(SEEDS))}
    # as before, what one prompt and block have in common is one part
    assert {row["pack"] for row in rows} == {"a.0", "a.1", "b.0", "b.1"}
    assert [row["seed"] for row in rows[:SEEDS]] == [100 + sample for sample in range(SEEDS)]
    for number in range(2, LAST_ROUND + 1):
        assert turns(number, planned("a", "b"), AllocateConfig(), [match("a", 0, HIT)]) == []


def test_who_hits_goes_on_and_who_misses_is_given_up() -> None:
    prompts = planned("a", "b", "c")
    first = turns(1, prompts)
    assert asked(first) == {"a": [0], "b": [0], "c": [0]}
    assert [row["pack"] for row in first] == ["000000", "000000", "000001"]
    seen = [match("a", 0, HIT), match("b", 0, MISS), match("c", 0, HIT)]
    assert asked(turns(2, prompts, matches=seen)) == {"a": [1, 2], "c": [1, 2]}
    seen += [match("a", 1, HIT), match("a", 2, MISS), match("c", 1, MISS)]
    assert asked(turns(3, prompts, matches=seen)) == {"a": [3, 4, 5], "c": [3, 4, 5]}
    strict = AllocateConfig(design="sequential", looks=(1, 3), give_up=5.0)
    assert asked(turns(3, prompts, strict, seen)) == {}


def test_a_hit_of_another_seed_than_the_look_does_not_count() -> None:
    # what was drawn after a look cannot have decided it
    seen = [match("a", 0, MISS), match("a", 2, HIT)]
    assert asked(turns(3, planned("a"), matches=seen)) == {}


def test_own_work_counts_where_there_is_one_and_any_work_where_not() -> None:
    stray = [match("a", 0, HIT, via="descriptor"), match("a", 0, MISS, work_id="own")]
    assert asked(turns(2, planned("a"), matches=stray)) == {}
    foreign = [match("a", 0, HIT, via="descriptor+pixels")]
    assert asked(turns(2, planned("a"), matches=foreign)) == {"a": [1, 2]}
    assert asked(turns(2, planned("a"), matches=[match("a", 0, None)])) == {}


def test_one_model_of_several_is_enough() -> None:
    seen = [match("a", 0, MISS), match("a", 0, HIT, model_id="other", made_id="x")]
    assert asked(turns(2, planned("a"), matches=seen)) == {"a": [1, 2]}


def test_nothing_depends_on_the_half() -> None:
    seen = [match("a", 0, HIT), match("b", 0, MISS)]
    control = [row | {"half": "control"} for row in seen]
    for number in (1, 2, 3):
        assert turns(number, planned("a", "b"), matches=seen) == turns(
            number, planned("a", "b", half="control"), matches=control
        )


def test_triage_chooses_who_is_looked_at() -> None:
    ids = [f"p{i:02d}" for i in range(40)]
    config = AllocateConfig(design="sequential", looks=(1, 3), triage="wen", give_up=2.0)
    told = [signal(name, i % 7 / 10) for i, name in enumerate(ids[:-1])]
    told += [signal(ids[-1], 30.0), signal(ids[0], 99.0, method="one_step")]
    assert asked(turns(1, planned(*ids), config, signals=told)) == {"p39": [0]}
    # a strong suspicion outlives a miss
    miss = [match("p39", 0, MISS)]
    assert asked(turns(2, planned(*ids), config, miss, told)) == {"p39": [1, 2]}
    # a prompt without a score gets the middle one, and is not lifted by that
    assert asked(turns(1, planned(*ids), config, signals=told[1:])) == {"p39": [0]}
    with pytest.raises(StageError, match="was not run"):
        turns(1, planned(*ids), config)


def test_looks_must_not_touch_the_seeds_that_are_judged() -> None:
    config = AllocateConfig(design="sequential", looks=(1, DISCOVERY + 1))
    with pytest.raises(StageError, match=r"prompts\.discovery is 3"):
        turns(1, planned("a"), config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"design": "greedy"},
        {"looks": ()},
        {"looks": (1, 2, 3)},
        {"looks": (2, 2)},
        {"mark": 0.0},
        {"triage": "l2"},
        {"triage": "nothing"},
        {"stake": 0.0},
        {"p0": 1.0},
        {"pack": 0},
    ],
)
def test_knobs_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AllocateConfig(**wrong)
