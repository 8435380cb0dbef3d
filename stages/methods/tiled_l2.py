"""Tiled l2 of one generation to each work: the worst of 16 corresponding tiles.

Dimension key: H height, W width, C = 3 channels, N works.
"""

from stages.measures.distances import Bytes, tiled_l2_to_each
from stages.methods.l2 import check_one_size

# Differences of a block are 8 bytes a value: 64 MB.
_BLOCK_VALUES = 2**23


def to_each(made_HWC: Bytes, works_NHWC: Bytes) -> list[float | None]:
    """Return the largest l2 of corresponding tiles for each work; never None.

    Corresponding tiles: "any pair of tiles" in the paper's sentence is the largest over places, not
    over pairs of places.

    Args:
        made_HWC: u8[H, W, C], the generation; sides of 4 pixels or more.
        works_NHWC: u8[N, H, W, C], may be a memory map.

    Raises:
        ValueError: the sizes differ.

    Source: Carlini et al. 2023, arXiv:2301.13188, section 4.2, where it compares generations.
    """
    check_one_size(made_HWC, works_NHWC)
    step = max(1, _BLOCK_VALUES // made_HWC.size)
    distances: list[float | None] = []
    for start in range(0, len(works_NHWC), step):
        distances += tiled_l2_to_each(made_HWC, works_NHWC[start : start + step]).tolist()
    return distances
