"""Crate: RO-Crate metadata (Process Run Crate) of a bundle, as plain JSON-LD.

Source: RO-Crate 1.1; Process Run Crate 0.5.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evidence.items import as_json
from pipeline.evidence.report_html import NAME as REPORT
from pipeline.evidence.report_pdf import NAME as PAPER
from pipeline.evidence.report_pdf import volumes

_FOLDERS = {
    "1_method/": "How findings come about, what they do not show, and error rates",
    "2_provenance/": "What ran, on which data and models, and how to do it again",
    "3_items/": "One folder for each finding",
    "4_negatives/": "Every attempt, everything that was not found, and the denominators",
    "5_review/": "What reviewers decided, and how far they agree",
    "6_tables/": "Tables as CSV, JSON and Parquet",
    "7_custody/": "Who did what with the run, and when",
    "8_production/": "Load files for review platforms",
    "9_redaction/": "What was withheld",
    "10_templates/": "Certifications for a human to complete",
}
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"


_REVIEW = "5_review/"


def crate(facts: Mapping[str, Any]) -> bytes:
    """Return ro-crate-metadata.json.

    Args:
        facts: case, began, ended, models (name and digest), items, reviewed.
    """
    folders = {k: v for k, v in _FOLDERS.items() if facts["reviewed"] or k != _REVIEW}
    files = _files(facts["items"])
    parts = [{"@id": part} for part in (*(each["@id"] for each in files), *folders)]
    models = [
        {"@id": f"#model-{number}", "@type": "CreativeWork", "name": f"model {number}: {each}"}
        for number, each in enumerate(facts["models"], start=1)
    ]
    graph = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Evidence of the case {facts['case']}",
            "description": f"{facts['items']} findings with everything behind them",
            "datePublished": facts["ended"],
            "license": {"@id": "#licence"},
            "conformsTo": {"@id": _PROFILE},
            "hasPart": parts,
            "mentions": {"@id": "#run"},
        },
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {
            "@id": "#licence",
            "@type": "CreativeWork",
            "name": "Under no general licence",
            "description": "as the parties agree; works remain their owners'",
        },
        {"@id": "#palimpsest", "@type": "SoftwareApplication", "name": "palimpsest"},
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": f"Run of the case {facts['case']}",
            "description": "Asks models, compares what they make with works and controls, judges",
            "instrument": {"@id": "#palimpsest"},
            **_objects(models),
            "result": [{"@id": "3_items/"}, {"@id": "4_negatives/"}, {"@id": "6_tables/"}],
            "startTime": _with_zone(facts["began"]),
            "endTime": _with_zone(facts["ended"]),
        },
        *models,
        *files,
        *(
            {"@id": folder, "@type": "Dataset", "name": name}
            for folder, name in sorted(folders.items())
        ),
    ]
    return as_json({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph})


def _files(items: int) -> list[dict[str, str]]:
    """Return the pages that lie beside the folders, for people."""
    named = {"index.html": "Index", REPORT: "Report", PAPER: "Report as PDF"}
    named |= {name: f"Items {first} to {last}" for name, first, last in volumes(items)}
    return [
        {
            "@id": name,
            "@type": "File",
            "encodingFormat": "application/pdf" if name.endswith(".pdf") else "text/html",
            "name": what,
        }
        for name, what in named.items()
    ]


def _objects(models: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return what the run was done on; one thing stands alone, as the specification asks."""
    found = [{"@id": each["@id"]} for each in models]
    return {"object": found[0] if len(found) == 1 else found} if found else {}


def _with_zone(moment: str) -> str:
    # Process Run Crate wants an offset where ISO 8601 also allows a Z
    return f"{moment.removesuffix('Z')}+00:00"
