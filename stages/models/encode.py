"""Encode: from pixels to vectors in batches of one fixed shape.

Dimension key: B images, D dimensions, C channels, H height, W width.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.models.layout import ModelError

Encode = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
"""B images u8[H, W, 3], each of its own size -> f32[B, D] as the network gives them, not scaled."""


def in_batches(prepare: Any, network: Any, *, batch: int, device: Any) -> Encode:
    """Return an encoder whose batches all have the same shape, so that neighbours do not matter.

    Args:
        prepare: image of Pillow -> tensor [C, H, W] of one fixed size.
        network: tensor [batch, C, H, W] -> tensor [batch, D].
        batch: rows of a batch; the tail is filled up.
        device: torch device of the network.
    """

    def encode(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        parts = [
            _encode_batch(images[start : start + batch]) for start in range(0, len(images), batch)
        ]
        return np.concatenate(parts)

    def _encode_batch(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch
        from PIL import Image

        rows = [prepare(Image.fromarray(rgb_HWC)) for rgb_HWC in images]
        rows += [rows[-1]] * (batch - len(rows))
        with torch.inference_mode():
            vectors_BD = network(torch.stack(rows).to(device))
        if not isinstance(vectors_BD, torch.Tensor) or vectors_BD.shape[:-1] != (batch,):
            raise ModelError(f"the descriptor gave {_shape(vectors_BD)}, expected [{batch}, D]")
        found_BD: NDArray[np.float32] = vectors_BD.float().cpu().numpy()
        return found_BD[: len(images)]

    return encode


def _shape(found: Any) -> str:
    return str(list(found.shape)) if hasattr(found, "shape") else f"a {type(found).__name__}"
