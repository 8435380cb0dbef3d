"""Lean: one vote of each distinct nearest work, and exact chances under a deal of the labels."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Kit
from stages.statistics.swap import Stratum, dealt
from stages.tables import LEANINGS, MATCHES, PROMPTS, WORKS
from stages.verdicts.lean import STAGE
from stages.verdicts.standing import AssessConfig

HALVES = {**{f"t{n}": "train" for n in range(6)}, **{f"c{n}": "control" for n in range(6)}}
Made = Sequence[Mapping[str, float]]


def leaning(
    made: Made, halves: Mapping[str, str] = HALVES, asked: Sequence[str] = (), **knobs: Any
) -> dict[str, Any]:
    """Return the LEANINGS row; each of `made` has the ratio of one generation to some works."""
    matches = [
        {
            "model_id": "m",
            "made_id": f"g{number}",
            "prompt_id": f"p{number}",
            "phase": "confirmation",
            "work_id": work,
            "half": halves[work],
            "best": ratio == min(ratios.values()),
            "adaptive_ratio": ratio,
        }
        for number, ratios in enumerate(made)
        for work, ratio in ratios.items()
    ]
    works = [{"work_id": w, "half": half, "mixed": False} for w, half in halves.items()]
    rows = {"matches": (MATCHES, matches), "works": (WORKS, works)}
    rows["prompts"] = (PROMPTS, [{"work_id": work} for work in asked])
    inputs = {
        role: [table.of_rows(found).select(list(STAGE.reads[role].names))]
        for role, (table, found) in rows.items()
    }
    (out,) = STAGE.run(inputs, AssessConfig(**knobs), Kit())
    (row,) = LEANINGS.check(out.rows).to_pylist()
    return row


def test_seeds_that_share_their_nearest_work_have_one_vote() -> None:
    row = leaning([{"t0": 0.1, "c0": 0.9}] * 20 + [{"c1": 0.5}])
    assert (row["votes_train"], row["votes"]) == (1, 2)
    assert row["p"] == pytest.approx(1 - comb(6, 2) / comb(12, 2))


def test_ties_are_dropped_and_counted() -> None:
    row = leaning([{"t0": 0.1, "c0": 0.1}, {"t1": 0.2, "t2": 0.2}, {"t3": 0.3}])
    assert (row["across"], row["within"], row["votes"]) == (1, 1, 1)


def test_works_that_were_asked_for_are_dealt_among_themselves() -> None:
    made = [{"t0": 0.1}, {"t1": 0.1}]
    # both asked works are training works: a deal among the two could not have come out otherwise
    assert leaning(made, asked=["t0", "t1"])["p"] == 1.0
    assert leaning(made)["p"] == pytest.approx(comb(6, 2) / comb(12, 2))


def test_signed_competition_names_lists_of_one_over_q_and_no_shorter() -> None:
    halves = {**{f"t{n}": "train" for n in range(12)}, **{f"c{n}": "control" for n in range(12)}}
    made = [{f"t{n}": 0.1 + n / 100, f"c{n}": 0.9} for n in range(12)]
    assert leaning(made, halves, q=0.1)["named"] == sorted(f"p{n}" for n in range(12))
    assert leaning(made, halves, q=0.1)["least_list"] == 10
    assert leaning(made[:9], halves, q=0.1)["named"] == []


def test_halves_of_different_size_have_no_competition() -> None:
    halves = {**HALVES, "t9": "train"}
    assert leaning([{"t0": 0.1}], halves)["named"] is None


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.integers(0, 4))
def test_the_chance_is_that_of_all_deals(first: int, second: int, votes: int, seen: int) -> None:
    """Every choice of the works that are called `train`, counted one by one."""
    size = first + second
    votes = min(votes, size)
    seen = min(seen, votes, first)
    if not votes:
        return
    deals = list(combinations(range(size), first))
    hits = sum(len([work for work in deal if work < votes]) >= seen for deal in deals)
    found = dealt([Stratum(seen, votes, first, second)])
    assert found == pytest.approx(hits / len(deals))


def test_impossible_votes_are_refused() -> None:
    with pytest.raises(ValueError, match="votes"):
        dealt([Stratum(0, 0, 3, 3)])
    with pytest.raises(ValueError, match="votes"):
        dealt([Stratum(4, 5, 2, 2)])
