"""Echoes: words of an output that its prompt or its context had already.

Dimension key: N words of the output.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.measures.wording import Wording

MIN_ECHO = 5
"""Words in a row that must be shared; fewer are shared by chance."""


def echoed(output: Wording, sources: Sequence[Wording]) -> NDArray[np.bool_]:
    """Return bool[N], the words of an output in runs of 5 or more that a source holds too.

    Args:
        output: the output.
        sources: its prompt and its context, with the lexicon of the output.
    """
    known = {gram for source in sources for gram in _grams(source)}
    echoed_N = np.zeros(len(output), np.bool_)
    for at, gram in enumerate(_grams(output)) if known else ():
        if gram in known:
            echoed_N[at : at + MIN_ECHO] = True
    return echoed_N


def _grams(side: Wording) -> list[bytes]:
    ids = side.ids(0, len(side))
    size, raw = ids.itemsize, ids.tobytes()
    return [
        raw[at * size : (at + MIN_ECHO) * size] for at in range(max(0, len(ids) - MIN_ECHO + 1))
    ]
