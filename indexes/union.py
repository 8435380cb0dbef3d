"""Union: which of N things are connected, from edges that come block by block.

Dimension key: N things, E edges.
"""

import numpy as np
from numpy.typing import NDArray

_HELD = 2**22
"""Edges that are held before they are folded into the labels."""


class Union:
    """Connected components; memory for N labels and a bounded number of edges."""

    def __init__(self, size: int) -> None:
        self._labels_N = np.arange(size)
        self._edges: list[NDArray[np.int64]] = []
        self._held = 0

    def add(self, one_E: NDArray[np.int64], other_E: NDArray[np.int64]) -> None:
        """Connect pairs of things."""
        self._edges.append(np.stack([one_E, other_E]).astype(np.int64))
        self._held += len(one_E)
        if self._held > _HELD:
            self._fold()

    def labels(self) -> NDArray[np.int64]:
        """Return, for each thing, the smallest thing that it is connected with, i64[N].

        >>> union = Union(4)
        >>> union.add(np.array([3, 3]), np.array([1, 2]))
        >>> union.labels().tolist()
        [0, 1, 1, 1]
        """
        self._fold()
        return self._labels_N

    def _fold(self) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = len(self._labels_N)
        own = np.stack([np.arange(size), self._labels_N])
        one_E, other_E = np.concatenate([own, *self._edges], axis=1)
        graph = coo_array((np.ones(len(one_E), np.int64), (one_E, other_E)), shape=(size, size))
        component_N = connected_components(graph, directed=False)[1]
        _, first = np.unique(component_N, return_index=True)
        self._labels_N = first[component_N].astype(np.int64)
        self._edges, self._held = [], 0
