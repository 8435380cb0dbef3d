"""Reads what draw.py wrote: rows of Parquet into tensors, and the key."""

import io
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image


class Rows(NamedTuple):
    """A table of pictures, one row per occurrence."""

    pictures_NCHW: Any
    """uint8[distinct pictures, 3, height, width], in the order in which they first occur."""
    captions: list[str]
    """The caption with which each distinct picture first occurs."""
    occurrences_R: Any
    """int64[rows]: which picture a row shows."""
    digest: str
    """sha256 over the digests of the rows' pictures and captions, in their order."""


def read(path: Path) -> Rows:
    """Read train.parquet or control.parquet.

    Args:
        path: The file.

    Returns:
        Distinct pictures and the rows that show them.
    """
    table = pq.read_table(path, columns=["image", "caption"])
    files: list[bytes] = table["image"].to_pylist()
    captions: list[str] = table["caption"].to_pylist()
    places = {file: number for number, file in enumerate(dict.fromkeys(files))}
    first = dict(zip(reversed(files), reversed(captions), strict=True))
    summary = sha256()
    for file, caption in zip(files, captions, strict=True):
        summary.update(sha256(file).digest() + sha256(caption.encode()).digest())
    return Rows(
        pictures_NCHW=pictures(list(places)),
        captions=[first[file] for file in places],
        occurrences_R=torch.tensor([places[file] for file in files]),
        digest=summary.hexdigest(),
    )


def pictures(files: Sequence[bytes]) -> Any:
    """Decode image files of one size into uint8[N, 3, height, width]."""
    decoded = []
    for file in files:
        with Image.open(io.BytesIO(file)) as image:
            decoded.append(np.asarray(image.convert("RGB")))
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).contiguous()


def signed(pictures_NCHW: Any) -> Any:
    """The pictures as networks want them: float32 in -1 to 1."""
    return pictures_NCHW.float() / 127.5 - 1


def read_key(folder: Path) -> list[dict[str, Any]]:
    """The works in the key, in its order, each with all that is true of it.

    Args:
        folder: What draw.py wrote.

    Returns:
        One dictionary per distinct work; draw.py's Work documents the fields.
    """
    key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    return list(key["works"])


def find(folder: Path, works: Sequence[dict[str, Any]]) -> Any:
    """The pictures of works, found by the digests in the key.

    Args:
        folder: What draw.py wrote.
        works: From `read_key`.

    Returns:
        uint8[works, 3, height, width].
    """
    files: dict[str, bytes] = {}
    for half in ("train", "control"):
        for file in pq.read_table(folder / f"{half}.parquet", columns=["image"])["image"]:
            data = file.as_py()
            files[sha256(data).hexdigest()] = data
    return pictures([files[work["sha256"]] for work in works])
