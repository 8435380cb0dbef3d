"""Edits: what may happen to a picture on its way through a model and back.

The same bytes and the same seed give the same copy. Sizes above what models draw are taken down
first, so that the copies of a part fit in memory.

Dimension key: H height, W width, C = 3 channels.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.pixels import MAX_PIXELS_EVER, decode, encode_png

Rgb = NDArray[np.uint8]

UNCHANGED = "unchanged"
ROUND_TRIP = "VAE round trip"
"""Through the encoder of a latent model and back; models of pixels have none."""

MOST_SIDE = 1024
"""Longest side of a copy in pixels: hardly any model draws larger."""

_LEAST_SIDE = 2
_QUALITY = 50
_CONTRAST, _BRIGHTNESS = 1.15, 12
_NOISE = 5.0


def _crop(share: float) -> Callable[[Rgb, int], Rgb]:
    def cropped(rgb_HWC: Rgb, _: int) -> Rgb:
        kept = [max(_LEAST_SIDE, round(side * share)) for side in rgb_HWC.shape[:2]]
        top, left = ((side - keep) // 2 for side, keep in zip(rgb_HWC.shape, kept, strict=False))
        return rgb_HWC[top : top + kept[0], left : left + kept[1]]

    return cropped


def _halved(rgb_HWC: Rgb, _: int) -> Rgb:
    height, width = rgb_HWC.shape[:2]
    small = (max(_LEAST_SIDE, width // 2), max(_LEAST_SIDE, height // 2))
    image = Image.fromarray(rgb_HWC).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.uint8)


def _shifted(rgb_HWC: Rgb, _: int) -> Rgb:
    values_HWC = (rgb_HWC.astype(np.float64) - 127.5) * _CONTRAST + 127.5 + _BRIGHTNESS
    return values_HWC.round().clip(0, 255).astype(np.uint8)


def noisy(rgb_HWC: Rgb, seed: int) -> Rgb:
    """Return a picture with a little noise, the same for the same seed."""
    noise_HWC = np.random.default_rng(seed).normal(0, _NOISE, rgb_HWC.shape)
    return (rgb_HWC + noise_HWC).round().clip(0, 255).astype(np.uint8)


_OF_PIXELS: Mapping[str, Callable[[Rgb, int], Rgb]] = {
    "middle 90 % of each side": _crop(0.9),
    "middle 75 % of each side": _crop(0.75),
    "half size and back": _halved,
    "more contrast and brightness": _shifted,
    "a little noise": noisy,
}
_JPEG = f"JPEG of quality {_QUALITY}"

EDITS = (UNCHANGED, *_OF_PIXELS, _JPEG, ROUND_TRIP)
"""Names, in the order in which a work is copied."""


def edited(
    name: str, data: bytes, seed: int, round_trip: Callable[[Rgb], Rgb] | None = None
) -> dict[str, Any] | None:
    """Return a copy of a picture: sha256, format, width, height and bytes of GENERATIONS.

    Args:
        name: one of `EDITS`.
        data: the file.
        seed: of the noise.
        round_trip: through a model's encoder and back; None if it has none.

    Returns:
        The copy, or None where the model cannot make it.

    Raises:
        DecodeError: the file is no picture that this program can use.
        ValueError: no such edit.
    """
    if name not in EDITS:
        raise ValueError(f"edit: expected one of {', '.join(EDITS)}, got {name!r}")
    if name == ROUND_TRIP and round_trip is None:
        return None
    whole = decode(data, max_pixels=MAX_PIXELS_EVER)
    rgb_HWC = at_most(whole.rgb_HWC)
    if name == UNCHANGED and rgb_HWC is whole.rgb_HWC:
        return file_of(data, whole.format, rgb_HWC)
    if name == _JPEG:
        return file_of(_as_jpeg(rgb_HWC), "jpeg", rgb_HWC)
    if name == ROUND_TRIP and round_trip is not None:
        rgb_HWC = round_trip(rgb_HWC)
    elif name != UNCHANGED:
        rgb_HWC = np.ascontiguousarray(_OF_PIXELS[name](rgb_HWC, seed))
    return file_of(encode_png(rgb_HWC), "png", rgb_HWC)


def at_most(rgb_HWC: Rgb) -> Rgb:
    """Return a picture taken down to `MOST_SIDE`; itself if it is no larger."""
    height, width = rgb_HWC.shape[:2]
    scale = MOST_SIDE / max(height, width)
    if scale >= 1:
        return rgb_HWC
    size = (max(_LEAST_SIDE, round(width * scale)), max(_LEAST_SIDE, round(height * scale)))
    return np.asarray(Image.fromarray(rgb_HWC).resize(size, Image.Resampling.BICUBIC), np.uint8)


def _as_jpeg(rgb_HWC: Rgb) -> bytes:
    out = BytesIO()
    Image.fromarray(rgb_HWC).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def file_of(data: bytes, name: str, rgb_HWC: Rgb) -> dict[str, Any]:
    """Return what GENERATIONS says of a file: sha256, format, width, height and bytes."""
    height, width = rgb_HWC.shape[:2]
    digest = sha256(data).hexdigest()
    return {"sha256": digest, "format": name, "width": width, "height": height, "bytes": data}
