"""Report file: from the current datasets of a run folder to run/report.html."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets import open_dataset
from pipeline.errors import RunError
from pipeline.flow import FLOW
from pipeline.project import Project
from pipeline.store import Store
from pipeline.tombstones import counts_of, read_tombstones
from stages.contract import Reader
from stages.tables import REJECTED

if TYPE_CHECKING:
    from pipeline.report import RunFacts, Summary
    from pipeline.report_page import TextHalf
    from pipeline.report_standing import StandingSummary

    Shown = Callable[[Summary, TextHalf | None], tuple[Summary, TextHalf | None]]

LIBRARIES = (
    *("palimpsest", "torch", "diffusers", "transformers", "open_clip_torch", "faiss-cpu"),
    *("numpy", "pyarrow", "rapidfuzz", "datasketch"),
)
LAST = ("made.artists", "made.authors")
"""What the last step of each half writes; a run without either is not finished."""


def write_report(project: Project) -> Path:
    """Write run/report.html from the current datasets and return where it is."""
    page = project.store.root / "report.html"
    draft = page.with_suffix(".draft")
    check_finished(project.store)
    draft.write_text(report_of(project, facts_of(project, datetime.now(UTC))), encoding="utf-8")
    draft.replace(page)
    return page


def report_of(project: Project, facts: "RunFacts", shown: "Shown | None" = None) -> str:
    """Return the report of a finished run.

    Args:
        project: the case.
        facts: what the tables do not say.
        shown: changes what the page says of images and of texts, for readers who must not see
            everything.
    """
    from pipeline.report import READS, collect
    from pipeline.report_page import render

    readers: dict[str, Reader] = {
        role: open_dataset(project.store, table, *names) for role, (table, names) in READS.items()
    }
    summary, texts = collect(readers, facts), _texts(project)
    if shown is not None:
        summary, texts = shown(summary, texts)
    return render(summary, readers, texts, _standing(project))


def facts_of(project: Project, moment: datetime) -> "RunFacts":
    """Return what the tables do not say of a run.

    Args:
        project: the case.
        moment: date of the report, UTC.
    """
    from pipeline.report import RunFacts, StepTime

    store, case = project.store, project.case
    return RunFacts(
        case=case.name,
        setting=case.setting,
        run_seed=case.prompts.run_seed,
        date=moment.strftime("%Y-%m-%d %H:%M UTC"),
        min_hits=case.flag.min_hits,
        timings=tuple(
            StepTime(
                step=step.writes,
                parts=len(records),
                rows=sum(part.rows for record in records for part in record.parts),
                seconds=sum(sum(r.facts["seconds"].values()) for r in records),
            )
            for step in FLOW
            if (records := store.current(step.writes))
        ),
        rejected=_rejected(store),
        erased=counts_of(read_tombstones(store.root)),
        names={
            project.models[config.model]: name
            for asked in (case.models, case.writers)
            for name, config in asked.items()
        },
        digests={_name_of(ref): sha for ref, sha in project.models.items()},
        versions=_versions(),
    )


def check_finished(store: Store) -> None:
    """Refuse to speak of a run that has no result yet.

    Raises:
        RunError: the last step has not been done.
    """
    if not any(store.current(name) for name in LAST):
        raise RunError("the run is not finished; `palimpsest run` first")
    if read_tombstones(store.root).pending:
        raise RunError("an erasure was begun and not ended; `palimpsest run` ends it")


def _texts(project: Project) -> "TextHalf | None":
    """Return what the page says of texts; None if no texts were examined."""
    from pipeline.report_page import TextHalf
    from pipeline.report_texts import TEXT_READS, collect_texts

    store, case = project.store, project.case
    if not store.current("made.authors"):
        return None
    readers = {
        role: open_dataset(store, table, *names) for role, (table, names) in TEXT_READS.items()
    }
    summary = collect_texts(readers, case.openings.run_seed, case.judge_texts.min_hits)
    return TextHalf(summary, readers)


def _standing(project: Project) -> "StandingSummary":
    """Return what the page says of error rates."""
    from pipeline import registration
    from pipeline.report_standing import STANDING_READS, collect_standing

    store = project.store
    readers = {
        role: open_dataset(store, table, *names) for role, (table, names) in STANDING_READS.items()
    }
    registered = registration.read(store)
    departed = registration.departures(registered, project) if registered else ()
    return collect_standing(readers, project.case.assess.q, registered, departed)


def _name_of(content: Any) -> str:
    return content if isinstance(content, str) else str(content.path or content.hub)


def _rejected(store: Store) -> pa.Table:
    files = [
        record.rejected_file
        for step in FLOW
        for record in store.current(step.writes)
        if record.rejected_file
    ]
    tables = [pq.read_table(store.root / file.path) for file in files]
    return pa.concat_tables([REJECTED.empty(), *(t.cast(REJECTED.schema) for t in tables)])


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
