"""Surprisal: how many bits a passage says, under how often its words stand in a reference corpus.

Dimension key: N words, W distinct words of the reference.

A word costs -log2 p. With add-one, p = (count + 1) / (total + W + 1): all words that the reference
lacks share the one count more, so the shares of the W + 1 kinds of words sum to 1, and a word that
is lacking costs log2(total + W + 1). Words are taken as independent, so idioms look rarer than they
are: a large surprisal says "not made of common words", never "not known by heart".
The reference has to be text that the works in question had no part in: the control half.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HELD = 2**22
"""Words that are held before they are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Frequencies:
    """How often each word stands in the reference."""

    hashes_W: NDArray[np.uint64]
    """Hashes of the words after `indexes.words`, ascending."""

    counts_W: NDArray[np.int64]
    """Occurrences, 1 or more."""

    def bits(self, hashes_N: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return what each word costs, f64[N], in bits.

        >>> corpus = Frequencies(np.array([3, 9], np.uint64), np.array([1, 5]))
        >>> corpus.bits(np.array([9, 3, 4], np.uint64)).round(3).tolist()
        [0.585, 2.17, 3.17]
        """
        kinds = len(self.hashes_W)
        counts_N = np.zeros(len(hashes_N), np.int64)
        if kinds:
            row_N = np.minimum(np.searchsorted(self.hashes_W, hashes_N), kinds - 1)
            known_N = self.hashes_W[row_N] == hashes_N
            counts_N[known_N] = self.counts_W[row_N[known_N]]
        total = int(self.counts_W.sum()) + kinds + 1
        bits_N: NDArray[np.float64] = np.log2(total) - np.log2(counts_N + 1)
        return bits_N

    def surprisal(self, hashes_N: NDArray[np.uint64]) -> float:
        """Return what a passage costs in all, in bits; 0 of no words."""
        return float(self.bits(hashes_N).sum())


def fit(batches: Iterable[NDArray[np.uint64]]) -> Frequencies:
    """Count the words of a reference that comes batch by batch.

    Args:
        batches: hashes of the words, uint64[N] each; memory is that of the distinct words.

    Returns:
        The same for any order and any cut of the words.
    """
    found = Frequencies(np.empty(0, np.uint64), np.empty(0, np.int64))
    held: list[NDArray[np.uint64]] = []
    for hashes_N in batches:
        held.append(hashes_N)
        if sum(map(len, held)) > _HELD:
            found, held = _count(found, held), []
    return _count(found, held)


def _count(before: Frequencies, held: list[NDArray[np.uint64]]) -> Frequencies:
    if not held:
        return before
    hashes_W, counts_W = np.unique(np.concatenate(held), return_counts=True)
    merged_W, row = np.unique(np.concatenate([before.hashes_W, hashes_W]), return_inverse=True)
    total_W = np.zeros(len(merged_W), np.int64)
    np.add.at(total_W, row, np.concatenate([before.counts_W, counts_W]))
    return Frequencies(merged_W, total_W)
