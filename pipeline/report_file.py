"""Report file: from the current datasets of a run folder to run/report.html."""

import platform
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
from stages.contract import Reader
from stages.tables import REJECTED

if TYPE_CHECKING:
    from pipeline.report_page import TextHalf
    from pipeline.report_standing import StandingSummary

LIBRARIES = (
    *("palimpsest", "torch", "diffusers", "transformers", "open_clip_torch", "faiss-cpu"),
    *("numpy", "pyarrow", "rapidfuzz", "datasketch"),
)
LAST = ("made.artists", "made.authors")
"""What the last step of each half writes; a run without either is not finished."""


def write_report(project: Project) -> Path:
    """Write run/report.html from the current datasets and return where it is."""
    from pipeline.report import READS, RunFacts, StepTime, collect
    from pipeline.report_page import render

    store, case = project.store, project.case
    check_finished(store)
    readers: dict[str, Reader] = {
        role: open_dataset(store, table, *names) for role, (table, names) in READS.items()
    }
    facts = RunFacts(
        case=case.name,
        setting=case.setting,
        run_seed=case.prompts.run_seed,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
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
        names={
            project.models[config.model]: name
            for asked in (case.models, case.writers)
            for name, config in asked.items()
        },
        digests={_name_of(ref): sha for ref, sha in project.models.items()},
        versions=_versions(),
    )
    page = store.root / "report.html"
    draft = page.with_suffix(".draft")
    html = render(collect(readers, facts), readers, _texts(project), _standing(project))
    draft.write_text(html, encoding="utf-8")
    draft.replace(page)
    return page


def check_finished(store: Store) -> None:
    """Refuse to speak of a run that has no result yet.

    Raises:
        RunError: the last step has not been done.
    """
    if not any(store.current(name) for name in LAST):
        raise RunError("the run is not finished; `palimpsest run` first")


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
