import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.measures.nearest import adaptive_ratios
from stages.methods import template
from stages.methods.masked_search import masked_l2, masked_squares
from stages.methods.masks import MaskRule, gradient, opened, template_of, templates
from stages.methods.template import TemplateRule, WorksView, find

SIDE = 32
FEW = TemplateRule(num_others=10)


def drawings(count: int, seed: int) -> np.ndarray:
    """Return pictures of soft blobs of many colours, u8[N, 32, 32, 3]; no two alike."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pictures = np.zeros((count, SIDE, SIDE, 3))
    for picture in pictures:
        picture[:] = rng.uniform(0, 1, 3)
        for _ in range(12):
            row, column, width = rng.uniform((0, 0, 2), (SIDE, SIDE, 6))
            blob = np.hypot(rows - row, columns - column) < width
            picture[blob] = rng.uniform(0, 1, 3)
    return np.rint(255 * pictures).astype(np.uint8)


def generations(layout: np.ndarray, count: int, seed: int, hole: slice) -> np.ndarray:
    """Return noisy copies of a layout, with something else in the hole of each."""
    rng = np.random.default_rng(seed)
    made = np.repeat(layout[None].astype(float), count, axis=0)
    made[:, hole, hole] = drawings(count, seed + 1)[:, hole, hole]
    made += rng.normal(0, 5, made.shape)
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


WORKS = drawings(40, 1)
HOLE = slice(10, 26)


@pytest.mark.parametrize("planted", range(6))
def test_a_layout_whose_region_varies_is_found(planted: int) -> None:
    made = generations(WORKS[planted], 6, 100 + planted, HOLE)
    (found,) = find(made, WorksView.one_each(WORKS), FEW)
    assert found.works == (planted,)
    assert found.template.members == tuple(range(6))
    assert not found.template.mask_HW[14:22, 14:22].any(), "what varies is not in the mask"
    outside = found.template.mask_HW.sum() / (SIDE**2 - 16 * 16)
    assert 0.8 < outside <= 1


@pytest.mark.parametrize("planted", range(6))
def test_a_layout_that_is_not_in_the_index_matches_nothing(planted: int) -> None:
    made = generations(WORKS[planted], 6, 100 + planted, HOLE)
    (found,) = find(made, WorksView.one_each(np.delete(WORKS, planted, axis=0)), FEW)
    assert found.works == ()


def on_white(motifs: np.ndarray) -> np.ndarray:
    """Return motifs as small pictures on a white ground, each at a place of its own."""
    white = np.full((len(motifs), SIDE, SIDE, 3), 255, np.uint8)
    for number, motif in enumerate(motifs):
        top, left = number * 7 % 17, number * 5 % 17
        white[number, top : top + 14, left : left + 14] = motif[:14, :14]
    return white


def test_works_on_the_same_white_ground_are_no_template() -> None:
    made = on_white(drawings(12, 5))
    assert find(made, WorksView.one_each(on_white(WORKS)), FEW) == []
    plain = np.full((8, SIDE, SIDE, 3), 255, np.uint8)
    assert find(plain, WorksView.one_each(plain), FEW) == []


def test_a_template_on_white_does_not_match_other_works_on_white() -> None:
    works = on_white(WORKS)
    made = generations(works[0], 5, 7, slice(30, 32))
    (found,) = find(made, WorksView.one_each(works), FEW)
    assert found.works == (0,)
    # on the whole mask other works are near, because the ground is; on the detail they are not
    kept = np.repeat(found.template.mask_HW.ravel(), 3)[None]
    flat = works.reshape(len(works), -1)
    picture = found.template.picture_HWC.reshape(1, -1)
    whole = masked_l2(masked_squares(picture, kept, flat), kept)[0]
    assert (found.distances_N >= whole).all()
    assert np.median(found.distances_N[1:]) > 1.2 * np.median(whole[1:])


def test_unrelated_generations_share_no_template() -> None:
    assert find(drawings(16, 9), WorksView.one_each(WORKS), FEW) == []


def test_two_templates_of_one_prompt_come_largest_first() -> None:
    made = np.concatenate(
        [generations(WORKS[3], 4, 11, HOLE), generations(WORKS[5], 6, 12, HOLE), drawings(3, 13)]
    )
    found = find(made, WorksView.one_each(WORKS), FEW)
    assert [one.works for one in found] == [(5,), (3,)]
    assert [one.template.members for one in found] == [(4, 5, 6, 7, 8, 9), (0, 1, 2, 3)]


def test_fewer_members_than_asked_are_chance() -> None:
    made = generations(WORKS[3], 2, 11, HOLE)
    assert find(made, WorksView.one_each(WORKS), FEW) == []
    assert find(made[:0], WorksView.one_each(WORKS), FEW) == []
    pair = TemplateRule(num_others=10, mask=MaskRule(min_members=2))
    assert [one.works for one in find(made, WorksView.one_each(WORKS), pair)] == [(3,)]


def test_works_are_as_near_as_their_nearest_image() -> None:
    far = drawings(1, 77)
    view = WorksView(
        pixels_RD=np.concatenate([WORKS, far]).reshape(41, -1),
        row_N=np.array([40, *range(40)]),
        starts_W=np.array([0, *range(4, 41)]),
    )
    (found,) = find(generations(WORKS[1], 6, 3, HOLE), view, FEW)
    assert found.works == (0,)
    assert found.distances_W[0] == found.distances_N[2] < found.distances_N[0]
    assert len(found.distances_W) == 38


def test_too_few_works_for_a_ratio_match_nothing() -> None:
    made = generations(WORKS[1], 6, 3, HOLE)
    (found,) = find(made, WorksView.one_each(WORKS))
    assert found.ratios_W is None
    assert found.works == ()
    assert template.to_each(made, WORKS) == [None] * 40


def test_the_line_of_the_table_takes_the_smallest_ratio() -> None:
    works = drawings(60, 2)
    ratios = template.to_each(generations(works[4], 6, 3, HOLE), works)
    assert np.argmin([np.inf if ratio is None else ratio for ratio in ratios]) == 4
    assert ratios[4] is not None
    assert ratios[4] < 1
    assert template.to_each(drawings(4, 3), works) == [None] * 60


def test_another_size_or_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="8 bits, got float64"):
        find(WORKS[:3] / 255, WorksView.one_each(WORKS))
    with pytest.raises(ValueError, match="expected generations of 3072 values"):
        find(np.zeros((3, 8, 8, 3), np.uint8), WorksView.one_each(WORKS))


@given(st.lists(st.integers(0, 9), min_size=3, max_size=12), st.integers(1, 2))
def test_ratios_at_once_are_those_one_by_one(values: list[int], num_others: int) -> None:
    distances = np.array(values, float)
    expected = adaptive_ratios(distances, range(len(values)), num_others=num_others, alpha=0.5)
    found = template.ratios(distances, num_others=num_others, alpha=0.5)
    assert found is not None
    np.testing.assert_allclose(found, [np.inf if one is None else one for one in expected])


def test_masked_squares_are_those_of_integers() -> None:
    # more values than one exact run of 1024 and all extremes
    rng = np.random.default_rng(4)
    left = rng.choice([0, 1, 254, 255], (3, 2500)).astype(np.uint8)
    right = rng.choice([0, 1, 254, 255], (5, 2500)).astype(np.uint8)
    kept = rng.random((3, 2500)) < 0.4
    kept[2, :1024] = False
    differences = left.astype(int)[:, None] - right.astype(int)[None]
    expected = (np.square(differences) * kept[:, None]).sum(axis=2)
    np.testing.assert_array_equal(masked_squares(left, kept, right), expected)


def test_masked_squares_on_a_torch_device_are_the_same() -> None:
    left, kept = WORKS[:2].reshape(2, -1), np.ones((2, WORKS[0].size), np.bool_)
    right = WORKS.reshape(40, -1)
    expected = masked_squares(left, kept, right)
    np.testing.assert_array_equal(masked_squares(left, kept, right, "cpu:0"), expected)


def test_masked_l2_is_websters_sum_in_another_unit() -> None:
    # 51 levels (0.2) on half of the values: 0.2 whatever the share
    sums = np.array([[2 * 51.0**2]])
    kept = np.array([[True, True, False, False]])
    assert masked_l2(sums, kept)[0, 0] == pytest.approx(0.2)


def test_opening_drops_what_no_square_of_three_fits_into() -> None:
    mask = np.zeros((1, 9, 9), np.bool_)
    mask[0, 2:5, 2:5] = True
    mask[0, 7, 3:7] = True
    kept = opened(mask)
    assert kept.sum() == 9
    assert kept[0, 2:5, 2:5].all()
    assert opened(np.ones((1, 4, 5), np.bool_)).all(), "the border counts as set"


def test_spread_by_hand() -> None:
    # members 20 levels apart deviate by 10 (0.039) from their mean, 40 apart by 20 (0.078)
    ramp = np.zeros((2, 8, 8, 3), np.uint8)
    ramp[:] = (np.arange(8) * 30)[:, None]
    ramp[1, :4] += 20
    ramp[1, 4:] += 40
    found = template_of(ramp, (0, 1), MaskRule())
    assert found is not None
    assert found.mask_HW[:4].all()
    assert not found.mask_HW[4:].any()
    assert found.area == 0.5
    assert found.picture_HWC[0, :, 0].tolist() == [10, 40, 70, 100, 130, 160, 190, 220]


def test_gradient_is_that_of_the_steepest_channel() -> None:
    picture = np.zeros((3, 3, 3))
    picture[:, :, 1] = [[0, 3, 6], [4, 7, 10], [8, 11, 14]]
    assert gradient(picture)[1, 1] == 5


@pytest.mark.parametrize(
    ("knob", "value"),
    [("max_spread", 0), ("steep", 2), ("min_members", 1), ("min_detail", 0), ("max_templates", 0)],
)
def test_rules_that_anything_would_meet_are_refused(knob: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{knob}: expected"):
        MaskRule(**{knob: value})


def test_no_more_templates_than_asked() -> None:
    made = np.concatenate([generations(WORKS[k], 3, 20 + k, HOLE) for k in range(3)])
    assert len(list(templates(made, MaskRule(max_templates=2)))) == 2
    assert len(list(templates(made, MaskRule()))) == 3
