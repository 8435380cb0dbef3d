"""Hashing: the perceptual hash of a picture, works and generations alike.

Dimension key: H height, W width, C = 3 channels (RGB).
"""

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

PDQ_SIDE = 512
"""Images are shrunk to fit this square before hashing, as PDQ's reference program does; a large
photograph would otherwise take seconds."""


def pdq_of(rgb_HWC: NDArray[np.uint8]) -> tuple[str, int]:
    """Return the PDQ hash in hex, first bit highest, and its quality from 0 to 100.

    Source: Facebook 2019, "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing
    algorithm".

    >>> pdq_of(np.zeros((64, 64, 3), np.uint8)) == ("0" * 64, 0)
    True
    """
    height, width, _ = rgb_HWC.shape
    if max(height, width) > PDQ_SIDE:
        size = (min(width, PDQ_SIDE), min(height, PDQ_SIDE))
        rgb_HWC = np.asarray(Image.fromarray(rgb_HWC).resize(size, Image.Resampling.BILINEAR))
    bits, quality = pdqhash.compute(np.ascontiguousarray(rgb_HWC))
    return np.packbits(bits.astype(np.uint8)).tobytes().hex(), int(quality)
