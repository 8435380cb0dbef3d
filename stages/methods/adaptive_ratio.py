"""Adaptive ratio of one generation to each work: closeness, measured by how ordinary it is.

Dimension key: H height, W width, C = 3 channels, N images sorted by work, W works.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.distances import Bytes
from stages.measures.nearest import adaptive_ratios, nearest_of_each
from stages.methods.l2 import to_each as l2_to_each

NUM_OTHERS = 50
"""The paper's n: nearest other works in the mean."""

ALPHA = 0.5
"""The paper's alpha: factor on that mean."""


def to_each(
    made_HWC: Bytes,
    images_NHWC: Bytes,
    *,
    starts_W: NDArray[np.intp] | None = None,
    num_others: int = NUM_OTHERS,
    alpha: float = ALPHA,
) -> list[float | None]:
    """Return l2 to each work over alpha times the mean l2 to the nearest other works.

    None where fewer other works exist than the mean needs, or where all of them equal the
    generation, so that there is no scale.

    Args:
        made_HWC: u8[H, W, C], the generation.
        images_NHWC: u8[N, H, W, C], sorted by work.
        starts_W: first image of each work; without it each image is a work.
        num_others: n of the paper.
        alpha: alpha of the paper.

    Raises:
        ValueError: the sizes differ.

    Source: Carlini et al. 2023, arXiv:2301.13188, section 5.1; below 1 is extracted.
    """
    distances_N = np.array(l2_to_each(made_HWC, images_NHWC))
    starts_W = np.arange(len(distances_N)) if starts_W is None else starts_W
    distances_W = nearest_of_each(distances_N, starts_W)
    works = range(len(distances_W))
    return adaptive_ratios(distances_W, works, num_others=num_others, alpha=alpha)
