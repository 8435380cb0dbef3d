"""Blindfold: can test and control units be told apart by somebody who never asks the model?

If they can, a score may differ between them for that reason alone, and no p-value holds. So a
classifier learns from what is known without the model, what the prompts say and what the works are
like, and its area under the curve is printed beside every list of findings. Works of both halves
pass through the same lines, and what belongs to one unit is never on both sides of a fold.

Where they can, the controls are repaired by what this classifier says, before anything is scored
(`stages.verdicts.balancing`), and the test is made again.

Dimension key: N works or prompts, F traits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from stages.columns import texts
from stages.statistics.blindness import (
    Auc,
    Balance,
    Material,
    Sides,
    auc,
    blind_scores,
    judgement,
)

TESTED = ("test", "control")

Repair = Literal["none", "rematch", "strata", "weighted"]

AFTER = {"rematch": "re-matched", "strata": "within strata", "weighted": "weighted"}
"""Repair -> what is added to the name of a material that is tested again after it."""

_BROKEN = "not calibrated"
_FEWEST_STRATA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindConfig:
    """Knobs of the blind test, and of what is done about controls that it tells from works."""

    seed: int = 0
    """Seed of its folds and resamples, from 0."""

    repair: Repair = "none"
    """What is done about controls that can be told from works; to be chosen before anything is
    made. `rematch`: units keep only controls that look as they do. `strata`: each is held against
    the controls of its stratum. `weighted`: controls count by how much they look like units; the
    weights are estimates, and artists have no q of their own. `none`: if they can be told apart,
    there is no verdict."""

    caliper: float = 0.2
    """`rematch`: largest difference in looks, in standard deviations, above 0."""

    strata: int = 5
    """`strata`: how many, from 2. More leave less bias, and fewer controls to each."""

    def __post_init__(self) -> None:
        """Refuse what is no repair, and numbers that mean nothing.

        Raises:
            ValueError: a knob is out of range.
        """
        if self.seed < 0:
            raise ValueError(f"blind.seed: expected 0 or more, got {self.seed}")
        if self.repair not in get_args(Repair):
            known = ", ".join(get_args(Repair))
            raise ValueError(f"blind.repair: expected one of {known}, got {self.repair!r}")
        if not self.caliper > 0:
            raise ValueError(f"blind.caliper: expected a number above 0, got {self.caliper}")
        if self.strata < _FEWEST_STRATA:
            raise ValueError(f"blind.strata: expected {_FEWEST_STRATA} or more, got {self.strata}")


class Seat(NamedTuple):
    """One work of a unit that is tested."""

    work_id: str
    unit_id: str
    label: str
    prompt_ids: Sequence[str]


PLACES = ("unit_id", "kept", "stratum", "weight")
"""Columns of BALANCE that say where units stand."""


class Place(NamedTuple):
    """Where a unit stands once its controls were repaired."""

    kept: bool
    """False if re-matching left it out."""
    stratum: int
    weight: float


def places(batches: Iterable[pa.Table]) -> dict[str, Place]:
    """Return the place of each unit; units of which nothing is known have none.

    Args:
        batches: unit_id, kept, stratum and weight of BALANCE.
    """
    rows = (row for batch in batches for row in batch.to_pylist())
    return {r["unit_id"]: Place(r["kept"], r["stratum"], r["weight"]) for r in rows}


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
    material: str,
    known: Material,
    seated: Sequence[Seat],
    config: BlindConfig,
    placed: Mapping[str, Place],
) -> list[dict[str, Any]]:
    """Return how well test and control units are told apart by one kind of material.

    Args:
        material: its name.
        known: a text for each seat, or float64[N, F].
        seated: whose they are.
        config: seed and repair.
        placed: places of the units after the repair, if there is one.

    Returns:
        Rows of BLIND; without numbers where there is too little to learn from. With a repair a
        second one says what the same classifier can still tell after it, and the first judges
        nothing: one that learned anew from repaired units would guess worse than chance. A repair
        that cannot be tested repairs nothing.

    Source: statistics of a verdict, section 3; Das, Zhang and Tramer 2024 (2406.16201).
    """
    row = _blank(material, seated)
    try:
        scores_N = blind_scores(known, _sides(seated), config.seed)
        row |= _found(auc(scores_N, _sides(seated), config.seed))
    except ValueError as error:
        return [row | {"judgement": f"not tested: {error}"}]
    if config.repair == "none":
        return [row]
    kept = [n for n, seat in enumerate(seated) if placed.get(seat.unit_id, _NOWHERE).kept]
    mine = [placed[seated[n].unit_id] for n in kept]
    balance = Balance([place.stratum for place in mine], [place.weight for place in mine])
    left = _blank(f"{material}, {AFTER[config.repair]}", [seated[n] for n in kept])
    try:
        sides = _sides([seated[n] for n in kept])
        left |= _found(auc(scores_N[kept], sides, config.seed, balance))
    except ValueError as error:
        found = {name: row[name] for name in ("auc", "low", "high", "judgement")}
        is_broken = row["judgement"] == _BROKEN
        left |= found if is_broken else {"judgement": f"not tested: {error}"}
    return [row | {"judgement": f"before the repair: {row['judgement']}"}, left]


_NOWHERE = Place(kept=False, stratum=0, weight=0.0)


def _blank(material: str, seated: Sequence[Seat]) -> dict[str, Any]:
    num_test = sum(seat.label == "test" for seat in seated)
    row = {"material": material, "num_test": num_test, "num_control": len(seated) - num_test}
    return row | {"auc": None, "low": None, "high": None}


def _found(told: Auc) -> dict[str, Any]:
    limits = {"auc": told.value, "low": told.low, "high": told.high}
    return limits | {"judgement": judgement(told)}


def _sides(seated: Sequence[Seat]) -> Sides:
    is_test = np.array([seat.label == "test" for seat in seated], np.bool_)
    return Sides(is_test, np.array([seat.unit_id for seat in seated], np.str_))


def looks(
    materials: Iterable[tuple[Material, Sequence[Seat]]], config: BlindConfig
) -> dict[tuple[str, str], float]:
    """Return how much each unit looks like a test unit, as a log-odds, by all materials together.

    Nobody is judged by a classifier that learned from it.

    Args:
        materials: as `told_apart`; one with too little to learn from is passed over.
        config: the seed.

    Returns:
        (unit, label) -> log-odds without the share of labels; nothing if nothing was learnt. Units
        that lack a material have none.
    """
    found: list[dict[tuple[str, str], list[float]]] = []
    for known, seated in materials:
        try:
            scores = blind_scores(known, _sides(seated), config.seed).tolist()
        except ValueError:
            continue
        mine: dict[tuple[str, str], list[float]] = {}
        for seat, score in zip(seated, scores, strict=True):
            mine.setdefault((seat.unit_id, seat.label), []).append(score)
        found.append(mine)
    units = sorted(set.intersection(*map(set, found))) if found else []
    # one logistic regression on the scores of all materials makes log-odds of them
    traits_UF = np.array([[float(np.mean(mine[unit])) for mine in found] for unit in units])
    is_test_U = np.array([label == "test" for _, label in units], np.bool_)
    try:
        odds_U = blind_scores(traits_UF, Sides(is_test_U, np.arange(len(units))), config.seed)
    except ValueError:
        return {}
    return dict(zip(units, odds_U.tolist(), strict=True))
