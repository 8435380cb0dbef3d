"""The graph of alike images: which images of a set lie within a tiled l2 of each other.

Dimension key: N images, M of them, H height, W width, C = 3 channels, P pooled values, D values of
a tile.

Exact and fast: a pair is dropped at the first tile that shows it to be too far apart, first by a
lower bound on 8x8 blocks, which costs little, then by the distance itself, which is worked out only
among images that are still connected.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures.distances import Bytes, Floats, root_mean, squared_differences, tiles

Linked = NDArray[np.bool_]
Tile = tuple[slice, slice]

_BLOCK = 8
# Below this side a tile has too few blocks for the bound to save anything.
_MIN_POOLED = 32


class Graph(NamedTuple):
    """Images as nodes; an edge joins two images that are alike."""

    linked_NN: Linked
    """True where two different images are alike; symmetric."""

    distance_NN: Floats
    """Tiled l2 in [0, 1] of the pairs that are linked; 0 elsewhere."""


def alike(pixels_NHWC: Bytes, max_distance: float) -> Graph:
    """Return the graph of the pairs with a tiled l2 of at most `max_distance`.

    The edges are those of a double loop over `tiled_l2` in float64. Peak memory beside the pixels:
    a few times one tile of every image, and N x N distances.

    Args:
        pixels_NHWC: u8[N, H, W, C], one size.
        max_distance: largest tiled l2 of an edge, pixels in [0, 1].

    Source: Carlini et al. 2023, section 4.2.
    """
    count, height, width, _ = pixels_NHWC.shape
    linked_NN = ~np.eye(count, dtype=np.bool_)
    distance_NN = np.zeros((count, count))
    cut = list(tiles(height, width))
    for tile in cut:
        if min(side.stop - side.start for side in tile) >= _MIN_POOLED:
            _drop_by_bound(pixels_NHWC, tile, max_distance, linked_NN)
    for tile in cut:
        for nodes_M in _components(linked_NN):
            tile_MD = _tile(pixels_NHWC, nodes_M, tile).reshape(len(nodes_M), -1)
            tile_MM = root_mean(squared_differences(tile_MD, tile_MD), tile_MD.shape[1])
            among = np.ix_(nodes_M, nodes_M)
            linked_NN[among] &= tile_MM <= max_distance
            distance_NN[among] = np.maximum(distance_NN[among], tile_MM)
    distance_NN[~linked_NN] = 0
    return Graph(linked_NN, distance_NN)


def _drop_by_bound(pixels_NHWC: Bytes, tile: Tile, max_distance: float, linked_NN: Linked) -> None:
    """Unlink the pairs whose blocks alone put them too far apart in this tile.

    Jensen: the squared difference of two block sums, divided by the pixels of a block, is at most
    the sum of the squared differences of their pixels. All numbers are integers below 2**53.
    """
    nodes_M = np.flatnonzero(linked_NN.any(axis=1))
    if not len(nodes_M):
        return
    tile_MHWC = _tile(pixels_NHWC, nodes_M, tile)
    sums_MP = _pooled(tile_MHWC)
    energy_M = np.einsum("mp,mp->m", sums_MP, sums_MP)
    squared_MM = energy_M[:, None] + energy_M[None, :] - 2 * (sums_MP @ sums_MP.T)
    bound_MM = root_mean(squared_MM / _BLOCK**2, tile_MHWC[0].size)
    linked_NN[np.ix_(nodes_M, nodes_M)] &= bound_MM <= max_distance


def _pooled(tile_MHWC: Bytes) -> Floats:
    """Return the sums of whole 8x8 blocks, f64[M, P]; what is left over at the edge is ignored."""
    images, height, width, channels = tile_MHWC.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    whole = tile_MHWC[:, : rows * _BLOCK, : columns * _BLOCK]
    down = whole.reshape(images, rows, _BLOCK, columns * _BLOCK * channels)
    # a loop over eight slices is several times faster here than NumPy's sum over a short axis
    lines = down[:, :, 0].astype(np.uint16)
    for k in range(1, _BLOCK):
        lines += down[:, :, k]
    across = lines.reshape(images, rows, columns, _BLOCK, channels)
    sums = across[..., 0, :].astype(np.float64)
    for k in range(1, _BLOCK):
        sums += across[..., k, :]
    return sums.reshape(images, -1)


def _tile(pixels_NHWC: Bytes, nodes_M: NDArray[np.intp], tile: Tile) -> Bytes:
    rows, columns = tile
    # one image at a time: choosing the images first would copy all of their pixels
    return np.stack([pixels_NHWC[node, rows, columns] for node in nodes_M])


def _components(linked_NN: Linked) -> list[NDArray[np.intp]]:
    """Return the nodes of each connected component that has an edge."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, label_N = connected_components(csr_array(linked_NN), directed=False)
    linked = np.flatnonzero(linked_NN.any(axis=1))
    order = linked[np.argsort(label_N[linked], kind="stable")]
    starts = np.flatnonzero(np.diff(label_N[order])) + 1
    return [nodes for nodes in np.split(order, starts) if len(nodes)]
