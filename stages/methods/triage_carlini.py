"""Denoising loss (Carlini) and the likelihood ratio that calibrates it by shadow models (LiRA).

A network denoises what it was trained on a little better. How much better differs from image to
image, which is what shadow models tell: each was trained on a random half, so that every image has
losses of models that knew it (IN) and of models that did not (OUT).

Dimension key: T evaluations, N noises, C channels, H height, W width, S shadow models, X examples,
K draws of noise, F flips.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

MOST_TELLING_TIME = 100
"""t of 1,000 at which the paper measures; 50 to 300 tell the most."""

FEW_SHADOWS = 64
"""Shadow models below which each example's own spread misleads, and one over all examples is taken:
of two losses on a side, the spread is mostly chance. Carlini et al. 2022, on their number."""

_LEAST_STD = 1e-30
_FEWEST = 2


def denoising_loss(noise_TNCHW: Array, predicted_TNCHW: Array) -> NDArray[np.float64]:
    """Return E || eps - eps_theta(x_t, t) ||^2 for each t, f64[T]; smaller looks more memorized.

    Args:
        noise_TNCHW: noise that was added, N draws for each of T times.
        predicted_TNCHW: noise that the network predicts, from `triage_prediction.noise_of`.

    Source: Carlini et al. 2023, "Extracting Training Data from Diffusion Models", section 5.2.1:
    the square of the norm, summed over the image and not divided by its size.

    >>> noise = np.array([1.0, 2.0]).reshape(1, 1, 2, 1, 1)
    >>> denoising_loss(noise, np.zeros_like(noise)).tolist()
    [5.0]
    """
    error = np.asarray(noise_TNCHW, np.float64) - predicted_TNCHW
    return np.asarray(np.square(error).sum(axis=(2, 3, 4)).mean(axis=1))


def loss(noise_TNCHW: Array, predicted_TNCHW: Array) -> float:
    """Return the mean of `denoising_loss` over the times asked; smaller looks more memorized.

    Source: Carlini et al. 2023, section 5.2.1.
    """
    return float(denoising_loss(noise_TNCHW, predicted_TNCHW).mean())


def strong(losses_KF: Array) -> NDArray[np.float64]:
    """Return the loss of the strong variant: the mean over draws of noise and flips.

    Args:
        losses_KF: f[..., K, F], about 20 draws of the image and of its mirror image.

    Source: Carlini et al. 2023, section 5.2.2.

    >>> float(strong(np.array([[1.0, 2.0], [3.0, 6.0]])))
    3.0
    """
    return np.asarray(np.asarray(losses_KF, np.float64).mean(axis=(-2, -1)))


def lira(
    losses_SX: Array, member_SX: NDArray[np.bool_], observed_X: Array, *, pooled: bool = False
) -> NDArray[np.float64]:
    """Return log N(l; mu_in, s_in) - log N(l; mu_out, s_out), f64[X]; larger looks more like IN.

    Args:
        losses_SX: losses of S shadow models on X examples.
        member_SX: true where the shadow model was trained on the example.
        observed_X: losses of the model under test.
        pooled: whether one spread of IN and one of OUT serve all examples; steadier with fewer
            than `FEW_SHADOWS`.

    Raises:
        ValueError: shapes differ, a loss is not finite, or an example has fewer than two shadow
            models on either side.

    Source: Carlini et al. 2022, "Membership Inference Attacks From First Principles", section 4,
    online attack, as used in Carlini et al. 2023, section 5.2.2.

    >>> losses = np.array([[1.0], [3.0], [5.0], [7.0]])
    >>> member = np.array([[True], [True], [False], [False]])
    >>> [lira(losses, member, np.array([loss])).tolist() for loss in (4.0, 2.0)]
    [[0.0], [8.0]]
    """
    losses_SX = np.asarray(losses_SX, np.float64)
    _check(losses_SX, member_SX, observed_X)
    score_X = np.zeros(observed_X.shape)
    for sign, chosen_SX in ((1, member_SX), (-1, ~member_SX)):
        mean_X = losses_SX.mean(axis=0, where=chosen_SX)
        variance_X = losses_SX.var(axis=0, where=chosen_SX)
        if pooled:
            variance_X = np.full_like(variance_X, variance_X.mean())
        spread_X = np.sqrt(variance_X) + _LEAST_STD
        score_X += sign * (-np.log(spread_X) - np.square((observed_X - mean_X) / spread_X) / 2)
    return score_X


def _check(losses_SX: Array, member_SX: NDArray[np.bool_], observed_X: Array) -> None:
    if not losses_SX.shape == member_SX.shape == (len(losses_SX), *observed_X.shape):
        raise ValueError(
            f"losses {losses_SX.shape}, members {member_SX.shape} and observed {observed_X.shape}:"
            " expected [S, X], [S, X] and [X]"
        )
    if not (np.isfinite(losses_SX).all() and np.isfinite(observed_X).all()):
        raise ValueError("losses must be finite; leave out the examples whose loss is not")
    if why := too_few(member_SX):
        raise ValueError(why)


def too_few(member_SX: NDArray[np.bool_]) -> str:
    """Return why examples have no likelihood ratio; empty if all have one.

    Args:
        member_SX: true where the shadow model was trained on the example; [S] of one example.
    """
    sides = (member_SX.sum(axis=0), (~member_SX).sum(axis=0))
    fewest = int(np.minimum(*sides).min(initial=_FEWEST))
    if fewest >= _FEWEST:
        return ""
    return (
        f"an example has {fewest} shadow models on one side, expected {_FEWEST} or more that"
        " were trained on it and as many that were not: train more, or leave it out"
    )
