"""Vector: approximate search with faiss, for interactive look-ups; never the ground of evidence.

Dimension key: Q queries, N indexed vectors, D dimensions, K neighbours, R candidates, B rows of a
block.

The codes of an index only nominate: candidates are scored again from the stored vectors. Vectors
are added with `add`: `add_core` of FastScan indexes is broken in faiss 1.15.1 and loses vectors in
silence, so each build must find 200 of its own vectors before anybody may use it.
"""

from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.exact import Neighbors, score
from indexes.recall import look_up_stored

_ROWS = 65536
"""Vectors that are added at a time."""

_SELF_TEST = 200
"""Vectors that must return themselves after a build."""

_PER_LIST = 256
"""Vectors per list that k-means learns from; faiss itself looks at no more."""

_WORTH_BUILDING = 1_000_000
"""Vectors from which on an approximate index pays for its building (scale figures, faiss wiki)."""

_SEED = 20230130
"""Seed of the choice of training vectors: the same vectors give the same index."""


class VectorIndexError(ValueError):
    """An index cannot be built as asked, or does not find what was put into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to build and search an approximate index."""

    factory: str = "Flat"
    """faiss factory string; `Flat` is exact. `recipe_for` proposes one by size."""

    nprobe: int = 64
    """Lists of an inverted file that are searched; 64 of 2048 found 0.59 of the ten nearest of
    novel vectors and every copy (1e6 vectors of 512 dimensions, measured)."""

    rerank: int = 100
    """Candidates per query that are scored again; with 100 the size of codes hardly matters."""

    threads: int = 1
    """Threads of faiss; a Dask worker would otherwise have one whatever it was given."""

    gpu: bool = False
    """Learn the lists on a GPU if this build of faiss has one; else on the CPU."""


def recipe_for(num_vectors: int, dims: int) -> str:
    """Return a factory string that suits the number of vectors.

    Exact below a million vectors; then about 4 sqrt(N) inverted lists with 4-bit codes.

    >>> recipe_for(50_000, 512), recipe_for(4_000_000, 512)
    ('Flat', 'IVF8192,PQ64x4fs')
    """
    if num_vectors < _WORTH_BUILDING:
        return "Flat"
    lists = 2 ** round(log2(4 * num_vectors**0.5))
    pieces = next((m for m in (64, 48, 32, 16, 8) if dims % m == 0), 0)
    return f"IVF{lists},PQ{pieces}x4fs" if pieces else f"IVF{lists},SQ8"


class VectorIndex:
    """A faiss index over stored unit vectors, with exact scores for what it nominates."""

    def __init__(self, index: Any, vectors_ND: NDArray[np.float32], recipe: Recipe) -> None:
        if index.ntotal != len(vectors_ND) or index.d != vectors_ND.shape[1]:
            raise VectorIndexError(
                f"the index holds {index.ntotal} vectors of {index.d} dimensions,"
                f" the stored vectors are {vectors_ND.shape}; build it again"
            )
        self._index = index
        self._vectors_ND = vectors_ND
        self._recipe = recipe

    def search(self, queries_QD: NDArray[np.float32], k: int) -> Neighbors:
        """Return about the k most similar rows of each query, best first, with exact cosines.

        Args:
            queries_QD: unit rows, f32[Q, D].
            k: neighbours per query, 1 <= k <= N.

        Returns:
            A place for which the index had no answer has row -1 and score -inf.
        """
        import faiss

        faiss.omp_set_num_threads(self._recipe.threads)
        if lists := faiss.try_extract_index_ivf(self._index):
            lists.nprobe = min(self._recipe.nprobe, lists.nlist)
        wanted = min(max(self._recipe.rerank, k), self._index.ntotal)
        _, rows_QR = self._index.search(np.ascontiguousarray(queries_QD, np.float32), wanted)
        queries_M, places_M = np.nonzero(rows_QR >= 0)
        rows_M = rows_QR[queries_M, places_M]
        scores_QR = np.full(rows_QR.shape, -np.inf, np.float32)
        scores_QR[queries_M, places_M] = score(
            queries_QD[queries_M], self._vectors_ND[rows_M], "cosine"
        )
        order_QK = np.lexsort((rows_QR, -scores_QR), axis=1)[:, :k]
        take = np.take_along_axis
        return Neighbors(take(rows_QR, order_QK, axis=1), take(scores_QR, order_QK, axis=1))

    def save(self, path: Path) -> None:
        """Write the faiss index; the vectors have a file of their own."""
        import faiss

        faiss.write_index(self._index, str(path))


def build(vectors_ND: NDArray[np.float32], recipe: Recipe) -> VectorIndex:
    """Return an index of the vectors, tried on 200 of them.

    Args:
        vectors_ND: unit rows, f32[N, D]; may be memory-mapped.
        recipe: how to build.

    Raises:
        VectorIndexError: faiss cannot build this, or the index does not find its own vectors.
    """
    import faiss

    faiss.omp_set_num_threads(recipe.threads)
    try:
        index = faiss.index_factory(vectors_ND.shape[1], recipe.factory, faiss.METRIC_INNER_PRODUCT)
        _train(index, vectors_ND, recipe)
        for first in range(0, len(vectors_ND), _ROWS):
            index.add(np.ascontiguousarray(vectors_ND[first : first + _ROWS]))
    except RuntimeError as error:
        raise VectorIndexError(
            f"faiss cannot build {recipe.factory!r} over {vectors_ND.shape}: {error}"
        ) from error
    built = VectorIndex(index, vectors_ND, recipe)
    self_test(built, vectors_ND)
    return built


def load(path: Path, vectors_ND: NDArray[np.float32], recipe: Recipe) -> VectorIndex:
    """Return a saved index over its vectors; check the file's digest first (`indexes.folder`).

    Raises:
        VectorIndexError: the index was built over other vectors.
    """
    import faiss

    return VectorIndex(faiss.read_index(str(path)), vectors_ND, recipe)


def self_test(index: VectorIndex, vectors_ND: NDArray[np.float32]) -> None:
    """Look up 200 stored vectors, evenly spread.

    Raises:
        VectorIndexError: one of them does not come back.
    """
    size = len(vectors_ND)
    rows_N = np.unique(np.linspace(0, size - 1, min(size, _SELF_TEST)).astype(np.int64))
    audit = look_up_stored(index.search, vectors_ND, rows_N, k=1)
    if len(audit.lost_rows):
        raise VectorIndexError(
            f"{len(audit.lost_rows)} of {len(rows_N)} stored vectors do not return themselves,"
            f" such as row {audit.lost_rows[0]}; raise nprobe or rerank, or take another factory"
        )


def _train(index: Any, vectors_ND: NDArray[np.float32], recipe: Recipe) -> None:
    import faiss

    if index.is_trained:
        return
    lists = faiss.try_extract_index_ivf(index)
    if lists and recipe.gpu and faiss.get_num_gpus():
        lists.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(lists.d))
    wanted = _PER_LIST * (lists.nlist if lists else 256)
    rows_B = np.random.default_rng(_SEED).permutation(len(vectors_ND))[:wanted]
    index.train(np.ascontiguousarray(vectors_ND[np.sort(rows_B)]))
