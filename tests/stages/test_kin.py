"""Kin: the units of an artist are a family of their own, and do not inherit the run's q."""

from typing import Any

import pytest

from stages.verdicts.kin import kin


def row(unit: str, p: float | None, **more: Any) -> dict[str, Any]:
    same = {"model_id": "m", "method": "adaptive_ratio", "unit_id": unit, "work_id": unit, "p": p}
    return same | more


def test_hand_computed_families() -> None:
    artists = {"a1": "Ana", "a2": "Ana", "b1": "Bo", "b2": "Bo", "c1": "Cy"}
    rows = [row("a1", 0.001), row("a2", 0.01), row("b1", 0.2), row("b2", 0.3), row("c1", 0.9)]
    found = kin(rows, artists, 0.1)
    ana = found["m", "adaptive_ratio", "a1"]
    # Simes: min(2 * 0.001 / 1, 2 * 0.01 / 2) = 0.002; BH over three artists: 3 * 0.002
    assert (ana.artist_units, ana.artist_q) == (2, pytest.approx(0.006))
    # inside the one selected artist of three: 2 * 0.001 and 0.01, times 3 / 1
    assert ana.q == pytest.approx(0.006)
    assert found["m", "adaptive_ratio", "a2"].q == pytest.approx(0.03)
    assert found["m", "adaptive_ratio", "b1"].q == 1.0


def test_a_unit_that_stands_in_several_rows_counts_once() -> None:
    rows = [row("a1", 0.01), row("a1", 0.01, prompt_id="other"), row("a2", 0.5)]
    assert kin(rows, {"a1": "Ana", "a2": "Ana"}, 0.1)["m", "adaptive_ratio", "a1"].artist_units == 2


def test_units_without_artist_or_test_belong_to_no_family() -> None:
    rows = [row("x", 0.01), row("y", None), row("a1", 0.5)]
    assert set(kin(rows, {"x": None, "y": "Ana", "a1": "Ana"}, 0.1)) == {
        ("m", "adaptive_ratio", "a1")
    }


def test_models_and_methods_are_lists_of_their_own() -> None:
    rows = [row("a1", 0.04), row("a1", 0.5, model_id="n"), row("a1", 0.2, method="l2")]
    found = kin(rows, {"a1": "Ana"}, 0.1)
    assert {key[:2]: value.q for key, value in found.items()} == {
        ("m", "adaptive_ratio"): 0.04,
        ("n", "adaptive_ratio"): 1.0,
        ("m", "l2"): 1.0,
    }
