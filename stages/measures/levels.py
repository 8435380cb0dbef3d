"""Levels: how much two slices of text must be evened out before they are equal."""

import unicodedata

EXACT, SPACING, FOLDED = LEVELS = ("exact", "spacing", "folded")
"""From the least to the most: the same code points; equal in canonical form and with any white
space as one space; equal words only (case, punctuation, compatibility forms, hyphens, marks)."""


def level(output: str, text: str) -> str:
    r"""Return the least level at which two slices of equal words are equal.

    >>> level("two words", "two\n  words"), level("Two words", "two words")
    ('spacing', 'folded')
    """
    if output == text:
        return EXACT
    return SPACING if _evened(output) == _evened(text) else FOLDED


def _evened(slice_: str) -> str:
    return " ".join(unicodedata.normalize("NFC", slice_).split())
