"""Places: pixels of one picture as pixels of another.

A place is (row, column) of a pixel centre, centres are whole numbers, and a box is top, left,
bottom, right in pixels, bottom and right exclusive: its edges lie half a pixel outside of centres.
"""

import numpy as np

from stages.measures.distances import Floats

Box = tuple[int, int, int, int]

HALF = 0.5
"""From the centre of a pixel to its edge."""


def resized(before: tuple[int, ...], after: tuple[int, ...]) -> Floats:
    """Return the map from places in a picture to places in it at another size, f64[3, 3].

    >>> resized((2, 2), (4, 2))[0].tolist()
    [2.0, 0.0, 0.5]
    """
    matrix_33 = np.eye(3)
    for axis in (0, 1):
        factor = after[axis] / before[axis]
        matrix_33[axis, axis] = factor
        matrix_33[axis, 2] = HALF * factor - HALF
    return matrix_33


def carried(box: Box, matrix_23: Floats, shape: tuple[int, ...]) -> Box:
    """Return the box around a box's image in the work, within the work."""
    top, left, bottom, right = box
    corners = [(r - HALF, c - HALF, 1.0) for r in (top, bottom) for c in (left, right)]
    rows, columns = matrix_23 @ np.array(corners).T + HALF
    height, width = shape[:2]
    return (
        int(np.clip(np.rint(rows.min()), 0, height)),
        int(np.clip(np.rint(columns.min()), 0, width)),
        int(np.clip(np.rint(rows.max()), 0, height)),
        int(np.clip(np.rint(columns.max()), 0, width)),
    )


def share(box: Box, other: Box) -> float:
    """Return how much of a box lies in another, in [0, 1].

    >>> share((0, 0, 4, 4), (0, 2, 9, 9))
    0.5
    """
    high, wide = (max(0, min(box[k + 2], other[k + 2]) - max(box[k], other[k])) for k in (0, 1))
    return high * wide / ((box[2] - box[0]) * (box[3] - box[1]))
