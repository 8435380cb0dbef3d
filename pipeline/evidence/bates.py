"""Bates numbers: one per page, never given twice, kept beside the run.

A family (item, reference, generated) has its numbers in a row. The same family has the same
numbers in every bundle of a run; a family that is gone leaves a gap, and the gap is written down.
"""

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import CaseError, RunError

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
_PADDING = range(4, 13)


class Gap(NamedTuple):
    """Numbers that no page of a volume has."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """What numbers look like."""

    prefix: str = "PAL"
    """Before the digits; a letter first."""

    padding: int = 7
    """Digits, with zeros in front; 4 to 12."""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise CaseError(
                f"--bates-prefix {self.prefix!r}: expected a letter, then letters, digits, - or _,"
                " 16 at most"
            )
        if self.padding not in _PADDING:
            raise CaseError(f"--padding {self.padding}: expected 4 to 12 digits")

    def show(self, number: int) -> str:
        """Return a number as it stands on a page.

        >>> Numbering().show(42)
        'PAL0000042'
        """
        digits = f"{number:0{self.padding}}"
        if len(digits) > self.padding:
            raise RunError(f"{self.prefix}: {number} does not fit {self.padding} digits")
        return self.prefix + digits


@dataclass
class Register:
    """Which numbers were given, of one prefix and padding."""

    path: Path
    numbering: Numbering
    next: int = 1
    families: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Key of a family -> its first number and how many it has."""

    def number(self, key: str, pages: int) -> int:
        """Return the first number of a family; a new one gets the next that are free."""
        if key not in self.families:
            self.families[key] = (self.next, pages)
            self.next += pages
        first, had = self.families[key]
        if had != pages:
            raise RunError(f"{key}: has {pages} pages and had {had}; numbers are never reused")
        return first

    def save(self) -> None:
        """Keep what was given, so that nothing is given twice."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        value = {"next": self.next, "families": self.families}
        draft = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}")
        draft.write_text(json.dumps(value, indent=0, sort_keys=True), encoding="utf-8")
        draft.replace(self.path)


def open_register(folder: Path, numbering: Numbering) -> Register:
    """Return what was given before in a run.

    Args:
        folder: the run folder.
        numbering: prefix and padding.

    Raises:
        RunError: the register is damaged.
    """
    path = folder / "bates" / f"{numbering.prefix}-{numbering.padding}.json"
    if not path.exists():
        return Register(path, numbering)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        families = {key: (first, pages) for key, (first, pages) in found["families"].items()}
        return Register(path, numbering, int(found["next"]), families)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: cannot be read as a register of Bates numbers: {error}; without it numbers"
            " could be given twice: bring it back, or use another --bates-prefix"
        ) from error


def gaps(used: Iterable[tuple[int, int]]) -> Iterator[Gap]:
    """Yield the numbers below the last that nobody has.

    Args:
        used: first number and how many, of each family.

    >>> list(gaps([(4, 3), (10, 3)]))
    [Gap(first=1, last=3), Gap(first=7, last=9)]
    """
    at = 1
    for first, pages in sorted(used):
        if first > at:
            yield Gap(at, first - 1)
        at = first + pages
