"""Noise-prediction magnitude (Wen): how hard the prompt pulls the prediction of the noise.

A memorized prompt pulls the same way from any noise, so the guidance is long from the first step.

Dimension key: T evaluations, N seeds, C channels, H height, W width.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def noise_prediction_magnitude(guidance_TNCHW: NDArray[np.floating[Any]]) -> float:
    """Return d, 0 or more; larger looks more memorized.

    d = 1/T sum_t 1/n sum_j || eps(x_t^j, e_prompt) - eps(x_t^j, e_empty) ||_2: the mean of the
    norms of the DIFFERENCE, not the difference of norms and not the norm of the mean.

    Args:
        guidance_TNCHW: prediction with the prompt minus prediction without, at the first T
            evaluations of N seeds; `triage_prediction.guidance_of` says in which space.

    Source: Wen et al. 2024, "Detecting, Explaining, and Mitigating Memorization in Diffusion
    Models", section 4, with T = 1 or all steps and n = 1 to 32.

    >>> noise_prediction_magnitude(np.array([3.0, 4.0]).reshape(1, 1, 2, 1, 1))
    5.0
    """
    rows = np.asarray(guidance_TNCHW, np.float64)
    return float(np.linalg.norm(rows.reshape(*rows.shape[:2], -1), axis=2).mean())
