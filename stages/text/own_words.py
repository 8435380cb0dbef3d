"""Own words: the words of pieces of texts, and which of them each piece speaks for.

Dimension key: T pieces, N words.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexes.words import Words, split
from stages.columns import texts

_BATCH_CHARS = 4 << 20
"""Code points that are split into words together; one piece may have more."""


class OwnWords(NamedTuple):
    """Some pieces and their words."""

    rows: pa.Table
    """Their rows."""

    words: Words
    """All their words."""

    own_T2: NDArray[np.int64]
    """Words [from, to) of each piece, counted in it, that no other piece of its text speaks for."""


def own_words(rows: pa.Table) -> Iterator[OwnWords]:
    """Yield pieces with their words, a few at a time, so that memory stays within bounds.

    Args:
        rows: TEXTS with first_word, own_from, own_to and text.
    """
    sizes_T = np.asarray(pc.utf8_length(rows["text"]).combine_chunks()).astype(np.int64)
    turn_T = (np.cumsum(sizes_T) - sizes_T) // _BATCH_CHARS
    starts = np.flatnonzero(np.diff(turn_T, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(sizes_T)][: len(starts)], strict=True):
        part = rows.slice(start, end - start)
        own_T2 = np.stack([np.asarray(part["own_from"]), np.asarray(part["own_to"])], axis=1)
        before_T1 = np.asarray(part["first_word"])[:, None]
        yield OwnWords(part, split(texts(part, "text")), own_T2 - before_T1)
