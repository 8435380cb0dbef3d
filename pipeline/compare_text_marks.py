"""Marks: what is to be seen in each of two texts, as stretches of characters."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeline.compare_text import Comparison
from pipeline.compare_text_lines import top_passages
from stages.measures.chaining import Stretch

NEAR, DIFFERS, VERBATIM = "near", "differs", "verbatim"


class Mark(NamedTuple):
    """Characters that look alike."""

    start: int
    end: int
    kind: str
    unit: int
    """Number of the run of equal words, the same on both sides; -1 for words that differ."""


class Notes(NamedTuple):
    """What is inserted at a place of a text."""

    numbers: Mapping[int, list[int]]
    """Character -> numbers of the passages that start there."""

    lost: Mapping[int, list[str]]
    """Character of the output -> words that the work has there instead."""


class Marks(NamedTuple):
    """Marks of both sides; later ones lie over earlier ones."""

    units: Mapping[Stretch, int]
    output: tuple[Mark, ...]
    work: tuple[Mark, ...]
    output_notes: Notes
    work_notes: Notes
    echoed: tuple[tuple[int, int], ...]
    """Characters of the output that its prompt has too, with what lies between the words."""


def marks_of(compared: Comparison) -> Marks:
    """Return the marks of both texts."""
    output, work, found, _ = compared
    passages = sorted(found.passages, key=lambda passage: passage.kind)  # verbatim over near
    units: dict[Stretch, int] = {}
    left, right = [], []
    lost: dict[int, list[str]] = {}
    for passage in passages:
        kind = NEAR if passage.edits else VERBATIM
        for stretch in passage.stretches:
            unit = units.setdefault(stretch, len(units))
            made = output.wording.chars(stretch.output, stretch.output + stretch.words)
            held = work.wording.chars(stretch.text, stretch.text + stretch.words)
            left.append(Mark(*made, kind, unit))
            right.append(Mark(*held, kind, unit))
        for _, made_start, made_end, start, end in passage.edits:
            left.append(Mark(made_start, made_end, DIFFERS, -1))
            right.append(Mark(start, end, DIFFERS, -1))
            if start < end:
                lost.setdefault(made_start, []).append(work.text[start:end])
    outer = list(top_passages(found.passages))
    return Marks(
        units=units,
        output=tuple(mark for mark in left if mark.start < mark.end),
        work=tuple(mark for mark in right if mark.start < mark.end),
        output_notes=Notes(_numbered(passage.output_start for passage in outer), lost),
        work_notes=Notes(_numbered(passage.text_start for passage in outer), {}),
        echoed=tuple(_echoed(compared)),
    )


def _numbered(starts: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, start in enumerate(starts, start=1):
        found.setdefault(start, []).append(number)
    return found


def _echoed(compared: Comparison) -> list[tuple[int, int]]:
    flags = [False, *compared.found.echoed_N.tolist(), False]
    ends = [word for word in range(len(flags) - 1) if flags[word] != flags[word + 1]]
    return [
        compared.output.wording.chars(first, end)
        for first, end in zip(ends[::2], ends[1::2], strict=True)
    ]
