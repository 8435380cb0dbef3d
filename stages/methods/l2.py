"""Plain l2 of one generation to each work.

Dimension key: Q = 1 generation, H height, W width, C = 3 channels, N works, D values of an image.
"""

from stages.measures.distances import Bytes, root_mean, squared_differences


def to_each(made_HWC: Bytes, works_NHWC: Bytes) -> list[float | None]:
    """Return the root mean square difference to each work, pixels in [0, 1]; never None.

    Args:
        made_HWC: u8[H, W, C], the generation.
        works_NHWC: u8[N, H, W, C], may be a memory map.

    Raises:
        ValueError: the sizes differ.

    Source: Carlini et al. 2023, arXiv:2301.13188, section 4.2:
    l2(a, b) = sqrt(sum_i (a_i - b_i)^2 / d); (l2, 0.15)-extraction.

    >>> import numpy as np
    >>> to_each(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 1, 3), 51, np.uint8))
    [0.2]
    """
    check_one_size(made_HWC, works_NHWC)
    sums_QN = squared_differences(made_HWC.reshape(1, -1), works_NHWC.reshape(len(works_NHWC), -1))
    return list(root_mean(sums_QN[0], made_HWC.size).tolist())


def check_one_size(made_HWC: Bytes, works_NHWC: Bytes) -> None:
    """Refuse pictures that cannot be compared value by value.

    Raises:
        ValueError: the sizes differ, or the pixels are not 8-bit.
    """
    if made_HWC.shape != works_NHWC.shape[1:] or not made_HWC.size:
        raise ValueError(
            f"expected works of the size {made_HWC.shape} of the generation,"
            f" got {works_NHWC.shape[1:]}; resize first"
        )
    check_bytes(made_HWC, works_NHWC)


def check_bytes(*pictures: Bytes) -> None:
    """Refuse pixels that are not 8-bit: the house compares what `stages.pixels` decodes.

    Raises:
        ValueError: says what was found.
    """
    for picture in pictures:
        if str(picture.dtype) != "uint8":
            raise ValueError(
                f"expected pixels of 8 bits, got {picture.dtype}; if they lie in [0, 1], multiply"
                " by 255 and round"
            )
