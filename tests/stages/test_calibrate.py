"""Calibrate: thresholds come from control works and discovery seeds alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Kit
from stages.tables import MATCHES, PROMPTS, THRESHOLDS, WORKS
from stages.verdicts.calibrate import STAGE, CalibrateConfig


def match(image: str, work: str, ratio: float | None, **more: Any) -> dict[str, Any]:
    half = "control" if work.startswith("c") else "train"
    row = {
        "made_id": image,
        "model_id": "m",
        "prompt_id": "p",
        "sample": 0,
        "phase": "discovery",
        "work_id": work,
        "half": half,
        "neighbor_id": work,
        "via": "pixels",
        "similarity": None,
        "l2": 0.1,
        "tiled_l2": 0.1,
        "adaptive_ratio": ratio,
        "best": True,
    }
    return row | more


def work(image: str, half: str, work_id: str | None = None, *, mixed: bool = False) -> Any:
    counts = dict.fromkeys(("num_exact", "num_near", "num_pdq", "num_clip"), 1)
    row = {"image_id": image, "half": half, "work_id": work_id or image, "sha256": image}
    return row | counts | {"mixed": mixed}


def prompt(prompt_id: str, work_id: str | None) -> dict[str, Any]:
    half = None if work_id is None else "control" if work_id.startswith("c") else "train"
    blank = {"block": 0, "seed": 1, "text": "x", "class_label": None, "origin": "file"}
    row = {"prompt_id": prompt_id, "sample": 0, "phase": "discovery", "work_id": work_id}
    return row | {"half": half} | blank


WORKS_ROWS = [work("t1", "train"), work("c1", "control"), work("c2", "control")]


def calibrated(
    matches: Sequence[dict[str, Any]],
    *,
    works: Sequence[dict[str, Any]] = WORKS_ROWS,
    prompts: Sequence[dict[str, Any]] = (),
    ceiling: float = 1.0,
    cut: int = 3,
) -> list[dict[str, Any]]:
    table = MATCHES.check(MATCHES.of_rows(matches))
    columns = list(STAGE.reads["matches"].names)
    batches = [table.slice(i, cut).select(columns) for i in range(0, max(len(table), 1), cut)]
    inputs = {
        "matches": batches,
        "works": [WORKS.of_rows(works).select(list(STAGE.reads["works"].names))],
        "prompts": [PROMPTS.of_rows(prompts).select(list(STAGE.reads["prompts"].names))],
    }
    outs = list(STAGE.run(inputs, CalibrateConfig(ceiling=ceiling), Kit()))
    table = THRESHOLDS.check(pa.concat_tables([out.rows for out in outs]))
    return table.to_pylist()


def test_smallest_control_ratio_of_discovery_is_the_threshold() -> None:
    (row,) = calibrated(
        [
            match("g1", "c1", 0.75),
            match("g2", "c2", 0.5),
            match("g3", "t1", 0.125),
            match("g4", "c1", 0.25, phase="confirmation"),
        ],
        prompts=[prompt("p", "c1"), prompt("q", "c2"), prompt("r", "t1")],
    )
    assert row["threshold"] == 0.5
    assert row["control_best"] == 0.25
    assert row["num_generations"] == 3
    assert row["num_controls"] == 2
    assert row["num_control_prompts"] == 1


def test_ceiling_holds_in_the_columns_own_type() -> None:
    (row,) = calibrated([match("g1", "c1", 1.5)], ceiling=0.9)
    assert row["threshold"] == np.float32(0.9)


def test_mixed_work_is_no_control() -> None:
    works = [work("t1", "train", "w", mixed=True), work("c1", "control", "w", mixed=True)]
    (row,) = calibrated([match("g1", "w", 0.1, half="control")], works=works)
    assert row["threshold"] == 1.0
    assert row["control_best"] is None
    assert row["num_controls"] == 0


def test_unmeasured_pairs_set_nothing() -> None:
    (row,) = calibrated([match("g1", "c1", None)])
    assert row["threshold"] == 1.0
    assert row["num_generations"] == 0


def test_imported_images_have_the_ceiling_and_are_compared_with_controls() -> None:
    rows = calibrated(
        [
            match("g1", "c1", 0.3),
            match("i1", "c1", 0.6, model_id="imported", phase="confirmation"),
        ]
    )
    assert [row["model_id"] for row in rows] == ["imported", "m"]
    assert rows[0]["threshold"] == 1.0
    assert rows[0]["control_best"] == np.float32(0.6)
    assert rows[1]["threshold"] == np.float32(0.3)


def test_nothing_compared_gives_no_threshold() -> None:
    assert calibrated([]) == []


def test_ceiling_below_everything_is_refused() -> None:
    with pytest.raises(ValueError, match=r"calibrate\.ceiling.*above 0, got 0"):
        CalibrateConfig(ceiling=0)
    with pytest.raises(ValueError, match="ceiling"):
        CalibrateConfig(ceiling=float("nan"))


ratios = st.lists(
    st.tuples(
        st.sampled_from(["t1", "c1", "c2"]),
        st.sampled_from(["discovery", "confirmation"]),
        st.one_of(st.none(), st.floats(0.0, 2.0, width=32)),
    ),
    max_size=12,
)


@given(ratios, st.integers(1, 5))
def test_threshold_is_the_definition(drawn: list[tuple[str, str, float | None]], cut: int) -> None:
    matches = [
        match(f"g{i}", name, ratio, phase=phase) for i, (name, phase, ratio) in enumerate(drawn)
    ]
    rows = calibrated(matches, cut=cut)
    assert len(rows) == bool(matches)
    for row in rows:
        seen = [r for w, p, r in drawn if w != "t1" and p == "discovery" and r is not None]
        rivals = [r for w, p, r in drawn if w != "t1" and p == "confirmation" and r is not None]
        assert row["threshold"] == min([1.0, *seen])
        assert row["control_best"] == min(rivals, default=None)
