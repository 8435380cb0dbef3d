from itertools import pairwise, permutations, product
from math import inf, nan, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.statistics.conformal import (
    exceedances,
    excess_p,
    gamma_star,
    p_values,
    simultaneous_bound,
    worst_case_p,
)


def test_ties_count_against_the_finding() -> None:
    controls = [0.1, 0.5, 0.5, 0.7]
    assert p_values([0.9, 0.7, 0.5, 0.05], controls).tolist() == [0.2, 0.4, 0.8, 1.0]
    assert exceedances([0.9, 0.7, 0.5, 0.05], controls).tolist() == [0, 1, 3, 4]


def test_distances_are_the_mirror_of_similarities() -> None:
    scores, controls = np.array([0.9, 0.5, -inf]), np.array([0.1, 0.5, -inf])
    assert (p_values(scores, controls) == p_values(-scores, -controls, larger=False)).all()


def test_units_left_out_have_no_evidence() -> None:
    assert p_values([-inf, 0.4], [-inf, 0.3]).tolist() == [1.0, 1 / 3]
    assert p_values([-inf, -inf], [-inf]).tolist() == [1.0, 1.0]
    # one unit that passed and no control that did
    assert p_values([0.4], [-inf, -inf]).tolist() == [1 / 3]


@pytest.mark.parametrize("num", [1, 2, 5])
def test_p_is_uniform_over_all_orders(num: int) -> None:
    # with the unit among them, all orders of num + 1 different scores are alike
    p = [
        p_values([order[0]], order[1:])[0]
        for order in permutations(np.arange(num + 1, dtype=float))
    ]
    for j in range(1, num + 2):
        share = np.mean(np.array(p) <= j / (num + 1) + 1e-12)
        assert share == pytest.approx(j / (num + 1))


def test_p_is_super_uniform_with_ties() -> None:
    # all draws of exchangeable scores out of three values, of unequal chance
    chance = {0.0: 0.6, 1.0: 0.3, 2.0: 0.1}
    small: dict[float, float] = {}
    for draw in product(chance, repeat=4):
        weight = prod(chance[value] for value in draw)
        p = 1.0 if len(set(draw)) == 1 else float(p_values(draw[:1], draw[1:])[0])
        small[p] = small.get(p, 0) + weight
    for level in (0.25, 0.5, 0.75, 1.0):
        assert sum(weight for p, weight in small.items() if p <= level) <= level + 1e-12


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
)
def test_p_values_are_their_definition(scores: list[int], controls: list[int]) -> None:
    if len(set(scores + controls)) == 1:
        with pytest.raises(ValueError, match="none can stand out"):
            p_values(scores, controls)
        return
    expected = [(1 + sum(c >= s for c in controls)) / (len(controls) + 1) for s in scores]
    assert p_values(scores, controls).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "controls", "message"),
    [
        ([], [1.0], "test units: expected a row"),
        ([1.0], [], "control units: expected a row"),
        ([[1.0]], [2.0], "expected a row"),
        ([1.0, nan], [2.0], "test units: expected numbers, got NaN at place 1"),
        ([1.0], [nan], "control units: expected numbers, got NaN"),
        ([inf], [2.0], "left out"),
        ([1.0], [2.0, inf], "left out"),
        ([1.0, 1.0], [1.0], "all 3 test and control units score 1.0"),
        ([1.0, -inf], [1.0, -inf], "all 2 test and control units score 1.0"),
    ],
)
def test_scores_that_say_nothing_are_refused(
    scores: list[float], controls: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        p_values(scores, controls)


def test_distances_are_refused_when_left_out_on_the_wrong_side() -> None:
    with pytest.raises(ValueError, match="or inf for left out"):
        p_values([-inf], [1.0, 2.0], larger=False)


@pytest.mark.parametrize(("m", "bound"), [(200, 0.030), (1000, 0.0060), (5000, 0.0012)])
def test_bounds_of_the_specification(m: int, bound: float) -> None:
    assert simultaneous_bound(0, m) == pytest.approx(bound, abs=5e-4 if m == 200 else 5e-5)


@pytest.mark.parametrize(("r", "m"), [(0, 4), (1, 4), (2, 4), (3, 9), (5, 9)])
def test_bounds_are_their_definition(r: int, m: int) -> None:
    k = m // 2
    product_ = prod((m - r - j) / (m - j) for j in range(k))
    assert simultaneous_bound(r, m, 0.1) == pytest.approx(1 - (0.1 * product_) ** (1 / k))


def test_bounds_grow_with_exceedances_and_end_at_one() -> None:
    bounds = [simultaneous_bound(r, 101) for r in range(102)]
    assert all(later >= earlier for earlier, later in pairwise(bounds))
    assert bounds[51] < bounds[52] == bounds[101] == 1
    assert simultaneous_bound(0, 1) == 1
    assert all((1 + r) / 102 <= bound for r, bound in enumerate(bounds))


def test_a_bound_holds_for_all_at_once() -> None:
    # the share of unrelated works above the r-th of m controls is a uniform order statistic
    m, repeats = 40, 4000
    shares = np.sort(np.random.default_rng(0).random((repeats, m)), axis=1)
    bounds = np.array([simultaneous_bound(r, m) for r in range(m)])
    # a unit with r controls at or above it lies above the control of rank r + 1 from the top
    held = (shares <= bounds).all(axis=1).mean()
    assert held > 0.94
    assert (shares <= bounds * 0.7).all(axis=1).mean() < 0.9


@pytest.mark.parametrize(
    ("r", "m", "delta"), [(-1, 4, 0.05), (5, 4, 0.05), (0, 0, 0.05), (0, 4, 0.0), (0, 4, 1.0)]
)
def test_impossible_bounds_are_refused(r: int, m: int, delta: float) -> None:
    with pytest.raises(ValueError, match="expected a"):
        simultaneous_bound(r, m, delta)


@given(st.integers(1, 2000), st.data(), st.floats(1e-4, 0.5))
def test_gamma_star_is_where_the_worst_p_meets_the_cutoff(
    m: int, data: st.DataObject, cutoff: float
) -> None:
    r = data.draw(st.integers(0, m))
    gamma = gamma_star((1 + r) / (m + 1), cutoff)
    if gamma >= 1:
        assert worst_case_p(r, m, gamma) == pytest.approx(cutoff)
        assert worst_case_p(r, m, gamma * 1.01) > cutoff
    else:
        assert (1 + r) / (m + 1) > cutoff * (1 - 1e-9)


def test_worst_p_starts_at_p() -> None:
    assert worst_case_p(3, 99, 1) == pytest.approx(0.04)
    assert worst_case_p(0, 999, 5) == pytest.approx(5 / 1004)
    assert worst_case_p(9, 9, 3) == 1
    assert gamma_star(1 / 1000, 0.005) == pytest.approx(5.0, abs=0.05)
    assert gamma_star(1 / 1000, 0.0) == 0


@pytest.mark.parametrize(("r", "m", "gamma"), [(-1, 4, 2), (5, 4, 2), (0, 0, 2), (0, 4, 0.9)])
def test_impossible_worst_cases_are_refused(r: int, m: int, gamma: float) -> None:
    with pytest.raises(ValueError, match="expected a"):
        worst_case_p(r, m, gamma)


@pytest.mark.parametrize("bad", [nan, inf])
def test_gammas_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="gamma"):
        worst_case_p(0, 4, bad)


@pytest.mark.parametrize(
    ("p", "cutoff"), [(1.2, 0.1), (0.0, 0.1), (nan, 0.1), (0.2, 1.0), (0.2, -0.1), (0.2, nan)]
)
def test_impossible_gamma_stars_are_refused(p: float, cutoff: float) -> None:
    with pytest.raises(ValueError, match="expected a"):
        gamma_star(p, cutoff)


def test_the_law_of_small_p_is_the_one_of_shared_controls() -> None:
    # one null: uniform; two nulls and one control: all six orders by hand
    assert excess_p(1, 1, 3, 9) == pytest.approx(0.3)
    assert excess_p(2, 2, 1, 1) == pytest.approx(1 / 3)
    assert excess_p(0, 270, 10, 200) == pytest.approx(1)
    tails = np.array([excess_p(x, 270, 10, 200) for x in range(271)])
    law = tails - np.append(tails[1:], 0)
    share = np.arange(271) / 270
    mean = law @ share
    assert mean == pytest.approx(10 / 201)
    # 2.0 points, where independent draws would have 1.3
    assert np.sqrt(law @ (share - mean) ** 2) == pytest.approx(0.020, abs=5e-4)


@pytest.mark.parametrize("j", [1, 2, 3])
def test_the_law_of_small_p_counts_all_orders(j: int) -> None:
    # three nulls and three controls
    small = [
        int((p_values(order[:3], order[3:]) <= j / 4 + 1e-12).sum())
        for order in permutations(np.arange(6.0))
    ]
    for least in range(4):
        assert excess_p(least, 3, j, 3) == pytest.approx(np.mean(np.array(small) >= least))


@pytest.mark.parametrize(
    ("small", "nulls", "j", "m"),
    [(2, 1, 1, 9), (-1, 1, 1, 9), (0, 0, 1, 9), (0, 1, 0, 9), (0, 1, 10, 9)],
)
def test_impossible_laws_are_refused(small: int, nulls: int, j: int, m: int) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        excess_p(small, nulls, j, m)
