from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from stages.methods import partial
from stages.methods.agreement import bits, box_of, correlation, told, widened
from stages.methods.aligned import Fit, RegionRule, fit
from stages.methods.partial import PartialRule, find, margins, matches
from stages.methods.patches import Placing, placings
from stages.methods.places import Box, carried, resized

SIDE = 64


def drawing(seed: int, side: int = SIDE) -> np.ndarray:
    """Return a picture of soft blobs, u8[side, side, 3]; no two alike."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] * (SIDE / side)
    picture = np.zeros((side, side, 3)) + rng.uniform(0, 1, 3)
    for _ in range(50):
        row, column, width = rng.uniform((0, 0, 3), (SIDE, SIDE, 10))
        inside = np.clip(width - np.hypot(rows - row, columns - column), 0, 1)[:, :, None]
        picture += inside * (rng.uniform(0, 1, 3) - picture)
    return np.rint(255 * picture).astype(np.uint8)


class Planted(NamedTuple):
    """A generation into which a region of a work was pasted."""

    made: np.ndarray
    work_box: Box
    made_box: Box
    scale: float


def planted(work: np.ndarray, host: np.ndarray, seed: int, *, flip: bool) -> Planted:
    """Paste 30 to 70 % of a work on another picture, scaled by 0.5 to 1.5, with noise."""
    rng = np.random.default_rng(seed)
    side = round(SIDE * rng.uniform(0.3, 0.7) ** 0.5)
    top, left = rng.integers(0, SIDE - side + 1, 2).tolist()
    size = round(side * min(rng.uniform(0.5, 1.5), SIDE / side))
    crop = work[top : top + side, left : left + side]
    crop = np.ascontiguousarray(crop[:, ::-1] if flip else crop)
    region = Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC)
    down, across = rng.integers(0, SIDE - size + 1, 2).tolist()
    made = host.astype(float)
    made[down : down + size, across : across + size] = np.asarray(region)
    made += rng.normal(0, 5, made.shape)
    return Planted(
        np.clip(np.rint(made), 0, 255).astype(np.uint8),
        (top, left, top + side, left + side),
        (down, across, down + size, across + size),
        size / side,
    )


def overlap(one: Box, other: Box) -> float:
    """Return the share of two boxes that both cover."""
    high, wide = (max(0, min(one[k + 2], other[k + 2]) - max(one[k], other[k])) for k in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return high * wide / (sum(areas) - high * wide)


@pytest.mark.parametrize("seed", range(8))
def test_a_pasted_region_is_found_and_stored_as_an_aligned_pair(seed: int) -> None:
    flip = bool(seed % 2)
    work = drawing(seed)
    truth = planted(work, drawing(100 + seed), seed, flip=flip)
    (found,) = find(truth.made, [work])
    assert found is not None
    assert matches(found)
    assert overlap(found.made_box, truth.made_box) > 0.5
    assert overlap(found.work_box, truth.work_box) > 0.5
    linear = found.matrix_23[:, :2]
    assert (np.linalg.det(linear) < 0) == flip, "the matrix says whether it is mirrored"
    assert abs(np.linalg.det(linear)) ** -0.5 == pytest.approx(truth.scale, rel=0.06)
    # the middle of the pasted region goes where it came from
    down, across, bottom, right = truth.made_box
    middle = [(down + bottom - 1) / 2, (across + right - 1) / 2, 1]
    top, left, low, far = truth.work_box
    expected = [(top + low - 1) / 2, (left + far - 1) / 2]
    np.testing.assert_allclose(found.matrix_23 @ middle, expected, atol=1.5)


@pytest.mark.parametrize("seed", range(12))
def test_unrelated_pictures_do_not_match(seed: int) -> None:
    (found,) = find(drawing(200 + seed), [drawing(300 + seed)])
    assert found is None or not matches(found)


def test_plain_pictures_do_not_match() -> None:
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    ramp = np.repeat(np.arange(SIDE, dtype=np.uint8)[:, None, None] * 3, 3, axis=2)
    ramps = np.broadcast_to(ramp, (SIDE, SIDE, 3)).copy()
    assert find(white, [white, ramps, drawing(1)]) == [None] * 3
    assert find(ramps, [ramps]) == [None]


def test_works_are_answered_in_order_and_ranked() -> None:
    work = drawing(1)
    truth = planted(work, drawing(101), 1, flip=True)
    scores = partial.to_each(truth.made, np.stack([drawing(7), work, drawing(8)]))
    assert np.argmax([score or 0 for score in scores]) == 1
    assert find(truth.made, []) == []


def test_pixels_in_another_unit_are_refused() -> None:
    with pytest.raises(ValueError, match="8 bits, got float64"):
        find(drawing(1) / 255, [drawing(1)])
    with pytest.raises(ValueError, match="8 bits, got float64"):
        find(drawing(1), [drawing(1) / 255])


def test_small_pictures_are_no_fault() -> None:
    assert find(drawing(1, 8), [drawing(1, 8)]) == [None]
    assert find(drawing(1), [drawing(1, 4)]) == [None]


def test_places_are_those_of_the_pictures_as_given() -> None:
    # both larger than what is compared, and of different sizes; the left half came back
    work, made = drawing(3, 192), drawing(103, 128)
    made[:, 64:] = np.asarray(Image.fromarray(work).resize((128, 128)))[:, :64]
    (found,) = find(made, [work])
    assert found is not None
    assert overlap(found.made_box, (0, 64, 128, 128)) > 0.8
    assert overlap(found.work_box, (0, 0, 192, 96)) > 0.8
    np.testing.assert_allclose(found.matrix_23 @ [63.5, 95.5, 1], [95.5, 47.5], atol=1.5)


@pytest.mark.parametrize("flip", [False, True])
def test_the_first_guess_is_the_shift(*, flip: bool) -> None:
    work = drawing(4)
    turned = work[:, ::-1] if flip else work
    made = drawing(104)
    made[10:50, 20:60] = turned[4:44, 12:52]
    (best, *_) = placings(made, work, 3)
    assert (best.scale, best.flip) == (1.0, flip)
    assert np.abs(np.subtract(best.shift, (-6, -8))).max() <= 1


def test_fit_mends_a_guess_that_is_off() -> None:
    work, made = drawing(5), drawing(105)
    made[8:56, 8:56] = work[10:58, 13:61]
    found = fit(made, work, Placing(1.0, flip=False, shift=(3, 4), votes=1.0), RegionRule())
    assert found is not None
    np.testing.assert_allclose(found.matrix_23, [[1, 0, 2], [0, 1, 5]], atol=0.1)
    assert found.made_box == (8, 8, 56, 56)
    assert found.work_box == (10, 13, 58, 61)
    assert found.area == 48 * 48 / 64**2
    assert found.correlation > 0.999


def test_fit_that_wanders_off_is_none() -> None:
    guess = Placing(1.0, flip=False, shift=(0, 0), votes=1.0)
    strict = RegionRule(max_drift=1e-6)
    made = np.asarray(Image.fromarray(drawing(5)).resize((66, 66)))[:64, :64]
    assert fit(made, drawing(5), guess, RegionRule()) is not None
    assert fit(made, drawing(5), guess, strict) is None


def a_fit(**changes: float) -> Fit:
    plain = {"area": 0.3, "correlation": 0.9, "detail_correlation": 0.9, "l2": 0.05, "bits": 99.0}
    box = (0, 0, 9, 9)
    return Fit(matrix_23=np.eye(3)[:2], made_box=box, work_box=box, **(plain | changes))


@pytest.mark.parametrize(
    "changes",
    [{"correlation": 0.84}, {"detail_correlation": 0.84}, {"l2": 0.13}, {"bits": 29.0}],
)
def test_a_match_needs_every_mark(changes: dict[str, float]) -> None:
    assert matches(a_fit())
    assert not matches(a_fit(**changes))
    loose = PartialRule(min_correlation=0.5, max_l2=0.2, min_bits=10)
    assert matches(a_fit(**changes), loose)


def test_what_many_works_hold_is_no_ones_copy() -> None:
    # the second lies half within the first, the third beside it
    first, second = a_fit(bits=100.0), a_fit(bits=80.0)._replace(made_box=(0, 0, 9, 18))
    third = a_fit(bits=60.0)._replace(made_box=(20, 20, 29, 29))
    assert margins([first, None, second, third]) == [60, None, -20, 60]
    assert margins([first]) == [100]
    assert margins([]) == []


def test_correlation_by_hand() -> None:
    # 1, 2, 3 and 1, 3, 2: deviations -1 0 1 and -1 1 0: 1 / (sqrt 2 * sqrt 2)
    left, right = (np.array(values, float).reshape(3, 1, 1) for values in ([1, 2, 3], [1, 3, 2]))
    assert correlation(left, right) == pytest.approx(0.5)
    assert correlation(left, 5 - 2 * left) == pytest.approx(-1)
    assert correlation(left, np.ones((3, 1, 1))) == 0


def test_the_mean_of_each_channel_is_removed() -> None:
    tinted = np.tile([0.1, 0.5, 0.9], (4, 4, 1))
    assert correlation(tinted, tinted) == 0, "a shared tint is no likeness"


def test_bits_by_hand() -> None:
    # 8 values at r^2 = 3/4: 8 / 2 * log2(4)
    assert bits(0.75**0.5, 8) == pytest.approx(8)
    assert bits(-0.9, 8) == 0
    assert bits(1.0, 8) == bits(0.999, 8) < 80


def test_plain_regions_tell_nothing() -> None:
    plain = np.full((16, 16, 3), 0.5)
    assert told(plain, plain) == (0, 0, 0)
    picture = drawing(6) / 255
    whole, fine, amount = told(picture, picture)
    assert whole == pytest.approx(1)
    assert fine == pytest.approx(1)
    assert amount > 500
    assert told(picture[:32], picture[:32])[2] < amount, "a larger region tells more"


def test_a_box_ignores_what_sticks_out() -> None:
    region = np.zeros((12, 12), np.bool_)
    region[2:8, 3:9] = True
    region[4, 9:] = True
    assert box_of(region) == (2, 3, 8, 9)


def test_a_box_takes_in_what_is_as_close_as_the_rest_and_no_more() -> None:
    apart = np.full((12, 12), 0.09)
    apart[2:9, 3:9] = 0.0001
    apart[:, 10:] = np.inf
    assert widened((4, 4, 7, 7), apart, 9) == (2, 3, 9, 9)
    assert widened((4, 4, 7, 7), apart, 1) == (3, 3, 8, 8)
    assert widened((2, 3, 9, 9), apart, 9) == (2, 3, 9, 9)


def test_places_of_another_size_by_hand() -> None:
    # of 4 pixels 8: the first centre 0 becomes 0.5, the last 3 becomes 6.5
    matrix = resized((4, 4, 3), (8, 8, 3))
    assert (matrix @ [0, 3, 1]).tolist() == [0.5, 6.5, 1]
    assert carried((1, 0, 3, 4), matrix[:2], (8, 8)) == (2, 0, 6, 8)
    assert carried((1, 0, 3, 4), matrix[:2], (5, 5)) == (2, 0, 5, 5), "no further than the work"
