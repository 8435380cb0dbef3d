"""Likeness: all pairs of contents compared by hash and by vector, and what both connect.

Dimension key: C contents, D dimensions, G groups that are counted apart, A and B contents of two
blocks, E edges.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.pairs import near
from indexes.union import Union

_BLOCK = 2048
"""Contents of a block; a tile of scores then takes 16 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Distinct things, each with a hash and a vector where it has them."""

    hashes_C: NDArray[np.uint8]
    """Packed bits, u8[C, bytes]."""

    hashed_C: NDArray[np.bool_]
    """False where the hash says nothing."""

    vectors_CD: NDArray[np.float32]
    """f32[C, D]; may be memory-mapped. Where there is none, any vector but 0."""

    described_C: NDArray[np.bool_]
    """False where there is no vector."""

    copies_CG: NDArray[np.float64]
    """How often each content occurs in each group; whole numbers."""


class Limits(NamedTuple):
    """From where on two contents are alike."""

    max_bits: int
    """Bits of the hashes that may differ."""

    min_similarity: float
    """Least cosine of the vectors."""


class Likeness(NamedTuple):
    """What comparing all pairs gave."""

    cluster_C: NDArray[np.int64]
    """Smallest content connected by pairs that both descriptors call alike."""

    hash_CG: NDArray[np.float64]
    """Occurrences in each group that the hash alone calls alike, its own included."""

    vector_CG: NDArray[np.float64]
    """Occurrences in each group that the vector alone calls alike, its own included."""


def compare(contents: Contents, limits: Limits, device: str = "cpu") -> Likeness:
    """Compare each content with each other one, exactly, in blocks.

    Args:
        contents: what is compared.
        limits: from where on two are alike.
        device: torch device of the products of vectors.

    Returns:
        The same numbers for any order of the contents, apart from which content is the smallest.
    """
    size = len(contents.hashes_C)
    clusters = Union(size)
    hash_CG, vector_CG = contents.copies_CG.copy(), contents.copies_CG.copy()
    for left, right in combinations_with_replacement(range(0, size, _BLOCK), 2):
        a, b = slice(left, left + _BLOCK), slice(right, right + _BLOCK)
        hash_AB = _by_hash(contents, a, b, limits.max_bits)
        vector_AB = _by_vector(contents, a, b, limits.min_similarity, device)
        if left == right:
            hash_AB, vector_AB = np.triu(hash_AB, 1), np.triu(vector_AB, 1)
        for near_AB, count_CG in ((hash_AB, hash_CG), (vector_AB, vector_CG)):
            one_E, other_E = _edges(near_AB, left, right)
            np.add.at(count_CG, one_E, contents.copies_CG[other_E])
            np.add.at(count_CG, other_E, contents.copies_CG[one_E])
        clusters.add(*_edges(hash_AB & vector_AB, left, right))
    return Likeness(clusters.labels(), hash_CG, vector_CG)


def _edges(
    near_AB: NDArray[np.bool_], left: int, right: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    one_E, other_E = np.nonzero(near_AB)
    return one_E + left, other_E + right


def _by_hash(contents: Contents, a: slice, b: slice, max_bits: int) -> NDArray[np.bool_]:
    left, right = (
        2 * np.unpackbits(contents.hashes_C[block], axis=1).astype(np.float32) - 1
        for block in (a, b)
    )
    # of +1 and -1 the inner product is bits - 2 * distance; one less never occurs and decides
    least = left.shape[1] - 2 * max_bits - 1
    near_AB = near(left, right, minimum=least, metric="inner")
    return near_AB & contents.hashed_C[a, None] & contents.hashed_C[None, b]


def _by_vector(
    contents: Contents, a: slice, b: slice, min_similarity: float, device: str
) -> NDArray[np.bool_]:
    left, right = np.array(contents.vectors_CD[a]), np.array(contents.vectors_CD[b])
    near_AB = near(left, right, minimum=min_similarity, device=device)
    return near_AB & contents.described_C[a, None] & contents.described_C[None, b]
