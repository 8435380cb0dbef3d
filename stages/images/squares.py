"""Squares: the index of pixels opened, its images in order of work.

Dimension key: R stored squares, N of them with a row, W works, D = S * S * C values of a square.
"""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.columns import texts
from stages.measures.distances import Bytes


class Squares(NamedTuple):
    """The index of pixels."""

    squares_RD: Bytes
    """u8[R, D], a memory map."""

    row_N: NDArray[np.intp]
    """Stored row of each image."""

    image_ids: list[str]
    halves: list[str]

    starts_W: NDArray[np.intp]
    """First image of each work."""

    kinds_W: NDArray[np.int8]
    """0 of the training half, 1 of the control half, 2 of both."""

    works: Mapping[str, int]
    """work_id -> number of the work, in order."""

    @property
    def side(self) -> int:
        """S, pixels."""
        return isqrt(self.squares_RD.shape[1] // 3)

    def nearest_image(self, values_N: NDArray[np.float64], work: int) -> int:
        """Return the image of a work with the smallest value; of several that of smallest id."""
        start = int(self.starts_W[work])
        end = int(self.starts_W[work + 1]) if work + 1 < len(self.starts_W) else len(values_N)
        return start + int(np.argmin(values_N[start:end]))


def open_squares(folder: Path) -> Squares:
    """Open the folder that `index_pixels` writes."""
    rows = pq.read_table(folder / "rows.parquet")
    work_ids = np.array(texts(rows, "work_id"), object)
    starts_W = np.flatnonzero(np.r_[True, work_ids[1:] != work_ids[:-1]][: len(rows)])
    halves = texts(rows, "half")
    mixed_N = np.array(rows["mixed"].to_pylist(), np.bool_)
    control_N = np.array([half == "control" for half in halves], np.bool_)
    return Squares(
        squares_RD=np.load(folder / "pixels.npy", mmap_mode="r"),
        row_N=np.array(rows["row"].to_pylist(), np.intp),
        image_ids=texts(rows, "image_id"),
        halves=halves,
        starts_W=starts_W,
        kinds_W=np.where(mixed_N, 2, control_N)[starts_W].astype(np.int8),
        works={work_ids[start]: number for number, start in enumerate(starts_W)},
    )
