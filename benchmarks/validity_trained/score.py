"""How close the pictures of a unit come to works, in one joint index for every unit.

Legend: U units, N pictures of each, W works of the pool, D numbers of a picture.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity_trained.plan import Plan
from benchmarks.validity_trained.pool import Pool


class Scores(NamedTuple):
    """One row per asked unit."""

    own_U: NDArray[np.float64]
    """Primary: closeness of its best picture to its own work."""

    joint_U: NDArray[np.float64]
    """Secondary: closeness of its best picture to the nearest work of the joint index."""

    best_U: NDArray[np.int64]
    """Unit of that nearest work."""

    own_nearest_U: NDArray[np.float64]
    """Share of its pictures whose nearest work is its own: no score, it tells memorization."""


def distances(made_UNHWC: NDArray[np.uint8], pixels_WHWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Root mean square differences of pixels, in 0 to 1.

    Returns:
        float64[units, pictures, works].
    """
    units, each = made_UNHWC.shape[:2]
    made_BD = made_UNHWC.reshape(units * each, -1) / 255
    works_WD = pixels_WHWC.reshape(len(pixels_WHWC), -1) / 255
    squares_BW = (made_BD**2).sum(1)[:, None] + (works_WD**2).sum(1) - 2 * made_BD @ works_WD.T
    apart_BW: NDArray[np.float64] = np.sqrt(np.maximum(squares_BW, 0) / works_WD.shape[1])
    return apart_BW.reshape(units, each, -1)


def score(
    made_UNHWC: NDArray[np.uint8], units_U: NDArray[np.int64], pool: Pool, plan: Plan
) -> Scores:
    """Score every asked unit, blind to what it was: training works and controls stand together.

    Closeness is minus the adaptive ratio: the distance to a work over the mean distance to the
    `neighbours` nearest works of other units. A work and its near-duplicate are one unit.

    Source:
        Carlini et al. 2023, "Extracting Training Data from Diffusion Models", section 5.1, with
        the mean over works in place of the generations' own neighbours.

    Args:
        made_UNHWC: Pictures per unit.
        units_U: Their units.
        pool: Every work, in training or not: the joint index.
        plan: `neighbours`.

    Returns:
        One row per unit, in the order of `units_U`.
    """
    apart_UNW = distances(made_UNHWC, pool.pixels_WHWC)
    starts = pool.firsts_U
    near_UNC = np.minimum.reduceat(apart_UNW, starts, axis=2)
    count = min(plan.neighbours, near_UNC.shape[2] - 1)
    ranked_UNC = np.sort(near_UNC, axis=2)
    own_UN = near_UNC[np.arange(len(units_U)), :, units_U]
    among_UN = own_UN <= ranked_UNC[:, :, count]
    sums_UN = ranked_UNC[:, :, : count + 1].sum(2)
    mean_UN = np.where(among_UN, sums_UN - own_UN, sums_UN - ranked_UNC[:, :, count]) / count
    first_UN = ranked_UNC[:, :, 0]
    joint_UN = -first_UN / ((sums_UN - first_UN) / count)
    nearest_UN = near_UNC.argmin(2)
    strongest_U = joint_UN.argmax(1)
    return Scores(
        own_U=(-own_UN / mean_UN).max(1),
        joint_U=joint_UN.max(1),
        best_U=nearest_UN[np.arange(len(units_U)), strongest_U],
        own_nearest_U=(nearest_UN == units_U[:, None]).mean(1),
    )
