"""Bags: which short runs of words two texts share, wherever they stand.

Dimension key: N words of the output, G grams of k words.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.chaining import Stretch
from stages.measures.wording import Wording

GRAM = 5
"""Words of a gram of the Jaccard similarity."""

_LONGEST = 7
_BASE = np.uint64(0x9E3779B97F4A7C15)


def jaccard(output: Wording, text: Wording, echoed_N: NDArray[np.bool_]) -> float:
    """Return the Jaccard similarity of the sets of word 5-grams; a gram of echoes alone is out."""
    own = ~_whole(echoed_N, GRAM)
    left = _distinct(_grams(output.hashes_N, GRAM)[own])
    right = text.once("grams", lambda: _distinct(_grams(text.hashes_N, GRAM)))
    if not len(left):
        return 0.0
    at = np.minimum(np.searchsorted(right, left), max(0, len(right) - 1))
    shared = int(np.count_nonzero(right[at] == left)) if len(right) else 0
    return shared / (len(left) + len(right) - shared)


def longest_short_run(output: Wording, text: Wording, echoed_N: NDArray[np.bool_]) -> Stretch:
    """Return the longest shared run of at most 7 words, none of them echoed; the first of them.

    A search need not find runs of fewer than 8 words; here every word of the text is looked at.
    """
    best = Stretch(0, 0, 0)
    low, high = 1, min(_LONGEST, len(output), len(text))
    while low <= high:
        words = (low + high) // 2
        run = _first_shared(output, text, ~_any(echoed_N, words), words)
        if run is None:
            high = words - 1
        else:
            best, low = run, words + 1
    return best


def _first_shared(
    output: Wording, text: Wording, own_G: NDArray[np.bool_], words: int
) -> Stretch | None:
    left_G, right_G = _grams(output.hashes_N, words), _grams(text.hashes_N, words)
    places_G = np.flatnonzero(own_G)
    distinct = _distinct(left_G[places_G])
    if not len(distinct):
        return None
    at = np.minimum(np.searchsorted(distinct, right_G), len(distinct) - 1)
    hits = np.flatnonzero(distinct[at] == right_G)
    first = dict(zip(right_G[hits][::-1].tolist(), hits[::-1].tolist(), strict=True))
    for place in places_G.tolist():
        txt = first.get(int(left_G[place]))
        if txt is not None and _same(output, text, Stretch(place, txt, words)):
            return Stretch(place, txt, words)
    return None


def _same(output: Wording, text: Wording, run: Stretch) -> bool:
    out, txt, words = run
    return bool((output.ids(out, out + words) == text.ids(txt, txt + words)).all())


def _grams(hashes: NDArray[np.uint64], words: int) -> NDArray[np.uint64]:
    """Return uint64[G], a number for each `words` words in a row."""
    size = max(0, len(hashes) - words + 1)
    grams_G = np.zeros(size, np.uint64)
    for at in range(words if size else 0):
        grams_G *= _BASE
        grams_G += hashes[at : at + size]
    return grams_G


def _distinct(grams: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the grams once each, ascending; quicker than `np.unique` on large numbers."""
    grams = np.sort(grams)
    return grams[np.concatenate([[True], grams[1:] != grams[:-1]])] if len(grams) else grams


def _whole(mask_N: NDArray[np.bool_], words: int) -> NDArray[np.bool_]:
    """Return bool[G], grams of which every word is marked."""
    return np.equal(_marked(mask_N, words), words)


def _any(mask_N: NDArray[np.bool_], words: int) -> NDArray[np.bool_]:
    """Return bool[G], grams of which a word is marked."""
    return np.greater(_marked(mask_N, words), 0)


def _marked(mask_N: NDArray[np.bool_], words: int) -> NDArray[np.int64]:
    sums = np.concatenate([[0], mask_N.cumsum()])
    marked_G: NDArray[np.int64] = sums[words:] - sums[: max(0, len(sums) - words)]
    return marked_G
