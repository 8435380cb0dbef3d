"""Clique: how many generations of one prompt are all alike.

Dimension key: N generations, H height, W width, C = 3 channels.
"""

from stages.measures.alike import alike
from stages.measures.cliques import largest_clique
from stages.measures.distances import Bytes

MAX_DISTANCE = 0.15
"""Largest tiled l2 of an edge; the paper does not print its own. See the cliques stage."""

MAX_STEPS = 2_000_000
"""Nodes that the search may colour before it is cut short."""


def size(generations_NHWC: Bytes, *, max_distance: float = MAX_DISTANCE) -> float | None:
    """Return the size of the largest clique under tiled l2; None without generations.

    Of a search cut short it is the largest size found. A clique says that the model has little to
    offer for this prompt, not that it learnt it from a picture.

    Args:
        generations_NHWC: u8[N, H, W, C], one size, sides of 4 pixels or more.
        max_distance: largest tiled l2 of two generations that are alike, pixels in [0, 1].

    Source: Carlini et al. 2023, arXiv:2301.13188, section 4.2: 10 of 500. True cliques; connected
    components, as one reimplementation has them, chain pictures that are not alike.
    """
    if not len(generations_NHWC):
        return None
    graph = alike(generations_NHWC, max_distance)
    return float(len(largest_clique(graph, MAX_STEPS).members))
