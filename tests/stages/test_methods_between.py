import numpy as np
import pytest

from stages.methods import clique, descriptor_similarity, edge_consistency
from stages.methods.descriptor import Vectors


def grey(*levels: int) -> np.ndarray:
    """Return plain pictures of those levels."""
    return np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])


def vectors(*rows: list[float], network: str = "n", pipeline: str = "own") -> Vectors:
    return Vectors(vectors_ND=np.array(rows, np.float32), network=network, pipeline=pipeline)


def test_divergence_a_chain_is_a_component_but_no_clique() -> None:
    # neighbours are 30 levels apart (0.118), the ends 120 (0.47): one component of 5
    chain = grey(0, 30, 60, 90, 120)
    assert clique.size(chain, max_distance=0.15) == 2
    assert clique.size(chain, max_distance=0.24) == 3
    assert clique.size(grey(7, 7, 7, 200), max_distance=0.15) == 3


def test_divergence_tiles_correspond() -> None:
    # some pair of tiles is equal (both have black ones), no corresponding set of all 16 is
    left, right = grey(0)[0].copy(), grey(0)[0].copy()
    left[:4], right[4:] = 255, 255
    assert clique.size(np.stack([left, right]), max_distance=0.9) == 1


def test_one_generation_is_its_own_clique_and_none_is_nothing() -> None:
    assert clique.size(grey(3)) == 1
    assert clique.size(grey(3)[:0]) is None


def test_mean_and_largest_cosine_by_hand() -> None:
    # cosines: 0, 0.6, 0.8
    three = vectors([2, 0], [0, 5], [0.6, 0.8])
    assert descriptor_similarity.mean(three) == pytest.approx(1.4 / 3)
    assert descriptor_similarity.largest(three) == pytest.approx(0.8)


def test_one_generation_has_no_similarity() -> None:
    assert descriptor_similarity.mean(vectors([1, 0])) is None
    assert descriptor_similarity.largest(vectors([1, 0])) is None


def step(at: int) -> np.ndarray:
    """Return a 256x256 picture that turns from black to white at a column."""
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[:, at:] = 255
    return picture


def test_outline_of_a_step_lies_in_the_two_columns_beside_it() -> None:
    outline = edge_consistency.outlines(step(100))
    assert np.flatnonzero(outline.all(axis=0)).tolist() == [99, 100]
    assert np.flatnonzero(outline.any(axis=0)).tolist() == [99, 100]


@pytest.mark.parametrize(
    ("channels", "levels", "outline"),
    [
        # (1+2+1) along the step, times (1+2+1) over the channels, times 3 channels: 48 * 8 / 255
        # is 1.506 and 48 * 7 / 255 is 1.318
        (slice(None), 8, True),
        (slice(None), 7, False),
        # one channel alone: what smoothing takes from it the others receive; 16 * 24 / 255 is 1.506
        (slice(0, 1), 24, True),
        (slice(0, 1), 23, False),
        (slice(1, 2), 24, True),
        (slice(1, 2), 23, False),
    ],
)
def test_divergence_the_filter_of_the_code_smooths_over_channels(
    channels: slice, levels: int, *, outline: bool
) -> None:
    weak = np.zeros((256, 256, 3), np.uint8)
    weak[:, 100:, channels] = levels
    assert edge_consistency.outlines(weak).any() == outline


def test_edges_need_more_than_half_of_the_seeds() -> None:
    same, other = step(100), step(30)
    assert edge_consistency.score([same, same, same, other]) == 2 / 256
    assert edge_consistency.score([same, same, other, other]) == 0
    assert edge_consistency.score([same] * 4) == 2 / 256
    assert edge_consistency.score([]) is None


def test_samples_of_any_size_are_stretched_first() -> None:
    assert edge_consistency.outlines(step(128)[::4, ::4]).shape == (256, 256)
    # of 512 pixels two columns become one; the step stays where it was
    large = np.repeat(np.repeat(step(128), 2, axis=0), 2, axis=1)
    columns = np.flatnonzero(edge_consistency.outlines(large).all(axis=0))
    assert {127, 128} <= set(columns.tolist()) <= set(range(124, 132))
