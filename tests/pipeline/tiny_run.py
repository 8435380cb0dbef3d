"""A finished run of images in a real run folder, planted: hostile words, secrets in addresses."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from itertools import islice
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
    SCORES,
    UNITS,
    WORKS,
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
SIZE = (24, 20)
_ROWS = 1000

CASE = f"""
name: planted # a comment with {CANARY}
setting: randomised
train: {{sources: [{{path: /home/{CANARY}/train.parquet}}]}}
control: {{sources: [{{path: control.parquet}}]}}
embed: {{model: {{path: clip}}}}
models: {{toy: {{model: {{path: ~/{CANARY}/toy}}}}}}
assess: {{q: 0.3}}
"""


@lru_cache(maxsize=256)
def picture(seed: int, kind: str = "png", size: tuple[int, int] = SIZE) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    out = BytesIO()
    Image.fromarray(noise).resize(size).save(out, kind)
    return out.getvalue()


def planted(
    folder: Path,
    items: int = 3,
    words: Sequence[str] = HOSTILE,
    size: tuple[int, int] = SIZE,
    lost: int | None = None,
) -> Project:
    """Write a finished run.

    Args:
        folder: where case and run will be.
        items: works that came back.
        words: captions, titles, names and reasons, in turn.
        size: width and height of the pictures.
        lost: works of which nothing came back; None for as many as came back.
    """
    folder.mkdir(parents=True)
    path = folder / "case.yaml"
    path.write_text(CASE)
    case = load(path)
    store = Store(folder / "run")
    works = [f"{number:064x}" for number in range(items + (items if lost is None else lost))]
    _put(store, IMAGES, "train.images", (_image(n, w, words, size) for n, w in enumerate(works)))
    _put(store, WORKS, "input.works", [_work(work) for work in works])
    _put(
        store,
        PROMPTS,
        "made.prompts",
        (r for n, w in enumerate(works) for r in _asked(n, w, words)),
    )
    _put(store, GENERATIONS, "made.sampled", (r for n in range(len(works)) for r in _made(n, size)))
    _put(store, MATCHES, "made.matches", [_match(n, w) for n, w in enumerate(works[:items])])
    found = [_finding(n, w, words, came_back=n < items) for n, w in enumerate(works)]
    _put(store, FINDINGS, "made.findings", found)
    _put(store, UNITS, "made.units", [_unit(work) for work in works])
    _put(store, ASSESSMENTS, "made.assessments", [])
    _put(store, ARTISTS, "made.artists", [])
    models = dict.fromkeys(contents_of(case), "d" * 64)
    return Project(path=path, case=case, store=store, models=models, sources={})


def imported(project: Project, caption: str) -> None:
    """Add one image that somebody else generated, and a finding in part on it."""
    store, work = project.store, f"{0:064x}"
    suspect = _image(0, "f" * 64, (caption,), SIZE)
    _put(store, IMAGES, "suspect.images", [suspect])
    row = {name: suspect[name] for name in GENERATIONS.schema.names if name in suspect}
    row |= {"model_id": "imported", "prompt_id": "q", "sample": 0, "phase": "confirmation"}
    _put(store, GENERATIONS, "made.adopted", [row | {"seed": None, "guidance_norms": None}])
    found = _finding(0, work, (caption,), came_back=True) | dict.fromkeys(("p", "p_bound", "q"))
    found |= {"finding_id": "e" * 64, "model_id": "imported", "prompt_id": "q"}
    found |= {"method": "partial", "verdict": "partial", "best_made_id": "f" * 64}
    _put(store, FINDINGS, "made.text_findings", [found])
    score: dict[str, Any] = dict.fromkeys(SCORES.schema.names)
    score |= {"score_id": "a" * 64, "made_id": "f" * 64, "model_id": "imported", "prompt_id": "q"}
    score |= {"phase": "confirmation", "work_id": work, "method": "partial", "hit": True}
    _put(store, SCORES, "made.scores", [score | {"detail": '{"box": [1, 2, 3, 4]}'}])


def options(**named: Any) -> ContentOptions:
    numbering = {k: named.pop(k) for k in ("prefix", "padding") if k in named}
    return ContentOptions(numbering=Numbering(**numbering), **named)


def made_id(number: int, sample: int) -> str:
    return sha256(f"{number} {sample}".encode()).hexdigest()


def _put(store: Store, table: Table, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    left = iter(rows)
    parts = []
    while (some := list(islice(left, _ROWS))) or not parts:
        place = store.root / "data" / name / f"{len(parts)}-1"
        parts.append(store.write_part(table, f"{len(parts)}", table.of_rows(some), place=place))
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
        parts=tuple(parts),
        rejected=len(lost) if file else 0,
        rejected_file=file,
        facts=facts,
    )
    assert store.commit(record)
    store.publish(name, [record])
    assert table is not REJECTED


def _image(number: int, work: str, said: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
    kind = ("png", "jpeg")[number % 2]
    raw = picture(number % 90, kind, size)
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


def _made(number: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    rows = []
    for sample in range(SEEDS):
        raw = picture(number % 90 if sample == 1 else 100 + sample, "png", size)
        row = {"image_id": made_id(number, sample), "model_id": MODEL, "prompt_id": f"p{number}"}
        row |= {"sample": sample, "phase": "discovery" if sample == 0 else "confirmation"}
        row |= {"seed": 2**63 + sample, "sha256": sha256(raw).hexdigest(), "format": "png"}
        rows.append(
            row | {"width": size[0], "height": size[1], "guidance_norms": None, "bytes": raw}
        )
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


def _work(work: str) -> dict[str, Any]:
    counts = dict.fromkeys(("num_exact", "num_near"), 1) | dict.fromkeys(("num_pdq", "num_clip"), 0)
    row = {"image_id": work, "half": "train", "work_id": work, "sha256": work, "mixed": False}
    return row | counts


def _unit(work: str) -> dict[str, Any]:
    return {"work_id": work, "unit_id": work, "label": "test", "rank": work, "prompt_ids": []}
