"""Descriptor similarity: how alike the generations of one prompt are to a network.

Dimension key: N generations, D dimensions.
"""

import numpy as np
from numpy.typing import NDArray

from stages.methods.descriptor import Vectors


def mean(generations: Vectors) -> float | None:
    """Return the mean cosine of all pairs; None below two generations.

    Source: after Hong et al. 2025 (MemBench), who cluster generations by 1 - SSCD.
    """
    cosines = _pairs(generations)
    return float(cosines.mean()) if len(cosines) else None


def largest(generations: Vectors) -> float | None:
    """Return the cosine of the two most alike; None below two generations.

    One pair may be alike by chance where N is large: read it beside the mean.

    Source: as `mean`.
    """
    cosines = _pairs(generations)
    return float(cosines.max()) if len(cosines) else None


def _pairs(generations: Vectors) -> NDArray[np.float64]:
    unit_ND = generations.vectors_ND.astype(np.float64)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    cosines: NDArray[np.float64] = (unit_ND @ unit_ND.T)[np.triu_indices(len(unit_ND), 1)]
    return cosines
