"""Report of a bundle: the page that the run has too, the same bytes whenever and by whomever.

Its date is that of the last step, its environment that of the workers, as their records have it.
Passwords and queries are taken out of addresses, and folders of the machine out of places. Captions
and texts stand as they are: what was asked is evidence.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.evidence.material import Material
from pipeline.evidence.provenance import span_of
from pipeline.evidence.safe import without_places, without_secrets
from pipeline.flow import FLOW
from pipeline.report import Summary
from pipeline.report_file import facts_of, report_of
from pipeline.report_page import TextHalf
from pipeline.store import Store

NAME = "report.html"

_HIDDEN = ("place", "url", "failure")


def report_html(material: Material) -> bytes:
    """Return report.html."""
    project = material.project
    _, ended = span_of(material.store)
    facts = facts_of(project, ended)
    facts = replace(
        facts,
        digests={str(without_places(name)): digest for name, digest in facts.digests.items()},
        versions=_environment(material.store),
    )
    return report_of(project, facts, _shown).encode()


def _environment(store: Store) -> dict[str, str]:
    facts = [record.facts for step in FLOW for record in store.current(step.writes)]
    devices = sorted({str(each["device"]) for each in facts if "device" in each})
    return {
        "devices": ", ".join(devices) or "not recorded",
        "everything that was recorded": "2_provenance/environment.json",
    }


def _shown(summary: Summary, texts: TextHalf | None) -> tuple[Summary, TextHalf | None]:
    """Return what the page says, without what must not leave."""
    summary = replace(
        summary,
        rejected=tuple(
            replace(line, key=without_secrets(line.key), message=without_secrets(line.message))
            for line in summary.rejected
        ),
    )
    if texts is None:
        return summary, None
    exhibits = tuple(
        replace(
            each,
            work=_without(each.work),
            output=_without(each.output),
            attempts=tuple(replace(one, output=_without(one.output)) for one in each.attempts),
        )
        for each in texts.summary.exhibits
    )
    return summary, texts._replace(summary=replace(texts.summary, exhibits=exhibits))


def _without(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: without_secrets(value) if name in _HIDDEN and value else value
        for name, value in row.items()
    }
