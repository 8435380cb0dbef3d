"""Signals: what a network says from inside, before an image is finished.

The pipeline of the sample stage is run as it is, with the same noise for the same seed, and heard
by hooks; it is stopped as soon as enough has been heard, so that nothing is decoded. To ask about
a given image, the input and the time of the first evaluation are replaced by that image with noise.
Either way every class that guides is asked through its own pipeline, whatever else it is told.

Dimension key: B rows, T evaluations, C channels, H height, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.contract import Kit
from stages.models.attention_maps import AttentionMaps
from stages.models.conditions import Ask, Conditions, Wants
from stages.models.diffusion import Knobs, open_diffusion
from stages.models.latents import latents_of
from stages.models.layout import ModelError
from stages.models.levels import levels_of
from stages.models.listener import Heard, Listener, joined

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signals:
    """An opened model that can be asked from inside."""

    sampler: Any
    """The sampler of the sample stage."""

    unguided: Any
    """The same, asked with the prompt alone."""

    @property
    def wants(self) -> Wants:
        """What it has to be told besides the seed."""
        wants: Wants = self.sampler.wants
        return wants

    def hear(
        self, asks: Sequence[Ask], *, evaluations: int = 1, batch: int = 1, attention: bool = False
    ) -> Heard:
        """Return what the network says on the way to images, with and without the prompt.

        Args:
            asks: B rows, at least one; noise comes from the seed of each, drawn on the CPU.
            evaluations: T, 1 or more: the first of the trajectory that the knobs describe. It costs
                2 T network evaluations per row.
            batch: rows asked together, a fixed shape: a smaller batch is filled up.
            attention: whether to listen to the cross-attention too.

        Raises:
            ModelError: there is no prediction without the prompt, no cross-attention, or no such
                number of evaluations.
        """
        if not self.sampler.conditions.guided:
            raise ModelError(
                f"a {type(self.sampler.pipe).__name__} is asked with the prompt alone, so there is"
                " no answer without to compare with: set `guidance` above 1 if it has guidance"
            )
        asked = replace(self.sampler, batch=batch)
        maps = AttentionMaps(asked.pipe, batch) if attention else None
        listener = Listener(asked, evaluations, maps)
        return joined([listener.run(asks[i : i + batch]) for i in range(0, len(asks), batch)])

    def probe(
        self, asks: Sequence[Ask], latents_BCHW: Floats, time: int, *, batch: int = 1
    ) -> tuple[Heard, Floats]:
        """Return what the network says of given images with noise, with the prompt, and the noise.

        Args:
            asks: B rows, at least one; noise comes from the seed of each, drawn on the CPU.
            latents_BCHW: images as the network knows them, from `latents_of`.
            time: t, 0 to the number of times of training. It costs one evaluation per row.
            batch: rows asked together, a fixed shape.

        Returns:
            What was heard, T = 1, and the noise f32[B, C, H, W] that was added.
        """
        asked = replace(self.unguided, batch=batch)
        noise_BCHW = _noise(asks, latents_BCHW.shape[1:])
        levels = levels_of(asked.pipe.scheduler, [time])
        noisy_BCHW = levels.alphas_T * latents_BCHW + levels.sigmas_T * noise_BCHW
        parts = []
        for start in range(0, len(asks), batch):
            rows = slice(start, start + batch)
            listener = Listener(asked, 1, None, (noisy_BCHW[rows].astype(np.float32), time))
            parts.append(listener.run(asks[rows]))
        return joined(parts), noise_BCHW

    def latents_of(self, images: Sequence[NDArray[np.uint8]]) -> Floats:
        """Return images as the network knows them, f32[B, C, H, W], without noise.

        Args:
            images: RGB of any size; they are scaled and cut in the middle to the model's own size.
        """
        sampler = self.sampler
        return latents_of(sampler.pipe, self._network, sampler.options, images)

    @property
    def _network(self) -> Any:
        return getattr(self.sampler.pipe, self.sampler.conditions.door.network)


def open_signals(path: Path, knobs: Knobs, kit: Kit, *, variant: str | None = None) -> Signals:
    """Load a pipeline from a local folder, to be asked from inside.

    Args:
        path: folder with `model_index.json`.
        knobs: how it would draw: scheduler, its number of steps and the guidance decide the inputs
            after the first; `batch` is not used.
        kit: device and threads.
        variant: middle part of the names of the weights, such as `fp16`.

    Raises:
        ModelError: as `open_diffusion`.
    """
    sampler: Any = open_diffusion(path, knobs, kit, variant=variant)
    options = dict(sampler.options)
    if "guidance_scale" in options:
        options["guidance_scale"] = 1.0
    alone = Conditions(sampler.pipe, sampler.conditions.door, guided=False)
    return Signals(sampler, replace(sampler, conditions=alone, options=options))


def _noise(asks: Sequence[Ask], shape: tuple[int, ...]) -> Floats:
    import torch

    rows = [torch.randn(shape, generator=torch.Generator().manual_seed(ask.seed)) for ask in asks]
    return np.asarray(torch.stack(rows).numpy())
