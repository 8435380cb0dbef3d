"""The whole data flow, top to bottom; open this file first.

A dataset is `place.noun`. A step reads only what an earlier line wrote; a role may name several
datasets of the same columns, which are read one after the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.errors import FlowError
from stages.contract import Artefact, Columns, Stage, Table
from stages.images import (
    adopt,
    cliques,
    compare,
    duplicates,
    embed,
    index_images,
    index_pixels,
    ingest,
    prompts,
    sample,
    search,
)
from stages.tables import FILES
from stages.verdicts import attribute, calibrate, flag

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

    across: str = ""
    """Role of `uses` whose parts are used one at a time: every part of the input meets every part
    of it in a task of its own, so that a new part of either side meets the others alone."""


SOURCES: Mapping[str, Table] = {
    "train.files": FILES,
    "control.files": FILES,
    "suspect.files": FILES,
}

FLOW = (
    # what the model may have learnt from, and works that it cannot have seen
    Step(run=ingest.STAGE, reads={"files": ("train.files",)}, writes="train.images", knobs="train"),
    Step(
        run=ingest.STAGE,
        reads={"files": ("control.files",)},
        writes="control.images",
        knobs="control",
    ),
    Step(run=embed.STAGE, reads={"images": ("train.images",)}, writes="train.embeddings"),
    Step(run=embed.STAGE, reads={"images": ("control.images",)}, writes="control.embeddings"),
    Step(
        run=duplicates.STAGE,
        reads={
            "train": ("train.images",),
            "control": ("control.images",),
            "train_vectors": ("train.embeddings",),
            "control_vectors": ("control.embeddings",),
        },
        writes="input.works",
    ),
    Step(
        run=index_images.STAGE,
        reads={"vectors": ("train.embeddings", "control.embeddings"), "works": ("input.works",)},
        writes="input.index",
    ),
    Step(
        run=index_pixels.STAGE,
        reads={"images": ("train.images", "control.images"), "works": ("input.works",)},
        writes="input.pixels",
    ),
    # what the model makes of their captions, and what somebody else made
    Step(
        run=prompts.STAGE,
        reads={
            "works": ("input.works",),
            "images": ("train.images", "control.images"),
        },
        writes="made.prompts",
    ),
    Step(
        run=sample.STAGE, reads={"prompts": ("made.prompts",)}, writes="made.sampled", each="models"
    ),
    Step(
        run=ingest.STAGE,
        reads={"files": ("suspect.files",)},
        writes="suspect.images",
        knobs="suspect",
    ),
    Step(run=adopt.STAGE, reads={"images": ("suspect.images",)}, writes="made.adopted"),
    Step(
        run=embed.STAGE,
        reads={"images": ("made.sampled", "made.adopted")},
        writes="made.embeddings",
    ),
    # where the two meet
    Step(
        run=search.STAGE,
        reads={"images": ("made.sampled", "made.adopted"), "vectors": ("made.embeddings",)},
        uses={"index": ("input.index",)},
        writes="made.neighbors",
    ),
    Step(
        run=cliques.STAGE, reads={"images": ("made.sampled", "made.adopted")}, writes="made.cliques"
    ),
    Step(
        run=compare.STAGE,
        reads={
            "images": ("made.sampled", "made.adopted"),
            "neighbors": ("made.neighbors",),
            "prompts": ("made.prompts",),
        },
        uses={"pixels": ("input.pixels",)},
        writes="made.matches",
    ),
    Step(
        run=calibrate.STAGE,
        reads={
            "matches": ("made.matches",),
            "works": ("input.works",),
            "prompts": ("made.prompts",),
        },
        writes="made.thresholds",
    ),
    Step(
        run=flag.STAGE,
        reads={
            "prompts": ("made.prompts",),
            "images": ("made.sampled", "made.adopted"),
            "cliques": ("made.cliques",),
            "matches": ("made.matches",),
        },
        uses={"thresholds": ("made.thresholds",), "works": ("input.works",)},
        writes="made.findings",
    ),
    Step(
        run=attribute.STAGE,
        reads={
            "findings": ("made.findings",),
            "works": ("input.works",),
            "images": ("train.images", "control.images"),
        },
        writes="made.artists",
    ),
)


def describe(flow: Iterable[Step]) -> str:
    """Return the flow as text, one step a line: datasets read, stage, dataset written."""
    lines = []
    for step in flow:
        read = [name for names in (*step.reads.values(), *step.uses.values()) for name in names]
        each = f", for each of `{step.each}`" if step.each else ""
        lines.append(f"{step.run.name:13}-> {step.writes:19}from {', '.join(read)}{each}")
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
