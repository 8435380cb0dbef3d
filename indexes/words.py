"""Words: where the words of raw text are, and a hash of the normal form of each.

Dimension key: T texts, N words, C code points of a block, M and J places that need care.

A word is a run of letters, digits and their marks after compatibility decomposition and case
folding. Ignorable characters vanish; an apostrophe or a single hyphen between two letters joins
them, also a hyphen at a line end. Ideographs, kana and the grapheme clusters of Thai, Lao, Khmer
and Myanmar are words of their own. A word that would pass 65,536 code points is cut there.
Two kinds of raw text that look the same can still differ: what a single code point abbreviates
(one half, a square with a Japanese word in it) is one word, spelled out it may be several.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes import characters as ch
from indexes.segments import is_white, segment
from indexes.word_hashes import TABLES, even_sums, hashes, kinds, plain_words, words_at

_Hashes = NDArray[np.uint64]
_Places = NDArray[np.int64]

SCHEME = "words-2"
"""Name of these rules and of the hash; an index made under other rules does not fit."""

_BLOCK = 2**17
"""Code points that are worked on at a time, so that the arrays stay in the cache."""

_MANY = 2**21
"""Code points to split at a time from which on the quick way is worth the second of its import."""

_QUICK_WAY = "indexes.plain_words"
"""Once it is there it is quicker for short texts too."""

_LONGEST = 2**16
"""A word is cut there as if the text began anew, so memory is bounded whatever the text."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some texts, in the order of the texts."""

    hashes_N: NDArray[np.uint64]
    """Of the normal form. Equal words have equal hashes; equal hashes prove nothing."""

    starts_N: NDArray[np.int64]
    """First code point of the word, counted in its own text."""

    ends_N: NDArray[np.int64]
    """Code point after its last; what is ignored inside a word lies inside."""

    offsets_T: NDArray[np.int64]
    """i64[T + 1]: the words of text t are those from offsets_T[t] to offsets_T[t + 1]."""


class _Found(NamedTuple):
    starts_N: _Places
    ends_N: _Places
    hashes_N: _Hashes

    def part(self, first: int, last: int, shift: int) -> "_Found":
        own = slice(first, last)
        return _Found(self.starts_N[own] + shift, self.ends_N[own] + shift, self.hashes_N[own])


class _Line(NamedTuple):
    """Code points of a block that still count, with their raw places (None: none was dropped)."""

    points_C: NDArray[Any]
    kinds_C: NDArray[np.uint8]
    places_C: _Places | None

    def keep(self, kept_C: NDArray[np.bool_]) -> "_Line":
        places_C = np.flatnonzero(kept_C) if self.places_C is None else self.places_C[kept_C]
        return _Line(self.points_C[kept_C], self.kinds_C[kept_C], places_C)


def normal(word: str) -> str:
    r"""Return the normal form of one raw word: decomposed, case folded, marks in order, no gaps.

    Args:
        word: the raw text of one word, as `split` cuts it out.

    >>> normal("Well-Kno\u00adwn"), normal("exam-\nple"), normal("\ufb01n\u00e9")
    ('wellknown', 'example', 'fine\u0301')
    """
    if word.isascii() and word.isalnum():
        return word.lower()
    return ch.ordered("".join(map(ch.kept, word)))


def split(texts: Sequence[str]) -> Words:
    """Find the words of texts; what is found in a text does not depend on the other texts.

    Args:
        texts: decoded text, in any normal form; lone surrogates separate words.

    Returns:
        The words in text order, places as code points of the text handed in.

    >>> words = split(["Don't stop", "DONT"])
    >>> words.starts_N.tolist(), words.ends_N.tolist(), words.offsets_T.tolist()
    ([0, 6, 0], [5, 10, 4], [0, 2, 3])
    >>> bool(words.hashes_N[0] == words.hashes_N[2])
    True
    """
    if sum(map(len, texts)) >= _MANY:
        import_module(_QUICK_WAY)
    found = [_block("")]
    counts: list[_Places] = [np.zeros(1, np.int64)]
    for batch in _batches(texts):
        several = _several(batch) if len(batch) > 1 else None
        if several is None:
            alone = [list(_pieces(text)) for text in batch]
            found.extend(piece for pieces in alone for piece in pieces)
            counts.append(np.array([sum(len(p.starts_N) for p in pieces) for pieces in alone]))
        else:
            found.append(several[0])
            counts.append(several[1])
    return Words(
        hashes_N=np.concatenate([piece.hashes_N for piece in found]),
        starts_N=np.concatenate([piece.starts_N for piece in found]),
        ends_N=np.concatenate([piece.ends_N for piece in found]),
        offsets_T=np.cumsum(np.concatenate(counts)),
    )


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _BLOCK:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield batch


def _several(texts: list[str]) -> tuple[_Found, _Places] | None:
    found = _block("\0".join(texts))
    if (found.ends_N - found.starts_N).max(initial=0) > _LONGEST:
        return None
    firsts_T = np.cumsum([0, *(len(text) + 1 for text in texts)])
    counts_T = np.diff(np.searchsorted(found.starts_N, firsts_T))
    shifts_N = np.repeat(firsts_T[:-1], counts_T)
    return _Found(found.starts_N - shifts_N, found.ends_N - shifts_N, found.hashes_N), counts_T


def _pieces(text: str) -> Iterator[_Found]:
    first, size = 0, _BLOCK
    while True:
        found = _block(text[first : first + size])
        count = len(found.starts_N)
        long_N = np.flatnonzero(found.ends_N - found.starts_N > _LONGEST)
        if len(long_N):
            yield found.part(0, long_N[0], first)
            first += int(found.starts_N[long_N[0]])
            yield _block(text[first : first + _LONGEST]).part(0, 1, first)
            first, size = first + _LONGEST, 2 * _LONGEST
        elif first + size >= len(text):
            yield found.part(0, count, first)
            return
        else:
            # the last word may go on: the next block begins with it, unless it is as long as can be
            again = count and found.starts_N[-1] > size - _LONGEST
            yield found.part(0, count - 1 if again else count, first)
            first, size = first + (int(found.starts_N[-1]) if again else size), _BLOCK


def _block(text: str) -> _Found:
    points_C = ch.points(text)
    if _QUICK_WAY in sys.modules and (plain := plain_words(points_C)):
        return _Found(*plain)
    line = _without_ignored(_Line(points_C, kinds(points_C), None))
    starts_N, ends_N, marks_M = segment(line.kinds_C)
    hashes_N = hashes(line.points_C, line.kinds_C, starts_N, ends_N)
    disordered = words_at(_disordered(line.points_C, marks_M), starts_N)
    if line.places_C is not None:
        starts_N, ends_N = line.places_C[starts_N], line.places_C[ends_N - 1] + 1
    found = _Found(starts_N, ends_N, hashes_N)
    if len(disordered):
        _mend(found, text, disordered)
    return found


def _without_ignored(line: _Line) -> _Line:
    if line.kinds_C.max(initial=0) < ch.IGNORED:
        return line
    line = line.keep(line.kinds_C != ch.IGNORED)
    kinds_C = line.kinds_C
    soft_J = np.flatnonzero(kinds_C == ch.SOFT)
    after_J = kinds_C[np.minimum(soft_J + 1, len(kinds_C) - 1)]
    # before white space a soft hyphen is the hyphen that is seen at a line end
    kinds_C[soft_J[is_white(after_J)]] = ch.HYPHEN
    return line.keep(kinds_C != ch.SOFT)


def _disordered(points_C: NDArray[np.intp], marks_M: _Places) -> _Places:
    """Return the places of marks that stand after one of a higher combining class."""
    class_M = TABLES.first_classes.take(points_C[marks_M])
    before_M = TABLES.last_classes.take(points_C[marks_M - 1])
    return marks_M[(class_M > 0) & (before_M > class_M)]


def _mend(found: _Found, text: str, words: _Places) -> None:
    """Write the hashes of some words again, from their normal forms."""
    forms = [normal(text[found.starts_N[n] : found.ends_N[n]]) for n in words.tolist()]
    points_C = ch.points("".join(forms)).astype(np.intp)
    TABLES.kinds(points_C)
    edges = np.cumsum([0, *map(len, forms)])
    found.hashes_N[words] = ch.scatter(even_sums(points_C, edges[:-1], edges[1:]))
