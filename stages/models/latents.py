"""Latents: images as the network of a pipeline knows them.

Dimension key: B images, C channels, H height, W width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.models.layout import ModelError

_RGB = 3


def latents_of(
    pipe: Any, network: Any, options: Mapping[str, Any], images: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Return images in the space of the network, f32[B, C, H, W], without noise.

    An encoder of latents gives a distribution; its mode is taken, so that an image is one thing.

    Args:
        pipe: pipeline of diffusers.
        network: its network.
        options: keywords of its calls; `height` and `width` go before the network's own size.
        images: RGB of any size; the shorter side is scaled, the longer cut in the middle.

    Raises:
        ModelError: the network knows neither colours nor grey, or does not say its size.
    """
    import torch

    vae = getattr(pipe, "vae", None)
    height, width = _size(network, vae, options)
    pixels_BCHW = torch.stack([_fitted(rgb_HWC, height, width) for rgb_HWC in images])
    if vae is None:
        return np.asarray(_in_channels(pixels_BCHW, network.config.in_channels).numpy())
    with torch.no_grad():
        # one by one, so that an image does not depend on its neighbours
        rows = [
            vae.encode(each[None].to(vae.device, vae.dtype)).latent_dist.mode().float()
            for each in pixels_BCHW
        ]
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    scaled_BCHW = (torch.cat(rows) - shift) * vae.config.scaling_factor
    return np.asarray(scaled_BCHW.cpu().numpy(), np.float32)


def _size(network: Any, vae: Any | None, options: Mapping[str, Any]) -> tuple[int, int]:
    side = network.config.get("sample_size")
    if side is None:
        raise ModelError(
            f"a {type(network).__name__} does not say how large its images are: images cannot be"
            " shown to this class of network"
        )
    height, width = side if isinstance(side, list | tuple) else (side, side)
    factor = 2 ** (len(vae.config.block_out_channels) - 1) if vae is not None else 1
    return options.get("height", height * factor), options.get("width", width * factor)


def _fitted(rgb_HWC: NDArray[np.uint8], height: int, width: int) -> Any:
    """Return a tensor f32[C, H, W] in [-1, 1]."""
    import torch
    from PIL import Image, ImageOps

    image = ImageOps.fit(Image.fromarray(rgb_HWC), (width, height), Image.Resampling.BICUBIC)
    values_HWC = torch.from_numpy(np.array(image, np.float32)) / 127.5 - 1
    return values_HWC.permute(2, 0, 1).contiguous()


def _in_channels(pixels_BCHW: Any, channels: int) -> Any:
    if channels == 1:
        return pixels_BCHW.mean(dim=1, keepdim=True)
    if channels != _RGB:
        raise ModelError(f"the network knows {channels} channels, expected 1 or {_RGB}")
    return pixels_BCHW
