"""Plan: flow x case x what is committed -> what is still to do; pure, writes nothing.

A step is planned when every dataset that it reads is complete. Each of its tasks has an identity; a
task whose record is there is done. So a changed knob, a new image or a mended stage touches exactly
what depends on it, and equal output stops a change where it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.case import Case
from pipeline.identity import Digests, digest, plain, schema_value
from pipeline.steps import Names, Step
from pipeline.store import Part, Record
from stages.contract import Columns, FoldStage, MapStage, Table

Parts = Mapping[str, Sequence[Part] | None]
"""Dataset -> its parts, or None if it is not complete."""

Find = Callable[[str, str, str], Record | None]
"""(dataset, task, identity) -> record of the finished task."""

Times = Callable[[str, str], int]
"""(dataset, task) -> how many erasures touched what the task had made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One call of one stage."""

    step: int
    """Number of the step in the flow."""

    dataset: str
    """Dataset that the task adds to."""

    name: str
    """Unique within the dataset."""

    variant: str
    """Named entry of the case that the config came from, such as a model; often empty."""

    identity: str
    """sha256 of everything that could change the output."""

    tools: str
    """Digest of stage, config, artefacts and models: equal tools need to be opened once."""

    inputs: Mapping[str, tuple[Part, ...]]
    """Role -> parts that the stage receives."""

    uses: Mapping[str, tuple[Part, ...]]
    """Role -> parts of artefacts and look-up datasets."""

    rows: int
    """Rows of the first role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """What is known about one step."""

    step: Step
    """The step."""

    done: tuple[Record, ...] = ()
    """Records of finished tasks."""

    todo: tuple[Task, ...] = ()
    """Tasks without a record."""

    waits_for: str = ""
    """First dataset that is not complete; the step is then unknown until it is."""

    @property
    def parts(self) -> list[Part] | None:
        """Parts that the step wrote, or None if it is not complete."""
        if self.todo or self.waits_for:
            return None
        return [part for record in self.done for part in record.parts]


def variants(step: Step, case: Case) -> Iterator[tuple[str, Any]]:
    """Yield the name and config of each variant of a step; most have one without a name."""
    if step.each:
        yield from getattr(case, step.each).items()
    elif not step.given or getattr(case, step.given):
        yield "", getattr(case, step.knobs or step.run.name)


def plan_step(
    number: int,
    step: Step,
    case: Case,
    known: tuple[Parts, Digests, Find],
    erased: Times = lambda *_: 0,
) -> StepPlan:
    """Return what one step has done and has to do.

    Args:
        number: place of the step in the flow.
        step: the step.
        case: the case.
        known: parts of each dataset, digest of each model, and the look-up of records.
        erased: how often what a task had made was touched by an erasure: it is made anew, as
            something else, so that what a late worker brings of before is not taken for it.
    """
    parts, models, find = known
    for names in (*step.reads.values(), *step.uses.values()):
        for name in names:
            if parts.get(name) is None:
                return StepPlan(step=step, waits_for=name)
    done, todo = [], []
    for variant, config, uses in _toolsets(step, case, parts):
        seed = _constant(step, plain(config, models), uses)
        tools = digest(seed)
        for name, inputs in _tasks(step, parts):
            full = ".".join(filter(None, (variant, _part_across(step, uses), name)))
            touched = {"erased": times} if (times := erased(step.writes, full)) else {}
            identity = digest({**seed, **touched, "inputs": _digests(step.run.reads, inputs)})
            record = find(step.writes, full, identity)
            if record is not None:
                done.append(record)
                continue
            first = next(iter(step.run.reads))
            todo.append(
                Task(
                    step=number,
                    dataset=step.writes,
                    name=full,
                    variant=variant,
                    identity=identity,
                    tools=tools,
                    inputs=inputs,
                    uses=uses,
                    rows=sum(part.rows for part in inputs[first]),
                )
            )
    return StepPlan(step=step, done=tuple(done), todo=tuple(todo))


def _toolsets(
    step: Step, case: Case, parts: Parts
) -> Iterator[tuple[str, Any, dict[str, tuple[Part, ...]]]]:
    """Yield variant, config and used parts of every set of tools that the step needs."""
    uses = {role: gather(parts, names) for role, names in step.uses.items()}
    for variant, config in variants(step, case):
        if not step.across:
            yield variant, config, uses
            continue
        for part in uses[step.across]:
            yield variant, config, uses | {step.across: (part,)}


def _part_across(step: Step, uses: Mapping[str, tuple[Part, ...]]) -> str:
    return uses[step.across][0].name if step.across else ""


def gather(parts: Parts, names: Names) -> tuple[Part, ...]:
    """Return the parts of several datasets, one after the other."""
    return tuple(part for name in names for part in parts[name] or ())


def _constant(step: Step, config: Any, uses: Mapping[str, tuple[Part, ...]]) -> dict[str, Any]:
    writes = step.run.writes
    return {
        "stage": step.run.name,
        "version": step.run.version,
        "schema": schema_value(writes) if isinstance(writes, Table) else writes.name,
        "config": config,
        "uses": _digests(step.run.uses, uses),
    }


def _digests(roles: Mapping[str, Any], parts: Mapping[str, tuple[Part, ...]]) -> Any:
    return {
        role: [_read_of(wanted, part) for part in parts[role]] for role, wanted in roles.items()
    }


def _read_of(wanted: Any, part: Part) -> Any:
    if isinstance(wanted, Columns):
        return [part.columns[name] for name in wanted.names]
    return dict(part.columns)


def _tasks(step: Step, parts: Parts) -> list[tuple[str, dict[str, tuple[Part, ...]]]]:
    inputs = {role: gather(parts, names) for role, names in step.reads.items()}
    if isinstance(step.run, FoldStage):
        tasks = [("all", inputs)]
    else:
        tasks = list(_together(step.run, inputs))
    # of nothing comes nothing: a case with images alone leaves the text half unmade
    wanted = [step.only_with] if step.only_with else list(inputs)
    return [task for task in tasks if any(part.rows for role in wanted for part in task[1][role])]


def _together(
    stage: MapStage[Any, Any], inputs: Mapping[str, tuple[Part, ...]]
) -> Iterator[tuple[str, dict[str, tuple[Part, ...]]]]:
    """Bring together the parts that share a group value, or else a name, in the order of the first.

    A part without any group value, or whose name stands in no other role, is a task by itself.
    """
    leader: dict[Any, int] = {}
    order: list[dict[str, list[Part]]] = []
    for role, part, ties in _ties(stage, inputs):
        met = sorted({leader[tie] for tie in ties if tie in leader})
        if not met:
            met = [len(order)]
            order.append({name: [] for name in inputs})
        home, *others = met
        order[home][role].append(part)
        for other in others:
            for name, moved in order[other].items():
                order[home][name] += moved
            order[other] = {}
        if others:
            leader.update({tie: home for tie, at in leader.items() if at in others})
        leader.update(dict.fromkeys(ties, home))
    first = next(iter(inputs))
    for group in order:
        if group:
            yield (
                _name(group[first] or next(filter(None, group.values()))),
                {role: tuple(found) for role, found in group.items()},
            )


def _ties(
    stage: MapStage[Any, Any], inputs: Mapping[str, tuple[Part, ...]]
) -> Iterator[tuple[str, Part, set[Any]]]:
    for role, found in inputs.items():
        for part in found:
            ties: set[Any] = {("name", part.name)} if len(inputs) > 1 else {(role, part.name)}
            for column in stage.per:
                ties |= {(column, value) for value in part.groups.get(column, ())}
            yield role, part, ties


def _name(parts: Sequence[Part]) -> str:
    names = sorted(part.name for part in parts)
    return names[0] if len(names) == 1 else f"group-{digest(names)[:16]}"
