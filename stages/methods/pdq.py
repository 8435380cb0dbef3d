"""PDQ: bits by which the perceptual hashes of one generation and each work differ.

Dimension key: N pictures, B = 32 bytes of a hash.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BYTES = 32
"""Of a hash of 256 bits."""

MIN_QUALITY = 50
"""Below it the makers advise to ignore a hash: the picture is too plain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """PDQ hashes and how much each is worth."""

    hashes_NB: NDArray[np.uint8]
    """Packed bits, u8[N, 32]."""

    quality_N: NDArray[np.int64]
    """0 to 100."""

    def __post_init__(self) -> None:
        """Refuse hashes of another length.

        Raises:
            ValueError: the shapes do not fit.
        """
        if self.hashes_NB.shape != (len(self.quality_N), BYTES):
            raise ValueError(
                f"expected {len(self.quality_N)} hashes of {BYTES} bytes,"
                f" got {self.hashes_NB.shape}"
            )


def to_each(made: Hashes, works: Hashes) -> list[float | None]:
    """Return the Hamming distance to each work, 0 to 256 bits.

    None where the hash of either is of low quality: two plain pictures have like hashes.

    Args:
        made: one hash, of the generation.
        works: a hash per work.

    Raises:
        ValueError: `made` is not one hash.

    Source: Facebook 2019, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing
    Algorithm"; at most 31 bits is a match, from quality 50 on.
    """
    if len(made.hashes_NB) != 1:
        raise ValueError(f"expected one hash of one generation, got {len(made.hashes_NB)}")
    bits_N = np.bitwise_count(made.hashes_NB ^ works.hashes_NB).sum(axis=1, dtype=np.int64)
    good_N = (works.quality_N >= MIN_QUALITY) & (made.quality_N[0] >= MIN_QUALITY)
    pairs = zip(bits_N.tolist(), good_N.tolist(), strict=True)
    return [float(bits) if good else None for bits, good in pairs]
