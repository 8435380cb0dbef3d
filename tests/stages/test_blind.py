"""Blind: planted differences between works and controls are told, equal ones are not."""

from typing import Any

import numpy as np
import pytest

from stages.contract import Kit
from stages.pixels import encode_png
from stages.tables import BLIND, IMAGES, PROMPTS, TEXTS, UNITS
from stages.verdicts import blind, blind_texts
from stages.verdicts.blindfold import BlindConfig
from tests.stages.shelf import Shelf

COUNT = 40
DICE = np.random.default_rng(3)
NAMES = [f"{'test' if n % 2 else 'control'}{n:03d}" for n in range(2 * COUNT)]


def label(work: str) -> str:
    return work.rstrip("0123456789")


def units(names: list[str]) -> Any:
    rows = [
        {"work_id": w, "unit_id": w, "label": label(w), "rank": "0", "prompt_ids": [f"p-{w}"]}
        for w in names
    ]
    return UNITS.of_rows(rows).select(list(blind.STAGE.reads["units"].names))


def prompts(said: dict[str, str]) -> Any:
    rows = [{"prompt_id": f"p-{work}", "text": text} for work, text in said.items()]
    return PROMPTS.of_rows(rows).select(["prompt_id", "text"])


def told(stage: Any, role: str, shelf: Any, said: dict[str, str]) -> dict[str, dict[str, Any]]:
    inputs = {"units": [units(list(said))], "prompts": [prompts(said)], "balance": []}
    (out,) = stage.run(inputs, BlindConfig(), Kit(datasets={role: Shelf(shelf)}))
    return {row["material"]: row for row in BLIND.check(out.rows).to_pylist()}


def pictures(bright: int) -> Any:
    """Return one picture for each work; those of test units are brighter by so much."""
    rows = []
    for work in NAMES:
        base = DICE.integers(40, 160, (8, 8, 3)) + bright * (label(work) == "test")
        rows.append({"image_id": work, "bytes": encode_png(base.astype(np.uint8))})
    return IMAGES.of_rows(rows)


def words(_: str) -> str:
    return " ".join(DICE.choice(["sea", "sky", "old", "boat", "tree", "hill", "red"], 6))


@pytest.mark.parametrize(("bright", "judgement"), [(0, None), (60, "not calibrated")])
def test_pictures_that_differ_are_told_apart(bright: int, judgement: str | None) -> None:
    rows = told(blind.STAGE, "images", pictures(bright), {work: words(work) for work in NAMES})
    found = rows["pictures"]
    assert (found["num_test"], found["num_control"]) == (COUNT, COUNT)
    if judgement is None:
        assert found["low"] < 0.5 < found["high"]
    else:
        assert found["low"] > 0.9
        assert found["judgement"] == judgement


def test_captions_of_another_kind_are_told_apart() -> None:
    said = {w: words(w).title() if label(w) == "test" else words(w) for w in NAMES}
    assert told(blind.STAGE, "images", pictures(0), said)["captions"]["low"] > 0.9


def test_too_few_units_are_no_test_and_say_so() -> None:
    row = told(blind.STAGE, "images", pictures(0), {w: words(w) for w in NAMES[:6]})["captions"]
    assert row["auc"] is None
    assert row["judgement"].startswith("not tested: ")


def test_longer_texts_are_told_apart() -> None:
    rows = [
        {"piece_id": f"{w}#0", "num_words": 10 + 40 * (label(w) == "test"), "text": words(w)}
        for w in NAMES
    ]
    found = told(blind_texts.STAGE, "texts", TEXTS.of_rows(rows), {w: words(w) for w in NAMES})
    assert found["texts"]["low"] > 0.9
    assert found["prompts"]["low"] < 0.5 < found["prompts"]["high"]
