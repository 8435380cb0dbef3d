"""The largest clique of a graph: a group in which everybody is alike everybody else.

Dimension key: N nodes.

Cliques, not connected components: a chain of pairs that are alike joins images that are not.
Branch and bound over sets of nodes kept as the bits of an integer, with the bound of a greedy
colouring (Tomita and Seki 2003): nodes of one colour are not linked, so that no clique has two of
them. It is quick both where few are alike and where all are; a search cut short says so.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.measures.alike import Graph

# Cliques of the largest size that are compared with each other; there may be very many.
_MAX_TIES = 1000

Colored = list[tuple[int, int]]


class Clique(NamedTuple):
    """The largest group of images that are all alike."""

    members: tuple[int, ...]
    """Nodes in order; at least one."""

    mean_distance: float | None
    """Mean tiled l2 of the pairs in it, rounded to float32; None for one member."""

    complete: bool
    """False if the search was cut short, so that a larger one may exist."""


def largest_clique(graph: Graph, max_steps: int) -> Clique:
    """Return the largest clique; of several the one with the smallest mean distance.

    Of cliques alike in that too, the one whose nodes come first. Where very many cliques share the
    largest size, the first found of them are compared (a thousand, or fewer if `max_steps` ends
    the comparison); the size is not touched by this.

    Args:
        graph: at least one node.
        max_steps: nodes that the search may colour before it is cut short.

    Returns:
        The same clique on every machine.
    """
    degree_N = graph.linked_NN.sum(axis=1)
    order_N = np.argsort(-degree_N, kind="stable")
    neighbors = _bits(graph.linked_NN[np.ix_(order_N, order_N)])
    largest: list[int] = [0]

    def keep_larger(chosen: list[int]) -> int:
        largest[:] = chosen
        return len(chosen) + 1

    complete = _walk(neighbors, 2, max_steps, keep_larger)
    size = len(largest)
    best = _described(graph, order_N[largest])
    ties = 0

    def keep_closer(chosen: list[int]) -> int:
        nonlocal best, ties
        best = min(best, _described(graph, order_N[chosen]))
        ties += 1
        return size if ties < _MAX_TIES else len(neighbors) + 1

    if size > 1:
        _walk(neighbors, size, max_steps, keep_closer)
        return Clique(best[1], best[0], complete)
    return Clique((0,), None, complete)


def _described(graph: Graph, nodes: NDArray[np.intp]) -> tuple[float, tuple[int, ...]]:
    members = np.sort(nodes)
    pairs = max(1, len(members) * (len(members) - 1))
    total = graph.distance_NN[np.ix_(members, members)].sum()
    # float32, so that the last bit of a sum decides nothing
    return float(np.float32(total / pairs)), tuple(members.tolist())


def _bits(linked_NN: NDArray[np.bool_]) -> list[int]:
    packed = np.packbits(linked_NN, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _walk(
    neighbors: list[int], target: int, max_steps: int, found: Callable[[list[int]], int]
) -> bool:
    """Call `found` with cliques of at least `target` nodes; it returns the next target.

    Returns:
        True if every such clique was seen or shown not to exist, False if cut short.
    """
    chosen: list[int] = []
    everything = (1 << len(neighbors)) - 1
    stack = [[everything]]
    branches = [_colored(neighbors, everything, target)]
    steps = len(neighbors)
    while branches:
        if not branches[-1] or len(chosen) + branches[-1][-1][1] < target:
            branches.pop()
            stack.pop()
            if chosen:
                chosen.pop()
            continue
        node, _ = branches[-1].pop()
        below = stack[-1][0] & neighbors[node]
        stack[-1][0] &= ~(1 << node)
        chosen.append(node)
        if below:
            steps += below.bit_count()
            if steps > max_steps:
                return False
            stack.append([below])
            branches.append(_colored(neighbors, below, target - len(chosen)))
            continue
        if len(chosen) >= target:
            target = found(list(chosen))
        chosen.pop()
    return True


def _colored(neighbors: list[int], candidates: int, min_color: int) -> Colored:
    """Return (node, colour) of the candidates of at least that colour, colours in order from 1.

    A clique among the nodes up to and with one of colour c has at most c nodes.
    """
    colored: Colored = []
    color = 0
    while candidates:
        color += 1
        free = candidates
        while free:
            lowest = free & -free
            node = lowest.bit_length() - 1
            candidates ^= lowest
            free = (free ^ lowest) & ~neighbors[node]
            if color >= min_color:
                colored.append((node, color))
    return colored
