"""Blindfold: can test and control units be told apart by somebody who never asks the model?

If they can, a score may differ between them for that reason alone, and no p-value holds. So a
classifier learns from what is known without the model, what the prompts say and what the works are
like, and its area under the curve is printed beside every list of findings. Works of both halves
pass through the same lines, and what belongs to one unit is never on both sides of a fold.

Dimension key: N works or prompts, F traits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from stages.columns import texts
from stages.statistics.blindness import Material, Sides, blind_auc, judgement

TESTED = ("test", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindConfig:
    """Knobs of the blind test."""

    seed: int = 0
    """Seed of its folds and resamples, from 0."""

    def __post_init__(self) -> None:
        """Refuse a seed that is none.

        Raises:
            ValueError: the seed is negative.
        """
        if self.seed < 0:
            raise ValueError(f"blind.seed: expected 0 or more, got {self.seed}")


class Seat(NamedTuple):
    """One work of a unit that is tested."""

    work_id: str
    unit_id: str
    label: str
    prompt_ids: Sequence[str]


def seats(batches: Iterable[pa.Table]) -> list[Seat]:
    """Return the works of test and control units, by work_id.

    Args:
        batches: work_id, unit_id, label and prompt_ids of UNITS.
    """
    rows = (row for batch in batches for row in batch.to_pylist() if row["label"] in TESTED)
    names = Seat._fields
    return sorted(Seat(*(row[name] for name in names)) for row in rows)


def asked(batches: Iterable[pa.Table], seated: Iterable[Seat]) -> tuple[list[str], list[Seat]]:
    """Return what the prompts of the units say, and whose each is.

    Args:
        batches: prompt_id and text of PROMPTS.
        seated: the works of the units.
    """
    # works of one unit share its prompts: each prompt speaks once
    owner = {prompt_id: seat for seat in seated for prompt_id in seat.prompt_ids}
    found: dict[str, str] = {}
    for batch in batches:
        said = batch["text"].to_pylist()
        found.update(
            (prompt_id, text)
            for prompt_id, text in zip(texts(batch, "prompt_id"), said, strict=True)
            if prompt_id in owner and text
        )
    ids = sorted(found)
    return [found[prompt_id] for prompt_id in ids], [owner[prompt_id] for prompt_id in ids]


def told_apart(
    material: str, known: Material, seated: Sequence[Seat], config: BlindConfig
) -> dict[str, Any]:
    """Return how well test and control units are told apart by one kind of material.

    Args:
        material: its name.
        known: a text for each seat, or float64[N, F].
        seated: whose they are.
        config: the seed.

    Returns:
        A row of BLIND; without numbers where there is too little to learn from.

    Source: statistics of a verdict, section 3; Das, Zhang and Tramer 2024 (2406.16201).
    """
    is_test = np.array([seat.label == "test" for seat in seated], np.bool_)
    row: dict[str, Any] = {
        "material": material,
        "num_test": int(is_test.sum()),
        "num_control": int((~is_test).sum()),
        "auc": None,
        "low": None,
        "high": None,
    }
    groups = np.array([seat.unit_id for seat in seated], np.str_)
    try:
        found = blind_auc(known, Sides(is_test, groups), config.seed)
    except ValueError as error:
        return row | {"judgement": f"not tested: {error}"}
    limits = {"auc": found.value, "low": found.low, "high": found.high}
    return row | limits | {"judgement": judgement(found)}
