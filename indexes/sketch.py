"""Sketch: which of many sets are near-duplicates, by MinHash and banding (datasketch).

Dimension key: N things, G grams of a thing, E edges.

A thing is a set of 64-bit hashes, which datasketch's `affine64` scheme mixes and permutes; Python's
own hash, which differs from run to run, is nowhere. Two things become candidates if all minima of
one band agree. A candidate is not trusted: the exact Jaccard similarity of the two sets decides, so
the bands set what may be missed (`Recipe.chance`), and never what is found wrongly. The sets lie in
a file; memory holds about 8 KB a thing at 24 bands of 3, whatever its size.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from indexes.union import Union

SCHEME = "affine64"
"""Permutation scheme of datasketch 2; sketches of another scheme cannot be compared."""

SEED = 1
"""Seed of the permutations."""

_BLOCK = 512
"""Grams that are permuted at a time; 72 permutations of them take 0.3 MB and stay in the cache."""

_ROUND = 1024
"""Things after which what is joined is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How sets are sketched, and from where on two are near-duplicates."""

    bands: int = 24
    """Bands b of a sketch; 2 or more."""

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
        'affine64'
        """
        return {**asdict(self), "scheme": SCHEME, "seed": SEED, "num_perm": self.bands * self.rows}


class Sketches:
    """The sketches of things that come piece by piece."""

    def __init__(self, recipe: Recipe, file: IO[bytes]) -> None:
        """Begin with nothing.

        Args:
            recipe: how to sketch.
            file: empty, opened for writing and reading; holds the sets.
        """
        from datasketch import MinHash

        self._recipe, self._file = recipe, file
        # a value is a whole array of hashes: datasketch flattens what its hash function returns
        self._blank = MinHash(
            recipe.bands * recipe.rows, SEED, hashfunc=lambda grams_G: grams_G, scheme=SCHEME
        )
        self._sketches: dict[int, Any] = {}
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, thing: int, grams_G: NDArray[np.uint64]) -> None:
        """Take in grams of a thing; the order of things, pieces and grams does not matter.

        Args:
            thing: its number, from 0.
            grams_G: uint64[G], already hashed; repeats count once.
        """
        if not len(grams_G):
            return
        unique_G = _unique(grams_G)
        sketch = self._sketches.setdefault(thing, self._blank.copy())
        for first in range(0, len(unique_G), _BLOCK):
            sketch.update_batch([unique_G[first : first + _BLOCK]])
        self._file.seek(0, 2)
        self._places[thing].append((self._file.tell(), len(unique_G)))
        self._file.write(unique_G.tobytes())

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
            first = seen.setdefault(self._sketches[thing].hashvalues.tobytes(), thing)
            equal = first == thing or np.array_equal(self._grams(thing), self._grams(first))
            first_of[thing] = first if equal else thing
        return first_of

    def _candidates(self, first_of: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
        from datasketch import MinHashLSH

        shape = self._recipe.bands, self._recipe.rows
        index = MinHashLSH(num_perm=shape[0] * shape[1], params=shape)
        for thing, first in first_of.items():
            if thing == first:
                sketch = self._sketches[thing]
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


def _unique(grams_G: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # np.unique goes through a hash table, which takes several times as long
    sorted_G = np.sort(grams_G)
    fresh_G = np.ones(len(sorted_G), np.bool_)
    np.not_equal(sorted_G[1:], sorted_G[:-1], out=fresh_G[1:])
    return sorted_G[fresh_G]
