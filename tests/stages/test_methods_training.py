import math

import numpy as np
import pytest
from PIL import Image

from stages.measures.distances import l2, tiled_l2
from stages.methods import adaptive_ratio, descriptor, pdq, webster
from stages.methods import tiled_l2 as tiled
from stages.methods.descriptor import Vectors
from stages.methods.l2 import to_each as l2_to_each
from stages.methods.pdq import Hashes
from stages.methods.pipelines import PIPELINES, prepare

RNG = np.random.default_rng(3)
WORKS = RNG.integers(0, 256, (7, 8, 8, 3), np.uint8)
MADE = RNG.integers(0, 256, (8, 8, 3), np.uint8)


def test_l2_and_tiled_l2_are_those_of_measures() -> None:
    assert l2_to_each(MADE, WORKS) == [l2(MADE, work) for work in WORKS]
    assert tiled.to_each(MADE, WORKS) == [tiled_l2(MADE, work) for work in WORKS]


def test_tiled_l2_goes_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "_BLOCK_VALUES", 2 * MADE.size)
    assert tiled.to_each(MADE, WORKS) == [tiled_l2(MADE, work) for work in WORKS]


def test_pictures_of_another_size_or_type_are_refused() -> None:
    for method in (l2_to_each, tiled.to_each, adaptive_ratio.to_each):
        with pytest.raises(ValueError, match="resize first"):
            method(MADE[:4], WORKS)
        with pytest.raises(ValueError, match="8 bits, got float64"):
            method(MADE / 255, WORKS / 255)


def plain(*levels: int) -> np.ndarray:
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])


def test_adaptive_ratio_by_hand() -> None:
    # generation at 0; works at 10 (copied), 40, 50, 60, 90; n = 3: the mean of 40, 50, 60 is 50
    ratios = adaptive_ratio.to_each(plain(0)[0], plain(10, 40, 50, 60, 90), num_others=3)
    assert ratios[0] == pytest.approx(10 / (0.5 * 50))
    assert ratios[4] == pytest.approx(90 / (0.5 * (10 + 40 + 50) / 3))


def test_divergence_i_the_mean_lies_around_the_generation() -> None:
    # around the reference 0, counting itself, the mean of {0, 60} is 30 and the ratio 20 / 15
    (first, *_) = adaptive_ratio.to_each(plain(20)[0], plain(0, 60, 100), num_others=2)
    assert first == pytest.approx(20 / (0.5 * (40 + 80) / 2))
    assert first != pytest.approx(20 / 15)


def test_divergence_ii_the_nearest_is_not_in_its_own_mean_and_no_unit_is_halved() -> None:
    (first, *_) = adaptive_ratio.to_each(plain(0)[0], plain(10, 40, 60), num_others=2)
    assert first == pytest.approx(10 / (0.5 * (40 + 60) / 2))
    assert first != pytest.approx(10 / (0.5 * (10 + 40 + 60) / 3))
    assert first != pytest.approx(10 / 2 / (0.5 * (40 + 60) / 2))


def test_copies_of_a_work_are_no_neighbours_of_it() -> None:
    images = plain(10, 11, 12, 40, 60)
    starts = np.array([0, 3, 4])
    ratios = adaptive_ratio.to_each(plain(0)[0], images, starts_W=starts, num_others=2)
    assert ratios[0] == pytest.approx(10 / (0.5 * 50))
    assert len(ratios) == 3


def test_too_few_works_for_a_scale_are_none() -> None:
    assert adaptive_ratio.to_each(plain(0)[0], plain(10, 20)) == [None, None]


def described(*rows: list[float], network: str = "a", pipeline: str = "sscd_skew") -> Vectors:
    return Vectors(vectors_ND=np.array(rows, np.float32), network=network, pipeline=pipeline)


def test_cosine_by_hand() -> None:
    found = descriptor.to_each(described([3, 4]), described([3, 4], [-6, -8], [4, -3], [4, 3]))
    assert found == pytest.approx([1, -1, 0, 24 / 25])


@pytest.mark.parametrize("other", [name for name in PIPELINES if name != "sscd_skew"])
def test_divergence_pipelines_are_never_mixed(other: str) -> None:
    with pytest.raises(ValueError, match=f"pipeline sscd_skew and pipeline {other}"):
        descriptor.to_each(described([1, 0]), described([1, 0], pipeline=other))


def test_networks_and_dimensions_are_never_mixed() -> None:
    with pytest.raises(ValueError, match="network a and network b are not comparable"):
        descriptor.to_each(described([1, 0]), described([1, 0], network="b"))
    with pytest.raises(ValueError, match="one dimension"):
        descriptor.to_each(described([1, 0]), described([1, 0, 0]))
    with pytest.raises(ValueError, match="one vector"):
        descriptor.to_each(described([1, 0], [0, 1]), described([1, 0]))


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_vector_without_direction_is_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="vector 1 has norm"):
        described([1, 0], row)


def test_a_pipeline_that_nobody_can_look_up_is_refused() -> None:
    with pytest.raises(ValueError, match="no pipeline is called 'sscd'; expected one of own, sscd"):
        described([1, 0], pipeline="sscd")
    with pytest.raises(ValueError, match="no pipeline is called 'own'"):
        prepare(MADE, "own")


# Sizes of a picture of 300x400: each pipeline shows the network something else.
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("sscd_short", (3, 288, 384)),
        ("sscd_skew", (3, 320, 320)),
        ("dcr", (3, 224, 224)),
        ("dcr_search", (3, 224, 224)),
        ("membench", (3, 288, 288)),
    ],
)
def test_divergence_sscd_pipelines_by_shape(name: str, shape: tuple[int, ...]) -> None:
    assert prepare(np.zeros((300, 400, 3), np.uint8), name).shape == shape


def test_divergence_sscd_pipelines_by_value() -> None:
    white = np.full((300, 400, 3), 255, np.uint8)
    assert prepare(white, "dcr").max() == 1
    assert prepare(white, "dcr_search")[0, 0, 0] == pytest.approx((1 - 0.485) / 0.229)
    assert prepare(white, "sscd_skew")[2, 0, 0] == pytest.approx((1 - 0.406) / 0.225)


def test_divergence_a_crop_loses_what_stands_at_the_border() -> None:
    signed = np.zeros((300, 400, 3), np.uint8)
    signed[-12:, -40:] = 255
    assert prepare(signed, "sscd_skew").max() > 1
    assert prepare(signed, "dcr").max() == -1


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_are_those_of_torchvision(name: str) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    pipeline = PIPELINES[name]
    size = [pipeline.size] * 2 if pipeline.resize == "skew" else pipeline.size
    crop = [transforms.CenterCrop(pipeline.crop)] if pipeline.crop else []
    normal = transforms.Normalize(*pipeline.normal)
    rgb = np.random.default_rng(1).integers(0, 256, (45, 61, 3), np.uint8)
    chain = [transforms.Resize(size), *crop, transforms.ToTensor(), normal]
    expected = transforms.Compose(chain)(Image.fromarray(rgb)).numpy()
    np.testing.assert_allclose(prepare(rgb, name), expected, atol=1e-5)


def hashes(*rows: tuple[int, int]) -> Hashes:
    """Return hashes that begin with a number of set bits, each with its quality."""
    bits = np.zeros((len(rows), 256), np.uint8)
    for row, (ones, _) in enumerate(rows):
        bits[row, :ones] = 1
    qualities = np.array([quality for _, quality in rows])
    return Hashes(hashes_NB=np.packbits(bits, axis=1), quality_N=qualities)


def test_pdq_counts_bits_and_leaves_plain_pictures_out() -> None:
    works = hashes((0, 100), (31, 50), (256, 51), (0, 49))
    assert pdq.to_each(hashes((0, 50)), works) == [0, 31, 256, None]
    assert pdq.to_each(hashes((0, 49)), works) == [None] * 4
    with pytest.raises(ValueError, match="one hash"):
        pdq.to_each(works, works)
    with pytest.raises(ValueError, match="expected 1 hashes of 32 bytes"):
        Hashes(hashes_NB=np.zeros((1, 31), np.uint8), quality_N=np.array([99]))


def test_webster_sums_by_hand() -> None:
    # a difference of 51 levels is 0.2: 196,608 * 0.04 = 7864.32
    assert webster.mv(plain(0)[0], plain(51, 0)) == pytest.approx([7864.32, 0])
    # 2,500 is a root mean square of 0.113
    assert math.sqrt(2500 / 196_608) == pytest.approx(0.1128, abs=1e-4)


def test_divergence_webster_sums_and_carlini_means() -> None:
    (mean,) = l2_to_each(plain(0)[0], plain(51))
    (total,) = webster.mv(plain(0)[0], plain(51))
    assert total == pytest.approx(196_608 * (mean or 0) ** 2)


def test_webster_template_divides_by_the_share_that_is_kept() -> None:
    half = np.zeros((256, 256), np.bool_)
    half[:128] = True
    # half of the values, divided by 1/2: as large as over the whole picture
    masks = np.stack([half, half | True, half & False])
    found = webster.tv(plain(0)[0], plain(51, 51, 51), masks)
    assert found == [pytest.approx(7864.32), pytest.approx(7864.32), None]
    with pytest.raises(ValueError, match="expected masks"):
        webster.tv(plain(0)[0], plain(51), masks)


def test_webster_template_does_not_see_what_the_mask_leaves_out() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[128:] = 255
    keep = np.zeros((1, 256, 256), np.bool_)
    keep[0, :128] = True
    assert webster.tv(np.zeros_like(picture), picture[None], keep) == [0]
    assert webster.tv(np.zeros_like(picture), picture[None], ~keep) == [196_608]


def test_websters_mask_drops_specks_and_counts_the_channels_together() -> None:
    left = np.full((256, 256, 3), 100, np.uint8)
    right = left.copy()
    # 0.03 is 7.65 levels, summed: 2 + 2 + 3 stay, 3 + 3 + 2 do not
    right[:, :128] += np.array([2, 2, 3], np.uint8)
    right[:, 128:] += np.array([3, 3, 2], np.uint8)
    right[100:102, 200:202] = 100
    mask = webster.mask_between(left, right)
    assert mask[:, :128].all()
    assert not mask[:, 128:].any(), "a square of 2 pixels is a speck"
    assert webster.mask_between(left, left).all()
