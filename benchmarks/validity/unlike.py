"""Controls of another kind than the units: what it does to a plain test, and the three repairs.

Dimension key: K test units, m control units, N = K + m units, F traits.

Every unit has traits that anybody can see without the model. Test units have more of one of them,
and the score leans on it, copied or not. So a test unit that made no difference scores higher than
a control for its trait alone: the null of a verdict does not hold, but given the trait it does.
Which of the traits it is, the product's own blind classifier has to find out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.validity.criterion import Floats, score_list
from benchmarks.validity.worlds import Dice, Size
from stages.statistics.blindness import Sides, blind_scores
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh
from stages.statistics.repaired import Weights, weighted_selection, within_strata
from stages.statistics.repairs import rematch, strata, weights

MORE = 0.7
"""Standard deviations by which test units have more of the trait: a blind AUC of 0.69."""
LEAN = 0.5
"""Correlation of score and trait."""
CALIPER, STRATA = 0.2, 5
TRAITS = 7
"""Traits that are looked at, as many as the blind test has of a picture; one of them matters."""
SIZE = Size(units=200, copied=40, controls=1_000)


class Unlike(NamedTuple):
    """What one run would have seen, and how its units look to the blind classifier."""

    tests_K: Floats
    controls_m: Floats
    look_K: Floats
    look_m: Floats


def drawn(dice: Dice, *, looked_at: bool = True) -> Unlike:
    """Return scores and looks of one run; looks are 0 where nobody looked."""
    num = SIZE.units + SIZE.controls
    traits_NF = dice.normal(size=(num, TRAITS))
    traits_NF[: SIZE.units, 0] += MORE
    scores_N = LEAN * traits_NF[:, 0] + np.sqrt(1 - LEAN**2) * dice.normal(size=num)
    scores_N[: SIZE.units] += SIZE.strength * SIZE.truth_K
    look_N = np.zeros(num)
    if looked_at:
        sides = Sides(np.arange(num) < SIZE.units, np.arange(num))
        look_N = blind_scores(traits_NF, sides, int(dice.integers(2**31)))
    halves = (slice(SIZE.units), slice(SIZE.units, None))
    return Unlike(*(scores_N[half] for half in halves), *(look_N[half] for half in halves))


def unrepaired(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome of holding every unit against every control."""
    world = drawn(dice, looked_at=False)
    return _listed(bh(p_values(world.tests_K, world.controls_m)), levels)


def rematched(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome after re-matching by looks."""
    world = drawn(dice)
    matched = rematch(world.look_K, world.look_m, CALIPER)
    q_K = np.ones(SIZE.units)
    q_K[matched.kept_K] = bh(
        p_values(world.tests_K[matched.kept_K], world.controls_m[matched.kept_m])
    )
    return _listed(q_K, levels)


def stratified(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome within strata of looks."""
    world = drawn(dice)
    places = strata(world.look_K, world.look_m, STRATA)
    return _listed(bh(within_strata(world.tests_K, world.controls_m, *places).p_K), levels)


def weighed(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the outcome with controls weighted by looks."""
    world = drawn(dice)
    counted = Weights(*weights(world.look_K, world.look_m))
    coin_K = np.full(SIZE.units, dice.random())
    found = [
        weighted_selection(world.tests_K, world.controls_m, counted, q, coin_K).found_K
        for q in levels
    ]
    return np.array([score_list(found_K, SIZE.truth_K) for found_K in found])


def _listed(q_K: Floats, levels: Sequence[float]) -> Floats:
    return np.array([score_list(q_K <= q, SIZE.truth_K) for q in levels])
