"""Round trip: a picture through the encoder of a latent model and back, without any noise.

Whatever a latent model draws has passed its decoder, so not even a perfect replica keeps more of a
work than this.

Dimension key: H height, W width, C = 3 channels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.contract import Kit
from stages.models.layout import files_to_load, read_json
from stages.models.runtime import prepare, quiet

_NETWORKS = ("unet", "transformer")
_COMMON_SIDE = 512

RoundTrip = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def open_round_trip(
    path: Path, size: tuple[int | None, int | None], kit: Kit, *, variant: str | None = None
) -> RoundTrip | None:
    """Load the encoder and decoder of a model, and nothing else of it.

    Args:
        path: folder of diffusers.
        size: height and width that the model is asked for; None for its own.
        kit: device and threads.
        variant: middle part of the names of the weights, such as `fp16`.

    Returns:
        What makes u8[H, W, C] of u8[H, W, C], of about as many pixels as the model draws; None for
        a model of pixels.

    Raises:
        ModelError: the folder is no model that is known, or has no safetensors.
    """
    files_to_load(path, variant=variant)
    named = read_json(path / "model_index.json").get("vae")
    if not named or named[1] is None:
        return None
    import diffusers

    device = prepare(kit)
    quiet()
    # in float32 whatever the case says: in half precision some decoders overflow
    vae: Any = getattr(diffusers, named[1]).from_pretrained(
        path / "vae", variant=variant, use_safetensors=True, local_files_only=True
    )
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    own = _side(path, factor)
    pixels = (size[0] or own) * (size[1] or own)
    return _Vae(vae.to(device).eval(), factor, pixels)


def _side(path: Path, factor: int) -> int:
    for name in _NETWORKS:
        if (path / name / "config.json").is_file():
            side = read_json(path / name / "config.json").get("sample_size")
            if isinstance(side, int):
                return side * factor
    return _COMMON_SIDE


@dataclass(frozen=True, slots=True)
class _Vae:
    """An opened encoder and decoder."""

    vae: Any
    factor: int
    pixels: int
    """How many the model draws."""

    def __call__(self, rgb_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        import torch
        from PIL import Image

        scale = sqrt(self.pixels / (rgb_HWC.shape[0] * rgb_HWC.shape[1]))
        height, width = (self._fits(side * scale) for side in rgb_HWC.shape[:2])
        image = Image.fromarray(rgb_HWC).resize((width, height), Image.Resampling.BICUBIC)
        values_HWC = torch.from_numpy(np.array(image, np.float32)) / 127.5 - 1
        values_BCHW = values_HWC.permute(2, 0, 1)[None].contiguous().to(self.vae.device)
        with torch.no_grad():
            latents = self.vae.encode(values_BCHW).latent_dist.mode()
            back_BCHW = self.vae.decode(latents).sample
        whole_CHW = ((back_BCHW[0].float().nan_to_num() + 1) * 127.5).round().clamp(0, 255)
        back: NDArray[np.uint8] = whole_CHW.to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return np.ascontiguousarray(back)

    def _fits(self, side: float) -> int:
        return max(1, round(side / self.factor)) * self.factor
