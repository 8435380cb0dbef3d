"""Partial: a region of a work that came back cropped, mirrored, scaled or pasted elsewhere.

Patches of the generation nominate placings of the work, the work is laid over the generation and
fitted, and what agrees is measured again on the pixels.

Dimension key: K candidates, H height, W width, C = 3 channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.measures.distances import Bytes
from stages.methods.aligned import Fit, RegionRule, fit
from stages.methods.l2 import check_bytes
from stages.methods.patches import placings, scaled
from stages.methods.places import carried, resized, share


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRule:
    """What counts as a regional copy."""

    max_side: int = 64
    """Pictures are compared at most at this size, longest side, in pixels. The time grows with its
    fourth power; the smallest region that can be found is 12 pixels wide at this size."""

    num_placings: int = 3
    """Placings of a work that are looked at closely; 1 or more."""

    region: RegionRule = field(default_factory=RegionRule)
    """What counts as a region that is the same."""

    min_correlation: float = 0.85
    """Least of both correlations of a match."""

    max_l2: float = 0.12
    """Largest l2 of a match after alignment, pixels in [0, 1]: colours have to agree too."""

    min_bits: float = 30.0
    """Least bits of a match. Nominates; a verdict needs a calibrated one, of the margin."""


def find(
    made_HWC: Bytes, works: Sequence[Bytes], rule: PartialRule | None = None
) -> list[Fit | None]:
    """Return how the best region of each work lies in the generation; None where there is none.

    Args:
        made_HWC: u8[H, W, C], the generation.
        works: K candidates u8[H, W, C], each of any size, such as those that a descriptor or an
            index names.
        rule: the knobs; defaults without it.

    Returns:
        One entry per work, in order, whether it matches or not: `matches` says which do, and
        `margins` ranks them, training works and control works alike. Boxes and matrix are in the
        pixels of the pictures as they were given.

    Raises:
        ValueError: pixels are not 8-bit.

    Source: nomination and check as in Somepalli et al. 2023, arXiv:2212.03860, ask for ("identical
    object"), by patches, votes and alignment; see `patches` and `aligned`.
    """
    rule = rule or PartialRule()
    check_bytes(made_HWC, *works)
    return [_best(made_HWC, work_HWC, rule) for work_HWC in works]


def matches(found: Fit, rule: PartialRule | None = None) -> bool:
    """Return whether a region is a regional copy by this rule."""
    rule = rule or PartialRule()
    least = min(found.correlation, found.detail_correlation)
    return least >= rule.min_correlation and found.l2 <= rule.max_l2 and found.bits >= rule.min_bits


def margins(found: Sequence[Fit | None]) -> list[float | None]:
    """Return by how many bits each work's region is better told by it than by any other work.

    What many works hold, such as a sun of which an artist draws dozens, comes back without being a
    copy of one of them. Another work's bits count as far as its region lies in this one.

    Args:
        found: answers of `find` for one generation: one entry per work, so that near-duplicates of
            a work are not its rivals, and works of both halves among them.

    Returns:
        Bits of the work less those of the best other one; None where there is no region.
    """
    return [
        None if one is None else one.bits - _best_other(one, [*found[:place], *found[place + 1 :]])
        for place, one in enumerate(found)
    ]


def _best_other(one: Fit, others: Sequence[Fit | None]) -> float:
    told = (other.bits * share(other.made_box, one.made_box) for other in others if other)
    return max(told, default=0.0)


def to_each(made_HWC: Bytes, works_NHWC: Bytes) -> list[float | None]:
    """Return by how many bits each work tells its region better than any other work does.

    None where no region agrees.

    Args:
        made_HWC: u8[H, W, C], the generation.
        works_NHWC: u8[N, H, W, C], nominated works of both halves, one picture per work: each
            costs tens of milliseconds.

    Source: as `find` and `margins`.
    """
    return margins(find(made_HWC, list(works_NHWC)))


def _best(made_HWC: Bytes, work_HWC: Bytes, rule: PartialRule) -> Fit | None:
    made, work = (_fitting(picture, rule.max_side) for picture in (made_HWC, work_HWC))
    guesses = placings(made, work, rule.num_placings)
    found = [one for guess in guesses if (one := fit(made, work, guess, rule.region))]
    if not found:
        return None
    best = max(found, key=lambda one: one.bits)
    return _as_given(best, (made.shape, made_HWC.shape), (work.shape, work_HWC.shape))


def _as_given(
    found: Fit, made: tuple[tuple[int, ...], ...], work: tuple[tuple[int, ...], ...]
) -> Fit:
    """Return the fit in pixels of the given pictures; each is (compared shape, given shape)."""
    made_23 = resized(*made)[:2]
    matrix_33 = np.vstack([found.matrix_23, [0.0, 0.0, 1.0]])
    matrix_33 = resized(*work) @ matrix_33 @ resized(made[1], made[0])
    return found._replace(
        matrix_23=matrix_33[:2],
        made_box=carried(found.made_box, made_23, made[1]),
        work_box=carried(found.work_box, resized(*work)[:2], work[1]),
    )


def _fitting(picture_HWC: Bytes, max_side: int) -> Bytes:
    longest = max(picture_HWC.shape[:2])
    return picture_HWC if longest <= max_side else scaled(picture_HWC, max_side / longest)
