"""Search: the indexed images whose descriptors are nearest to that of each generation; exact.

Dimension key: B generations of a part, N indexed images, D dimensions, K neighbours, M answers.

Both halves lie in one index and are searched alike. Where further images tie with the k-th they are
all neighbours, so that neither their order nor an id decides. The device changes the speed, never
the rows: it only nominates, and the cosines of what it nominates are computed again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from indexes import exact
from indexes.device import Searcher, tiles_for
from indexes.exact import Answers
from indexes.folder import open_folder
from stages.columns import vectors
from stages.contract import Artefact, Kit, MapStage, Out, StageError, columns
from stages.tables import EMBEDDINGS, GENERATIONS, NEIGHBORS


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How many neighbours are kept."""

    k: int = 10
    """Nearest indexed images of each generation, from 1, and all that tie with the last. They
    nominate works for the comparison of pixels, which decides; ten leave room for a descriptor
    that ranks a copy behind look-alikes."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: expected 1 or more, got {self.k}")


class SearchTools(NamedTuple):
    """The opened joint index."""

    find: Callable[[NDArray[np.float32]], Answers]
    """Descriptors f32[B, D] to their neighbours and ties."""

    rows: pa.Table
    """image_id, work_id and half of each indexed row."""

    dims: int
    """Dimensions D of the indexed descriptors."""


def open_search(config: SearchConfig, kit: Kit) -> SearchTools:
    """Open the index after checking its files."""
    folder = open_folder(kit.folders["index"], kind="images")
    vectors_ND = folder.array("vectors.npy")
    rows = pq.read_table(folder.file("rows.parquet")).combine_chunks()
    if len(rows) != len(vectors_ND):
        raise StageError(f"search: the index has {len(vectors_ND)} vectors and {len(rows)} rows")
    k = min(config.k, len(rows))
    return SearchTools(_finder(vectors_ND, k, kit.device), rows, vectors_ND.shape[1])


def _finder(
    vectors_ND: NDArray[np.float32], k: int, device: str
) -> Callable[[NDArray[np.float32]], Answers]:
    if device == "cpu":
        return lambda queries_BD: exact.search(queries_BD, vectors_ND, k=k)
    searcher = Searcher(vectors_ND, metric="cosine", tiles=tiles_for(device))
    return lambda queries_BD: searcher.search(queries_BD, k=k)


def search(inputs: Mapping[str, pa.Table], tools: SearchTools) -> Out:
    """Return the nearest indexed images of each generation.

    Args:
        inputs: `images`, GENERATIONS; `vectors`, EMBEDDINGS of the same images in any order. A
            generation without a descriptor was rejected before, and has no neighbours.
        tools: the opened index.

    Returns:
        NEIGHBORS, in the order of the generations, nearest first.

    Raises:
        StageError: a descriptor belongs to no generation, or has other dimensions than the index.
    """
    images, described = inputs["images"], inputs["vectors"]
    places = pc.index_in(images["image_id"], value_set=described["image_id"])
    found = images.filter(pc.is_valid(places))
    if len(found) != len(described):
        raise StageError(
            f"search: {len(described)} descriptors for {len(found)} of {len(images)} generations;"
            " expected those of the same part, each once"
        )
    if not len(found):
        return Out(NEIGHBORS.empty())
    queries_BD = vectors(described.take(pc.drop_null(places)), "vector")
    if queries_BD.shape[1] != tools.dims:
        raise StageError(
            f"search: descriptors have {queries_BD.shape[1]} dimensions, the index has"
            f" {tools.dims}; embed both with one model"
        )
    return Out(_table(found, tools.rows, tools.find(queries_BD)))


def _table(found: pa.Table, rows: pa.Table, answers: Answers) -> pa.Table:
    asked = found.take(pa.array(answers.queries_M))
    given = rows.take(pa.array(answers.rows_M))
    return NEIGHBORS.make(
        {
            "image_id": asked["image_id"],
            "prompt_id": asked["prompt_id"],
            "neighbor_id": given["image_id"],
            "work_id": given["work_id"],
            "half": given["half"],
            "rank": pa.array(answers.ranks_M, pa.int32()),
            "similarity": pa.array(answers.scores_M),
        }
    )


STAGE = MapStage(
    name="search",
    reads={
        "images": columns("image_id prompt_id", GENERATIONS),
        "vectors": columns("image_id vector", EMBEDDINGS),
    },
    writes=NEIGHBORS,
    config=SearchConfig,
    open=open_search,
    run=search,
    uses={"index": Artefact("index")},
)
