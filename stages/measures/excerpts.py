"""Excerpts: a text of which only the words around its runs were read, compared as if it was whole.

Dimension key: N words of the excerpt, K windows, P partings, R runs, 3 of (first word in the
output, first word in the text, number of words).

The windows stand one after the other, between two of them and where the text goes on beyond the
first or last a parting: a word that equals no other. A comparison that never looks at a parting has
seen all that it would have seen of the whole text; one that does is made again with wider windows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.reading import Stretch as Window
from indexes.words import Words
from stages.measures.chaining import REACH, Block
from stages.measures.passages import Overlap, Passage, overlap
from stages.measures.wording import Lexicon, Wording

BESIDE = REACH + 8
"""Words of a text that are read beside a run: a look beyond its end, and some that match there."""

_WIDER = 4


class Excerpt(Wording):
    """Some windows of a text; words and code points are counted in the excerpt."""

    def __init__(
        self, windows: Sequence[Window], bounds: tuple[int, int], lexicon: Lexicon
    ) -> None:
        """Put windows together.

        Args:
            windows: in the order of the text, at least one; none touches the next.
            bounds: first word of the text and word after its last, as the windows count them.
            lexicon: shared with the output.
        """
        gaps = [int(windows[0].first > bounds[0]), *[1] * (len(windows) - 1)]
        last = windows[-1].first + len(windows[-1].hashes_N)
        sizes_K = np.array([len(window.hashes_N) for window in windows])
        chars_K = np.array([len(window.text) for window in windows])
        first_K = np.cumsum(sizes_K + gaps) - sizes_K
        char_K = np.cumsum(chars_K) - chars_K
        size = int(first_K[-1] + sizes_K[-1]) + int(last < bounds[1])
        words = Words(
            hashes_N=np.zeros(size, np.uint64),
            starts_N=np.zeros(size, np.int64),
            ends_N=np.zeros(size, np.int64),
            offsets_T=np.array([0, size]),
        )
        places = zip(windows, first_K.tolist(), char_K.tolist(), strict=True)
        for window, first, char in places:
            own = slice(first, first + len(window.hashes_N))
            words.hashes_N[own] = window.hashes_N
            words.starts_N[own] = window.starts_N + char
            words.ends_N[own] = window.ends_N + char
        super().__init__("".join(window.text for window in windows), lexicon, words)
        self._of_forms = lexicon
        self._all = words
        self._found_ids_N = np.full(size, -1, np.int32)
        self._first_K = first_K.tolist()
        # what to add to a place in the excerpt for the place in the text
        self._more_K = (np.array([w.first - bounds[0] for w in windows]) - first_K).tolist()
        self._more_chars_K = (np.array([window.start for window in windows]) - char_K).tolist()
        before = [first - 1 for first, gap in zip(self._first_K, gaps, strict=True) if gap]
        self._partings = [*before, *([size - 1] if last < bounds[1] else [])]
        self.is_short = False

    def read(self, spans: Iterable[tuple[int, int]]) -> None:
        """Read nothing: all that there is was read."""

    def ids(self, first: int, end: int) -> NDArray[np.int32]:
        """Return int32[W], the ids of words first..end-1, and note if one of them is a parting."""
        self._note(first, end)
        ids_W = self._found_ids_N[first:end]
        missing = np.flatnonzero(ids_W < 0)
        if len(missing):
            starts, ends = (
                places_N[first:end][missing].tolist()
                for places_N in (self._all.starts_N, self._all.ends_N)
            )
            text = self.text
            ids_W[missing] = self._of_forms.ids(
                [text[start:end] for start, end in zip(starts, ends, strict=True)]
            )
        return ids_W

    def hashes(self, first: int, end: int) -> NDArray[np.uint64]:
        """Return uint64[W], the hashes of words first..end-1, and note if one is a parting."""
        self._note(first, end)
        return self._all.hashes_N[first:end]

    def chars(self, first: int, end: int) -> tuple[int, int]:
        """Return where words first..end-1 stand, in code points of the excerpt."""
        if first < end:
            return int(self._all.starts_N[first]), int(self._all.ends_N[end - 1])
        place = int(self._all.ends_N[first - 1]) if first else 0
        return place, place

    def _note(self, first: int, end: int) -> None:
        at = bisect_left(self._partings, first)
        self.is_short |= at < len(self._partings) and self._partings[at] < end

    def inside(self, runs_R3: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return runs of the text as runs of the excerpt."""
        firsts = [first + more for first, more in zip(self._first_K, self._more_K, strict=True)]
        row_R = np.searchsorted(firsts, runs_R3[:, 1], side="right") - 1
        inside_R3 = runs_R3.copy()
        inside_R3[:, 1] -= np.take(self._more_K, row_R)
        return inside_R3

    def outside(self, found: Overlap) -> Overlap:
        """Return what was found, as places in the text."""
        row_R = np.searchsorted(self._first_K, found.runs_R3[:, 1], side="right") - 1
        runs_R3 = found.runs_R3.copy()
        runs_R3[:, 1] += np.take(self._more_K, row_R)
        return found._replace(
            passages=tuple(self._passage(passage) for passage in found.passages),
            blocks=tuple(self._block(block) for block in found.blocks),
            runs_R3=runs_R3,
        )

    def _window(self, word: int) -> int:
        return bisect_right(self._first_K, word) - 1

    def _block(self, block: Block) -> Block:
        more = self._more_K[self._window(block[0].text)]
        return tuple(stretch._replace(text=stretch.text + more) for stretch in block)

    def _passage(self, passage: Passage) -> Passage:
        more = self._more_chars_K[self._window(passage.text_word)]
        return replace(
            passage,
            text_start=passage.text_start + more,
            text_end=passage.text_end + more,
            edits=tuple(
                edit._replace(text_start=edit.text_start + more, text_end=edit.text_end + more)
                for edit in passage.edits
            ),
            stretches=self._block(passage.stretches),
        )


class Seen(NamedTuple):
    """What an output and a text share, and what was read of the text."""

    text: Excerpt
    """The text where they are alike."""

    inside: Overlap
    """What they share, as places in the excerpt."""

    overlap: Overlap
    """The same, as places in the whole text."""


def overlap_of_excerpt(
    output: Wording,
    read: Callable[[int], Excerpt],
    *,
    runs_R3: NDArray[np.int64],
    echoed_N: NDArray[np.bool_],
) -> Seen:
    """Return the passages of an output that stand in a text, the same as `overlap` of the whole.

    Args:
        output: the output, with the lexicon of the text.
        read: gives the text with so many words on both sides of every run.
        runs_R3: int64[R, 3], runs of the two, in words of the whole text.
        echoed_N: bool[N], see `echoes.echoed`.
    """
    beside = BESIDE
    while True:
        text = read(beside)
        found = overlap(output, text, runs_R3=text.inside(runs_R3), echoed_N=echoed_N)
        if not text.is_short:
            return Seen(text, found, text.outside(found))
        beside *= _WIDER
