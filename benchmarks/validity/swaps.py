"""Index swap: votes of distinct works, and signed competition for named findings.

Dimension key: P pairs of clusters, U units, K test units, S seeds.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.validity.criterion import Floats, Trial, score_list
from benchmarks.validity.worlds import SEEDS, Dice, Size
from stages.statistics.competition import knockoff_plus, signed, swap_votes, votes

POOL = 20_000
VOTES = 2_000


def competing(size: Size) -> Trial:
    """Return the trial of knockoff+ over units whose best works lie in distinct pairs."""

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        train_K = dice.normal(size=size.units) + size.strength * size.truth_K
        w_K = signed(train_K, dice.normal(size=size.units))
        found = [w_K >= knockoff_plus(w_K, q) for q in levels]
        return np.array([score_list(found_K, size.truth_K) for found_K in found])

    return trial


def tested(train: int, total: int, levels: Sequence[float]) -> Floats:
    """Return the outcome of the exact test of a true null."""
    p = swap_votes(train, total) if total else 1.0
    return np.array([(float(p <= q), 0.0, float(p <= q)) for q in levels])


def swapped(pairs: int = 400, units: int = 1000) -> Trial:
    """Return the trial of the set-level test where nothing was learned.

    Units fall on clusters of unequal fame, one in ten on two that tie; a coin per pair sends one
    cluster to each half.
    """

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        first_half_P = dice.random(pairs) < 0.5
        is_train_W = np.concatenate([first_half_P, ~first_half_P])
        fame_W = dice.pareto(1.5, size=2 * pairs) + 0.05
        cluster_U = dice.choice(2 * pairs, size=units, p=fame_W / fame_W.sum())
        also = np.flatnonzero(dice.random(units) < 0.1)
        unit_M = np.concatenate([np.arange(units), also])
        other = dice.choice(2 * pairs, size=len(also))
        cluster_M = np.concatenate([cluster_U, other])
        counted = votes(unit_M, cluster_M, is_train_W[cluster_M])
        return tested(counted.train, counted.total, levels)

    return trial


def tie_broken(*, by_id: bool, units: int = 300) -> Trial:
    """Return the set-level test on whole-number similarities; ties dropped, or the first id wins.

    Ids of the training half come first, as they do when it is indexed first.
    """

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        train_U, control_U = np.floor(2 * dice.normal(size=(2, units)))
        is_tie_U = train_U == control_U
        wins = int((train_U > control_U).sum())
        if by_id:
            return tested(wins + int(is_tie_U.sum()), units, levels)
        return tested(wins, units - int(is_tie_U.sum()), levels)

    return trial


def deduplicated(*, one_sided: bool, share: float = 0.1) -> Trial:
    """Return the set-level test after near-duplicates went: from the controls, or whole pairs."""

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        is_dropped_P = dice.random(POOL // 2) < share
        num_train = POOL // 2 if one_sided else int((~is_dropped_P).sum())
        num_control = int((~is_dropped_P).sum())
        train = dice.hypergeometric(num_train, num_control, VOTES)
        return tested(int(train), VOTES, levels)

    return trial


def voted(*, per_seed: bool, share: float = 0.1) -> Trial:
    """Return the test of one unit: a vote for each seed, or for each distinct work.

    Args:
        per_seed: the broken variant, n votes that may all come from one work.
        share: chance that two seeds have the same nearest work.
    """
    concentration = 1 / share - 1

    def trial(dice: Dice, levels: Sequence[float]) -> Floats:
        sticks_W = dice.beta(1, concentration, size=400)
        left_W = np.cumprod(1 - sticks_W) / (1 - sticks_W)
        cuts_W = np.cumsum(sticks_W * left_W)
        work_S = np.searchsorted(cuts_W, dice.random(SEEDS))
        is_train_W = dice.random(len(cuts_W) + 1) < 0.5
        mine = work_S if per_seed else np.unique(work_S)
        return tested(int(is_train_W[mine].sum()), len(mine), levels)

    return trial
