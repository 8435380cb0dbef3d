"""Holders: how many works hold each word of an output.

Dimension key: R runs, 3 of (first word in the output, word after the last, number of the work),
N words of the output up to the last run, W works.
"""

import numpy as np
from numpy.typing import NDArray

MOST = 0.5
"""Share of a passage that several works must hold for it to be everybody's."""


def works_of_words(spans_R3: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[N], the distinct works with a run over each word.

    >>> works_of_words(np.array([[0, 2, 7], [1, 3, 7], [1, 3, 9]])).tolist()
    [1, 2, 2]
    """
    rows_R = np.unique(spans_R3[:, 2], return_inverse=True)[1]
    held_WN = np.zeros((rows_R.max() + 1, spans_R3[:, 1].max()), np.bool_)
    for row, (start, end, _) in zip(rows_R.tolist(), spans_R3.tolist(), strict=True):
        held_WN[row, start:end] = True
    works_N: NDArray[np.int64] = held_WN.sum(axis=0)
    return works_N


def common(works_N: NDArray[np.int64], start: int, end: int, least: int) -> bool:
    """Return whether so many works or more hold most of the words from start to end.

    Args:
        works_N: what `works_of_words` returned; words beyond it stand in no work.
        start: first word.
        end: word after the last.
        least: works from which on a word is everybody's.
    """
    shared = np.count_nonzero(works_N[start:end] >= least)
    return bool(shared >= MOST * (end - start)) and end > start
