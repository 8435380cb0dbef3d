"""A finished run of images in a real run folder, planted: hostile words, secrets in addresses."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.case import load
from pipeline.evidence.bates import Numbering
from pipeline.evidence.contents import ContentOptions
from pipeline.identity import contents_of
from pipeline.project import Project
from pipeline.store import Record, Store
from stages.contract import Table
from stages.tables import (
    ARTISTS,
    ASSESSMENTS,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    MATCHES,
    PROMPTS,
    REJECTED,
    UNITS,
)

CANARY = "canary-5c1f0e7d9b"
OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}"
HOSTILE = (
    '<script>alert("x")</script><img src=x onerror=alert(1)>',
    f'=HYPERLINK("javascript:alert(1)") {OVERRIDE}live\x14\u00fe\r\nnew line',
    "javascript:alert(1)//" + "long " * 20_000,
)
MODEL = "m" * 64
SEEDS = 4

CASE = f"""
name: planted # a comment with {CANARY}
setting: randomised
train: {{sources: [{{path: /home/{CANARY}/train.parquet}}]}}
control: {{sources: [{{path: control.parquet}}]}}
embed: {{model: {{path: clip}}}}
models: {{toy: {{model: {{path: ~/{CANARY}/toy}}}}}}
assess: {{q: 0.3}}
"""


def picture(seed: int, kind: str = "png") -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    out = BytesIO()
    Image.fromarray(noise).resize((24, 20)).save(out, kind)
    return out.getvalue()


def planted(folder: Path, items: int = 3, words: Sequence[str] = HOSTILE) -> Project:
    """Write a finished run with so many findings, and as many works of which nothing came back."""
    folder.mkdir(parents=True)
    path = folder / "case.yaml"
    path.write_text(CASE)
    case = load(path)
    store = Store(folder / "run")
    works = [f"{number:064x}" for number in range(2 * items)]
    _put(store, IMAGES, "train.images", [_image(n, w, words) for n, w in enumerate(works)])
    _put(
        store,
        PROMPTS,
        "made.prompts",
        [r for n, w in enumerate(works) for r in _asked(n, w, words)],
    )
    _put(store, GENERATIONS, "made.sampled", [r for n in range(len(works)) for r in _made(n)])
    _put(store, MATCHES, "made.matches", [_match(n, w) for n, w in enumerate(works[:items])])
    found = [_finding(n, w, words, came_back=n < items) for n, w in enumerate(works)]
    _put(store, FINDINGS, "made.findings", found)
    _put(store, UNITS, "made.units", [_unit(work) for work in works])
    _put(store, ASSESSMENTS, "made.assessments", [])
    _put(store, ARTISTS, "made.artists", [])
    models = dict.fromkeys(contents_of(case), "d" * 64)
    return Project(path=path, case=case, store=store, models=models, sources={})


def options(**named: Any) -> ContentOptions:
    numbering = {k: named.pop(k) for k in ("prefix", "padding") if k in named}
    return ContentOptions(numbering=Numbering(**numbering), **named)


def made_id(number: int, sample: int) -> str:
    return sha256(f"{number} {sample}".encode()).hexdigest()


def _put(store: Store, table: Table, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    part = store.write_part(
        table, "all", table.of_rows(list(rows)), place=store.root / "data" / name / "all-1"
    )
    lost = [{"key": f"https://ada:{CANARY}@example.org/?sig={CANARY}", "stage": "ingest"}]
    lost[0] |= {"code": "truncated", "message": f"GET https://example.org/a?key={CANARY} failed"}
    file = None
    if name == "train.images":
        file = store.write_rejected(lost, place=store.root / "data" / name / "all-2")
    facts = {"stage": table.name, "version": 1, "host": "lab", "device": "cpu", "threads": 1}
    facts |= {"began": 1_790_000_000.0, "ended": 1_790_000_100.0, "seconds": {"run": 1.0}}
    record = Record(
        dataset=name,
        task="all",
        identity=sha256(name.encode()).hexdigest(),
        parts=(part,),
        rejected=len(lost) if file else 0,
        rejected_file=file,
        facts=facts,
    )
    assert store.commit(record)
    store.publish(name, [record])
    assert table is not REJECTED


def _image(number: int, work: str, said: Sequence[str]) -> dict[str, Any]:
    kind = ("png", "jpeg")[number % 2]
    raw = picture(number, kind)
    words = said[number % len(said)]
    return {
        "image_id": work,
        "place": f"{number}.png",
        "sha256": sha256(raw).hexdigest(),
        "format": kind,
        "width": 24,
        "height": 20,
        "pdq": "0",
        "pdq_quality": 100,
        "caption": words,
        "title": words,
        "artist": words,
        "year": 1990,
        "licence": None,
        "url": f"https://ada:{CANARY}@example.org/{number}.png?token={CANARY}",
        "bytes": raw,
    }


def _asked(number: int, work: str, said: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "prompt_id": f"p{number}",
            "sample": sample,
            "phase": "discovery" if sample == 0 else "confirmation",
            "block": 0,
            "seed": 2**63 + sample,
            "text": said[number % len(said)],
            "suffix": None,
            "class_label": None,
            "work_id": work,
            "half": "train",
            "origin": "random",
        }
        for sample in range(SEEDS)
    ]


def _made(number: int) -> list[dict[str, Any]]:
    rows = []
    for sample in range(SEEDS):
        raw = picture(number if sample == 1 else 100 + sample)
        row = {"image_id": made_id(number, sample), "model_id": MODEL, "prompt_id": f"p{number}"}
        row |= {"sample": sample, "phase": "discovery" if sample == 0 else "confirmation"}
        row |= {"seed": 2**63 + sample, "sha256": sha256(raw).hexdigest(), "format": "png"}
        rows.append(row | {"width": 24, "height": 20, "guidance_norms": None, "bytes": raw})
    return rows


def _match(number: int, work: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(MATCHES.schema.names)
    row |= {"made_id": made_id(number, 1), "model_id": MODEL, "prompt_id": f"p{number}"}
    row |= {"sample": 1, "phase": "confirmation", "work_id": work, "half": "train"}
    row |= {"neighbor_id": work, "via": "descriptor", "best": True, "similarity": 0.9}
    return row | {"l2": 0.1, "tiled_l2": 0.2, "adaptive_ratio": 0.25}


def _finding(number: int, work: str, said: Sequence[str], *, came_back: bool) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FINDINGS.schema.names)
    row |= {"finding_id": sha256(work.encode()).hexdigest(), "model_id": MODEL}
    row |= {"prompt_id": f"p{number}", "work_id": work, "half": "train"}
    row |= {"method": "adaptive_ratio", "verdict": "verbatim" if came_back else "none"}
    row |= {"k": 1 if came_back else 0, "n": SEEDS - 1, "threshold": 1.0, "own_caption": True}
    row |= {"num_controls": 3, "reason": said[number % len(said)][:60]}
    if came_back:
        row |= {"score": 0.25, "best_made_id": made_id(number, 1), "neighbor_id": work}
        row |= {"unit_id": work, "num_units": 6, "num_control_units": 3, "num_exceeding": 0}
        row |= {"p": 0.25, "p_bound": 0.6, "q": 0.3, "gamma_star": 1.2}
    return row


def _unit(work: str) -> dict[str, Any]:
    return {"work_id": work, "unit_id": work, "label": "test", "rank": work, "prompt_ids": []}
