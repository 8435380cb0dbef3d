from fractions import Fraction
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.statistics.conformal import p_values
from stages.statistics.discovery import (
    bh,
    bh_cutoff,
    by,
    combined,
    expected_false,
    families,
    fewest_findings,
    needed_controls,
    simes,
)

P_LISTS = st.lists(st.integers(1, 200).map(lambda r: r / 200), min_size=1, max_size=30)
LEVELS = st.sampled_from([0.01, 0.05, 0.1, 0.25])


def brute_bh(p_K: list[float], q: float) -> list[bool]:
    exact = [Fraction(p).limit_denominator(10_000) for p in p_K]
    num = len(p_K)
    ordered = sorted(exact)
    passed = [i for i in range(1, num + 1) if ordered[i - 1] <= Fraction(repr(q)) * i / num]
    return [bool(passed) and p <= ordered[max(passed) - 1] for p in exact]


def test_a_list_worked_out_by_hand() -> None:
    # sorted 0.005 0.01 0.03 0.04 0.9 times 5/1 5/2 5/3 5/4 1
    assert bh([0.04, 0.01, 0.9, 0.005, 0.03]).tolist() == [0.05, 0.025, 0.9, 0.025, 0.05]
    assert by([0.01, 0.04]).tolist() == [0.03, 0.06]
    assert by([0.9, 0.9]).tolist() == [1.0, 1.0]


@given(P_LISTS, LEVELS)
def test_q_values_find_what_the_step_up_rule_finds(p_K: list[float], q: float) -> None:
    found_K = brute_bh(p_K, q)
    assert (bh(p_K) <= q).tolist() == found_K
    assert bh_cutoff(p_K, q) == pytest.approx(q * sum(found_K) / len(p_K))


@given(P_LISTS, LEVELS)
def test_the_cutoff_separates_findings(p_K: list[float], q: float) -> None:
    cutoff = bh_cutoff(p_K, q)
    assert (bh(p_K) <= q).tolist() == [p <= cutoff + 1e-12 for p in p_K]


@given(P_LISTS)
def test_q_values_keep_the_order_and_are_never_below_p(p_K: list[float]) -> None:
    order = np.argsort(p_K)
    q_K = bh(p_K)
    assert (np.diff(q_K[order]) >= 0).all()
    assert (q_K >= np.array(p_K) - 1e-12).all()
    assert (q_K <= 1).all()
    assert (by(p_K) >= q_K).all()


@pytest.mark.parametrize("q", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("findings", [1, 3, 6, 7, 29, 30, 299, 300])
def test_with_just_enough_controls_so_many_findings_reach_q(q: float, findings: int) -> None:
    num = 300
    for controls, reached in [
        (needed_controls(num, q, findings), True),
        (needed_controls(num, q, findings) - 1, False),
    ]:
        scores_K = np.where(np.arange(num) < findings, 2.0, -1.0)
        p_K = p_values(scores_K, np.linspace(0, 1, controls))
        assert (bh(p_K)[0] <= q) == reached
        assert (fewest_findings(num, controls, q) <= findings) == reached


def test_controls_and_findings_of_the_specification() -> None:
    assert [needed_controls(300, q) for q in (0.01, 0.05, 0.1)] == [29_999, 5_999, 2_999]
    assert [needed_controls(300, q, 30) for q in (0.01, 0.05, 0.1)] == [999, 199, 99]
    # of three copies 1,000 controls find none at 0.05 and all at 0.1; 5,000 find all at 0.05
    assert fewest_findings(300, 1000, 0.05) == 6
    assert fewest_findings(300, 1000, 0.1) == 3
    assert fewest_findings(300, 5000, 0.05) == 2
    assert fewest_findings(300, 20, 0.01) > 300
    assert expected_false(0.05, 30) == 1.5


def test_conformal_p_values_keep_the_false_discovery_rate() -> None:
    # the row "m = 200, copies 4 sd, q = 0.1" of the specification: 0.078
    generator = np.random.default_rng(0)
    false = []
    for _ in range(400):
        scores_K = generator.normal(size=300)
        scores_K[:30] += 4
        found_K = bh(p_values(scores_K, generator.normal(size=200))) <= 0.1
        false.append(found_K[30:].sum() / max(1, found_K.sum()))
    assert np.mean(false) == pytest.approx(0.078, abs=0.015)


def test_simes_by_hand() -> None:
    assert simes([0.02]) == 0.02
    assert simes([0.9, 0.04, 0.03]) == pytest.approx(0.06)
    assert simes([0.5, 0.5, 0.5]) == 0.5


def test_the_best_of_several_methods_pays_for_the_choice() -> None:
    assert combined([0.03]) == 0.03
    assert combined([0.5, 0.02, 0.02]) == 0.06
    assert combined([0.5, 0.6]) == 1


def test_findings_of_an_artist_do_not_inherit_the_list() -> None:
    # 10 artists of 3 works; one has two small p, the others none
    p_K = np.full(30, 0.5)
    p_K[[0, 1]] = 0.001, 0.004
    family_K = np.repeat([f"artist {n}" for n in range(10)], 3)
    found = families(p_K, family_K, 0.1)
    assert found.family_A[found.selected_A].tolist() == ["artist 0"]
    assert found.p_A[0] == pytest.approx(0.003)
    assert found.q_A[0] == pytest.approx(0.03)
    assert found.within == pytest.approx(0.01)
    # within: 3 * 0.001 / 1 = 0.003 and 3 * 0.004 / 2 = 0.006, both at most 0.01
    assert found.q_K[:3].tolist() == pytest.approx([0.03, 0.06, 1.0])
    assert np.flatnonzero(found.rejected_K).tolist() == [0, 1]
    assert (found.q_K[3:] == 1).all()


@given(
    st.lists(
        st.tuples(st.integers(1, 100).map(lambda r: r / 100), st.integers(0, 4)),
        min_size=1,
        max_size=25,
    ),
    LEVELS,
)
def test_families_are_their_definition(rows: list[tuple[float, int]], q: float) -> None:
    found = families([p for p, _ in rows], [family for _, family in rows], q)
    names = sorted({family for _, family in rows})
    lists = {name: [p for p, family in rows if family == name] for name in names}
    assert found.family_A.tolist() == names
    assert found.p_A.tolist() == pytest.approx([simes(lists[name]) for name in names])
    assert found.selected_A.tolist() == (bh([simes(lists[name]) for name in names]) <= q).tolist()
    share = Fraction(int(found.selected_A.sum()), len(names))
    for at, name in enumerate(names):
        rejected = found.rejected_K[[family == name for _, family in rows]].tolist()
        if not found.selected_A[at]:
            assert not any(rejected)
            continue
        exact = float(Fraction(repr(q)) * share)
        # the level may be no decimal: hold the definition a hair to either side
        lower, upper = (brute_bh(lists[name], exact * (1 + s)) for s in (-1e-9, 1e-9))
        assert all(a <= b <= c for a, b, c in zip(lower, rejected, upper, strict=True))


@pytest.mark.parametrize(
    "p_K", [[], [0.5, nan], [1.1], [-0.1], [[0.5]]], ids=["none", "NaN", "high", "low", "table"]
)
def test_p_values_that_are_none_are_refused(p_K: list[float]) -> None:
    for use in (bh, by, simes, combined):
        with pytest.raises(ValueError, match="p-values: expected"):
            use(p_K)
    with pytest.raises(ValueError, match="p-values: expected"):
        bh_cutoff(p_K, 0.1)
    with pytest.raises(ValueError, match="p-values: expected"):
        families(p_K, np.zeros(len(p_K)), 0.1)


@pytest.mark.parametrize("q", [0.0, 1.0, nan, -0.1])
def test_levels_outside_are_refused(q: float) -> None:
    for use in (
        lambda: bh_cutoff([0.5], q),
        lambda: families([0.5], [0], q),
        lambda: needed_controls(10, q),
        lambda: fewest_findings(10, 10, q),
        lambda: expected_false(q, 1),
    ):
        with pytest.raises(ValueError, match="q: expected a number inside"):
            use()


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="one entry for each of 2"):
        families([0.5, 0.5], [0], 0.1)
    with pytest.raises(ValueError, match="findings"):
        needed_controls(10, 0.1, 11)
    with pytest.raises(ValueError, match="num_controls"):
        fewest_findings(10, 0, 0.1)
    with pytest.raises(ValueError, match="num_units"):
        fewest_findings(0, 10, 0.1)
    with pytest.raises(ValueError, match="findings"):
        expected_false(0.1, -1)
