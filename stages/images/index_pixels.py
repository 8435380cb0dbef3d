"""Index pixels: keeps every distinct image of every work as one small square, for exact distances.

Dimension key: N distinct images, S side of a square, C = 3 channels.

The folder holds `pixels.npy`, u8[N, S * S * C], and `rows.parquet`: for each row of it the image,
its work, its half and whether the work is mixed, in order of work and image.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.columns import blobs, texts
from stages.contract import Artefact, FoldStage, Kit, Out, Rejected, StageError, columns
from stages.measures.distances import GRID
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode, resize
from stages.tables import IMAGES, WORKS

PIXELS = Artefact("pixels")

_TEXT = pa.large_string()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPixelsConfig:
    """At which size images are compared."""

    side: int = 64
    """Images are stretched to squares of this side, in pixels, from 4. Generations are compared at
    the same size. 64 keeps 12 kB per image, so that a million works fit in 12 GB; the distance of
    a copy hardly depends on it, fine detail does."""

    def __post_init__(self) -> None:
        if self.side < GRID:
            raise ValueError(f"side: expected at least {GRID} pixels, got {self.side}")


def index_pixels(
    inputs: Mapping[str, Iterable[pa.Table]], config: IndexPixelsConfig, kit: Kit
) -> Iterator[Out]:
    """Write one row per distinct file of a work and half; memory does not grow with the pixels.

    Args:
        inputs: `images`, IMAGES of both halves; `works`, WORKS.
        config: the knobs.
        kit: with the folder to write to.

    Yields:
        Images that do not decode, as rejections; they have no row.

    Raises:
        StageError: there are no works, or a work's image is missing.
    """
    rows = _distinct(inputs["works"])
    folder = _folder(kit)
    squares_ND = np.lib.format.open_memmap(
        folder / "pixels.npy", "w+", np.uint8, (len(rows), config.side**2 * 3)
    )
    rejected = _write(inputs["images"], texts(rows, "image_id"), squares_ND, config.side)
    squares_ND.flush()
    kept = pc.invert(pc.is_in(rows["image_id"], pa.array([bad.key for bad in rejected], _TEXT)))
    pq.write_table(rows.filter(kept), folder / "rows.parquet")
    yield Out(IMAGES.empty(), rejected)


def _folder(kit: Kit) -> Path:
    if kit.folder is None:
        raise StageError("index_pixels: expected a folder to write to, got none")
    return kit.folder


def _distinct(batches: Iterable[pa.Table]) -> pa.Table:
    """Return one row per work, half and digest: `row`, image_id, work_id, half, mixed."""
    works = list(batches)
    if not sum(map(len, works)):
        raise StageError("index_pixels: expected images to compare with, got none")
    first = pa.concat_tables(works).group_by(["work_id", "half", "sha256"])
    table = first.aggregate([("image_id", "min"), ("mixed", "any")])
    names = {"image_id_min": "image_id", "mixed_any": "mixed"}
    table = table.rename_columns([names.get(name, name) for name in table.column_names])
    order = [("work_id", "ascending"), ("image_id", "ascending")]
    table = table.sort_by(order).select(["image_id", "work_id", "half", "mixed"])
    return table.add_column(0, "row", pa.array(np.arange(len(table))))


def _write(
    batches: Iterable[pa.Table], ids: list[str], squares_ND: NDArray[np.uint8], side: int
) -> list[Rejected]:
    places = {image_id: row for row, image_id in enumerate(ids)}
    wanted = pa.array(ids, _TEXT)
    rejected: list[Rejected] = []
    for batch in batches:
        chosen = batch.filter(pc.is_in(batch["image_id"], wanted))
        for image_id, data in zip(texts(chosen, "image_id"), blobs(chosen, "bytes"), strict=True):
            row = places.pop(image_id)
            try:
                square = resize(decode(data, max_pixels=MAX_PIXELS_EVER).rgb_HWC, side)
            except DecodeError as error:
                rejected.append(Rejected(image_id, error.code, str(error)))
            else:
                squares_ND[row] = square.ravel()
    if places:
        raise StageError(
            f"index_pixels: {len(places)} images of works are missing, {min(places)} for one"
        )
    return rejected


STAGE = FoldStage(
    name="index_pixels",
    reads={
        "images": columns("image_id bytes", IMAGES),
        "works": columns("image_id half work_id sha256 mixed", WORKS),
    },
    writes=PIXELS,
    config=IndexPixelsConfig,
    run=index_pixels,
)
