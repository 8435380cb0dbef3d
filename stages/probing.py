"""Probing: how much is planted on purpose, and which works a committed draw takes for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

PLANTED = "planted"
"""Origin of the prompts of whole copies."""

_PART = PLANTED + "_"
_HALVES = ("train", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbesConfig:
    """What is copied on purpose, to measure the detection limit."""

    works: int = 100
    """Works whose pictures are copied, half of them controls, 0 or more; 0 leaves the run without
    a limit. A 95 % limit needs 72 works, all of them found; of 200 three may be missed. Where a
    case asks for the verdicts `template` and `partial`, parts of the same works are copied too."""

    texts: int = 100
    """The same for works of text, of each of which one passage is copied, as long as an output."""

    choice_seed: int = 0
    """Seed of the draw of the works, from 0."""

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            ValueError: a knob is out of range.
        """
        for name in ("works", "texts", "choice_seed"):
            if (found := getattr(self, name)) < 0:
                raise ValueError(f"probes.{name}: expected 0 or more, got {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionProbesConfig:
    """What of works is copied in part; the case fills it in from `probes`, `score` and `flag`."""

    methods: tuple[str, ...]
    """Methods with a verdict of their own that the case asks for: `template`, `partial`."""

    works: int = 100
    """As in `probes`."""

    choice_seed: int = 0
    """As in `probes`, so that parts are copied of the same works as wholes."""

    layout_seeds: int = 3
    """Images of one copy of a layout: the fewest that give a verdict, because a layout is what
    several images share. More would be easier to find."""

    per_half: int = 2
    """Works of each half that `partial` looks at where no prompt names a work."""


def part_of(method: str) -> str:
    """Return the origin of prompts whose copies one method alone is to find.

    >>> part_of("partial")
    'planted_partial'
    """
    return _PART + method


def wanted_by(origin: str | None) -> str:
    """Return the one method that is to look at what was made of a prompt; empty for all.

    >>> wanted_by("planted_partial"), wanted_by("random")
    ('partial', '')
    """
    return (origin or "").partition(_PART)[2]


def drawn(halves: Mapping[str, str], number: int, seed: int) -> list[str]:
    """Return works by a committed draw, in its order.

    Args:
        halves: work_id -> half.
        number: works to take, as many of either half as there are; what one half lacks comes from
            the other.
        seed: of the draw, from 0.

    >>> sorted(drawn({"a": "train", "b": "train", "c": "train", "d": "control"}, 3, 0))[-1]
    'd'
    """
    key = seed.to_bytes(16, "big")
    rank = {name: blake2b(name.encode(), key=key).digest() for name in halves}
    train, control = (
        sorted((name for name in halves if halves[name] == half), key=rank.__getitem__)
        for half in _HALVES
    )
    of_train = min(len(train), number - min(len(control), number // 2))
    taken = train[:of_train] + control[: number - of_train]
    return sorted(taken, key=rank.__getitem__)
