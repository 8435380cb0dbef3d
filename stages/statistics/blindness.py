"""Can test and control units be told apart without the model? Then their scores can be, too.

Dimension key: N units, G groups, B resamples, S distinct scores.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.checked import aligned, count, labels, numbers
from stages.statistics.classifiers import Letters, Traits

CALIBRATED = 0.55
WARNING = 0.60
DETECTS_TYPE = 0.60

Judgement = Literal["calibrated", "warning", "not calibrated"]
Material = Sequence[str] | NDArray[np.float64]

_FOLDS = 5
_RESAMPLES = 1000
_TAIL = 0.025
_AXES = 2
_CHUNK = 100


class Auc(NamedTuple):
    """Area under the curve, or a difference of two, with its 95 % interval over units."""

    value: float
    low: float
    high: float


class Sides(NamedTuple):
    """Who is who."""

    is_test_N: ArrayLike
    """bool[N], true for test (or positive) units."""

    group_N: ArrayLike
    """Units alike share a group: never on both sides of a fold, and resampled together."""


class Balance(NamedTuple):
    """How units are compared once their controls were repaired."""

    stratum_N: ArrayLike
    """Units are compared inside their own stratum; one number for all without strata."""

    weight_N: ArrayLike
    """What a control unit counts; of test units it is not used."""


def blind_auc(material: Material, sides: Sides, seed: int) -> Auc:
    """Return how well a classifier that never saw the model tells test from control units.

    Args:
        material: captions, or float64[N, F] of numbers (sizes, entropy, date, duplicate count).
        sides: labels and groups.
        seed: of folds and resamples.

    Raises:
        ValueError: as `blind_scores`.

    Source: statistics of a verdict, section 3; Das, Zhang and Tramer 2024, arXiv 2406.16201.

    >>> texts = [f"a flag of {n}" for n in range(30)] + [f"Dunes, {n}" for n in range(30)]
    >>> blind_auc(texts, Sides([True] * 30 + [False] * 30, np.arange(60)), 0).value > 0.99
    True
    """
    return auc(blind_scores(material, sides, seed), sides, seed)


def blind_scores(material: Material, sides: Sides, seed: int) -> NDArray[np.float64]:
    """Return the log-odds of every unit from a classifier that did not learn from its group.

    Five folds, each with about its share of either label. Captions go through naive Bayes on runs
    of 1 to 4 characters, numbers through a logistic regression with a ridge.

    Args:
        material: captions, or float64[N, F] of numbers.
        sides: labels and groups.
        seed: of the folds.

    Returns:
        float64[N].

    Raises:
        ValueError: NaN, nothing that differs between units, or fewer than five groups of a label.
    """
    classifier, num = _classifier(material)
    is_test_N = labels(sides.is_test_N, num, "is_test")
    fold_N = folds(Sides(is_test_N, sides.group_N), seed)
    scores_N = np.empty(num)
    for fold in range(_FOLDS):
        is_held_N = fold_N == fold
        scores_N[is_held_N] = classifier.scores(~is_held_N, is_test_N)[is_held_N]
    return scores_N


def folds(sides: Sides, seed: int) -> NDArray[np.int64]:
    """Return the fold of every unit, 0..4; a group lies in one, either label in all.

    Raises:
        ValueError: fewer than five groups with units of either label.
    """
    is_test_N = labels(sides.is_test_N, np.size(sides.is_test_N), "is_test")
    group_N = np.unique(aligned(sides.group_N, len(is_test_N), "groups"), return_inverse=True)[1]
    size_G = np.bincount(group_N)
    tests_G = np.bincount(group_N, weights=is_test_N)
    is_test_G = 2 * tests_G >= size_G
    num_test = int(np.count_nonzero(is_test_G))
    num_control = len(is_test_G) - num_test
    if min(num_test, num_control) < _FOLDS:
        raise ValueError(
            f"blind test: expected at least {_FOLDS} groups of either label, got {num_test} test "
            f"and {num_control} control groups; get more units"
        )
    # large groups first, each to the fold that has least of its label
    order_G = np.random.default_rng(seed).permutation(len(size_G))
    order_G = order_G[np.argsort(-size_G[order_G], kind="stable")]
    held = np.zeros((2, _FOLDS))
    fold_G = np.empty(len(size_G), np.int64)
    for group in order_G:
        label = int(is_test_G[group])
        fold_G[group] = int(np.argmin(held[label]))
        held[label, fold_G[group]] += size_G[group]
    return fold_G[group_N]


def auc(scores_N: ArrayLike, sides: Sides, seed: int, balance: Balance | None = None) -> Auc:
    """Return the area under the curve, with the interval of a bootstrap over groups.

    The chance that a test unit scores above a control unit, ties counted half.

    Args:
        scores_N: larger is more like a test unit.
        sides: labels and groups.
        seed: of the resamples.
        balance: strata inside which units are compared, and weights of the controls; none compares
            all with all. Strata count by their test units, and not at all without a control.

    Raises:
        ValueError: no units, NaN, lengths differ, no unit of one label, or none of both labels in
            any stratum.

    Source: Hanley and McNeil 1982; percentile bootstrap over groups, Efron and Tibshirani 1993.

    >>> auc([3, 2, 2, 1], Sides([1, 1, 0, 0], [0, 1, 2, 3]), 0).value
    0.875
    >>> sides = Sides([1, 1, 0, 0], [0, 1, 2, 3])
    >>> auc([9, 1, 8, 2], sides, 0, Balance([0, 1, 0, 1], np.ones(4))).value
    0.5
    """
    return _interval(_resampled(numbers(scores_N, "scores"), sides, seed, balance))


def paired_difference(one_N: ArrayLike, other_N: ArrayLike, sides: Sides, seed: int) -> Auc:
    """Return AUC(one) - AUC(other) on the same units, resampled together.

    Args:
        one_N: scores of a detector.
        other_N: scores of the blind classifier (`blind_scores`).
        sides: labels and groups.
        seed: of the resamples.

    Raises:
        ValueError: as `auc`, for either.

    Source: statistics of a verdict, section 10.
    """
    aligned(other_N, np.size(one_N), "scores")
    one_B = _resampled(numbers(one_N, "scores"), sides, seed)
    other_B = _resampled(numbers(other_N, "scores"), sides, seed)
    return _interval(one_B - other_B)


def judgement(blind: Auc) -> Judgement:
    """Return what p-values are worth beside this blind test, by its upper limit.

    Up to 0.55 they are calibrated; up to 0.60 they stand with a warning and Gamma* beside each;
    above, the null is not calibrated and there is no verdict.

    Raises:
        ValueError: limits that are no interval inside [0, 1].

    >>> judgement(Auc(0.51, 0.47, 0.55)), judgement(Auc(0.58, 0.55, 0.61))
    ('calibrated', 'not calibrated')
    """
    if not 0 <= blind.low <= blind.high <= 1:
        raise ValueError(f"blind test: expected 0 <= low <= high <= 1, got {blind}")
    if blind.high <= CALIBRATED:
        return "calibrated"
    return "warning" if blind.high <= WARNING else "not calibrated"


def detects_type(blind: Auc) -> bool:
    """Return whether a curve must say "detects caption or image type at least in part".

    >>> detects_type(Auc(0.7, 0.61, 0.8))
    True
    """
    return blind.low > DETECTS_TYPE


def _classifier(material: Material) -> tuple[Letters | Traits, int]:
    if isinstance(material, np.ndarray):
        if material.ndim != _AXES or not material.size or not np.isfinite(material).all():
            raise ValueError(f"features: expected finite numbers [N, F], got {material.shape}")
        if not np.ptp(material, axis=0).any():
            raise ValueError("features: all units are the same, so that the test sees nothing")
        return Traits(material.astype(np.float64)), len(material)
    count(len(material), "texts", least=1)
    if len(set(material)) == 1:
        raise ValueError("texts: all units have the same, so that the test sees nothing")
    return Letters(material), len(material)


def _resampled(
    scores_N: NDArray[np.float64], sides: Sides, seed: int, balance: Balance | None = None
) -> NDArray[np.float64]:
    """Return areas, first of all units once each, then of groups drawn within their label."""
    num = len(scores_N)
    is_test_N = labels(sides.is_test_N, num, "is_test")
    group_N = np.unique(aligned(sides.group_N, num, "groups"), return_inverse=True)[1]
    if not is_test_N.any() or is_test_N.all():
        raise ValueError("is_test: expected units of both labels")
    balance = balance or Balance(np.zeros(num), np.ones(num))
    stratum_N = aligned(balance.stratum_N, num, "strata")
    weight_N = np.where(is_test_N, 1.0, numbers(balance.weight_N, "weights"))
    drawn_BG = _drawn(is_test_N, group_N, seed)
    area_B, tests_B = np.zeros((2, len(drawn_BG)))
    for stratum in np.unique(stratum_N):
        order_N = np.argsort(scores_N, kind="stable")
        order_N = order_N[stratum_N[order_N] == stratum]
        if not is_test_N[order_N].any() or is_test_N[order_N].all():
            continue
        ordered = (scores_N[order_N], is_test_N[order_N])
        # in pieces: resamples times units would not fit for large sets
        for at in range(0, len(drawn_BG), _CHUNK):
            here = slice(at, at + _CHUNK)
            weights_BN = drawn_BG[here, group_N[order_N]] * weight_N[order_N]
            piece_B, count_B = _areas(*ordered, weights_BN)
            area_B[here] += piece_B * count_B
            tests_B[here] += count_B
    if not tests_B[0]:
        raise ValueError("strata: no stratum holds units of both labels")
    # a resample may lack them where strata are small
    return np.asarray(area_B[tests_B > 0] / tests_B[tests_B > 0])


def _drawn(is_test_N: NDArray[np.bool_], group_N: NDArray[np.intp], seed: int) -> NDArray[np.int64]:
    size_G = np.bincount(group_N)
    tests_G = np.bincount(group_N, weights=is_test_N)
    # groups with both labels are drawn among themselves: every resample then has both labels
    stratum_G = np.where(tests_G == 0, 0, np.where(tests_G == size_G, 1, 2))
    generator = np.random.default_rng(seed)
    drawn_BG = np.ones((_RESAMPLES + 1, len(size_G)), np.int64)
    for stratum in range(3):
        members = np.flatnonzero(stratum_G == stratum)
        if len(members):
            even = np.full(len(members), 1 / len(members))
            drawn_BG[1:, members] = generator.multinomial(len(members), even, size=_RESAMPLES)
    return drawn_BG


def _areas(
    scores_N: NDArray[np.float64], is_test_N: NDArray[np.bool_], weights_BN: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for each row of weights, the weighted chance that test scores above control.

    Beside it stands the number of test units, 0 where no control was drawn.
    """
    starts_S = np.unique(scores_N, return_index=True)[1]
    tests_BS = np.add.reduceat(weights_BN * is_test_N, starts_S, axis=1)
    others_BS = np.add.reduceat(weights_BN * ~is_test_N, starts_S, axis=1)
    below_BS = np.cumsum(others_BS, axis=1) - others_BS / 2
    tests_B, others_B = tests_BS.sum(axis=1), others_BS.sum(axis=1)
    pairs_B = tests_B * others_B
    won_B = (tests_BS * below_BS).sum(axis=1)
    area_B = np.divide(won_B, pairs_B, out=np.zeros_like(won_B), where=pairs_B > 0)
    return area_B, np.where(pairs_B > 0, tests_B, 0.0)


def _interval(value_B: NDArray[np.float64]) -> Auc:
    low, high = np.quantile(value_B[1:], [_TAIL, 1 - _TAIL])
    return Auc(float(value_B[0]), float(low), float(high))
