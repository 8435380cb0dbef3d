"""Units that were given up: left out with p = 1, and neither forgotten nor called a failure."""

from collections import Counter
from typing import Any, Literal

import pytest

from stages.statistics.limits import detection_limit
from stages.statistics.spending import Rule
from stages.statistics.visits import fresh_limit, law
from stages.tables import UNITS
from stages.verdicts.measures import measure_of
from stages.verdicts.standing import AssessConfig, Close, Level, Roll, standing

RATIO = measure_of("adaptive_ratio")
LABELS = {"a": "test", "b": "test", "c": "control", "d": "control", "e": "control"}


def judged(
    design: Literal["fixed", "sequential"], n: dict[str, int], scores: dict[str, float]
) -> dict[str, dict[str, Any]]:
    rows = [
        {"work_id": u, "unit_id": u, "label": label, "rank": u, "prompt_ids": [f"p{u}"]}
        for u, label in LABELS.items()
    ]
    config = AssessConfig(q=0.5, setting="randomised", design=design)
    roll = Roll([UNITS.of_rows(rows)], config)
    counts = {"m": Counter({f"p{u}": many for u, many in n.items()})}
    close = {u: Close("m", f"g{u}", u, u, score) for u, score in scores.items()}
    found = standing(roll, counts, {("m", RATIO.method): close}, [RATIO], Level(config, {}))
    return {row["unit_id"]: row for row in found}


def test_given_up_units_have_p_1_and_stay_in_k_and_m() -> None:
    rows = judged("sequential", {"a": 8, "c": 8}, {"a": 0.2, "c": 1.5})
    assert {row["excluded"] for row in rows.values()} == {None}
    assert {(row["num_units"], row["num_controls"]) for row in rows.values()} == {(2, 3)}
    assert rows["a"]["p"] == pytest.approx(1 / 4)
    assert rows["b"]["p"] == 1
    # one control of three went on and came closer
    rows = judged("sequential", {"a": 8, "c": 8}, {"a": 0.2, "c": 0.1})
    assert rows["a"]["p"] == pytest.approx(2 / 4)


def test_a_unit_that_went_on_without_a_match_is_no_better_than_one_that_was_given_up() -> None:
    rows = judged("sequential", {"a": 8, "b": 8, "c": 8}, {"b": 0.3})
    assert rows["a"]["p"] == 1
    assert rows["b"]["p"] == pytest.approx(1 / 4)


def test_in_the_fixed_design_nothing_made_is_no_test() -> None:
    rows = judged("fixed", {"a": 8, "c": 8}, {"a": 0.2, "c": 1.5})
    assert rows["b"]["excluded"] == "nothing was made"
    assert rows["b"]["p"] is None
    assert rows["a"]["p"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("design", ["fixed", "sequential"])
def test_a_control_with_fewer_chances_is_no_control(
    design: Literal["fixed", "sequential"],
) -> None:
    rows = judged(design, dict.fromkeys("abde", 8) | {"c": 5}, {"a": 0.2, "c": 0.9})
    assert rows["c"]["excluded"] == "5 generations, where others have 8"
    assert rows["a"]["num_controls"] == 2


def test_limit_of_fresh_seeds_counts_in_who_is_given_up() -> None:
    never = Rule(looks=(1, 4), give_up=-1e9)
    assert fresh_limit(1, 48, never) == pytest.approx(detection_limit(1, 48), abs=1e-4)
    assert fresh_limit(2, 48, never, lows=(0.97, 0.8)) == pytest.approx(
        detection_limit(2, 48, recall=0.97, sensitivity=0.8), abs=1e-4
    )
    looked = fresh_limit(1, 48, Rule(looks=(1, 4)))
    assert looked is not None
    assert looked >= 0.95 - 1e-3  # no policy sees more at one look than the look does
    asked = law(looked, Rule(looks=(1, 4, 5)))
    assert asked.reaching == pytest.approx(0.95, abs=2e-3)
    assert fresh_limit(1, 48, Rule(looks=(1, 4)), lows=(0.94, 1.0)) is None
    # what must be suspect first is not seen without a triage
    assert fresh_limit(1, 48, Rule(looks=(1, 4), give_up=2.0)) is None
