"""Artist families: an artist is named only if the family was registered and tested as one.

Dimension key: K works, A artists.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.validity.criterion import Bools, Floats, score_list
from benchmarks.validity.worlds import Dice, Size, World, plain
from stages.statistics.conformal import p_values
from stages.statistics.discovery import bh, families

ARTISTS, WORKS_EACH = 100, 3
SIZE = Size(units=ARTISTS * WORKS_EACH, copied=10, controls=5_000)


def _world(dice: Dice) -> World:
    # ten copied works of four artists: who is copied once is often copied again
    return plain(SIZE)(dice)


def _artists(marked_K: Bools) -> Bools:
    return np.asarray(marked_K.reshape(ARTISTS, WORKS_EACH).any(axis=1))


def artists_named(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the error over named artists: Simes per artist, BH over artists."""
    world = _world(dice)
    p_K = p_values(world.tests_K, world.controls_m)
    family_K = np.repeat(np.arange(ARTISTS), WORKS_EACH)
    truth_A = _artists(world.copied_K)
    found = [families(p_K, family_K, q).selected_A for q in levels]
    return np.array([score_list(found_A, truth_A) for found_A in found])


def works_within(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the average error within the artists found, at q S / A."""
    world = _world(dice)
    p_K = p_values(world.tests_K, world.controls_m)
    family_K = np.repeat(np.arange(ARTISTS), WORKS_EACH)
    outcomes = []
    for q in levels:
        result = families(p_K, family_K, q)
        _, power, found = score_list(result.rejected_K, world.copied_K)
        false_A = (result.rejected_K & ~world.copied_K).reshape(ARTISTS, WORKS_EACH).sum(axis=1)
        found_A = result.rejected_K.reshape(ARTISTS, WORKS_EACH).sum(axis=1)
        shares_A = (false_A / np.maximum(1, found_A))[result.selected_A]
        outcomes.append((float(shares_A.mean()) if len(shares_A) else 0.0, power, found))
    return np.array(outcomes)


def artists_picked(dice: Dice, levels: Sequence[float]) -> Floats:
    """Return the error over artists who were merely picked from a list of works."""
    world = _world(dice)
    q_K = bh(p_values(world.tests_K, world.controls_m))
    truth_A = _artists(world.copied_K)
    return np.array([score_list(_artists(q_K <= q), truth_A) for q in levels])
