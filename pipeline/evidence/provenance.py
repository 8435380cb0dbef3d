"""Provenance: what ran, where, when, on which data and models, and how to do it again.

Everything comes from the records of the run and from the case: nothing of the machine that seals,
and no variable of its environment. Absolute paths are cut down to their last name.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import yaml

from pipeline.environment import read_environment
from pipeline.evidence.items import as_json
from pipeline.evidence.material import Material
from pipeline.evidence.safe import without_places
from pipeline.flow import FLOW
from pipeline.identity import contents_of, plain
from pipeline.parse import read_yaml
from pipeline.store import Record, Store

NOT_RECORDED = "not recorded"
"""Stands for what tasks did not write down, as those of older versions of this program."""

REPRODUCE = """\
#!/bin/sh
# Does the run of this bundle again: case.yaml names what it reads, models.json and datasets.json
# say by digest what that was. Put models and data where the case looks for them, then:
set -eu
palimpsest show case.yaml   # every step, and what is still to do
palimpsest run case.yaml
palimpsest check case.yaml  # every file of the run against its digest
# Seeds come from the run seed, the prompt and the number of the attempt: the same build on the same
# kind of device gives the same bytes; another device or library gives them within a tolerance.
"""


def span_of(store: Store) -> tuple[datetime, datetime]:
    """Return when the first step began and the last one ended, UTC."""
    facts = [record.facts for _, record in _records(store)]
    began = min((f["began"] for f in facts if "began" in f), default=0.0)
    ended = max((f["ended"] for f in facts if "ended" in f), default=0.0)
    return datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(ended, UTC)


def as_text(moment: datetime) -> str:
    """Return a moment as 2026-11-22T19:00:00Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def provenance(material: Material) -> dict[str, bytes]:
    """Return the files of 2_provenance, by name."""
    project, store = material.project, material.store
    began, ended = span_of(store)
    case = project.case
    return {
        "run.json": as_json(
            {
                "case": case.name,
                "setting": case.setting,
                "began": as_text(began),
                "ended": as_text(ended),
                "steps": [_step(step.writes, store) for step in FLOW if store.current(step.writes)],
            }
        ),
        "environment.json": as_json(_environment(store)),
        "models.json": as_json(_models(material)),
        "datasets.json": as_json(_datasets(store)),
        "seeds.json": as_json(
            {
                "run_seed_images": case.prompts.run_seed,
                "run_seed_texts": case.openings.run_seed,
                "choice_seed_images": case.prompts.choice_seed,
                "choice_seed_texts": case.openings.choice_seed,
                "each": "4_negatives/prompts.json: the seed of every attempt that was asked for",
            }
        ),
        "config.json": as_json(without_places(plain(case, project.models))),
        **_case(material),
        "reproduce.sh": REPRODUCE.encode(),
    }


def _records(store: Store) -> list[tuple[str, Record]]:
    return [(step.writes, record) for step in FLOW for record in store.current(step.writes)]


def _step(name: str, store: Store) -> dict[str, Any]:
    records = store.current(name)
    facts = [record.facts for record in records]
    return {
        "dataset": name,
        "stages": sorted({f"{f.get('stage')} {f.get('version')}" for f in facts}),
        "tasks": len(records),
        "rows": sum(part.rows for record in records for part in record.parts),
        "rejected": sum(record.rejected for record in records),
        "seconds": round(sum(sum(f.get("seconds", {}).values()) for f in facts), 3),
    }


def _environment(store: Store) -> dict[str, Any]:
    facts = [record.facts for _, record in _records(store)]
    tasks: dict[str, list[str]] = {}
    for dataset, record in _records(store):
        met = str(record.facts.get("environment", NOT_RECORDED))
        tasks.setdefault(met, []).append(dataset)
    return {
        "environments": [
            {"sha256": met, "tasks": len(made), "datasets": sorted(set(made))} | _met(store, met)
            for met, made in sorted(tasks.items())
        ],
        "devices": sorted({str(f["device"]) for f in facts if "device" in f}),
        "threads": sorted({int(f["threads"]) for f in facts if "threads" in f}),
        "hosts": sorted({str(f["host"]) for f in facts if "host" in f}),
        "recorded": "by each task when it was done; versions of stages stand in run.json",
    }


def _met(store: Store, met: str) -> dict[str, Any]:
    """Return what an environment held, or that nobody knows."""
    if met == NOT_RECORDED:
        return {"environment": NOT_RECORDED}
    return {"environment": read_environment(store.root, met) or "recorded, and gone or changed"}


def _models(material: Material) -> dict[str, Any]:
    case, digests = material.project.case, material.project.models
    named = [
        {"name": name, "model_id": digests[config.model], "settings": plain(config, digests)}
        for asked in (case.models, case.writers)
        for name, config in asked.items()
    ]
    others = [
        {"name": ref if isinstance(ref, str) else str(ref.path or ref.hub), "sha256": digests[ref]}
        for ref in dict.fromkeys(contents_of(case))
        if ref in digests
    ]
    value: Mapping[str, Any] = {"under_test": named, "files": others}
    found: dict[str, Any] = without_places(value)
    return found


def _datasets(store: Store) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, record in _records(store):
        out.setdefault(name, []).append(
            {
                "task": record.task,
                "identity": record.identity,
                "parts": [
                    {
                        "name": part.name,
                        "rows": part.rows,
                        "files": [
                            {"sha256": file.sha256, "bytes": file.size} for file in part.files
                        ],
                    }
                    for part in record.parts
                ],
            }
        )
    return out


def _case(material: Material) -> dict[str, bytes]:
    """Return the case without comments, passwords and absolute paths, and what it was as it was."""
    raw = material.project.path.read_bytes()
    values = without_places(read_yaml(raw.decode()))
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=False)
    return {
        "case.yaml": text.encode(),
        "case.json": as_json({"sha256_of_the_case_file": sha256(raw).hexdigest()}),
    }
