"""The plain reference for runs: every pair of equal words is looked at, in lists and loops."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from indexes.runs import Runs
from indexes.words import Words

HASHES = np.random.default_rng(5).integers(0, 2**64, 1000, np.uint64)
BASE = 0x9E3779B97F4A7C15

Text = Sequence[int]


def words_of(texts: Sequence[Text]) -> Words:
    """Return texts of numbered words; a word's place stands for its characters."""
    hashes = [HASHES[np.array(text, np.int64)] for text in texts]
    sizes = [len(text) for text in texts]
    places = [np.arange(size) for size in sizes]
    starts = 2 * np.concatenate([*places, np.empty(0, np.int64)])
    return Words(
        hashes_N=np.concatenate([*hashes, np.empty(0, np.uint64)]),
        starts_N=starts,
        ends_N=starts + 1,
        offsets_T=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )


def gram_hash(gram: Text) -> int:
    value = 0
    for word in gram:
        value = (value * BASE + int(HASHES[word])) % 2**64
    return value


def chosen(text: Text) -> list[int]:
    """Return the places that winnowing chooses."""
    grams = {i: gram_hash(text[i : i + 5]) for i in range(len(text) - 4)}
    places = set()
    for first in range(-3, len(text)):
        window = {i: grams[i] for i in range(first, first + 4) if i in grams}
        places |= {i for i in window if window[i] == min(window.values())}
    return sorted(places)


def anchored(output: Text, text: Text) -> set[tuple[int, int, int]]:
    """Return every longest run of 5 words or more that holds a chosen gram."""
    places = chosen(text)
    found = set()
    where = defaultdict(list)
    for j, word in enumerate(text):
        where[word].append(j)
    for i, j in ((i, j) for i, word in enumerate(output) for j in where[word]):
        if i and j and output[i - 1] == text[j - 1]:
            continue
        size = 0
        while (
            i + size < len(output) and j + size < len(text) and output[i + size] == text[j + size]
        ):
            size += 1
        if any(j <= place <= j + size - 5 for place in places):
            found.add((i, j, size))
    return found


def kept(runs: set[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    def near(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
        close = abs(a[0] - b[0]) <= 32 and abs(a[1] - b[1]) <= 32
        return a != b and close and abs((a[1] - a[0]) - (b[1] - b[0])) <= 16

    return sorted(run for run in runs if run[2] >= 8 or any(near(run, other) for other in runs))


def plain_runs(outputs: Sequence[Text], texts: Sequence[Text]) -> list[tuple[int, ...]]:
    return sorted(
        (o, i, t, j, size)
        for o, output in enumerate(outputs)
        for t, text in enumerate(texts)
        for i, j, size in kept(anchored(output, text))
    )


def listed(runs: Runs) -> list[tuple[int, ...]]:
    """Return (output, output_word, text, text_word, words) of each run, in the plain order."""
    return sorted(zip(*(column.tolist() for column in runs), strict=True))


def pieces(
    texts: Sequence[Text], cuts: Sequence[Sequence[int]], context: int
) -> tuple[list[Text], NDArray[np.int64], list[tuple[int, int]]]:
    """Return texts cut at words, with context: pieces, own ranges, (text, words before)."""
    cut, own, origin = [], [], []
    for number, (text, places) in enumerate(zip(texts, cuts, strict=True)):
        edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
        for first, last in pairwise(edges):
            before, after = max(first - context, 0), min(last + context, len(text))
            cut.append(text[before:after])
            own.append((first - before, last - before))
            origin.append((number, before))
    return cut, np.array(own, np.int64).reshape(-1, 2), origin


def moved(runs: Runs, origin: Sequence[tuple[int, int]]) -> Runs:
    """Return runs of pieces as runs of their texts."""
    text, before = np.array(origin, np.int64).reshape(-1, 2).T
    return runs._replace(
        text_R=text[runs.text_R].astype(np.int32),
        text_word_R=runs.text_word_R + before[runs.text_R],
    )
