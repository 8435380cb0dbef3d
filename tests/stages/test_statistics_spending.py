from collections.abc import Callable, Iterator
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics.betting import log_e
from stages.statistics.intervals import lower_limit
from stages.statistics.limits import detection_limit
from stages.statistics.spending import (
    Rule,
    State,
    cost_floor,
    due,
    evidence,
    left_out,
    next_units,
    observe,
    scores,
    triage_evidence,
    verdicts,
)
from stages.statistics.visits import chance_seen, law, sequential_limit

QUICK = Rule(looks=(1, 2), give_up=-0.5, p0=0.2)
PATIENT = Rule(looks=(1, 2, 3), give_up=-0.8, p0=0.2)
Choose = Callable[[State], np.ndarray]


def every_way(
    state: State, rates: np.ndarray, choose: Choose, rounds: int, rule: Rule = PATIENT
) -> Iterator[tuple[State, float]]:
    """Yield every way that a run can end, with its chance."""
    units = choose(state) if rounds else np.zeros(0, np.int64)
    if not len(units):
        yield state, 1.0
        return
    step = due(state, rule)[units]
    for hits in product(*(range(n + 1) for n in step.tolist())):
        chance = 1.0
        for unit, n, k in zip(units.tolist(), step.tolist(), hits, strict=True):
            ways = 1 if k in (0, n) else n
            chance *= ways * rates[unit] ** k * (1 - rates[unit]) ** (n - k)
        after = observe(state, units, hits, rule)
        for last, later in every_way(after, rates, choose, rounds - 1, rule):
            yield last, chance * later


def by_evidence(budget: int, rule: Rule = PATIENT) -> Choose:
    return lambda state: next_units(state, budget, rule)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_bets_stay_fair_whoever_is_chosen(rate: float) -> None:
    state = State.begin([0.2, 0.1, 0.3], PATIENT)
    # the second unit is copied, and what it gives decides how many seeds the others get
    rates = np.array([rate, 0.9, rate])
    ends = list(every_way(state, rates, by_evidence(2), 4))
    assert sum(chance for _, chance in ends) == pytest.approx(1)
    worth = sum(
        chance * np.exp(log_e(last.hits_U, last.seeds_U, PATIENT.p0)) for last, chance in ends
    )
    assert (worth[[0, 2]] <= 1 + 1e-12).all()
    assert worth[1] > 1
    if rate == PATIENT.p0:
        assert worth[[0, 2]] == pytest.approx(1)


def level(choose: Choose, at: float) -> float:
    """Return P(p <= at) of a test unit that is like its two controls, over all orders of draws."""
    hit = []
    for draws in permutations((0.1, 0.2, 0.3)):
        state = State.begin(draws, QUICK)
        for last, chance in every_way(state, np.full(3, 0.4), choose, 3, QUICK):
            score = scores(last, QUICK)
            # where all score the same nothing stands out
            p = 1.0 if np.ptp(score[np.isfinite(score)].tolist() or [0.0]) == 0 else None
            if p is None or np.isneginf(score).any():
                p = float(verdicts(score[:1], score[1:])[0])
            hit.append(chance * (p <= at + 1e-12))
    return float(np.sum(hit)) / 6


@pytest.mark.parametrize("budget", [2, 3, 100])
def test_p_is_super_uniform_after_adaptive_sampling(budget: int) -> None:
    assert 0 < level(by_evidence(budget, QUICK), 1 / 3) <= 1 / 3 + 1e-12
    assert level(by_evidence(budget, QUICK), 2 / 3) <= 2 / 3 + 1e-12


def test_a_queue_that_knows_the_label_is_caught() -> None:
    def favours_the_test_unit(state: State) -> np.ndarray:
        units = next_units(state, 100, QUICK)
        return units[units == 0]

    # the controls are never sampled, so they stand behind every unit that was
    assert level(favours_the_test_unit, 1 / 3) > 1 / 3 + 0.05


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_units_that_change_places_change_places_in_the_answer(seed: int, budget: int) -> None:
    dice = np.random.default_rng(seed)
    rule = Rule(looks=(1, 4, 16), stake=0.5, give_up=-0.5)
    num = 12
    state = State.begin(dice.permutation(num) / num, rule, dice.normal(size=num))
    for _ in range(int(dice.integers(3))):
        units = next_units(state, 20, rule)
        state = observe(state, units, dice.binomial(due(state, rule)[units], 0.3), rule)
    order = dice.permutation(num)
    moved = State(*(column[order] for column in state))
    assert order[next_units(moved, budget, rule)].tolist() == (
        next_units(state, budget, rule).tolist()
    )
    assert scores(moved, rule).tolist() == scores(state, rule)[order].tolist()


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_no_round_spends_more_than_its_budget(seed: int, budget: int) -> None:
    dice = np.random.default_rng(seed)
    rule = Rule(looks=(1, 3, 9))
    state = State.begin(dice.random(20), rule)
    for _ in range(25):
        units = next_units(state, budget, rule)
        before = state
        assert due(state, rule)[units].sum() <= budget
        assert len(set(units.tolist())) == len(units)
        state = observe(state, units, dice.binomial(due(state, rule)[units], 0.5), rule)
        assert (state.seeds_U >= before.seeds_U).all()
        assert (state.given_up_U >= before.given_up_U).all()
        assert not (state.given_up_U & (state.seeds_U == 9)).any()
    # a budget below the last step leaves units unfinished, and they are left out
    assert left_out(state, rule).sum() == (state.seeds_U < 9).sum()
    assert np.isneginf(scores(state, rule)[state.seeds_U < 9]).all()


def test_strongest_evidence_goes_first_and_misses_are_given_up() -> None:
    rule = Rule(looks=(1, 4))
    state = observe(State.begin([0.3, 0.2, 0.1], rule), np.array([0, 1]), [1, 0], rule)
    assert state.given_up_U.tolist() == [False, True, False]
    assert next_units(state, 100, rule).tolist() == [0, 2]
    assert next_units(state, 2, rule).tolist() == []  # three seeds are due to the first
    assert due(state, rule).tolist() == [3, 0, 1]


def test_who_had_every_seed_is_never_given_up() -> None:
    rule = Rule(looks=(1, 64))
    state = observe(State.begin([0.5], rule), np.array([0]), [1], rule)
    state = observe(state, np.array([0]), [0], rule)
    assert evidence(state, rule)[0] < rule.give_up
    assert scores(state, rule)[0] == pytest.approx(log_e(1, 64, 0.01))


def test_left_out_units_have_p_1_and_stay_in_the_count() -> None:
    none = -np.inf
    assert verdicts([none, none], [none]).tolist() == [1, 1]
    assert verdicts([3.0, 3.0, none], [none] * 9).tolist() == [0.1, 0.1, 1]
    # a control that was given up still counts in m, one that went on stands in the way
    assert verdicts([3.0], [4.0, none, none]).tolist() == [0.5]
    # who went on and did no better than a control that went on is no finding
    assert verdicts([1.0], [1.0, none]).tolist() == [2 / 3]
    with pytest.raises(ValueError, match="NaN"):
        verdicts([np.nan], [1.0])
    with pytest.raises(ValueError, match="none can stand out"):
        verdicts([1.0, 1.0], [1.0])


def test_triage_evidence_is_a_bet_on_normal_scores() -> None:
    score = np.random.default_rng(1).normal(5.0, 3.0, size=20_000)
    assert np.exp(triage_evidence(score, 0.5)).mean() == pytest.approx(1, abs=0.05)
    assert np.exp(triage_evidence(score, 0.1)).mean() < 1.2  # of infinite variance
    assert (triage_evidence(score, 1.0) == 0).all()
    assert triage_evidence(np.array([1.0, 1.0, 1.0, 7.0]), 0.1).tolist() == [0, 0, 0, 0]
    stands_out = np.append(score, [60.0])
    assert triage_evidence(stands_out, 0.1)[-1] > 100
    assert triage_evidence(stands_out, 0.1)[:-1] == pytest.approx(
        triage_evidence(score, 0.1), rel=1e-3, abs=1e-2
    )


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.7])
@pytest.mark.parametrize("rule", [Rule(looks=(1, 4, 16)), Rule(looks=(2, 8), give_up=-1.0)])
def test_law_is_what_the_queue_does(rate: float, rule: Rule) -> None:
    dice = np.random.default_rng(3)
    num = 20_000
    state = State.begin(dice.random(num), rule)
    for _ in rule.looks:
        units = next_units(state, 1 << 40, rule)
        state = observe(state, units, dice.binomial(due(state, rule)[units], rate), rule)
    told = law(rate, rule)
    done = ~left_out(state, rule)
    assert state.seeds_U.mean() == pytest.approx(told.seeds, rel=0.05)
    assert done.mean() == pytest.approx(told.reaching, abs=0.015)
    seen = (done & (state.hits_U >= 3)).mean()
    assert seen == pytest.approx(chance_seen(rate, 3, rule), abs=0.015)


def test_nobody_sees_a_rare_work_in_one_look() -> None:
    assert chance_seen(0.03, 1, Rule(looks=(1, 64))) <= 0.03
    assert sequential_limit(1, Rule(looks=(1, 64))) == pytest.approx(0.95, abs=1e-3)
    # without futility the limit is the fixed design's
    never = Rule(looks=(1, 4, 16), give_up=-1e9)
    assert sequential_limit(3, never) == pytest.approx(detection_limit(3, 16), abs=1e-4)
    assert sequential_limit(3, never, recall=0.94) is None
    # a triage that lifts the unit beyond futility gives it back
    lifted = sequential_limit(1, Rule(looks=(1, 64)), bonus_of=lambda _: (9.0,))
    assert lifted == pytest.approx(detection_limit(1, 64), abs=1e-4)


def test_cost_floor_of_the_specification() -> None:
    assert cost_floor(1, 0.1, 64, 64) == pytest.approx(0.116, abs=5e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"looks": ()},
        {"looks": (0, 1)},
        {"looks": (4, 4)},
        {"p0": 0.0},
        {"stake": 0.0},
        {"stake": 1.5},
        {"give_up": float("nan")},
    ],
)
def test_rules_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rule(**wrong)


def test_states_and_rounds_that_cannot_be_are_refused() -> None:
    rule = Rule()
    with pytest.raises(ValueError, match="triage"):
        State.begin([0.1, 0.2], rule, [1.0])
    with pytest.raises(ValueError, match="NaN"):
        State.begin([0.1, 0.2], rule, [1.0, np.nan])
    state = State.begin([0.1], rule)
    with pytest.raises(ValueError, match="hits"):
        observe(state, np.array([0]), [2], rule)
    gone = observe(state, np.array([0]), [0], rule)
    with pytest.raises(ValueError, match="hits"):
        observe(gone, np.array([0]), [0], rule)


def test_limits_of_the_goal() -> None:
    # 200 works: 196 found is enough for a lower limit of 95 %, 194 is not
    assert lower_limit(196, 200, 0.95) > 0.95 > lower_limit(194, 200, 0.95)
