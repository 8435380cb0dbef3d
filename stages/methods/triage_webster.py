"""One-step white box (Webster): how far one step of the sampler carries the noise.

The published score is mean((z0 - z1)^2), where z0 is the latent at the largest sigma and z1 what
one step to sigma 0 makes of it. That step is one Euler step, also in the Heun sampler, whose second
half needs a next sigma above 0. With dz/dsigma = eps this is

    z1 = z0 + (0 - sigma_max) eps_cfg,  hence  z0 - z1 = sigma_max eps_cfg
    eps_cfg = eps_u + g (eps_c - eps_u)

so the score needs one guided evaluation and no sampler. A flow model has dz/dsigma = u and begins
at sigma 1, hence z0 - z1 = u_cfg.

Dimension key: N seeds, C channels, H height, W width.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GUIDANCE = 7.5
"""g of the published score."""


def one_step(
    conditional_NCHW: NDArray[np.floating[Any]],
    unconditional_NCHW: NDArray[np.floating[Any]],
    sigma_max: float,
    guidance: float = GUIDANCE,
) -> float:
    """Return sigma_max^2 mean(eps_cfg^2), 0 or more; larger looks more memorized.

    The published code keeps only the last of several seeds; here the score is their mean.

    Args:
        conditional_NCHW: noise predicted with the prompt at the first evaluation; a flow model
            gives its velocity.
        unconditional_NCHW: the same without.
        sigma_max: noise over signal of that input, about 14.6 in Stable Diffusion 1; 1 with the
            velocity of a flow model.
        guidance: g.

    Raises:
        ValueError: sigma_max is not a positive number: the first input has no signal at all.

    Source: Webster 2023, "A Reproducible Extraction of Training Images from Diffusion Models",
    section 4; the identity was read from the published code (sample_heun, one step).

    >>> one_step(np.full((1, 1, 1, 1), 2.0), np.ones((1, 1, 1, 1)), 3.0, guidance=4.0)  # 9 * 5^2
    225.0
    """
    if not 0 < sigma_max < float("inf"):
        raise ValueError(
            f"sigma_max is {sigma_max}, expected a positive number: the first input of this model"
            " is pure noise, from which one step goes infinitely far; choose another method"
        )
    without = np.asarray(unconditional_NCHW, np.float64)
    guided = without + guidance * (np.asarray(conditional_NCHW, np.float64) - without)
    return float(sigma_max**2 * np.square(guided).mean())
