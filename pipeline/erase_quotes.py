"""Quotes: does a text hold some words in a row of another? For what was asked of a model elsewhere.

Dimension key: B positions of words, G distinct grams of the quoted texts.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from indexes.grams import GRAM, NONE, hash_grams
from indexes.words import Words, split

QUOTED_WORDS = 13
"""Words in a row that make a quotation: fewer come up by chance, and prompts are often short."""


class Quotes:
    """Texts that may be quoted."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Take in the grams of some texts."""
        grams = [_grams(split([text])) for text in texts]
        self._grams_G = np.unique(np.concatenate(grams)) if grams else np.zeros(0, np.uint64)

    def are_in(self, text: str | None) -> bool:
        """Return whether a text holds `QUOTED_WORDS` words in a row of one of them.

        >>> words = " ".join(f"w{n}" for n in range(40))
        >>> Quotes([words]).are_in(words[30:100]), Quotes([words]).are_in("w1 w2 w3 w4 w5 w6")
        (True, False)
        """
        if not text or not len(self._grams_G):
            return False
        held_B = np.isin(_grams(split([text])), self._grams_G)
        run = 0
        for held in held_B.tolist():
            run = run + 1 if held else 0
            if run > QUOTED_WORDS - GRAM:
                return True
        return False


def _grams(words: Words) -> NDArray[np.uint64]:
    grams_B = hash_grams(words, 0, len(words.hashes_N))
    found: NDArray[np.uint64] = grams_B[grams_B != NONE]
    return found
