"""Whom to sample next: bets steer where seeds are spent, and nobody is told who is a control.

Dimension key: U = K + m units in one queue, K test units, m control units, V units of one round.

A unit has k hits in n seeds. Its evidence is the logarithm of its bet against "the rate is at most
p0" (`betting.log_e`), which holds however the others are sampled, plus what the triage says. Units
are visited until they reach the last look or their evidence falls below a floor. Stopping early is
always allowed, so futility costs detection limit and never error.

Evidence steers and is no verdict. The verdict is the conformal p-value: controls stand in the same
queue under the same rule, a unit that was given up scores -inf and has p = 1, and all of them stay
in K and in m. Nothing here can read a label, as nothing here is given one.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.statistics.betting import log_e
from stages.statistics.checked import aligned, exact, numbers
from stages.statistics.conformal import exceedances

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_NORMAL = 1.4826
"""Standard deviation of a normal law over its median absolute deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How seeds are spent; registered before the first of them."""

    looks: tuple[int, ...] = (1, 4, 16, 64)
    """Seeds that a unit has had after each visit, rising, from 1; the last is the cap. Four visits,
    each four times as long, cost at most a few seeds more than looking after every one."""

    p0: float = 0.01
    """Rate that the bets are against, in (0, 1)."""

    give_up: float = 0.0
    """Evidence below which a unit is given up, natural logarithm. At 0 one miss at the first look
    is enough where there is no triage. With one, 2 asks its score to make a unit suspect first."""

    stake: float = 1.0
    """How far the triage is trusted, in (0, 1], see `triage_evidence`; at 1 it is ignored."""

    def __post_init__(self) -> None:
        """Refuse what is no rule.

        Raises:
            ValueError: a number is out of range.
        """
        exact(self.p0, "p0")
        rising = all(
            before < after for before, after in zip((0, *self.looks), self.looks, strict=False)
        )
        if not self.looks or not rising:
            raise ValueError(f"looks: expected rising numbers of seeds from 1, got {self.looks}")
        if not 0 < self.stake <= 1:
            raise ValueError(f"stake: expected a number in (0, 1], got {self.stake}")
        if not np.isfinite(self.give_up):
            raise ValueError(f"give_up: expected a finite number, got {self.give_up}")


class State(NamedTuple):
    """All that the queue knows; a unit's place in it says nothing about what the unit is."""

    seeds_U: Ints
    """n, seeds spent on each unit."""
    hits_U: Ints
    """k, those that gave its work back."""
    bonus_U: Floats
    """Evidence from the triage, 0 without one."""
    given_up_U: NDArray[np.bool_]
    """Units that get no more seeds and have p = 1."""
    draw_U: Floats
    """Committed random numbers that decide between units of equal evidence."""

    @classmethod
    def begin(cls, draw_U: ArrayLike, rule: Rule, triage_U: ArrayLike | None = None) -> Self:
        """Return the queue before the first seed.

        Args:
            draw_U: a random number for each unit, drawn beforehand.
            rule: how seeds are spent.
            triage_U: the triage score of each unit, larger is more suspect; None without triage.

        Raises:
            ValueError: no units, NaN, or not one score for each unit.

        >>> State.begin([0.1, 0.2, 0.3], Rule(stake=0.1), [1.0, 2.0, 9.0]).given_up_U.tolist()
        [True, True, False]
        """
        draw_U = numbers(draw_U, "draws")
        bonus_U = np.zeros(len(draw_U))
        if triage_U is not None:
            bonus_U = triage_evidence(aligned(triage_U, len(draw_U), "triage"), rule.stake)
        none_U = np.zeros(len(draw_U), np.int64)
        return cls(none_U, none_U, bonus_U, bonus_U < rule.give_up, draw_U)


def triage_evidence(score_U: ArrayLike, stake: float) -> Floats:
    """Return log(stake u^(stake - 1)), u the chance that a normal score lies as high.

    Scores are first put on the scale of their median and median absolute deviation, so that the
    few that stand out do not move it. Were they normal, u would be a p-value and this the
    calibrator that makes it a bet. They need not be: it decides who is sampled, and no more.

    Args:
        score_U: triage score of each unit, larger is more suspect.
        stake: how far the triage is trusted, in (0, 1]; at 1 it says nothing.

    Returns:
        float64[U]; 0 for all if more than half of the scores are equal, which tell nothing.

    Raises:
        ValueError: no scores, or NaN.

    Source: calibrators of Vovk and Wang 2021, arXiv 1912.06116, section 2.

    >>> triage_evidence([0.0, 1.0, 2.0, 3.0, 9.0], 0.1).round(1).tolist()
    [-2.2, -2.0, -1.7, -1.1, 10.0]
    """
    from scipy.special import log_ndtr

    score_U = numbers(score_U, "triage")
    away_U = score_U - np.median(score_U)
    scale = _NORMAL * float(np.median(np.abs(away_U)))
    if not scale:
        return np.zeros(len(score_U))
    return np.asarray(np.log(stake) + (stake - 1) * log_ndtr(-away_U / scale))


def evidence(state: State, rule: Rule) -> Floats:
    """Return the evidence of each unit: what its hits are worth as a bet, and what triage says.

    Source: statistics of a verdict, section 8.

    >>> state = State.begin([0.5], Rule())
    >>> evidence(observe(state, np.array([0]), [1], Rule()), Rule()).round(2).tolist()
    [3.98]
    """
    return _worth(state, rule) + state.bonus_U


def _worth(state: State, rule: Rule) -> Floats:
    # thousands of units share a few dozen records
    record_U = state.seeds_U * (rule.looks[-1] + 1) + state.hits_U
    record_R, at_U = np.unique(record_U, return_inverse=True)
    seeds_R, hits_R = np.divmod(record_R, rule.looks[-1] + 1)
    return log_e(hits_R, seeds_R, rule.p0)[at_U]


def due(state: State, rule: Rule) -> Ints:
    """Return the seeds that each unit gets on its next visit, 0 for those that get none.

    >>> due(State.begin([0.5, 0.6], Rule()), Rule()).tolist()
    [1, 1]
    """
    looks = np.array((*rule.looks, rule.looks[-1]))
    next_U = looks[np.searchsorted(looks[:-1], state.seeds_U, side="right")]
    return np.where(state.given_up_U, 0, next_U - state.seeds_U)


def next_units(state: State, budget: int, rule: Rule) -> Ints:
    """Return whom to visit next, strongest evidence first, as far as the budget of seeds goes.

    Symmetric: units that are exchanged in the state are exchanged in the answer.

    Args:
        state: the queue.
        budget: most seeds for this round; each unit takes what is `due`.
        rule: how seeds are spent.

    Returns:
        int64[V], places in the queue.

    >>> state = State.begin([0.2, 0.1, 0.3], Rule())
    >>> next_units(state, 2, Rule()).tolist()
    [1, 0]
    """
    due_U = due(state, rule)
    order_U = np.lexsort((state.draw_U, -evidence(state, rule)))
    order_V = order_U[due_U[order_U] > 0]
    return order_V[np.cumsum(due_U[order_V]) <= budget]


def observe(state: State, units_V: Ints, hits_V: ArrayLike, rule: Rule) -> State:
    """Return the queue after a round.

    Args:
        state: the queue before it.
        units_V: who was visited, from `next_units`; each got what was `due`.
        hits_V: seeds of this round that gave the unit's work back.
        rule: how seeds are spent.

    Raises:
        ValueError: a unit that gets no more seeds, or more hits than seeds.

    >>> observe(State.begin([0.5], Rule()), np.array([0]), [0], Rule()).given_up_U.tolist()
    [True]
    """
    due_V = due(state, rule)[units_V]
    hits_V = np.asarray(hits_V, np.int64)
    if (due_V == 0).any() or (hits_V < 0).any() or (hits_V > due_V).any():
        raise ValueError("hits: expected 0 to the seeds that are due, of units that get some")
    seeds_U, hits_U = state.seeds_U.copy(), state.hits_U.copy()
    seeds_U[units_V] += due_V
    hits_U[units_V] += hits_V
    after = state._replace(seeds_U=seeds_U, hits_U=hits_U)
    # who has had every seed keeps its score, however low
    is_futile_U = (evidence(after, rule) < rule.give_up) & (seeds_U < rule.looks[-1])
    return after._replace(given_up_U=state.given_up_U | is_futile_U)


def left_out(state: State, rule: Rule) -> NDArray[np.bool_]:
    """Return the units with p = 1: given up, or not finished when the queue was stopped.

    >>> left_out(State.begin([0.5], Rule()), Rule()).tolist()
    [True]
    """
    return state.given_up_U | (state.seeds_U < rule.looks[-1])


def scores(state: State, rule: Rule) -> Floats:
    """Return T of each unit, the worth of its own record; -inf for those that were left out.

    >>> scores(State.begin([0.5], Rule()), Rule()).tolist()
    [-inf]
    """
    return np.where(left_out(state, rule), -np.inf, _worth(state, rule))


def verdicts(scores_K: ArrayLike, controls_m: ArrayLike) -> Floats:
    """Return the conformal p-values after adaptive sampling: left-out units have p = 1, in K and m.

    Args:
        scores_K: T of the test units, -inf where left out.
        controls_m: T of the control units of the same queue, -inf where left out.

    Returns:
        float64[K], for Benjamini-Hochberg over all K.

    Raises:
        ValueError: no test or no control unit, or NaN.

    Source: statistics of a verdict, sections 4.3 and 8.

    >>> verdicts([2.0, -np.inf], [-np.inf, 1.0, -np.inf]).tolist()
    [0.25, 1.0]
    """
    tested_K = numbers(scores_K, "scores of test units")
    controls_m = numbers(controls_m, "scores of control units")
    both = np.concatenate([tested_K, controls_m])
    kept = both[~np.isneginf(both)]
    if not len(kept):
        return np.ones(len(tested_K))
    # left out lies behind every other one, also where all the others score the same
    both = np.where(np.isneginf(both), kept.min() - 1, both)
    r_K = exceedances(both[: len(tested_K)], both[len(tested_K) :])
    return np.asarray((1 + r_K) / (len(controls_m) + 1))


def cost_floor(looks: float, share: float, stop: float, fixed: float) -> float:
    """Return the least ratio of costs, (n_look + a n_stop) / n_fixed.

    Args:
        looks: n_look, spent on every unit, controls included; with triage its cost in seeds too.
        share: a, share of units that go on.
        stop: n_stop, seeds of a unit that goes on.
        fixed: n_fixed, seeds of each unit in the fixed design.

    Source: statistics of a verdict, section 8.

    >>> round(cost_floor(1, 0.1, 64, 64), 4)
    0.1156
    """
    return (looks + share * stop) / fixed
