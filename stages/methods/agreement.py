"""Agreement: how much two pictures that lie over each other have in common, and where.

Dimension key: H height, W width, C = 3 channels.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.distances import Floats
from stages.methods.places import Box

Mask = NDArray[np.bool_]

# Neighbour pixels are alike in every picture: one square of 4x4 counts as one value.
_CELL = 16
# Least detail of a pixel that counts, pixels in [0, 1].
_FINE = 0.02
# Mean square of rounding errors, far below one level of one pixel.
_NOTHING = 1e-12
# How far a row may differ from those within the box before it is another picture's: times their
# own difference, and besides.
_TIMES, _BESIDES = 2.0, 0.02
# A correlation of 1 would tell infinitely much.
_MOST = 0.999


def told(left_HWC: Floats, right_HWC: Floats) -> tuple[float, float, float]:
    """Return correlation, correlation of detail, and bits of two pictures of one size.

    Detail is what is left between a narrow and a wide blur. The bits are those of the smaller
    correlation, with one value per square of 4x4 pixels that has detail in the left picture.
    """
    fine_left, fine_right = detail_of(left_HWC), detail_of(right_HWC)
    whole, fine = correlation(left_HWC, right_HWC), correlation(fine_left, fine_right)
    detailed = int((np.abs(fine_left).max(axis=2) > _FINE).sum())
    return whole, fine, bits(min(whole, fine), detailed / _CELL)


def correlation(left_HWC: Floats, right_HWC: Floats) -> float:
    """Return the normalised correlation of two pictures, the mean of each channel removed.

    0 if one of them is plain.

    Source: Lewis 1995, "Fast Normalized Cross-Correlation", equation 2.

    >>> ramp = np.arange(12.0).reshape(2, 2, 3)
    >>> correlation(ramp, 1 - 3 * ramp)
    -1.0
    """
    left = left_HWC - left_HWC.mean(axis=(0, 1))
    right = right_HWC - right_HWC.mean(axis=(0, 1))
    lengths = float(np.sqrt(np.square(left).sum() * np.square(right).sum()))
    # what is plain still differs from its mean in the last bits
    return float((left * right).sum()) / lengths if lengths > _NOTHING * left.size else 0.0


def bits(correlation: float, count: float) -> float:
    """Return the bits that so many independent values tell about others they correlate with.

    Source: Cover and Thomas 2006, example 8.5.1: I = -1/2 log2(1 - r^2) for two Gaussians.

    >>> bits(0.0, 100), bits(-0.9, 100), round(bits(0.5, 2), 4)
    (0.0, 0.0, 0.415)
    """
    capped = min(max(correlation, 0.0), _MOST)
    return -0.5 * count * float(np.log2(1 - capped**2)) + 0.0


def detail_of(picture_HWC: Floats) -> Floats:
    """Return what is left between a narrow and a wide blur, f64[H, W, C]."""
    from scipy.ndimage import gaussian_filter

    narrow, wide = (
        gaussian_filter(picture_HWC, (sigma, sigma, 0), mode="nearest") for sigma in (0.8, 3.0)
    )
    detail: Floats = narrow - wide
    return detail


def box_of(region_HW: Mask) -> Box:
    """Return the box of the rows and columns that the region fills at least half as far as any."""
    ends: list[int] = []
    for axis in (1, 0):
        filled = region_HW.sum(axis=axis)
        kept = np.flatnonzero(2 * filled >= filled.max())
        ends += [int(kept[0]), int(kept[-1]) + 1]
    top, bottom, left, right = ends
    return top, left, bottom, right


def widened(box: Box, apart_HW: Floats, most: int) -> Box:
    """Return the box with the rows and columns beside it that differ no more than those within.

    A window that hangs over the edge of a region sees another picture, so that a region found by
    windows ends too early.

    Args:
        box: the region so far.
        apart_HW: squared difference of each pixel; infinite where nothing is to compare.
        most: rows or columns that each side may gain.
    """
    top, left, bottom, right = box
    limit = (_TIMES * np.sqrt(apart_HW[top:bottom, left:right].mean()) + _BESIDES) ** 2
    height, width = apart_HW.shape
    for _ in range(most):
        if top > 0 and apart_HW[top - 1, left:right].mean() <= limit:
            top -= 1
        if bottom < height and apart_HW[bottom, left:right].mean() <= limit:
            bottom += 1
        if left > 0 and apart_HW[top:bottom, left - 1].mean() <= limit:
            left -= 1
        if right < width and apart_HW[top:bottom, right].mean() <= limit:
            right += 1
    return top, left, bottom, right
