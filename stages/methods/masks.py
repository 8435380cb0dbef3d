"""Masks: where generations of one prompt agree although they differ elsewhere.

A template is a fixed layout with a region that varies. Generations that share one agree pixel by
pixel on the layout. Plain surfaces agree by chance, so that an agreement counts only as far as it
holds detail: pixels with a steep gradient.

Dimension key: N generations, M members of a group, H height, W width, C = 3 channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures.alike import Graph
from stages.measures.cliques import largest_clique
from stages.measures.distances import Bytes, Floats

Mask = NDArray[np.bool_]

_MAX_STEPS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRule:
    """What makes a template; areas are shares of the picture."""

    max_spread: float = 0.06
    """Largest spread of a pixel that is fixed: root mean square deviation from the mean of the
    members, over members and channels, pixels in [0, 1]. Two members agree where they differ by at
    most twice that."""

    steep: float = 0.06
    """Least gradient of a pixel with detail, per pixel of the compared size, pixels in [0, 1]."""

    min_members: int = 3
    """Fewest generations that must agree; 2 or more. Two of many agree by chance."""

    min_area: float = 0.2
    """Least share of the picture that is fixed."""

    min_detail: float = 0.05
    """Least share of the picture that is fixed and has detail: the guard against plain surfaces."""

    max_templates: int = 4
    """Most templates that are taken from one prompt, from 1."""

    def __post_init__(self) -> None:
        """Refuse rules that anything would meet.

        Raises:
            ValueError: a knob is out of range.
        """
        for name in ("max_spread", "steep", "min_area", "min_detail"):
            if not 0 < (found := getattr(self, name)) <= 1:
                raise ValueError(f"{name}: expected a number in (0, 1], got {found}")
        for name, least in (("min_members", 2), ("max_templates", 1)):
            if (count := getattr(self, name)) < least:
                raise ValueError(f"{name}: expected at least {least}, got {count}")


class Template(NamedTuple):
    """A layout that several generations share."""

    members: tuple[int, ...]
    """Generations that agree, in order."""

    picture_HWC: Bytes
    """Their mean; means something under the mask only."""

    mask_HW: Mask
    """Where they agree."""

    detail_HW: Mask
    """Where they agree and there is detail, with its neighbour pixels."""

    @property
    def area(self) -> float:
        """Share of the picture that is fixed."""
        return float(self.mask_HW.mean())


def templates(generations_NHWC: Bytes, rule: MaskRule) -> Iterator[Template]:
    """Yield the layouts that groups of generations share, largest group first.

    The group is the largest clique under pairwise agreement; its members are then set aside, and
    the next group is looked for among the rest.

    Args:
        generations_NHWC: u8[N, H, W, C], of one prompt, at the size of the pixel index.
        rule: what makes a template.

    Source: after Webster 2023, arXiv:2305.08694, whose code makes masks of two retrieved images
    (sum_channels |a - b| < 0.03, erosion, dilation); from generations: his roadmap.
    """
    linked_NN = agreement(generations_NHWC, rule)
    left_N = np.ones(len(linked_NN), np.bool_)
    for _ in range(rule.max_templates):
        nodes_M = np.flatnonzero(left_N)
        if len(nodes_M) < rule.min_members:
            return
        linked_MM = linked_NN[np.ix_(nodes_M, nodes_M)]
        found = largest_clique(Graph(linked_MM, np.zeros(linked_MM.shape)), _MAX_STEPS)
        members = nodes_M[list(found.members)]
        if len(members) < rule.min_members:
            return
        left_N[members] = False
        template = template_of(generations_NHWC, tuple(members.tolist()), rule)
        if template is not None:
            yield template


def agreement(generations_NHWC: Bytes, rule: MaskRule) -> Mask:
    """Return which pairs of generations agree on enough detail, bool[N, N]; nobody with itself."""
    count = len(generations_NHWC)
    linked_NN = np.zeros((count, count), np.bool_)
    values_NHWC = generations_NHWC.astype(np.float32) / 255
    detail_NHW = np.zeros(values_NHWC.shape[:3], np.bool_)
    for one in range(count):
        detail_NHW[one] = gradient(values_NHWC[one]) > rule.steep
    for one in range(1, count):
        apart_NHW = np.square(values_NHWC[:one] - values_NHWC[one]).mean(axis=3)
        same_NHW = opened(apart_NHW <= (2 * rule.max_spread) ** 2)
        area_N = same_NHW.mean(axis=(1, 2))
        detail_N = (same_NHW & detail_NHW[:one] & detail_NHW[one]).mean(axis=(1, 2))
        linked_NN[one, :one] = (area_N >= rule.min_area) & (detail_N >= rule.min_detail)
    return linked_NN | linked_NN.T


def template_of(
    generations_NHWC: Bytes, members: tuple[int, ...], rule: MaskRule
) -> Template | None:
    """Return the template of some generations; None if too little is fixed, or it is too plain."""
    values_MHWC = generations_NHWC[list(members)].astype(np.float64) / 255
    mean_HWC = values_MHWC.mean(axis=0)
    spread_HW = np.sqrt(np.square(values_MHWC - mean_HWC).mean(axis=(0, 3)))
    mask_HW = opened((spread_HW <= rule.max_spread)[None])[0]
    steep_HW = mask_HW & (gradient(mean_HWC) > rule.steep)
    if mask_HW.mean() < rule.min_area or steep_HW.mean() < rule.min_detail:
        return None
    detail_HW = mask_HW & _grown(steep_HW[None])[0]
    picture_HWC = np.rint(mean_HWC * 255).astype(np.uint8)
    return Template(members, picture_HWC, mask_HW, detail_HW)


def gradient(picture_HWC: NDArray[np.floating]) -> Floats:
    """Return the length of the gradient of each pixel, largest over channels, f64[H, W].

    >>> gradient(np.repeat(np.array([[0.0, 0.5, 1.0]] * 2)[:, :, None], 3, axis=2))[0].tolist()
    [0.5, 0.5, 0.5]
    """
    down_HWC, across_HWC = np.gradient(picture_HWC, axis=(0, 1))
    length: Floats = np.hypot(down_HWC, across_HWC).max(axis=2)
    return length


def opened(mask_NHW: Mask) -> Mask:
    """Return the masks without what a square of 3 pixels does not fit into; borders count as set.

    Source: Webster 2023, code, make_mask_between_imgs: erosion, then dilation.
    """
    return _grown(~_grown(~mask_NHW))


def _grown(mask_NHW: Mask) -> Mask:
    """Return the masks grown by one pixel in all eight directions."""
    across = mask_NHW.copy()
    across[:, :, 1:] |= mask_NHW[:, :, :-1]
    across[:, :, :-1] |= mask_NHW[:, :, 1:]
    both = across.copy()
    both[:, 1:] |= across[:, :-1]
    both[:, :-1] |= across[:, 1:]
    return both
