"""Template: works whose fixed layout came back, whatever stands in the region that varies.

Dimension key: G generations of one prompt, R rows of the pixel index, N images sorted by work,
W works, Q templates, H height, W width (after H), C = 3 channels, D values of a picture.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures.distances import Bytes, Floats
from stages.measures.nearest import nearest_of_each
from stages.methods.l2 import check_bytes
from stages.methods.masked_search import masked_l2, masked_squares
from stages.methods.masks import MaskRule, Template, templates


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRule:
    """What makes a template, and how close a work must lie to it."""

    mask: MaskRule = field(default_factory=MaskRule)
    """What generations must share."""

    max_distance: float = 0.15
    """Largest distance of a match, pixels in [0, 1]: that of Carlini et al. 2023. Webster's 2,500
    is 0.113; models blur what they remember. Nominates; a verdict needs a calibrated one."""

    num_others: int = 50
    """Nearest other works whose mean distance is the scale of the ratio, from 1."""

    alpha: float = 0.5
    """Factor on that mean; a ratio below 1 is a match."""

    device: str = "cpu"
    """torch device of the search."""


class WorksView(NamedTuple):
    """The pixel index and how its rows make up works."""

    pixels_RD: Bytes
    """u8[R, D], may be a memory map; squares of the generations' size, flattened."""

    row_N: NDArray[np.intp]
    """Row of each image, images sorted by work."""

    starts_W: NDArray[np.intp]
    """First image of each work."""

    @classmethod
    def one_each(cls, works_NHWC: Bytes) -> "WorksView":
        """Return the view in which each picture is a work."""
        order_N = np.arange(len(works_NHWC))
        return cls(works_NHWC.reshape(len(works_NHWC), -1), order_N, order_N)


class Found(NamedTuple):
    """A template and how far everything lies from it."""

    template: Template

    distances_N: Floats
    """f64[N]: the larger of two distances, on all that is fixed and on the detail in it; [0, 1]."""

    distances_W: Floats
    """f64[W]: that of the nearest image of each work."""

    ratios_W: Floats | None
    """f64[W]: distance over alpha times the mean of the nearest other works; None where there are
    too few works for the mean; infinite where the mean is 0."""

    works: tuple[int, ...]
    """Works that match by distance and by ratio, nearest first."""


def find(
    generations_GHWC: Bytes, works: WorksView, rule: TemplateRule | None = None
) -> list[Found]:
    """Return the templates that generations of one prompt share, each with its matches.

    Two distances, because plain surfaces are alike in unrelated works: one on all that is fixed,
    and one on the detail alone. A work is as far away as the larger says. A ratio besides, because
    ordinary layouts, such as a horizon, are near to many works.

    Args:
        generations_GHWC: u8[G, H, W, C], of one prompt, at the size of the index.
        works: the whole pixel index.
        rule: the knobs; defaults without it.

    Returns:
        Largest group first; empty if no group shares enough. Every work has a distance, so that
        training and control works can be compared.

    Raises:
        ValueError: the sizes differ, or pixels are not 8-bit.

    Source: Webster 2023, arXiv:2305.08694, code (TV) and roadmap ("template masks"); the ratio
    after Carlini et al. 2023, section 5.1.
    """
    rule = rule or TemplateRule()
    check_bytes(generations_GHWC, works.pixels_RD)
    size = generations_GHWC[0].size if len(generations_GHWC) else works.pixels_RD.shape[1]
    if size != works.pixels_RD.shape[1]:
        raise ValueError(
            f"expected generations of {works.pixels_RD.shape[1]} values, as the index has,"
            f" got {generations_GHWC.shape[1:]}; resize first"
        )
    shared = list(templates(generations_GHWC, rule.mask))
    if not shared:
        return []
    pictures_QD = np.stack([one.picture_HWC.ravel() for one in shared for _ in range(2)])
    masks = [mask for one in shared for mask in (one.mask_HW, one.detail_HW)]
    masks_QD = np.stack([np.repeat(mask.ravel(), 3) for mask in masks])
    sums_QR = masked_squares(pictures_QD, masks_QD, works.pixels_RD, rule.device)
    distances = masked_l2(sums_QR, masks_QD).reshape(len(shared), 2, -1).max(axis=1)
    pairs = zip(shared, distances[:, works.row_N], strict=True)
    return [_found(one, row_N, works.starts_W, rule) for one, row_N in pairs]


def to_each(generations_GHWC: Bytes, works_NHWC: Bytes) -> list[float | None]:
    """Return the smallest ratio of any template to each work.

    None for all works if the generations share no template or there are too few works.

    Args:
        generations_GHWC: u8[G, H, W, C], all generations of one prompt.
        works_NHWC: u8[N, H, W, C].

    Source: as `find`.
    """
    found = find(generations_GHWC, WorksView.one_each(works_NHWC))
    ratios = [one.ratios_W for one in found if one.ratios_W is not None]
    if not ratios:
        return [None] * len(works_NHWC)
    return list(np.min(ratios, axis=0).tolist())


def _found(
    template: Template, distances_N: Floats, starts_W: NDArray[np.intp], rule: TemplateRule
) -> Found:
    distances_W = nearest_of_each(distances_N, starts_W)
    ratios_W = ratios(distances_W, num_others=rule.num_others, alpha=rule.alpha)
    near: tuple[int, ...] = ()
    if ratios_W is not None:
        match_W = (distances_W <= rule.max_distance) & (ratios_W < 1)
        order = np.argsort(distances_W, kind="stable")
        near = tuple(order[match_W[order]].tolist())
    return Found(template, distances_N, distances_W, ratios_W, near)


def ratios(distances_W: Floats, *, num_others: int, alpha: float) -> Floats | None:
    """Return `adaptive_ratios` of every work at once; infinite where there is no scale.

    Source: Carlini et al. 2023, section 5.1.

    >>> ratios(np.array([1.0, 4.0, 6.0]), num_others=2, alpha=0.5).tolist()
    [0.4, 2.2857142857142856, 4.8]
    """
    if len(distances_W) <= num_others:
        return None
    smallest = np.sort(np.partition(distances_W, num_others)[: num_others + 1])
    scale_W = alpha * (smallest.sum() - np.minimum(distances_W, smallest[-1])) / num_others
    ratio_W = np.full(len(distances_W), np.inf)
    np.divide(distances_W, scale_W, out=ratio_W, where=scale_W > 0)
    return ratio_W
