"""Panes: both texts of a comparison, cut where their look changes; the far parts folded away.

Dimension key: C characters of a part, E places where the look may change.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.compare_text import Comparison
from pipeline.compare_text_marks import Mark, Marks, Notes

AROUND = 500
"""Characters of the work that stay visible on both sides of a match."""

MIN_FOLDED = 600
"""Fewer characters are not worth a fold."""

MAX_FOLDED = 30_000
"""More characters are not in the page at all."""


class Segment(NamedTuple):
    """Characters with one look."""

    text: str
    kind: str
    """`near`, `differs`, `verbatim` or empty."""

    unit: int
    """Run of equal words that a click leads to; -1 for none."""

    ids: tuple[int, ...]
    """Runs of equal words that start here."""

    numbers: tuple[int, ...]
    """Passages that start here."""

    lost: tuple[str, ...]
    """Words of the work that the output has not, before these characters."""

    echoed: bool
    """True if the prompt has them too."""


class Part(NamedTuple):
    """A part of the work: visible, folded, or too long to be in the page."""

    segments: tuple[Segment, ...]
    folded_words: int
    """Words of a part without a match; 0 for a visible one."""


def output_pane(compared: Comparison, marks: Marks) -> list[Segment]:
    """Return the whole output."""
    text = compared.output.text
    return list(_segments(text, (0, len(text)), marks.output, (marks.output_notes, marks.echoed)))


def work_pane(compared: Comparison, marks: Marks) -> list[Part]:
    """Return the work, what lies far from every match folded away."""
    text, wording = compared.work.text, compared.work.wording
    parts: list[Part] = []
    at = 0
    for start, end in [*_visible(text, marks.work), (len(text), len(text))]:
        if at < start:
            words = np.searchsorted(wording.starts_N, (at, start))
            plain = Segment(text[at:start], "", -1, (), (), (), echoed=False)
            fits = start - at <= MAX_FOLDED
            parts.append(Part((plain,) if fits else (), max(1, int(words[1] - words[0]))))
        if start < end:
            within = [mark for mark in marks.work if start <= mark.start < end]
            segments = _segments(text, (start, end), tuple(within), (marks.work_notes, ()))
            parts.append(Part(tuple(segments), 0))
        at = end
    return parts


def _visible(text: str, marks: tuple[Mark, ...]) -> list[tuple[int, int]]:
    """Return the stretches of characters around matches; the beginning if there is none."""
    near = sorted((mark.start - AROUND, mark.end + AROUND) for mark in marks) or [(0, AROUND)]
    found: list[tuple[int, int]] = []
    for start, end in near:
        first, last = _to_space(text, max(0, start), -1), _to_space(text, min(len(text), end), 1)
        first = 0 if first < MIN_FOLDED else first + _num_spaces(text[first : first + AROUND])
        last = len(text) if last > len(text) - MIN_FOLDED else last
        if found and first <= found[-1][1] + MIN_FOLDED:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _num_spaces(text: str) -> int:
    return len(text) - len(text.lstrip())


_SPACE = re.compile(r"\s")


def _to_space(text: str, at: int, step: int) -> int:
    """Return a place nearby where no word is cut."""
    for away in range(40):
        place = at + step * away
        if not 0 < place < len(text):
            return min(max(place, 0), len(text))
        if _SPACE.match(text[place]):
            return place
    return at


def _segments(
    text: str,
    part: tuple[int, int],
    marks: tuple[Mark, ...],
    notes: tuple[Notes, tuple[tuple[int, int], ...]],
) -> Iterator[Segment]:
    first, end = part
    (numbers, lost), echoed = notes
    mark_C = np.full(end - first + 1, -1, np.int32)
    echo_C = np.zeros(end - first + 1, np.bool_)
    ids: dict[int, list[int]] = {}
    for number, mark in enumerate(marks):
        mark_C[mark.start - first : mark.end - first] = number
        if mark.unit >= 0 and mark.unit not in ids.setdefault(mark.start, []):
            ids[mark.start].append(mark.unit)
    for start, stop in echoed:
        echo_C[start - first : stop - first] = True
    changes = np.flatnonzero((np.diff(mark_C) != 0) | np.diff(echo_C)) + 1 + first
    places = {first, end, *changes.tolist(), *ids, *numbers, *lost}
    cuts = sorted(place for place in places if first <= place <= end)
    for start, stop in zip(cuts, [*cuts[1:], end], strict=True):
        mark = marks[mark_C[start - first]] if mark_C[start - first] >= 0 else Mark(0, 0, "", -1)
        yield Segment(
            text=text[start:stop],
            kind=mark.kind,
            unit=mark.unit,
            ids=tuple(ids.get(start, ())),
            numbers=tuple(numbers.get(start, ())),
            lost=tuple(lost.get(start, ())),
            echoed=bool(echo_C[start - first]),
        )
