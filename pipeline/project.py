"""Project: a case file opened, with its run folder, models and sources; where verbs start."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.case import Case, load
from pipeline.errors import CaseError
from pipeline.flow import FLOW, SOURCES
from pipeline.identity import Digests, contents_of
from pipeline.parse import located
from pipeline.plan import StepPlan, plan_step
from pipeline.sources import SourcePart, list_source
from pipeline.steps import check
from pipeline.store import Part, Store
from pipeline.tombstones import read_tombstones
from stages.models.files import ModelError, ModelRef, model_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """An opened case."""

    path: Path
    """The case file."""

    case: Case
    """What is asked."""

    store: Store
    """The run folder."""

    models: Digests
    """Digest of each model and file that the case names."""

    sources: Mapping[str, Sequence[SourcePart]]
    """Files that the case names, listed."""

    @property
    def folder(self) -> Path:
        """Folder of the case file, from which its paths start."""
        return self.path.resolve().parent


def open_store(path: Path) -> tuple[Case, Store]:
    """Return the case and its run folder, without looking at models and sources."""
    case = load(path)
    return case, Store(path.resolve().parent / case.run)


def open_project(path: Path) -> Project:
    """Return an opened case.

    Raises:
        CaseError: the case, a model or a source is not as it should be.
    """
    case, store = open_store(path)
    check(FLOW, SOURCES)
    folder = path.resolve().parent
    sections = {name: name.split(".", maxsplit=1)[0] for name in SOURCES}
    stones = read_tombstones(store.root)
    return Project(
        path=path,
        case=case,
        store=store,
        models=_digests(case, folder, store.root / "models.json"),
        sources={
            name: list_source(located(getattr(case, section), folder), stones)
            for name, section in sections.items()
        },
    )


def _digests(case: Case, folder: Path, kept: Path) -> dict[ModelRef | str, str]:
    """Return the digest of each content; models seen before are known by size and time."""
    refs = dict.fromkeys(contents_of(case))
    if not any(isinstance(ref, ModelRef) and ref.hub for ref in refs):
        os.environ["HF_HUB_OFFLINE"] = "1"
    cache = json.loads(kept.read_text()) if kept.exists() else {}
    known = dict(cache)
    try:
        found = {
            ref: model_digest(located(ref, folder), cache=cache)
            if isinstance(ref, ModelRef)
            else sha256((folder / ref).read_bytes()).hexdigest()
            for ref in refs
        }
    except (ModelError, OSError) as error:
        raise CaseError(f"cannot be read: {error}") from error
    if cache != known and kept.parent.exists():
        draft = kept.with_suffix(".draft")
        draft.write_text(json.dumps(cache, indent=0))
        draft.replace(kept)
    return found


def plan_all(project: Project) -> list[StepPlan]:
    """Return the plan of every step, in order; a step whose input is not there yet waits."""
    parts: dict[str, Sequence[Part] | None] = {
        name: [listed.part for listed in found] for name, found in project.sources.items()
    }
    plans, stones = [], read_tombstones(project.store.root)
    for number, step in enumerate(FLOW):
        known = (parts, project.models, project.store.find)
        plans.append(plan_step(number, step, project.case, known, stones.times))
        parts[step.writes] = plans[-1].parts
    return plans
