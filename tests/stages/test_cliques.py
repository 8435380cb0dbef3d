from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import pixels
from stages.images.cliques import STAGE, CliquesConfig
from stages.measures.alike import Graph, alike
from stages.measures.cliques import largest_clique
from stages.measures.distances import tiled_l2
from stages.tables import CLIQUES, GENERATIONS

STEPS = 10**6


def graph_of(nodes: int, pairs: dict[tuple[int, int], float]) -> Graph:
    distance = np.zeros((nodes, nodes))
    for (a, b), value in pairs.items():
        distance[a, b] = distance[b, a] = value
    return Graph(distance > 0, distance)


def smooth(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Different images with large shapes, as photographs have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return np.stack([pixels.resize(rgb, side) for rgb in coarse])


def noisy(rgb: np.ndarray, amount: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-amount, amount + 1, rgb.shape)
    return np.clip(rgb.astype(int) + noise, 0, 255).astype(np.uint8)


def float64_loop(images: np.ndarray, max_distance: float) -> Graph:
    """The double loop that the fast graph has to equal, in plain NumPy."""
    distance = np.zeros((len(images), len(images)))
    linked = np.zeros(distance.shape, bool)
    cuts = [[k * side // 4 for k in range(5)] for side in images.shape[1:3]]
    for a, b in combinations(range(len(images)), 2):
        difference = (images[a].astype(np.float64) - images[b].astype(np.float64)) / 255
        largest = max(
            np.sqrt(np.mean(difference[top:bottom, left:right] ** 2))
            for top, bottom in zip(cuts[0][:-1], cuts[0][1:], strict=True)
            for left, right in zip(cuts[1][:-1], cuts[1][1:], strict=True)
        )
        linked[a, b] = linked[b, a] = largest <= max_distance
        distance[a, b] = distance[b, a] = largest
    return Graph(linked, distance * linked)


@given(
    st.tuples(st.integers(1, 7), st.integers(4, 21), st.integers(4, 21)),
    st.floats(0, 1),
    st.integers(0, 255),
    st.integers(0, 99),
)
def test_edges_and_distances_are_those_of_a_float64_loop(
    shape: tuple[int, int, int], max_distance: float, spread: int, seed: int
) -> None:
    images = np.random.default_rng(seed).integers(0, spread + 1, (*shape, 3), np.uint8)
    fast, slow = alike(images, max_distance), float64_loop(images, max_distance)
    np.testing.assert_array_equal(fast.linked_NN, slow.linked_NN)
    np.testing.assert_allclose(fast.distance_NN, slow.distance_NN, rtol=1e-12)


@pytest.mark.parametrize("max_distance", [0.02, 0.1, 0.25, 0.4])
@pytest.mark.parametrize("shape", [(128, 128), (139, 150), (200, 64)])
def test_the_pooled_bound_loses_no_edge(shape: tuple[int, int], max_distance: float) -> None:
    # tiles of 32 pixels and more are pooled; sides that neither 4 nor 8 divides included
    images = smooth(8, 256)[:, : shape[0], : shape[1]]
    near = [noisy(images[0], amount, amount) for amount in (2, 10, 30, 60, 90)]
    shifted = np.clip(images[1].astype(int) + 20, 0, 255).astype(np.uint8)
    images = np.stack([*images, *near, shifted])
    fast, slow = alike(images, max_distance), float64_loop(images, max_distance)
    np.testing.assert_array_equal(fast.linked_NN, slow.linked_NN)
    np.testing.assert_allclose(fast.distance_NN, slow.distance_NN, rtol=1e-12)


def test_a_pair_at_the_threshold_is_linked_and_one_above_it_is_not() -> None:
    images = np.zeros((3, 128, 128, 3), np.uint8)
    images[1] = 51
    images[2] = 52
    images[2, 0, 0, 0] = 51
    linked = alike(images, 51 / 255).linked_NN
    assert linked[0, 1]
    assert not linked[0, 2]
    exact = tiled_l2(images[0], images[2])
    assert alike(images, exact).linked_NN[0, 2]
    assert not alike(images, np.nextafter(exact, 0)).linked_NN[0, 2]


def test_one_tile_that_differs_parts_two_images() -> None:
    images = np.zeros((2, 64, 64, 3), np.uint8)
    images[1, 50:, 50:] = 255
    assert not alike(images, 0.5).linked_NN.any()


def test_a_chain_is_no_clique() -> None:
    # each is alike the next, the ends are not: one connected component, cliques of two
    chain = graph_of(5, {(k, k + 1): 0.1 for k in range(4)})
    assert largest_clique(chain, STEPS) == ((0, 1), pytest.approx(0.1), True)


def test_of_equal_sizes_the_closest_wins_and_then_the_first() -> None:
    far = {(0, 1): 0.2, (0, 2): 0.2, (1, 2): 0.2}
    near = {(3, 4): 0.1, (3, 5): 0.1, (4, 5): 0.1}
    assert largest_clique(graph_of(6, far | near), STEPS).members == (3, 4, 5)
    same = dict.fromkeys(far | near, 0.1)
    assert largest_clique(graph_of(6, same), STEPS).members == (0, 1, 2)


def test_a_graph_without_edges_has_cliques_of_one() -> None:
    assert largest_clique(graph_of(3, {}), STEPS) == ((0,), None, True)
    assert largest_clique(graph_of(1, {}), STEPS) == ((0,), None, True)


@given(st.integers(1, 11), st.floats(0, 1), st.integers(0, 999))
def test_the_clique_is_the_one_networkx_lists(nodes: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = {
        pair: float(rng.integers(1, 4)) / 8
        for pair in combinations(range(nodes), 2)
        if rng.random() < density
    }
    graph = graph_of(nodes, pairs)
    listed = [tuple(sorted(c)) for c in nx.find_cliques(nx.from_numpy_array(graph.linked_NN))]
    size = max(map(len, listed))
    mean = {c: np.mean([pairs[p] for p in combinations(c, 2)] or [0]) for c in listed}
    best = min((np.float32(mean[c]), c) for c in listed if len(c) == size)
    found = largest_clique(graph, STEPS)
    assert found.complete
    assert found.members == best[1]
    assert (found.mean_distance or 0) == pytest.approx(best[0])


def test_500_all_alike_are_one_clique() -> None:
    everyone = Graph(~np.eye(500, dtype=bool), np.full((500, 500), 0.1) * (1 - np.eye(500)))
    found = largest_clique(everyone, STEPS)
    assert found.members == tuple(range(500))
    assert found.complete


def test_very_many_largest_cliques_end_and_are_still_complete() -> None:
    # everybody alike but 60 pairs: 2**60 cliques of the largest size
    linked = ~np.eye(120, dtype=bool)
    for k in range(0, 120, 2):
        linked[k, k + 1] = linked[k + 1, k] = False
    found = largest_clique(Graph(linked, linked * 0.1), STEPS)
    assert len(found.members) == 60
    assert found.complete
    assert found == largest_clique(Graph(linked, linked * 0.1), STEPS)


def test_a_search_cut_short_says_so_and_returns_a_clique() -> None:
    rng = np.random.default_rng(3)
    linked = np.triu(rng.random((150, 150)) < 0.9, 1)
    linked |= linked.T
    found = largest_clique(Graph(linked, linked * 0.1), 20_000)
    assert not found.complete
    assert len(found.members) > 10
    assert all(linked[a, b] for a, b in combinations(found.members, 2))


def generations(images: dict[str, np.ndarray], **columns: Any) -> pa.Table:
    rows = [
        {
            "image_id": image_id,
            "model_id": "m",
            "prompt_id": "p",
            "sample": sample,
            "phase": "confirmation",
            "seed": sample,
            "sha256": image_id,
            "format": "png",
            "width": rgb.shape[1],
            "height": rgb.shape[0],
            "guidance_norms": None,
            "bytes": pixels.encode_png(rgb),
        }
        | {name: values[image_id] for name, values in columns.items() if image_id in values}
        for sample, (image_id, rgb) in enumerate(images.items())
    ]
    return GENERATIONS.check(GENERATIONS.of_rows(rows))


def run(images: pa.Table, **knobs: Any) -> Any:
    projected = images.select(STAGE.reads["images"].names)
    out = STAGE.run({"images": projected}, CliquesConfig(**knobs))
    return CLIQUES.check(out.rows).to_pylist(), out.rejected


def test_a_planted_clique_is_found_per_prompt_and_model() -> None:
    different = smooth(12, 32)
    images = dict(zip("abcdefghijkl", different, strict=True))
    for k, image_id in enumerate("bdf"):
        images[image_id] = noisy(different[0], 8, k)
    models = dict.fromkeys("kl", "other")
    rows, rejected = run(generations(images, model_id=models))
    by_id = {row["image_id"]: row for row in rows}
    assert not rejected
    assert "".join(sorted(by_id)) == "abcdefghijkl"
    assert [name for name in by_id if by_id[name]["in_clique"]] == [*"abdf", "k"]
    assert {row["clique_size"] for row in rows if row["model_id"] == "m"} == {4}
    assert {row["degree"] for row in rows if row["in_clique"]} == {3, 0}
    expected = [tiled_l2(images[a], images[b]) for a, b in combinations("abdf", 2)]
    assert by_id["a"]["clique_distance"] == pytest.approx(np.mean(expected))
    assert by_id["k"]["clique_distance"] is None
    assert all(row["complete"] for row in rows)


def test_rows_do_not_depend_on_order_or_on_what_else_is_in_the_part() -> None:
    images = {f"{k:02}": rgb for k, rgb in enumerate(smooth(8, 16))}
    images["03"] = noisy(images["00"], 5, 1)
    images["07"] = noisy(images["05"], 5, 1)
    prompts = dict.fromkeys(["05", "06", "07"], "q")
    table = generations(images, prompt_id=prompts)
    together, _ = run(table)
    shuffled, _ = run(table.take(np.random.default_rng(0).permutation(8)))
    apart = [
        row
        for prompt in "pq"
        for row in run(table.filter(np.array(table["prompt_id"].to_pylist()) == prompt))[0]
    ]
    assert together == shuffled == apart


def test_generations_of_different_sizes_are_stretched_to_one() -> None:
    small, large = smooth(2, 40)
    big = pixels.resize(small, 80)
    rows, _ = run(generations({"a": small, "b": big, "c": large[:20]}))
    assert [row["in_clique"] for row in rows] == [True, True, False]
    rows, _ = run(generations({"a": small, "b": big}), max_side=16)
    assert rows[0]["clique_size"] == 2


def test_oblong_generations_of_one_size_are_compared_as_they_are() -> None:
    images = smooth(2, 40)[:, :12]
    images = {"a": images[0], "b": noisy(images[0], 8, 1), "c": images[1]}
    rows, _ = run(generations(images))
    assert rows[0]["clique_distance"] == pytest.approx(tiled_l2(images["a"], images["b"]))


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 9, 3)])
def test_tiny_generations_are_stretched_until_they_have_tiles(shape: tuple[int, ...]) -> None:
    rows, rejected = run(generations({"a": np.zeros(shape, np.uint8)}))
    assert not rejected
    assert rows[0]["clique_size"] == 1


def test_a_generation_that_does_not_decode_is_rejected_and_the_rest_goes_on() -> None:
    rgb = smooth(1, 16)[0]
    broken = pixels.encode_png(rgb)[:100]
    table = generations({"a": rgb, "b": rgb, "c": rgb}, bytes={"b": broken})
    rows, rejected = run(table)
    assert [row["image_id"] for row in rows] == ["a", "c"]
    assert [(bad.key, bad.code) for bad in rejected] == [("b", "truncated")]
    assert rows[0]["clique_size"] == 2
    rows, rejected = run(table.slice(1, 1))
    assert rows == []
    assert len(rejected) == 1


def test_no_generations_give_no_rows() -> None:
    assert run(GENERATIONS.empty()) == ([], [])


@pytest.mark.parametrize(
    "knobs",
    [{"max_distance": -0.1}, {"max_distance": 1.1}, {"max_side": 3}, {"max_steps": 0}],
)
def test_impossible_knobs_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(knobs))}: expected"):
        CliquesConfig(**knobs)
