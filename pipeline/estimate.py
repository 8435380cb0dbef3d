"""Estimate: disk and time to expect, from what the same steps took before in this run folder.

A step that never ran here is guessed from the rates below, measured once on 2 CPU cores with the
demo; the sentence says so. They are for planning, not for promises.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.cluster import shape_of
from pipeline.plan import StepPlan
from pipeline.project import Project

TYPICAL = {
    "ingest": (0.003, 12_000),
    "embed": (0.01, 600),
    "sample": (0.08, 12_000),
    "search": (0.0005, 500),
    "cliques": (0.003, 100),
    "compare": (0.01, 800),
}
"""Seconds and bytes per row of the input."""

SHORT_S = 100


class Expected(NamedTuple):
    """What a step, or all of them, will ask for."""

    seconds: float | None
    bytes: int | None


class Estimate(NamedTuple):
    """What a run will ask for."""

    steps: list[Expected]
    seconds: float
    bytes: int
    sentence: str


def estimate(project: Project, plans: Sequence[StepPlan]) -> Estimate:
    """Return the disk and time to expect of what is known to be to do."""
    slots = shape_of(project.case.cluster)[0]
    rates, measured = dict(TYPICAL), set()
    for plan in plans:
        rows = sum(record.facts.get("rows_in", 0) for record in plan.done)
        if rows:
            seconds = sum(sum(r.facts.get("seconds", {}).values()) for r in plan.done)
            size = sum(f.size for r in plan.done for part in r.parts for f in part.files)
            rates[plan.step.run.name] = (seconds / rows, size // rows)
            measured.add(plan.step.run.name)
    steps = [_expected(plan, rates.get(plan.step.run.name), slots) for plan in plans]
    seconds = sum(step.seconds or 0 for step in steps)
    size = sum(step.bytes or 0 for step in steps)
    waiting = [plan.step.writes for plan in plans if plan.waits_for]
    names = {plan.step.run.name for plan in plans if plan.todo}
    if not names and not waiting:
        return Estimate(steps, 0, 0, "nothing to do")
    basis = "measured here" if names <= measured else "guessed from other machines, in part"
    sentence = f"about {human_seconds(seconds)} and {human_bytes(size)} for what is known ({basis})"
    if waiting:
        sentence += f"; {len(waiting)} steps are unknown until earlier ones are done"
    return Estimate(steps, seconds, size, sentence)


def _expected(plan: StepPlan, rate: tuple[float, int] | None, slots: int) -> Expected:
    if plan.waits_for or rate is None:
        return Expected(None, None)
    rows = sum(task.rows for task in plan.todo)
    return Expected(rows * rate[0] / slots, rows * rate[1])


def human_seconds(seconds: float | None) -> str:
    """Return seconds as a person says them.

    >>> human_seconds(0.4), human_seconds(75), human_seconds(7260)
    ('1 s', '75 s', '2 h 1 min')
    """
    whole = max(1, round(seconds or 0))
    if whole < SHORT_S:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def human_bytes(size: float | None) -> str:
    """Return a size as a person says it.

    >>> human_bytes(900), human_bytes(12_300_000)
    ('1 kB', '12 MB')
    """
    for unit, bound in (("GB", 1e9), ("MB", 1e6)):
        if (size or 0) >= bound:
            return f"{(size or 0) / bound:.0f} {unit}"
    return f"{max(1, (size or 0) / 1e3):.0f} kB"
