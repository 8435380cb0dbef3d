"""Crate: RO-Crate metadata (Process Run Crate) of a bundle, as plain JSON-LD.

Source: RO-Crate 1.1; Process Run Crate 0.5.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.evidence.items import as_json

_FOLDERS = {
    "1_method/": "How findings come about, what they do not show, and error rates",
    "2_provenance/": "What ran, on which data and models, and how to do it again",
    "3_items/": "One folder for each finding",
    "4_negatives/": "Every attempt, everything that was not found, and the denominators",
    "6_tables/": "Tables as CSV, JSON and Parquet",
    "8_production/": "Load files for review platforms",
    "9_redaction/": "What was withheld",
    "10_templates/": "Certifications for a human to complete",
}
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"


def crate(facts: Mapping[str, Any]) -> bytes:
    """Return ro-crate-metadata.json.

    Args:
        facts: case, began, ended, models (name and digest), items.
    """
    parts = [{"@id": folder} for folder in _FOLDERS]
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
            "license": "as the parties agree; works remain their owners'",
            "conformsTo": {"@id": _PROFILE},
            "hasPart": [{"@id": "index.html"}, *parts],
            "mentions": [{"@id": "#run"}],
        },
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {"@id": "#palimpsest", "@type": "SoftwareApplication", "name": "palimpsest"},
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": f"Run of the case {facts['case']}",
            "instrument": {"@id": "#palimpsest"},
            "object": [{"@id": each["@id"]} for each in models],
            "result": [{"@id": "3_items/"}, {"@id": "4_negatives/"}, {"@id": "6_tables/"}],
            "startTime": facts["began"],
            "endTime": facts["ended"],
        },
        *models,
        {"@id": "index.html", "@type": "File", "encodingFormat": "text/html", "name": "Index"},
        *(
            {"@id": folder, "@type": "Dataset", "name": name}
            for folder, name in sorted(_FOLDERS.items())
        ),
    ]
    return as_json({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph})
