"""Steps: one stage placed in the flow, and the rules that a flow keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.errors import FlowError
from stages.contract import Artefact, Columns, Stage, Table

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage placed in the flow: the datasets it reads, uses and writes."""

    run: Stage
    """The stage."""

    reads: Mapping[str, Names]
    """Role -> datasets, read one after the other."""

    writes: str
    """Dataset, new in the flow."""

    uses: Mapping[str, Names] = field(default_factory=dict)
    """Role -> artefact or datasets for look-ups."""

    knobs: str = ""
    """Section of the case that holds the config; empty means the name of the stage."""

    each: str = ""
    """Section of the case with named entries: the step runs once for each of them."""

    given: str = ""
    """Section of the case without which there is nothing for the step to do."""

    only_with: str = ""
    """Role without whose rows a task has nothing to do: prompts of which nothing was made in a
    round, say, are not compared in it."""

    across: str = ""
    """Role of `uses` whose parts are used one at a time: every part of the input meets every part
    of it in a task of its own, so that a new part of either side meets the others alone."""


def describe(flow: Iterable[Step]) -> str:
    """Return the flow as text, one step a line: datasets read, stage, dataset written."""
    lines = []
    for step in flow:
        roles = (*step.reads.values(), *step.uses.values())
        read = dict.fromkeys(name for names in roles for name in names)
        each = f", for each of `{step.each}`" if step.each else ""
        lines.append(f"{step.run.name:18}-> {step.writes:24}from {', '.join(read)}{each}")
    return "\n".join(lines)


def check(flow: Iterable[Step], sources: Mapping[str, Table]) -> None:
    """Check that every step reads only what an earlier step wrote, in the table it expects.

    Raises:
        FlowError: a dataset is missing, written twice, or of another table.
    """
    written: dict[str, Table | Artefact] = dict(sources)
    for step in flow:
        for wanted, given in ((step.run.reads, step.reads), (step.run.uses, step.uses)):
            _check_roles(step, wanted, given, written)
        if step.writes in written:
            raise FlowError(f"{step.run.name}: {step.writes} is written twice")
        written[step.writes] = step.run.writes


def _check_roles(
    step: Step,
    wanted: Mapping[str, Columns | Artefact],
    given: Mapping[str, Names],
    written: Mapping[str, Table | Artefact],
) -> None:
    if set(wanted) != set(given):
        raise FlowError(f"{step.run.name} wants roles {sorted(wanted)}, got {sorted(given)}")
    for role, names in given.items():
        for name in names:
            if name not in written:
                raise FlowError(f"{step.run.name} reads {name}, which no earlier step writes")
            want, have = wanted[role], written[name]
            fits = have in want.of if isinstance(want, Columns) else have == want
            if not fits:
                raise FlowError(f"{step.run.name} cannot read {name} as {role}: it is {have.name}")
