"""Against: the numbers of test units beside the control units that they may be held against.

Without a repair that is every control unit; after re-matching, every one that stayed; within
strata, those of the same stratum; with weights all of them, each for what it counts. Controls that
were chosen or weighted by their looks are chosen without their scores.

Dimension key: K test units, m control units.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.statistics.conformal import exceedances, gamma_star
from stages.statistics.discovery import bh, bh_cutoff, fewest_findings
from stages.statistics.repaired import (
    Weights,
    fewest_reaching,
    weighted_p_values,
    weighted_selection,
    within_strata,
)
from stages.verdicts.blindfold import Place, Repair

Row = Mapping[str, Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EVERYWHERE = Place(kept=True, stratum=0, weight=1.0)


class Rule(NamedTuple):
    """How units are held against controls."""

    q: float
    repair: Repair
    larger: bool
    """True if a larger score lies closer."""
    listed: bool
    """True if the units are a list with q-values."""
    hidden: bool
    """True if traits that nobody saw may make a difference, so that Gamma* is told."""


class _Stand(NamedTuple):
    """Numbers of the test units."""

    r_K: Ints
    m_K: Ints
    p_K: Floats
    bound_K: Floats


def left_out(unit_id: str, label: str, repair: Repair, placed: Mapping[str, Place]) -> str | None:
    """Return why a repair leaves a unit out; None if it does not.

    Args:
        unit_id: the unit.
        label: `test` or `control`.
        repair: what was done.
        placed: places of all units after it.
    """
    if repair == "none":
        return None
    place = placed.get(unit_id)
    if place is None:
        return "nothing was learnt of its looks, by which controls are repaired"
    if not place.kept:
        no_match = label == "test"
        return "no control unit looks like it" if no_match else "it looks like no unit that is left"
    return None


def stratum_of(row: Row, placed: Mapping[str, Place]) -> int:
    """Return the stratum of a unit.

    Args:
        row: its unit_id.
        placed: places of the units after the repair; without one all share a stratum.
    """
    return _place(row, placed).stratum


def against(
    tested: Sequence[Row], controls: Sequence[Row], rule: Rule, placed: Mapping[str, Place]
) -> Iterator[dict[str, Any]]:
    """Yield num_exceeding, num_controls, p, p_bound, q and gamma_star of each test unit.

    Args:
        tested: unit_id and score of the test units, one or more; a score of None is no match.
        controls: the same of the control units, one or more in every stratum.
        rule: how they are held against each other.
        placed: places of the units after the repair.

    Source: statistics of a verdict, sections 3 to 5.
    """
    scores = closeness([*tested, *controls], larger=rule.larger)
    scores_K, scores_m = scores[: len(tested)], scores[len(tested) :]
    places_K, places_m = ([_place(row, placed) for row in rows] for rows in (tested, controls))
    weights = Weights([p.weight for p in places_K], [p.weight for p in places_m])
    is_weighted = rule.repair == "weighted"
    if np.ptp(scores) == 0:
        stand = _alike(len(tested), len(controls))
    elif is_weighted:
        stand = _weighted(scores_K, scores_m, weights)
    else:
        strata = ([p.stratum for p in places_K], [p.stratum for p in places_m])
        stand = _Stand(*within_strata(scores_K, scores_m, *strata))
    q_K, cutoff_K = np.ones(len(tested)), np.zeros(len(tested))
    if rule.listed and not is_weighted:
        q_K = np.minimum(1.0, bh(stand.p_K))
        cutoff_K[:] = bh_cutoff(stand.p_K, rule.q)
    elif rule.listed and np.ptp(scores) > 0:
        coin_K = np.full(len(tested), _coin(tested))
        found = weighted_selection(scores_K, scores_m, weights, rule.q, coin_K)
        q_K, cutoff_K = np.where(found.found_K, rule.q, 1.0), found.cutoff_K
    for place in range(len(tested)):
        p, q = float(stand.p_K[place]), float(q_K[place])
        is_hidden = rule.hidden and rule.listed and q <= rule.q
        yield {
            "num_exceeding": int(stand.r_K[place]),
            "num_controls": int(stand.m_K[place]),
            "p": p,
            "p_bound": float(stand.bound_K[place]),
            "q": q if rule.listed else None,
            "gamma_star": gamma_star(p, float(cutoff_K[place])) if is_hidden else None,
        }


def fewest(
    tested: Sequence[Row], controls: Sequence[Row], rule: Rule, placed: Mapping[str, Place]
) -> int:
    """Return the fewest test units that can reach q together; more than there are if none can.

    Args:
        tested: unit_id of the test units, one or more.
        controls: unit_id of the control units.
        rule: how they are held against each other.
        placed: places of the units after the repair.

    Source: statistics of a verdict, section 5.
    """
    if rule.repair in {"none", "rematch"} and controls:
        return fewest_findings(len(tested), len(controls), rule.q)
    places_K, places_m = ([_place(row, placed) for row in rows] for rows in (tested, controls))
    if rule.repair == "weighted":
        total = sum(place.weight for place in places_m)
        least_K = [p.weight / (p.weight + total) if p.weight else 0.0 for p in places_K]
    else:
        many = Counter(place.stratum for place in places_m)
        least_K = [1 / (1 + many[place.stratum]) for place in places_K]
    return fewest_reaching(least_K, rule.q)


def _place(row: Row, placed: Mapping[str, Place]) -> Place:
    return placed.get(row["unit_id"], _EVERYWHERE)


def closeness(rows: Sequence[Row], *, larger: bool) -> Floats:
    """Return the scores so that larger is closer; no match lies behind every other one.

    Args:
        rows: score of each unit, None without a match.
        larger: True if a larger score lies closer.

    >>> closeness([{"score": 0.5}, {"score": None}], larger=False).tolist()
    [-0.5, -1.5]
    """
    sign = 1.0 if larger else -1.0
    scores = np.array([np.nan if r["score"] is None else sign * r["score"] for r in rows])
    scores[np.isnan(scores)] = np.nanmin(scores, initial=0.0) - 1
    return scores


def _alike(num_tested: int, num_controls: int) -> _Stand:
    """Nothing stands out where all score the same: every p is 1."""
    all_K = np.full(num_tested, num_controls)
    return _Stand(all_K, all_K, np.ones(num_tested), np.ones(num_tested))


def _weighted(scores_K: Floats, scores_m: Floats, weights: Weights) -> _Stand:
    r_K = exceedances(scores_K, scores_m)
    p_K = weighted_p_values(scores_K, scores_m, weights)
    # no bound is known for one set of weighted controls
    return _Stand(r_K, np.full(len(r_K), len(scores_m)), p_K, np.ones(len(r_K)))


def _coin(tested: Sequence[Row]) -> float:
    """Return a number in (0, 1) that hangs on the names of the units: nobody can choose it."""
    names = "\x1f".join(sorted(row["unit_id"] for row in tested))
    number = int.from_bytes(blake2b(names.encode(), digest_size=8, person=b"coin").digest(), "big")
    return (number + 0.5) / 2**64
