"""Bright ending (Chen): guidance where the end token glows at the last step.

The mask is the attention to the end token at the last step; it is bright where a memorized region
comes back, and stays soft.

Dimension key: T evaluations, N seeds, C channels, H height, W width, h and w sides of the mask.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def bright_ending(guidance_TNCHW: Array, mask_NHW: Array) -> float:
    """Return d_BE, 0 or more; larger looks more memorized.

    d_BE = 1/T sum_t || (eps_c - eps_u) * m ||_2 / mean(m), the mean over seeds of which is given.

    Args:
        guidance_TNCHW: noise with the prompt minus noise without, at all T evaluations.
        mask_NHW: f[N, h, w], attention to the end token at the last of them; its sides divide H
            and W, and each of its pixels stands for a block.

    Raises:
        ValueError: the sides do not fit, or the end token gets no attention at all.

    Source: Chen et al. 2025, "Exploring Local Memorization in Diffusion Models via Bright Ending
    Attention", section 4. The published code reads the mask in a first pass and the guidance in a
    second with the same seed; both are of one and the same trajectory, so that one pass will do.

    >>> guidance = np.array([3.0, 8.0]).reshape(1, 1, 1, 1, 2)
    >>> bright_ending(guidance, np.array([[[1.0, 0.5]]]))  # || (3, 4) || / 0.75
    6.666666666666667
    """
    height, width = guidance_TNCHW.shape[-2:]
    down, across = mask_NHW.shape[-2:]
    if height % down or width % across:
        raise ValueError(f"a mask of {down} x {across} does not fit latents of {height} x {width}")
    blocks = np.ones((height // down, width // across))
    blown_NHW = np.kron(np.asarray(mask_NHW, np.float64), blocks)
    mean_N = blown_NHW.mean(axis=(1, 2))
    if mean_N.min() <= 0:
        raise ValueError("the end token gets no attention at all, expected some: no mask")
    masked_TNCHW = np.asarray(guidance_TNCHW, np.float64) * blown_NHW[:, None]
    norms_TN = np.sqrt(np.square(masked_TNCHW).sum(axis=(2, 3, 4)))
    return float((norms_TN / mean_N).mean())
