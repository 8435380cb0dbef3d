"""Predictions of a denoiser: noise, velocity, image or flow, turned into one another.

A network is shown x_t = alpha x_0 + sigma eps and predicts one of four things. Every score below is
written for noise, so that a model and its reparametrised twin get the same score:

    noise     eps_hat
    velocity  v = alpha eps - sigma x_0   eps_hat = alpha v + sigma x_t     alpha^2 + sigma^2 = 1
    image     x_0                         eps_hat = (x_t - alpha x_0) / sigma
    flow      u = eps - x_0               eps_hat = x_t + alpha u           alpha + sigma = 1

x_t is the same with the prompt and without, so in a difference of two predictions it cancels:
delta eps = alpha delta v = alpha delta u = -(alpha / sigma) delta x_0. The velocity of both kinds
therefore has one difference, delta eps / alpha. Where alpha is 0 (the first input of flow matching,
or of a schedule with zero terminal signal) the input is the noise, no caption can change it, and
only velocities can be compared.

Source: Salimans and Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models",
appendix D (velocity); Lipman et al. 2023, "Flow Matching for Generative Modeling", and Esser et al.
2024, "Scaling Rectified Flow Transformers", section 2 (flow).

Dimension key: T evaluations, N seeds, C channels, H height, W width.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Predicts = Literal["noise", "velocity", "image", "flow"]
Space = Literal["noise", "velocity"]
Array = NDArray[np.floating[Any]]


class Levels(NamedTuple):
    """How much signal and noise the inputs hold, and what is predicted from them."""

    predicts: Predicts
    """What the network was trained for."""

    alphas_T: Array
    """Share of the image, in [0, 1]."""

    sigmas_T: Array
    """Share of the noise, in (0, 1]."""


def noise_of(predicted_TNCHW: Array, noisy_TNCHW: Array, levels: Levels) -> NDArray[np.float64]:
    """Return the noise that a prediction implies, f64[T, N, C, H, W].

    Args:
        predicted_TNCHW: what the network said.
        noisy_TNCHW: what it was shown, x_t.
        levels: signal and noise of each evaluation.

    Source: the table at the head of this module.

    >>> levels = Levels("velocity", np.array([0.8]), np.array([0.6]))
    >>> v, x = np.full((1, 1, 1, 1, 1), 0.5), np.full((1, 1, 1, 1, 1), 2.0)
    >>> float(noise_of(v, x, levels).item())  # 0.8 * 0.5 + 0.6 * 2
    1.6
    """
    alphas, sigmas = _per_step(levels.alphas_T), _per_step(levels.sigmas_T)
    predicted = np.asarray(predicted_TNCHW, np.float64)
    noisy = np.asarray(noisy_TNCHW, np.float64)
    if levels.predicts == "velocity":
        return alphas * predicted + sigmas * noisy
    if levels.predicts == "image":
        return np.asarray((noisy - alphas * predicted) / sigmas)
    if levels.predicts == "flow":
        return noisy + alphas * predicted
    return predicted


def guidance_of(
    conditional_TNCHW: Array, unconditional_TNCHW: Array, levels: Levels, space: Space
) -> NDArray[np.float64]:
    """Return prediction with the prompt minus prediction without, f64[T, N, C, H, W].

    Args:
        conditional_TNCHW: what the network said with the prompt.
        unconditional_TNCHW: what it said without.
        levels: signal and noise of each evaluation.
        space: whether the difference is of noise or of velocity.

    Raises:
        ValueError: a noise is asked for velocity where alpha is 0.

    Source: the table at the head of this module.

    >>> levels = Levels("velocity", np.array([0.8]), np.array([0.6]))
    >>> with_it, without = np.full((1, 1, 1, 1, 1), 0.5), np.zeros((1, 1, 1, 1, 1))
    >>> [guidance_of(with_it, without, levels, each).item() for each in ("noise", "velocity")]
    [0.4, 0.5]
    """
    difference = np.asarray(conditional_TNCHW, np.float64) - unconditional_TNCHW
    return np.asarray(_per_step(_gains(levels, space)) * difference)


def first_step(
    conditional_TNCHW: Array, unconditional_TNCHW: Array, noisy_TNCHW: Array, levels: Levels
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return what one Euler step from the first input to no noise is made of.

    Returns:
        dz/dsigma with the prompt, f64[N, C, H, W], the same without, and the sigma that the step
        starts from. In the coordinates z = x / alpha of most samplers dz/dsigma is the noise, and
        sigma is sigma / alpha, infinite for pure noise; for flow it is the flow, and sigma itself.

    Source: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
    equation 3 with s(t) = 1; Esser et al. 2024, equation 1, for flow.
    """
    first = levels._replace(alphas_T=levels.alphas_T[:1], sigmas_T=levels.sigmas_T[:1])
    alpha, sigma = float(first.alphas_T[0]), float(first.sigmas_T[0])
    with_it, without = np.asarray(conditional_TNCHW)[:1], np.asarray(unconditional_TNCHW)[:1]
    if levels.predicts == "flow":
        return with_it[0].astype(np.float64), without[0].astype(np.float64), sigma
    noisy = np.asarray(noisy_TNCHW)[:1]
    largest = sigma / alpha if alpha > 0 else float("inf")
    return noise_of(with_it, noisy, first)[0], noise_of(without, noisy, first)[0], largest


def space_of(levels: Levels) -> Space:
    """Return `noise`, or `velocity` where an input holds no signal, so that noise says nothing."""
    return "noise" if bool((levels.alphas_T > 0).all()) else "velocity"


def _gains(levels: Levels, space: Space) -> Array:
    alphas_T, sigmas_T = levels.alphas_T, levels.sigmas_T
    if space == "velocity":
        if levels.predicts in {"velocity", "flow"}:
            return np.ones_like(alphas_T)
        if levels.predicts == "image":
            return np.asarray(-1 / sigmas_T)
        if not (alphas_T > 0).all():
            raise ValueError(
                "a network that predicts noise was shown pure noise (alpha = 0), expected some"
                " signal in each input: it has no velocity there; choose another scheduler"
            )
        return np.asarray(1 / alphas_T)
    if levels.predicts in {"velocity", "flow"}:
        return alphas_T
    return (
        np.asarray(-alphas_T / sigmas_T) if levels.predicts == "image" else np.ones_like(alphas_T)
    )


def _per_step(values_T: Array) -> NDArray[np.float64]:
    return np.asarray(values_T, np.float64)[:, None, None, None, None]
