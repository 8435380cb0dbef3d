"""Characters: what each code point is to a word, and the numbers it adds to the word's hash.

Dimension key: N code points of a block.

The tables span all of Unicode but are filled only for the code points that occur, so starting costs
nothing and memory follows the scripts that are read. What a code point is comes from the Unicode
data of this Python; ideographs count as letters even where that data does not know them yet.
"""

import functools
import sys
import unicodedata
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = 0
OTHER: Final = 1
SPACE: Final = 2
RETURN: Final = 3
BREAK: Final = 4
APOSTROPHE: Final = 5
HYPHEN: Final = 6
LETTER: Final = 7
WIDE: Final = 8  # a letter whose normal form has several code points
SINGLE: Final = 9
CONSONANT: Final = 10  # a SINGLE that a LINKER can bind to the one before it
MARK: Final = 11
SPACING: Final = 12  # a MARK that ends a conjunct
LINKER: Final = 13  # a MARK that binds the next consonant
IGNORED: Final = 14
SOFT: Final = 15

IOTA_BELOW: Final = "\u0345"
"""The only mark that casefold changes: a mark until the marks are in order, a letter after."""

ASCII: Final = 128
"""Code points below are letters and digits that stand for themselves, but for case."""

_IOTA = "\u03b9"
_SIZE = sys.maxunicode + 1

_SHORT = 64
"""From here on marks are put in order here: `normalize` takes the square of their number."""


def _ranges(listed: str) -> tuple[range, ...]:
    pairs = (pair.partition("-") for pair in listed.split())
    return tuple(range(int(first, 16), int(last or first, 16) + 1) for first, _, last in pairs)


_APOSTROPHES = "'\u2018\u2019\u201b\u02bb\u02bc\u055a\u00b4"
# the not sign is what text recognition writes for a hyphen that it believes to be soft
_HYPHENS = "-\u2010\u2011\u058a\u05be\u1806\u2e17\u00ac"
_SPACES = " \t"
_BREAKS = "\n\v\f\u0085\u2028"

_IGNORED_RANGES = _ranges(
    "034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F "
    "FEFF FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
"""Default ignorable code points; Python's own data does not name them."""

_IDEOGRAPH_PLANES = _ranges("20000-2FFFD 30000-3FFFD")
_SINGLE_RANGES = _ranges(
    "20000-2FFFD 30000-3FFFD 3005-3007 3021-3035 3038-303C 3041-30FF 31F0-31FF 3400-4DBF "
    "4E00-9FFF F900-FAFF 16FE3 1AFF0-1B16F 0E01-0EFF 1000-109F 1780-17FF A9E0-A9FF AA60-AA7F"
)
"""Ideographs, kana, Thai, Lao, Myanmar and Khmer: scripts that do not space their words."""

_CONSONANT_RANGES = _ranges(
    "1000-102A 103F 1050-1055 105A-105D 1061 1065-1066 106E-1070 1075-1081 108E 1780-17B3 "
    "A9E0-A9E4 A9E7-A9EF A9FA-A9FE AA60-AA6F AA71-AA73 AA7A AA7E-AA7F"
)
_LINKERS = "\u1039\u17d2"
_VOWELS_APART = _ranges(
    "102B-102C 1038 1062-1064 1067-106D 1083 1087-108C 108F 109A-109C AA7B AA7D"
)
"""Marks of Myanmar that Unicode makes grapheme clusters of their own."""

_LETTERS_BELOW = "\u0e33\u0eb3\u30fc"
"""Letters that belong to the character before: am in Thai and Lao, the long sound mark."""


def _within(character: str, ranges: tuple[range, ...]) -> bool:
    return any(ord(character) in points for points in ranges)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_base(character: str) -> bool:
    known = unicodedata.category(character)[0] in "LN" and character not in _APOSTROPHES
    return known or _within(character, _IDEOGRAPH_PLANES)


def _folded(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)
    cased = "".join(c if c == IOTA_BELOW else c.casefold() for c in plain)
    return unicodedata.normalize("NFKD", cased)


@functools.cache
def kept(character: str) -> str:
    r"""Return what one raw code point adds to the normal form of its word, marks not yet ordered.

    >>> kept("\u00c4"), kept("-"), kept("\u00bd")
    ('a\u0308', '', '12')
    """
    if character == "\u00ad" or _within(character, _IGNORED_RANGES):
        return ""
    folded = _folded(character)
    if not all(map(_is_mark, folded)) and not any(map(_is_base, folded)):
        return ""
    return "".join(c for c in folded if _is_base(c) or _is_mark(c))


def ordered(parts: str) -> str:
    """Return decomposed text with the marks of each character in canonical order."""
    if len(parts) < _SHORT:
        return unicodedata.normalize("NFD", parts).replace(IOTA_BELOW, _IOTA)
    runs: list[list[str]] = [[]]
    for part in parts:
        if not unicodedata.combining(part):
            runs.append([])
        runs[-1].append(part)
    # the first of a run has class 0 and stays the first
    order = (part for run in runs for part in sorted(run, key=unicodedata.combining))
    return "".join(order).replace(IOTA_BELOW, _IOTA)


def _gap(character: str) -> int:
    forms = {unicodedata.normalize(form, character) for form in ("NFD", "NFKD")}
    for signs, sort in ((_APOSTROPHES, APOSTROPHE), (_HYPHENS, HYPHEN), (_SPACES, SPACE)):
        if forms & set(signs):
            return sort
    if character in _BREAKS:
        return BREAK
    return RETURN if character == "\r" else OTHER


def _mark(character: str) -> int:
    if _within(character, _VOWELS_APART):
        return SINGLE
    if character in _LINKERS:
        return LINKER
    return SPACING if unicodedata.category(character) == "Mc" else MARK


def _base(character: str, points: str) -> int:
    folded = _folded(character)
    if folded in _LETTERS_BELOW or character in _LETTERS_BELOW:
        return SPACING
    if _within(character, _CONSONANT_RANGES):
        return CONSONANT
    # one half, whose parts would be words, stands alone: there are no offsets to split it at
    compound = any(not _is_base(c) and not _is_mark(c) and _gap(c) != APOSTROPHE for c in folded)
    if compound or any(_within(c, _SINGLE_RANGES) for c in points):
        return SINGLE
    return LETTER if len(points) == 1 else WIDE


def kind(character: str) -> int:
    r"""Return what one raw code point is to a word: one of the constants of this module.

    >>> kind("a") == LETTER, kind("\u00e4") == WIDE, kind("\u4e00") == SINGLE
    (True, True, True)
    """
    if character == "\u00ad":
        return SOFT
    if _within(character, _IGNORED_RANGES):
        return IGNORED
    points = kept(character)
    if not points:
        return _gap(character)
    return _mark(character) if all(map(_is_mark, points)) else _base(character, points)


def scatter(numbers_N: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 well mixed bits for each number, u64[N]: the finaliser of splitmix64.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014, figure 16.
    """
    mixed_N = numbers_N + np.uint64(0x9E3779B97F4A7C15)
    mixed_N ^= mixed_N >> np.uint64(30)
    mixed_N *= np.uint64(0xBF58476D1CE4E5B9)
    mixed_N ^= mixed_N >> np.uint64(27)
    mixed_N *= np.uint64(0x94D049BB133111EB)
    mixed_N ^= mixed_N >> np.uint64(31)
    return mixed_N


def points(text: str) -> NDArray[np.unsignedinteger[Any]]:
    """Return the code points of a text, u8, u16 or u32[N]; lone surrogates stand for themselves."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    if len(units) == len(text):
        return units
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


class Tables:
    """What `kind` and `kept` say of each code point, as arrays that are filled on demand."""

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self.kind = np.zeros(_SIZE, np.uint8)
        """What it is to a word, `UNKNOWN` until somebody asked `kinds`."""
        self.values = np.zeros(_SIZE, np.uint64)
        """Sum of the numbers of the kept code points times factor^place; 0 for what is not part of
        a word. ASCII is its own number, every other code point is scattered over 64 bits."""
        self.lengths = np.zeros(_SIZE, np.uint8)
        """How many code points are kept."""
        self.first_classes = np.zeros(_SIZE, np.uint8)
        """Canonical combining class of the first kept code point."""
        self.last_classes = np.zeros(_SIZE, np.uint8)
        """Canonical combining class of the last kept code point."""

    def kinds(self, points_N: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the kind of each code point, u8[N], after filling every table for them."""
        # every code point is in range: `wrap` is the mode that does not look for one that is not
        kinds_N = self.kind.take(points_N, mode="wrap")
        if kinds_N.size and not kinds_N.min():
            for point in np.unique(points_N[kinds_N == UNKNOWN]).tolist():
                self._fill(point)
            kinds_N = self.kind.take(points_N)
        return kinds_N

    def _fill(self, point: int) -> None:
        parts = kept(chr(point))
        if parts:
            numbers = np.array([ord(c) for c in parts.replace(IOTA_BELOW, _IOTA)], np.uint64)
            values = np.where(numbers < ASCII, numbers, scatter(numbers)).tolist()
            total = sum(value * self._factor**i for i, value in enumerate(values))
            self.values[point] = total % 2**64
            self.lengths[point] = len(parts)
            self.first_classes[point] = unicodedata.combining(parts[0])
            self.last_classes[point] = unicodedata.combining(parts[-1])
        # last: another thread takes a known kind as a sign that the other tables are filled
        self.kind[point] = kind(chr(point))
