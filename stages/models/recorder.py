"""Recorder: what a network says while a pipeline draws, at no extra evaluation.

Dimension key: B rows, T evaluations, C channels, H height, W width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Recorder:
    """Listens to one call of a pipeline: guidance norms, and whether all numbers were finite."""

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self._norms: list[Any] = []
        self._finite: list[Any] = []

    @contextmanager
    def listen(self, network: Any, decoder: Any | None) -> Iterator[None]:
        """Listen to a network and a decoder while the block runs.

        Args:
            network: predicts the noise; torch module with `config.in_channels`.
            decoder: turns latents into pixels; `None` for a model without latents.
        """
        hooks = [network.register_forward_hook(self._on_network)]
        if decoder is not None:
            hooks.append(decoder.register_forward_hook(self._on_decoder))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def guidance_norms(self) -> NDArray[np.float32] | None:
        """Return the L2 norm over C, H and W of (conditional - unconditional), f32[B, T].

        `None` when the network was never asked without the prompt.

        Source: Wen et al. 2024, "Detecting, Explaining, and Mitigating Memorization in Diffusion
        Models", section 4, d of one generation before the mean over steps.
        """
        if not self._norms:
            return None
        import torch

        norms_BT: NDArray[np.float32] = torch.stack(self._norms, dim=1).cpu().numpy()
        return norms_BT

    def finite(self) -> NDArray[np.bool_]:
        """Return for each row whether everything that was heard was finite, bool[B]."""
        import torch

        finite_B: NDArray[np.bool_] = torch.stack(self._finite).all(dim=0).cpu().numpy()
        return finite_B

    def _on_network(self, network: Any, _: Any, output: Any) -> None:
        predicted = output[0] if isinstance(output, tuple) else output.sample
        halves = predicted.float().split(self._num_rows)
        self._finite += [_finite_rows(half) for half in halves]
        if len(predicted) > self._num_rows:
            # a DiT predicts variances too, in further channels that guidance leaves alone
            channels = network.config.in_channels
            difference = (halves[0] - halves[1])[:, :channels]
            self._norms.append(difference.flatten(1).norm(dim=1))

    def _on_decoder(self, _: Any, __: Any, output: Any) -> None:
        self._finite.append(_finite_rows(output))


def _finite_rows(values: Any) -> Any:
    return values.isfinite().flatten(1).all(dim=1)
