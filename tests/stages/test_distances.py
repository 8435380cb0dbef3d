import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.measures.distances import (
    adaptive_ratio,
    l2,
    root_mean,
    squared_differences,
    tiled_l2,
    tiled_l2_to_each,
    tiles,
)
from stages.measures.nearest import adaptive_ratios, nearest_of_each, nearest_of_each_kind


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_l2_is_the_root_of_the_mean_in_units_of_white() -> None:
    black = np.zeros((1, 2, 3), np.uint8)
    other = np.array([[[3, 4, 0], [0, 0, 12]]], np.uint8)
    assert l2(black, other) == pytest.approx(math.sqrt((9 + 16 + 144) / 6) / 255)
    assert l2(black, np.full_like(black, 255)) == 1
    assert l2(other, other) == 0


def test_l2_does_not_wrap_around_at_a_byte() -> None:
    assert l2(np.array([[[0]]], np.uint8), np.array([[[200]]], np.uint8)) == 200 / 255


def test_images_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one size, got \(4, 4, 3\) and \(4, 5, 3\)"):
        l2(image(4, 4), image(4, 5))
    with pytest.raises(ValueError, match="one size"):
        tiled_l2(image(4, 4), image(8, 4))
    with pytest.raises(ValueError, match="one size"):
        l2(np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.uint8))


def test_tiled_l2_is_the_worst_tile_and_ignores_a_shared_background() -> None:
    left, right = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    right[2:4, 4:6] = 102
    assert tiled_l2(left, right) == pytest.approx(0.4)
    assert l2(left, right) == pytest.approx(0.4 / 4)


def test_tiled_l2_compares_tiles_at_the_same_place_only() -> None:
    left, right = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    left[:2, :2] = 255
    right[6:, 6:] = 255
    assert tiled_l2(left, right) == 1


@given(st.integers(4, 40), st.integers(4, 40))
def test_tiles_cover_every_pixel_once_and_differ_by_at_most_one(height: int, width: int) -> None:
    seen = np.zeros((height, width), int)
    cut = list(tiles(height, width))
    for tile in cut:
        seen[tile] += 1
    assert len(cut) == 16
    assert (seen == 1).all()
    for k in (0, 1):
        sides = {tile[k].stop - tile[k].start for tile in cut}
        assert max(sides) - min(sides) <= 1


def test_an_image_too_small_for_tiles_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 pixels, got 3x9"):
        tiles(3, 9)


@given(st.integers(4, 19), st.integers(4, 19), st.integers(0, 99))
def test_many_tiled_distances_equal_one_at_a_time(height: int, width: int, seed: int) -> None:
    left = image(height, width, seed)
    rights = np.stack([image(height, width, seed + k) for k in range(3)])
    assert tiled_l2_to_each(left, rights).tolist() == [tiled_l2(left, right) for right in rights]


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(0, 5), st.just(7))),
    hnp.arrays(np.uint8, st.tuples(st.integers(0, 5), st.just(7))),
)
def test_sums_are_those_of_integers(left: np.ndarray, right: np.ndarray) -> None:
    expected = np.square(left.astype(int)[:, None] - right.astype(int)[None]).sum(axis=2)
    np.testing.assert_array_equal(squared_differences(left, right), expected)


def test_sums_stay_exact_where_plain_float32_does_not() -> None:
    # all extremes, longer than one exact run of 1024, and more rows than one block
    rows = np.random.default_rng(1).choice([0, 1, 254, 255], (8200, 1100)).astype(np.uint8)
    few = rows[:3]
    expected = np.stack([np.square(rows.astype(np.int32) - row).sum(axis=1) for row in few])
    np.testing.assert_array_equal(squared_differences(few, rows), expected)
    np.testing.assert_array_equal(squared_differences(few, few), expected[:, :3])
    zeros = np.zeros((2, 4096), np.uint8)
    np.testing.assert_array_equal(squared_differences(zeros, zeros), np.zeros((2, 2)))


def test_root_mean_is_l2() -> None:
    left, right = image(8, 8, 1), image(8, 8, 2)
    sums = squared_differences(left.reshape(1, -1), right.reshape(1, -1))
    assert root_mean(sums, left.size)[0, 0] == l2(left, right)


# The formula: l2(x_hat, x) / (alpha * mean_{y in S} l2(x_hat, y)), S the n nearest OTHER works
# of the generation x_hat. By hand: works at 0.1 (copied), 0.4, 0.5, 0.6, 0.9; n = 3, alpha = 0.5.
BY_HAND = np.array([0.1, 0.4, 0.5, 0.6, 0.9])


def test_ratio_by_hand() -> None:
    ratios = adaptive_ratios(BY_HAND, [0, 1, 4], num_others=3, alpha=0.5)
    assert ratios[0] == pytest.approx(0.1 / (0.5 * (0.4 + 0.5 + 0.6) / 3))
    assert ratios[1] == pytest.approx(0.4 / (0.5 * (0.1 + 0.5 + 0.6) / 3))
    assert ratios[2] == pytest.approx(0.9 / (0.5 * (0.1 + 0.4 + 0.5) / 3))


def test_divergence_the_copied_work_is_not_in_its_own_mean() -> None:
    wrong = 0.1 / (0.5 * (0.1 + 0.4 + 0.5) / 3)
    right = 0.1 / (0.5 * (0.4 + 0.5 + 0.6) / 3)
    (ratio,) = adaptive_ratios(BY_HAND, [0], num_others=3, alpha=0.5)
    assert ratio == pytest.approx(right)
    assert ratio != pytest.approx(wrong)


def test_divergence_distances_are_those_of_the_generation_not_of_the_reference() -> None:
    # on a line: the reference at 0, the generation at 2, other works at 6 and 10. Around the
    # reference, counting itself, the mean would be (0 + 6) / 2 and the ratio 2 / 1.5
    places = np.array([0.0, 6.0, 10.0])
    generation = 2.0
    (ratio,) = adaptive_ratios(np.abs(places - generation), [0], num_others=2, alpha=0.5)
    assert ratio == pytest.approx(2 / (0.5 * (4 + 8) / 2))


@given(st.floats(0.01, 100))
def test_divergence_the_unit_of_l2_cancels(unit: float) -> None:
    # pixels in [-1, 1] double every l2, and dividing the numerator alone by 2 would halve the ratio
    plain = adaptive_ratio(0.3, np.array([0.4, 0.8]), 0.5)
    assert plain == pytest.approx(1.0)
    assert adaptive_ratio(0.3 * unit, np.array([0.4, 0.8]) * unit, 0.5) == pytest.approx(plain)


def test_ratio_without_a_scale_is_none() -> None:
    assert adaptive_ratio(0.0, np.zeros(3), 0.5) is None
    assert adaptive_ratios(np.zeros(4), [0], num_others=3, alpha=0.5) == [None]
    assert adaptive_ratio(0.0, np.ones(3), 0.5) == 0
    with pytest.raises(ValueError, match="at least one neighbor"):
        adaptive_ratio(0.1, np.array([]), 0.5)


def test_ratio_needs_enough_other_works() -> None:
    assert adaptive_ratios(BY_HAND, [0], num_others=5, alpha=0.5) == [None]
    assert adaptive_ratios(BY_HAND, [0], num_others=4, alpha=0.5) != [None]


@given(st.lists(st.integers(1, 6), min_size=4, max_size=12), st.integers(1, 3))
def test_ratios_equal_a_sort_of_the_others(values: list[int], num_others: int) -> None:
    distances = np.array(values, float)
    found = adaptive_ratios(distances, range(len(values)), num_others=num_others, alpha=0.5)
    for work, ratio in enumerate(found):
        others = sorted(np.delete(distances, work))[:num_others]
        assert ratio == pytest.approx(distances[work] / (0.5 * np.mean(others)))


def test_nearest_of_each_kind_keeps_ties_and_short_kinds() -> None:
    values = np.array([5.0, 1.0, 1.0, 2.0, 9.0])
    kinds = np.array([0, 0, 0, 0, 2], np.int8)
    assert nearest_of_each_kind(values, kinds, 1).tolist() == [1, 2, 4]
    assert nearest_of_each_kind(values, kinds, 3).tolist() == [1, 2, 3, 4]
    assert nearest_of_each_kind(values, kinds, 9).tolist() == [0, 1, 2, 3, 4]
    assert nearest_of_each(values, np.array([0, 3])).tolist() == [1.0, 2.0]
