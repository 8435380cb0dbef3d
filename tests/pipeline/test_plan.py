from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FlowError
from pipeline.flow import FLOW, SOURCES
from pipeline.plan import StepPlan, Task, _together, plan_step
from pipeline.steps import Step, check
from pipeline.store import Part
from stages.contract import MapStage, columns, only_config
from tests.pipeline.toy import ANSWERS, NUMBERS, TOTAL, TOTALS, NoConfig, ToyCase, total

NAMES = st.sampled_from("abcdefgh")


def part(name: str, values: set[str]) -> Part:
    return Part(name=name, rows=1, groups={"name": tuple(sorted(values))})


@st.composite
def roles(draw: Any) -> dict[str, tuple[Part, ...]]:
    return {
        role: tuple(
            part(f"{role}{i}", draw(st.sets(NAMES, min_size=1, max_size=3)))
            for i in range(draw(st.integers(1, 5)))
        )
        for role in ("answers", "questions")
    }


@given(roles())
def test_parts_that_share_a_value_meet_in_exactly_one_task(
    inputs: dict[str, tuple[Part, ...]],
) -> None:
    tasks = list(_together(TOTAL, inputs))
    for role, parts in inputs.items():
        placed = [p.name for _, task in tasks for p in task[role]]
        assert sorted(placed) == sorted(p.name for p in parts)
    seen: set[str] = set()
    for _, task in tasks:
        values = {v for parts in task.values() for p in parts for v in p.groups["name"]}
        assert not values & seen
        seen |= values
    assert len({name for name, _ in tasks}) == len(tasks)


@given(roles())
def test_no_task_is_larger_than_it_must_be(inputs: dict[str, tuple[Part, ...]]) -> None:
    for _, task in _together(TOTAL, inputs):
        left = [set(p.groups["name"]) for parts in task.values() for p in parts]
        reached = left.pop()
        while touching := [values for values in left if values & reached]:
            for values in touching:
                left.remove(values)
                reached |= values
        assert not left, "a task holds rows that nothing ties together"


def test_flow_holds_together_and_its_reverse_does_not() -> None:
    check(FLOW, SOURCES)
    with pytest.raises(FlowError, match="no earlier step writes"):
        check(FLOW[::-1], SOURCES)


def test_a_dataset_written_twice_is_refused() -> None:
    with pytest.raises(FlowError, match="written twice"):
        check([FLOW[0], FLOW[0]], SOURCES)


def test_a_dataset_of_another_table_is_refused() -> None:
    with pytest.raises(FlowError, match="cannot read"):
        check([FLOW[0]], {**SOURCES, "train.files": FLOW[0].run.writes})


MEET = Step(
    run=MapStage(
        name="total",
        reads={"numbers": columns("value", NUMBERS)},
        writes=TOTALS,
        config=NoConfig,
        open=only_config,
        run=total,
        uses={"answers": columns("square", ANSWERS)},
    ),
    reads={"numbers": ("in.numbers",)},
    uses={"answers": ("made.answers",)},
    writes="made.totals",
    across="answers",
)


def planned(numbers: str, answers: str, rows: int = 1) -> StepPlan:
    def parts(names: str, column: str) -> list[Part]:
        return [Part(name=name, rows=rows, columns={column: name}) for name in names]

    known = {"in.numbers": parts(numbers, "value"), "made.answers": parts(answers, "square")}
    case: Any = ToyCase()
    return plan_step(0, MEET, case, (known, {}, lambda *_: None))


def identities(tasks: tuple[Task, ...]) -> dict[str, str]:
    return {task.name: task.identity for task in tasks}


def test_every_part_meets_every_part_across_in_a_task_of_its_own() -> None:
    tasks = planned("ab", "xy").todo
    assert [task.name for task in tasks] == ["x.a", "x.b", "y.a", "y.b"]
    assert [task.uses["answers"][0].name for task in tasks] == ["x", "x", "y", "y"]
    assert len({task.identity for task in tasks}) == 4
    # one set of tools for each part across, so that a worker opens it once
    assert len({task.tools for task in tasks}) == 2


def test_a_new_part_on_either_side_leaves_old_meetings_as_they_were() -> None:
    before = identities(planned("ab", "xy").todo)
    after = identities(planned("abc", "xyz").todo)
    assert before.items() < after.items()
    assert set(after) - set(before) == {"x.c", "y.c", "z.a", "z.b", "z.c"}


def test_of_nothing_comes_nothing() -> None:
    assert (
        planned("", "xy").todo == planned("ab", "").todo == planned("ab", "xy", rows=0).todo == ()
    )
