"""Duplicates: which images of the two halves together are the same work, blind to the half.

Dimension key: N images of both halves, C contents (distinct bytes), D dimensions of a descriptor,
B rows of a batch, H = 2 halves.

Two images are linked if their bytes are equal, or if two unlike descriptors agree: PDQ, which sees
the layout of light and dark, and CLIP, which sees what is shown. A work is what links connect. One
descriptor alone chains: look-alikes of look-alikes flow together until most of a set is one cluster
(fastdup issue 302, imagededup issue 198; on the demo's 1252 pictures its small CLIP alone at 0.90
puts 37 into one work, PDQ and CLIP together never more than 4 and no two unrelated ones). So a
chain needs an error of both at each of its links, and what still chains can be seen: where
`num_near` exceeds `num_pdq` or `num_clip`, part of a work is linked only through others.

Each image counts as near itself and its copies. A hash of low quality and an image without a
descriptor are near nothing else. All pairs are compared, exactly, in blocks: contents once however
often they occur, memory for the hashes and one tile (descriptors lie in a temporary file).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexes.likeness import Contents, Likeness, Limits, compare
from stages.columns import texts, vectors
from stages.contract import FoldStage, Kit, Out, StageError, columns
from stages.tables import EMBEDDINGS, IMAGES, WORKS

HALVES = ("train", "control")

_BITS = 256
"""Bits of a PDQ hash."""

_ROWS_OUT = 65536
"""Rows that are given back at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesConfig:
    """When two images are called near-duplicates; both descriptors have to say so."""

    max_pdq: int = 31
    """Bits of the PDQ hash that may differ, in 0..255. 31 is the distance that its makers
    recommend; hashes of unrelated images differ in 128 bits on average."""

    min_pdq_quality: int = 50
    """Least PDQ quality of both images, in 0..100; below 50 its makers tell to discard a hash."""

    min_similarity: float = 0.90
    """Least cosine of the two CLIP descriptors, in (-1, 1]. CLIP only has to agree with PDQ, hence
    lower than where it decides alone (0.94 and more): on the demo 0.90 keeps 26 of the 27 planted
    near-duplicates that PDQ finds, 0.97 only 22."""

    def __post_init__(self) -> None:
        for name, low, high in (("max_pdq", 0, _BITS - 1), ("min_pdq_quality", 0, 100)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: expected {low}..{high}, got {getattr(self, name)}")
        if not -1 < self.min_similarity <= 1:
            raise ValueError(f"min_similarity: expected (-1, 1], got {self.min_similarity}")


def duplicates(
    inputs: Mapping[str, Iterable[pa.Table]], config: DuplicatesConfig, kit: Kit
) -> Iterator[Out]:
    """Return the work of each image, and how often it occurs in its half.

    Args:
        inputs: `train` and `control`, IMAGES; `train_vectors` and `control_vectors`, EMBEDDINGS.
        config: the thresholds.
        kit: with the device.

    Yields:
        WORKS, all images of both halves in order of image_id.

    Raises:
        StageError: an image occurs twice, a descriptor belongs to no image, or a hash is not one.
    """
    images = _sorted_images(inputs)
    with TemporaryFile() as file:
        contents = _contents(images, _descriptors(inputs, images, file), config)
        likeness = compare(contents, Limits(config.max_pdq, config.min_similarity), kit.device)
    works = _works(images, contents.copies_CG, likeness)
    for first in range(0, len(images.table), _ROWS_OUT):
        yield Out(WORKS.make({n: c[first : first + _ROWS_OUT] for n, c in works.items()}))


class _Images(NamedTuple):
    """All images of both halves in order of image_id, and the content of each."""

    table: pa.Table
    half_N: NDArray[np.int64]
    """Place in HALVES."""
    content_N: NDArray[np.int64]
    """Number of the content, in order of its smallest image_id."""
    first_C: NDArray[np.int64]
    """Row of that smallest image_id."""


class _Descriptors(NamedTuple):
    """One vector per content, and which contents have none."""

    vectors_CD: NDArray[np.float32]
    described_C: NDArray[np.bool_]


def _sorted_images(inputs: Mapping[str, Iterable[pa.Table]]) -> _Images:
    tables = [IMAGES.empty().select(_READ).append_column("half", pa.array([], pa.int64()))]
    for number, half in enumerate(HALVES):
        for batch in inputs[half]:
            numbers = pa.array(np.full(len(batch), number))
            tables.append(batch.select(_READ).append_column("half", numbers))
    table = pa.concat_tables(tables).sort_by("image_id").combine_chunks()
    if pc.count_distinct(table["image_id"]).as_py() != len(table):
        raise StageError("duplicates: an image_id occurs twice; a source was given twice")
    # numbered in order of appearance among sorted images: the first is the smallest id
    codes = table["sha256"].combine_chunks().dictionary_encode().indices
    content_N = np.asarray(codes).astype(np.int64)
    first_C = np.unique(content_N, return_index=True)[1]
    return _Images(table, np.asarray(table["half"]), content_N, first_C)


def _descriptors(
    inputs: Mapping[str, Iterable[pa.Table]], images: _Images, file: Any
) -> _Descriptors:
    size, nobody = len(images.first_C), len(images.content_N)
    owner_C = np.full(size, nobody)
    held_CD: NDArray[np.float32] = np.zeros((size, 1), np.float32)
    for batch in chain.from_iterable(inputs[f"{half}_vectors"] for half in HALVES):
        rows_B = _rows_of(batch, images.table)
        if not len(rows_B):
            continue
        values_BD = vectors(batch, "vector")
        if (owner_C == nobody).all():
            held_CD = np.memmap(file, np.float32, "w+", shape=(size, values_BD.shape[1]))
        # of equal contents the smallest id speaks: the answer must not depend on the order
        content_B = images.content_N[rows_B]
        np.minimum.at(owner_C, content_B, rows_B)
        mine_B = owner_C[content_B] == rows_B
        held_CD[content_B[mine_B]] = values_BD[mine_B]
    described_C = owner_C < nobody
    held_CD[~described_C] = np.eye(1, held_CD.shape[1])
    return _Descriptors(held_CD, described_C)


def _rows_of(batch: pa.Table, images: pa.Table) -> NDArray[np.int64]:
    places = pc.index_in(batch["image_id"], value_set=images["image_id"])
    if places.null_count:
        orphan = batch["image_id"].filter(pc.is_null(places))[0].as_py()
        raise StageError(
            f"duplicates: {places.null_count} descriptors belong to no image, {orphan} for one"
        )
    return np.asarray(places).astype(np.int64)


def _contents(images: _Images, described: _Descriptors, config: DuplicatesConfig) -> Contents:
    firsts = images.table.take(pa.array(images.first_C))
    copies_CH = np.zeros((len(firsts), len(HALVES)))
    np.add.at(copies_CH, (images.content_N, images.half_N), 1)
    return Contents(
        hashes_C=_hashes(texts(firsts, "pdq")),
        hashed_C=np.asarray(firsts["pdq_quality"]) >= config.min_pdq_quality,
        vectors_CD=described.vectors_CD,
        described_C=described.described_C,
        copies_CG=copies_CH,
    )


def _hashes(hexes: list[str]) -> NDArray[np.uint8]:
    if wrong := [text for text in hexes if len(text) != _BITS // 4]:
        raise StageError(f"duplicates: expected PDQ hashes of 64 hex digits, got {wrong[0]!r}")
    return np.frombuffer(bytes.fromhex("".join(hexes)), np.uint8).reshape(-1, _BITS // 8)


def _works(
    images: _Images, copies_CH: NDArray[np.float64], likeness: Likeness
) -> dict[str, "pa.ChunkedArray[Any]"]:
    near_CH = np.zeros_like(copies_CH)
    np.add.at(near_CH, likeness.cluster_C, copies_CH)
    work_N = likeness.cluster_C[images.content_N]
    image = images.content_N, images.half_N
    ids = images.table["image_id"]
    values = {
        "half": np.array(HALVES)[images.half_N],
        "num_exact": copies_CH[image].astype(np.int32),
        "num_near": near_CH[work_N, images.half_N].astype(np.int32),
        "num_pdq": likeness.hash_CG[image].astype(np.int32),
        "num_clip": likeness.vector_CG[image].astype(np.int32),
        "mixed": (near_CH[work_N] > 0).all(axis=1),
    }
    return {
        "image_id": ids,
        "work_id": ids.take(pa.array(images.first_C[work_N])),
        "sha256": images.table["sha256"],
        **{name: pa.chunked_array([pa.array(value)]) for name, value in values.items()},
    }


_READ = ["image_id", "sha256", "pdq", "pdq_quality"]

STAGE = FoldStage(
    name="duplicates",
    reads={
        "train": columns(" ".join(_READ), IMAGES),
        "control": columns(" ".join(_READ), IMAGES),
        "train_vectors": columns("image_id vector", EMBEDDINGS),
        "control_vectors": columns("image_id vector", EMBEDDINGS),
    },
    writes=WORKS,
    config=DuplicatesConfig,
    run=duplicates,
)
