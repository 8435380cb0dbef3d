"""Edge consistency: whether one-step samples from different noise draw the same outlines.

After one step an ordinary prompt is a blur that differs from seed to seed; of a memorized one the
outlines stand already, always in the same place.

Dimension key: S seeds, H height, W width, C = 3 channels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256
"""Pixels at which outlines are looked for."""

STRONG = 1.5
"""Gradient magnitude above which a pixel is an outline, summed over the channels, pixels in [0, 1].
It belongs to the filter of the code, whose smoothing runs over the channels too: a grey step of 8
levels of 255 is an outline. Filtered channel by channel, 1.5 would be a step of 32."""

AGREED = 0.5
"""Share of the seeds that must draw an outline, exclusive: 3 of 4."""


def score(samples: Sequence[NDArray[np.uint8]]) -> float | None:
    """Return the share of pixels where more than half of the seeds draw an outline.

    None without samples. The paper uses 4 seeds, one step each, with the guidance left on (its
    code; the comment there says otherwise).

    Args:
        samples: S one-step samples, u8[H, W, C], of any size.

    Source: Webster 2023, arXiv:2305.08694, black-box attack; the constants are those of the code,
    ryanwebster90/onestep-extraction, run_bb_attack.py.
    """
    if not samples:
        return None
    drawn_HW = np.mean([outlines(sample) for sample in samples], axis=0)
    return float(np.mean(drawn_HW > AGREED))


def outlines(rgb_HWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a picture has outlines, bool[256, 256].

    Source: Webster 2023, code, utils/processing_utils.py: Sobel of the whole array along its first
    two axes, so smoothed along the third; hypot; sum over channels.
    """
    from scipy.ndimage import sobel

    image = Image.fromarray(rgb_HWC).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    pixels_HWC = np.asarray(image, np.float64) / 255
    magnitude_HWC = np.hypot(sobel(pixels_HWC, axis=0), sobel(pixels_HWC, axis=1))
    strong: NDArray[np.bool_] = magnitude_HWC.sum(axis=2) > STRONG
    return strong
