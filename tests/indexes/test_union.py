import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes import union
from indexes.union import Union


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=9))
        )
    ),
    st.integers(0, 5),
)
def test_components_and_their_smallest_member(
    case: tuple[int, list[list[tuple[int, int]]]], held: int
) -> None:
    size, blocks = case
    joined = Union(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(union, "_HELD", held)
        for block in blocks:
            edges = np.array(block, np.int64).reshape(-1, 2)
            joined.add(edges[:, 0], edges[:, 1])
    graph = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(edge for block in blocks for edge in block)
    want = {n: min(part) for part in nx.connected_components(graph) for n in part}
    assert joined.labels().tolist() == [want[n] for n in range(size)]


def test_an_edge_given_256_times_still_counts() -> None:
    joined = Union(3)
    joined.add(np.zeros(256, np.int64), np.full(256, 2))
    assert joined.labels().tolist() == [0, 1, 0]
