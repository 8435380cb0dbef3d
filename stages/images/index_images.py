"""Index images: one joint index of the descriptors of both halves, blind to the half.

Dimension key: N indexed images, D dimensions, B rows of a batch.

The folder holds `vectors.npy`, f32[N, D] of unit rows, `rows.parquet` with the image, work and half
of each row in the same order, and `meta.json`. Evidence is searched for in the vectors themselves.
An approximate index beside them (`index.faiss`) serves interactive look-ups; its recall is measured
when it is built, and every indexed image is looked up in it once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from indexes.exact import search
from indexes.folder import RowWriter, seal
from indexes.recall import Share, look_up_stored, recall
from indexes.vector import Recipe, VectorIndex, VectorIndexError, build
from stages.columns import vectors
from stages.contract import Artefact, FoldStage, Kit, Out, StageError, columns
from stages.tables import EMBEDDINGS, WORKS

INDEX = Artefact("index")

_UNIT = 1e-3
"""How far from 1 the length of a descriptor may lie."""

_AUDITED_K = 10
"""Neighbours at which recall is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexImagesConfig:
    """Whether an approximate index is built beside the vectors, and how."""

    factory: str = ""
    """faiss factory string such as `IVF4096,PQ64x4fs`; empty, the default, builds none: up to ten
    million images an exact look-up is fast enough and needs no recall."""

    nprobe: int = 64
    """Lists searched per query, from 1; more find more. 64 of 2048 found every copy (measured)."""

    rerank: int = 100
    """Candidates that are scored again from their vectors, from 1; 100 makes up for short codes."""

    audit: int = 1000
    """Indexed images, drawn by lot, whose ten neighbours are compared with exact search; from 1.
    With 1000 a recall of 0.9 is known to about 0.02."""

    def __post_init__(self) -> None:
        for name in ("nprobe", "rerank", "audit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, got {getattr(self, name)}")


def index_images(
    inputs: Mapping[str, Iterable[pa.Table]], config: IndexImagesConfig, kit: Kit
) -> Iterator[Out]:
    """Write the index; rows in the order in which the vectors come.

    Args:
        inputs: `vectors`, EMBEDDINGS of both halves; `works`, WORKS.
        config: the knobs.
        kit: with the folder to write to.

    Yields:
        Nothing: images without a vector were rejected where it was missing; they are counted.

    Raises:
        StageError: there are no vectors, one of them is not of unit length, an image belongs to no
            work, or the approximate index cannot be built or loses what was put into it.
    """
    if kit.folder is None:
        raise StageError("index_images: expected a folder to write to, got none")
    ids = _write_vectors(inputs["vectors"], kit.folder / "vectors.npy")
    num_works = _write_rows(ids, inputs["works"], kit.folder / "rows.parquet")
    facts: dict[str, Any] = {"images": len(ids), "without_vector": num_works - len(ids)}
    if config.factory:
        vectors_ND = np.load(kit.folder / "vectors.npy", mmap_mode="r")
        facts["approximate"] = _approximate(vectors_ND, config, kit, kit.folder / "index.faiss")
    seal(kit.folder, kind="images", facts=facts)
    yield from ()


def _write_vectors(batches: Iterable[pa.Table], path: Path) -> "pa.ChunkedArray[Any]":
    ids = [EMBEDDINGS.empty()["image_id"]]
    with RowWriter(path) as rows:
        for batch in batches:
            vectors_BD = vectors(batch, "vector")
            _check_lengths(batch, vectors_BD)
            rows.add(vectors_BD)
            ids.append(batch["image_id"])
    joined = pa.chunked_array(
        [chunk for column in ids for chunk in column.chunks], pa.large_string()
    )
    if not len(joined):
        raise StageError("index_images: expected images with a descriptor, got none")
    return joined


def _check_lengths(batch: pa.Table, vectors_BD: NDArray[np.float32]) -> None:
    lengths_B = np.linalg.norm(vectors_BD, axis=1)
    wrong_B = np.flatnonzero(~(np.abs(lengths_B - 1) <= _UNIT))
    if len(wrong_B):
        name = batch["image_id"][int(wrong_B[0])].as_py()
        raise StageError(
            f"index_images: descriptor of {name} has length {lengths_B[wrong_B[0]]:.4f},"
            " expected 1; embed scales it"
        )


def _write_rows(ids: "pa.ChunkedArray[Any]", batches: Iterable[pa.Table], path: Path) -> int:
    works = pa.concat_tables([WORKS.empty().select(["image_id", "work_id", "half"]), *batches])
    places = pc.index_in(ids, value_set=works["image_id"])
    if places.null_count:
        orphan = ids.filter(pc.is_null(places))[0].as_py()
        raise StageError(
            f"index_images: {places.null_count} images with a descriptor belong to no work,"
            f" {orphan} for one"
        )
    pq.write_table(works.take(places), path)
    return len(works)


def _approximate(
    vectors_ND: NDArray[np.float32], config: IndexImagesConfig, kit: Kit, path: Path
) -> dict[str, Any]:
    recipe = Recipe(
        factory=config.factory,
        nprobe=config.nprobe,
        rerank=config.rerank,
        threads=kit.threads,
        gpu=kit.device.startswith("cuda"),
    )
    try:
        index = build(vectors_ND, recipe)
    except VectorIndexError as error:
        raise StageError(f"index_images: {error}") from error
    index.save(path)
    return {
        "factory": config.factory,
        "nprobe": config.nprobe,
        "rerank": config.rerank,
        **_audit(index, vectors_ND, config),
    }


def _audit(
    index: VectorIndex, vectors_ND: NDArray[np.float32], config: IndexImagesConfig
) -> dict[str, Any]:
    size, k = len(vectors_ND), min(_AUDITED_K, len(vectors_ND))
    rows_Q = np.sort(np.random.default_rng(0).permutation(size)[: config.audit])
    queries_QD = np.ascontiguousarray(vectors_ND[rows_Q])
    found = recall(index.search(queries_QD, k), search(queries_QD, vectors_ND, k=k), k=k)
    stored = look_up_stored(index.search, vectors_ND, np.arange(size), k=1)
    return {
        f"recall_at_{k}": _facts(found) | {"queries": "indexed images drawn by lot"},
        "itself": _facts(stored.found) | {"first_lost_rows": stored.lost_rows[:100].tolist()},
    }


def _facts(share: Share) -> dict[str, float]:
    return {name: float(value) for name, value in share._asdict().items()}


STAGE = FoldStage(
    name="index_images",
    reads={
        "vectors": columns("image_id vector", EMBEDDINGS),
        "works": columns("image_id work_id half", WORKS),
    },
    writes=INDEX,
    config=IndexImagesConfig,
    run=index_images,
)
