from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FlowError
from pipeline.flow import FLOW, SOURCES, check
from pipeline.plan import _together
from pipeline.store import Part
from tests.pipeline.toy import TOTAL

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
