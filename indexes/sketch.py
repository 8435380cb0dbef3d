"""Sketch: which of many sets are near-duplicates, by minima of hashes and banding (datasketch).

Dimension key: N things, G grams of a thing, B bins of a sketch, R rounds, E edges.

A thing is a set of 64-bit hashes; Python's own hash, which differs from run to run, is nowhere. Its
sketch is one minimum for each of B bins: in the first round every gram falls into one bin, and as
long as a bin is empty all fall once more, so a long text is gone through once and not B times, and
a short one fills its bins all the same. As with plain MinHash, a bin of two sets agrees with the
probability of their Jaccard similarity. Source: Dahlgaard, Knudsen and Thorup 2017, "Fast
similarity sketching", section 2.

Two things become candidates if all minima of one band agree. A candidate is not trusted: the exact
Jaccard similarity of the two sets decides, so the bands set what may be missed (`Recipe.chance`),
and never what is found wrongly. The sets lie in a file; memory holds about 8 KB a thing at 24 bands
of 3, whatever its size.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from indexes.characters import scatter
from indexes.union import Union

SCHEME = "rounds-1"
"""Name of this way to sketch; sketches of another scheme cannot be compared."""

_ROUND_BITS = 10
"""A minimum begins with the number of its round: one of a later round is never the smaller."""

MOST_BINS = 1 << (_ROUND_BITS - 1)
"""Bins that a sketch may have: there are at most twice as many rounds."""

_EMPTY = np.uint64(2**64 - 1)
_STRIDE = np.uint64(0xD1B54A32D192ED03)

_TOGETHER = 1 << 12
"""Hashes of later rounds that are made at a time."""

_ROUND = 1024
"""Things after which what is joined is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How sets are sketched, and from where on two are near-duplicates."""

    bands: int = 24
    """Bands b of a sketch; 2 or more. Bands times rows are at most 512."""

    rows: int = 3
    """Minima r of a band; 1 or more. 24 bands of 3 let 1 pair of 25 slip at a Jaccard similarity of
    0.5, 1 of 340 at 0.6; at 0.01 they compare 2 pairs of 100,000 in vain."""

    min_jaccard: float = 0.5
    """Least Jaccard similarity of near-duplicates, in (0, 1]."""

    def __post_init__(self) -> None:
        """Refuse what cannot be banded.

        Raises:
            ValueError: a field is out of range.
        """
        for name, least in (("bands", 2), ("rows", 1)):
            if (found := getattr(self, name)) < least:
                raise ValueError(f"{name}: expected {least} or more, got {found}")
        if self.bands * self.rows > MOST_BINS:
            size = f"{self.bands} * {self.rows}"
            raise ValueError(f"bands: expected at most {MOST_BINS} minima in all, got {size}")
        if not 0 < self.min_jaccard <= 1:
            raise ValueError(f"min_jaccard: expected a number in (0, 1], got {self.min_jaccard}")

    def chance(self, jaccard: float) -> float:
        """Return the probability that two sets become candidates: 1 - (1 - s^r)^b.

        Source: Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4.2.

        >>> [round(Recipe().chance(s), 4) for s in (0.1, 0.3, 0.5, 0.6, 0.7, 0.8)]
        [0.0237, 0.4815, 0.9594, 0.9971, 1.0, 1.0]
        """
        return float(1 - (1 - jaccard**self.rows) ** self.bands)

    def facts(self) -> dict[str, Any]:
        """Return everything that decides a sketch, for whoever keeps one.

        >>> Recipe().facts()["scheme"]
        'rounds-1'
        """
        return {**asdict(self), "scheme": SCHEME, "num_bins": self.bands * self.rows}


class Sketches:
    """The sketches of things that come piece by piece."""

    def __init__(self, recipe: Recipe, file: IO[bytes]) -> None:
        """Begin with nothing.

        Args:
            recipe: how to sketch.
            file: empty, opened for writing and reading; holds the sets.
        """
        self._recipe, self._file = recipe, file
        self._sketches: dict[int, NDArray[np.uint64]] = {}
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, thing: int, grams_G: NDArray[np.uint64]) -> None:
        """Take in grams of a thing; the order of things, pieces and grams does not matter.

        Args:
            thing: its number, from 0.
            grams_G: uint64[G], already hashed; repeats count once.
        """
        if not len(grams_G):
            return
        mixed_G = _unique(scatter(grams_G))
        minima_B = minima(mixed_G, self._recipe.bands * self._recipe.rows)
        known_B = self._sketches.get(thing)
        self._sketches[thing] = minima_B if known_B is None else np.minimum(known_B, minima_B)
        self._file.seek(0, 2)
        self._places[thing].append((self._file.tell(), len(mixed_G)))
        self._file.write(mixed_G.tobytes())

    def candidates(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each thing with the earlier ones that agree with it in a band, in order.

        Of things with one and the same set, only the first is here.
        """
        yield from self._candidates(self._first_of_equals())

    def clusters(self, size: int) -> NDArray[np.int64]:
        """Return the smallest thing that each of `size` things is connected with, i64[size].

        Edges are the candidates whose exact Jaccard similarity is `min_jaccard` or more. A thing
        without grams is near nothing.
        """
        first_of = self._first_of_equals()
        joined = Union(size)
        joined.add(np.array(list(first_of)), np.array(list(first_of.values())))
        label_N = joined.labels()
        for count, (thing, others) in enumerate(self._candidates(first_of)):
            near: dict[int, int] = {}
            for other in others:
                # one near member of a cluster connects with all of it
                if label_N[other] not in near and self._alike(thing, other):
                    near[int(label_N[other])] = other
            joined.add(np.full(len(near), thing), np.array(list(near.values()), np.int64))
            if count % _ROUND == _ROUND - 1:
                label_N = joined.labels()
        return joined.labels()

    def _first_of_equals(self) -> dict[int, int]:
        """Return the smallest thing that has the same set, for each thing with grams."""
        seen: dict[bytes, int] = {}
        first_of = {}
        for thing in sorted(self._sketches):
            first = seen.setdefault(self._sketches[thing].tobytes(), thing)
            equal = first == thing or np.array_equal(self._grams(thing), self._grams(first))
            first_of[thing] = first if equal else thing
        return first_of

    def _candidates(self, first_of: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
        from datasketch import MinHash, MinHashLSH

        shape = self._recipe.bands, self._recipe.rows
        index = MinHashLSH(num_perm=shape[0] * shape[1], params=shape)
        for thing, first in first_of.items():
            if thing == first:
                sketch = MinHash(hashvalues=self._sketches[thing], scheme="affine64")
                yield thing, sorted(index.query(sketch))
                index.insert(thing, sketch, check_duplication=False)

    def _alike(self, one: int, other: int) -> bool:
        one_G, other_G = self._grams(one), self._grams(other)
        small, large = sorted((len(one_G), len(other_G)))
        if small < self._recipe.min_jaccard * large:
            return False
        both = len(np.intersect1d(one_G, other_G, assume_unique=True))
        return both >= self._recipe.min_jaccard * (small + large - both)

    def _grams(self, thing: int) -> NDArray[np.uint64]:
        pieces = []
        for place, count in self._places[thing]:
            self._file.seek(place)
            pieces.append(np.frombuffer(self._file.read(count * 8), np.uint64))
        return pieces[0] if len(pieces) == 1 else _unique(np.concatenate(pieces))


def minima(mixed_G: NDArray[np.uint64], num_bins: int) -> NDArray[np.uint64]:
    """Return the sketch of a set, uint64[B].

    Args:
        mixed_G: uint64[G], one gram or more, well mixed, ascending.
        num_bins: B, at most `MOST_BINS`.
    """
    # the first of a bin is its smallest, as bins are stretches of the hashes
    edges_B = -(-(np.arange(num_bins) << 32) // num_bins)
    first_B = np.searchsorted(mixed_G, edges_B.astype(np.uint64) << np.uint64(32))
    some_B = np.diff(first_B, append=len(mixed_G)) > 0
    minima_B = np.full(num_bins, _EMPTY)
    minima_B[some_B] = mixed_G[first_B[some_B]] >> np.uint64(_ROUND_BITS)
    step = max(1, _TOGETHER // len(mixed_G))
    for first in range(1, num_bins, step):
        if (minima_B != _EMPTY).all():
            return minima_B
        hash_RG, key_RG = _rounds(mixed_G, np.arange(first, min(first + step, num_bins)))
        np.minimum.at(minima_B, _bins(hash_RG, num_bins).ravel(), key_RG.ravel())
    # whatever is empty still, each bin gets all grams in a round of its own
    empty_R = np.flatnonzero(minima_B == _EMPTY)
    for bin_ in empty_R.tolist():
        minima_B[bin_] = _rounds(mixed_G, np.array([num_bins + bin_]))[1].min()
    return minima_B


def _rounds(
    mixed_G: NDArray[np.uint64], round_R: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the hashes of later rounds, uint64[R, G], and the same behind their rounds."""
    rounds_R1 = round_R.astype(np.uint64)[:, None]
    hash_RG = scatter(mixed_G + rounds_R1 * _STRIDE)
    return hash_RG, hash_RG >> np.uint64(_ROUND_BITS) | rounds_R1 << np.uint64(64 - _ROUND_BITS)


def _bins(hash_M: NDArray[np.uint64], num_bins: int) -> NDArray[np.int64]:
    lead_M = hash_M >> np.uint64(32)
    lead_M *= np.uint64(num_bins)
    return (lead_M >> np.uint64(32)).astype(np.int64)


def _unique(grams_G: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # np.unique goes through a hash table, which takes several times as long
    sorted_G = np.sort(grams_G)
    fresh_G = np.ones(len(sorted_G), np.bool_)
    np.not_equal(sorted_G[1:], sorted_G[:-1], out=fresh_G[1:])
    return sorted_G[fresh_G]
