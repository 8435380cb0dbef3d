"""The works of all models: drawn by the demo's artists, made small, clustered blind to any label.

Legend: W works, H height, W width where it follows H, C colours.
"""

import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.validity_trained.plan import Plan

DEMO = Path(__file__).parents[2] / "examples" / "demo"


class Pool(NamedTuple):
    """Works that any model may be trained on; one row per picture."""

    pixels_WHWC: NDArray[np.uint8]
    """Pictures of `side` by `side`."""

    words_WT: NDArray[np.int64]
    """Caption of each work as three numbers: two words of the title and the artist."""

    cluster_W: NDArray[np.int64]
    """Unit of each work: a work alone, or with its near-duplicate; numbered from 0."""

    artist_W: NDArray[np.int64]
    """Number of the artist."""

    vocabulary: int
    """Distinct words."""

    @property
    def clusters(self) -> int:
        """Count the units."""
        return int(self.cluster_W[-1]) + 1

    @property
    def firsts_U(self) -> NDArray[np.int64]:
        """Row of the work whose caption is asked, per unit: its first."""
        return np.unique(self.cluster_W, return_index=True)[1]


def open_pool(plan: Plan, path: Path) -> Pool:
    """Read the pool, or draw and write it where it is missing.

    Args:
        plan: Seed, side and number of units.
        path: An .npz file, made once for all models.

    Returns:
        Works in the order of the artists.
    """
    if not path.exists():
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **draw_pool(plan)._asdict())
        part.replace(path)
    with np.load(path) as stored:
        return Pool(**{**stored, "vocabulary": int(stored["vocabulary"])})


def draw_pool(plan: Plan) -> Pool:
    """Draw single works and pairs of near-duplicates as the demo does; families are left out.

    Args:
        plan: Seed, side and number of units.

    Returns:
        The works; halves and occurrences that the demo gave them are ignored.
    """
    works = [work for work in _drawn(plan.pool_seed) if work.kind != "family"]
    names = list(dict.fromkeys(work.unit for work in works))
    used = min(plan.clusters, len(names))
    units = {names[number * len(names) // used]: number for number in range(used)}
    works = [work for work in works if work.unit in units]
    words = [(*work.title.split(), work.artist) for work in works]
    known = {word: number for number, word in enumerate(sorted({w for row in words for w in row}))}
    artists = {name: number for number, name in enumerate(dict.fromkeys(w.artist for w in works))}
    return Pool(
        pixels_WHWC=np.stack([_small(work.png, plan.side) for work in works]),
        words_WT=np.array([[known[word] for word in row] for row in words]),
        cluster_W=np.array([units[work.unit] for work in works]),
        artist_W=np.array([artists[work.artist] for work in works]),
        vocabulary=len(known),
    )


def _drawn(seed: int) -> Sequence[Any]:
    """Let the demo's artists draw; its scripts import one another by plain names."""
    sys.path.insert(0, str(DEMO))
    try:
        return list(importlib.import_module("draw").works(seed))
    finally:
        sys.path.remove(str(DEMO))


def _small(png: bytes, side: int) -> NDArray[np.uint8]:
    """Average the pixels of a picture in squares."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").resize((side, side), Image.Resampling.BOX)
    return np.asarray(small)
