"""Levels: how much image and how much noise a scheduler of diffusers puts into an input.

Dimension key: T times.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from stages.models.layout import ModelError

Predicts = Literal["noise", "velocity", "image", "flow"]

_PREDICTS: dict[str, Predicts] = {
    "epsilon": "noise",
    "v_prediction": "velocity",
    "sample": "image",
    "flow_prediction": "flow",
}


class Shown(NamedTuple):
    """Input of the network at T times: x_t = alpha x_0 + sigma eps."""

    predicts: Predicts
    """What the network predicts from it: eps, alpha eps - sigma x_0, x_0, or eps - x_0."""

    alphas_T: NDArray[np.float64]
    """Share of the image, in [0, 1]; 0 is pure noise."""

    sigmas_T: NDArray[np.float64]
    """Share of the noise, in (0, 1]; alpha + sigma = 1 for flow, else alpha^2 + sigma^2 = 1."""


def levels_of(scheduler: Any, times: Sequence[float]) -> Shown:
    """Return the levels at the times that a network was told.

    A time between two whole ones, as Karras sigmas have, lies between them in log(sigma / alpha),
    which is how diffusers finds the time.

    Args:
        scheduler: of a pipeline of diffusers.
        times: T times, 0 to `num_train_timesteps`.

    Raises:
        ModelError: the scheduler says neither what is predicted nor how much noise there is, or
            knows no such time.
    """
    config, times_T = scheduler.config, np.asarray(times, np.float64)
    name = type(scheduler).__name__
    if name.startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction":
        _check(times_T, config.num_train_timesteps)
        sigmas_T = times_T / config.num_train_timesteps
        return Shown("flow", 1 - sigmas_T, sigmas_T)
    predicts = _PREDICTS.get(str(config.get("prediction_type")))
    if predicts is None or not hasattr(scheduler, "alphas_cumprod"):
        raise ModelError(
            f"a {name} tells neither what the network predicts nor how much noise it is shown:"
            " choose a scheduler such as DDIMScheduler"
        )
    squares = np.asarray(cast("Any", scheduler.alphas_cumprod).cpu().numpy(), np.float64)
    _check(times_T, len(squares) - 1)
    alphas_T = np.sqrt(_between(squares, times_T))
    return Shown(predicts, alphas_T, np.sqrt(1 - alphas_T**2))


def _check(times_T: NDArray[np.float64], last: int) -> None:
    if times_T.min() < 0 or times_T.max() > last:
        raise ModelError(f"times {times_T.tolist()}: the model knows 0 to {last}")


def _between(squares: NDArray[np.float64], times_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return alpha^2 at times that need not be whole."""
    whole_T = times_T == times_T.round()
    # zero terminal signal would make its own ratio infinite; a time that is whole needs no ratio
    ratios = np.log(1 / squares.clip(min=np.finfo(float).tiny) - 1) / 2
    found_T = 1 / (1 + np.exp(2 * np.interp(times_T, np.arange(len(squares)), ratios)))
    return np.where(whole_T, squares[times_T.round().astype(int)], found_T)
