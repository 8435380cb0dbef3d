"""Webster's labels: sums of squares at 256x256, of whole pictures and under a mask.

Sums, not means: 2,500 over 256 x 256 x 3 values is a root mean square of 0.113.

Dimension key: Q = 1 generation, N works, H = W = 256, C = 3 channels, D = 196,608 values of one.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.measures.distances import Bytes, squared_differences

SIDE = 256
"""Pixels at which pictures are compared."""

# Sum of the three channels, pixels in [0, 1].
_SAME = 0.03

Bools = NDArray[np.bool_]


def mv(made_HWC: Bytes, works_NHWC: Bytes) -> list[float | None]:
    """Return sum((I - real)^2) of each work, pixels in [0, 1]; never None.

    Below 2,500 for the paired work and the best seed: matching verbatim (MV). Below 3,000 for a
    work that was retrieved: retrieved verbatim (RV).

    Args:
        made_HWC: u8[H, W, C], the generation, of any size.
        works_NHWC: u8[N, H, W, C], of any size.

    Source: Webster 2023, arXiv:2305.08694; code, gather_groundtruth_labels.py.
    """
    made_QD, works_ND = _flat(made_HWC[None]), _flat(works_NHWC)
    return list((squared_differences(made_QD, works_ND)[0] / 255**2).tolist())


def tv(made_HWC: Bytes, templates_NHWC: Bytes, masks_NHW: Bools) -> list[float | None]:
    """Return sum((T*M - I*M)^2) / mean(M) of each template; None where the mask is empty.

    Below 2,500: template verbatim (TV), which is looked at before MV.

    Args:
        made_HWC: u8[H, W, C], the generation, of any size.
        templates_NHWC: u8[N, H, W, C].
        masks_NHW: bool[N, 256, 256], True where the layout is fixed.

    Raises:
        ValueError: a mask has another size.

    Source: Webster 2023, arXiv:2305.08694; code, gather_groundtruth_labels.py.
    """
    if masks_NHW.shape != (len(templates_NHWC), SIDE, SIDE):
        raise ValueError(
            f"expected masks [{len(templates_NHWC)}, {SIDE}, {SIDE}], got {masks_NHW.shape}"
        )
    made_QD = _flat(made_HWC[None])
    sums: list[float | None] = []
    for template_HWC, mask_HW in zip(templates_NHWC, masks_NHW, strict=True):
        kept_D = np.repeat(mask_HW.ravel(), 3)
        share = float(kept_D.mean())
        template_QD = _flat(template_HWC[None])
        squares = squared_differences(made_QD[:, kept_D], template_QD[:, kept_D])
        sums.append(float(squares[0, 0]) / 255**2 / share if share else None)
    return sums


def mask_between(left_HWC: Bytes, right_HWC: Bytes) -> Bools:
    """Return where two pictures are the same, without specks, bool[256, 256].

    The code pairs a picture with the first retrieved one at 100 < sum of squares < 1,000, so that
    exact repeats, whose mask would be everything, are skipped.

    Source: Webster 2023, code, make_mask_between_imgs: sum_channels |a - b| < 0.03, erosion and
    dilation by 3x3.
    """
    from scipy.ndimage import binary_dilation, binary_erosion

    left_QD, right_QD = _flat(left_HWC[None]).astype(int), _flat(right_HWC[None]).astype(int)
    apart_HW = np.abs(left_QD - right_QD).reshape(SIDE, SIDE, 3).sum(axis=2)
    square = np.ones((3, 3))
    mask: Bools = binary_dilation(binary_erosion(apart_HW < _SAME * 255, square), square)
    return mask


def _flat(pictures_NHWC: Bytes) -> Bytes:
    stretched = [
        Image.fromarray(rgb_HWC).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        for rgb_HWC in pictures_NHWC
    ]
    return np.stack([np.asarray(image, np.uint8).ravel() for image in stretched])
