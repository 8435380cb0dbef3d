"""The files of a run: one per asking, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

REPEATED_MODEL = 0
"""The model that is asked again and again."""


def asking_path(out: Path, model: int, asking: int) -> Path:
    """Return where an asking is kept."""
    return out / f"model-{model:03d}-asking-{asking:03d}.json"


def weights_path(out: Path) -> Path:
    """Return where the weights of the model are kept that is asked again."""
    return out / f"model-{REPEATED_MODEL:03d}.pt"


def read(out: Path) -> list[dict[str, Any]]:
    """Return every asking that is there, by model and number."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("model-*-asking-*.json"))]


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")
    part.replace(path)
