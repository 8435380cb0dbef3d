"""Balance: what is done about controls that can be told from works, before anything is scored.

A repair looks at units as somebody does who never asks the model, and at nothing else. So it can be
registered with everything that is decided before sampling, and what it did to the blind test is
printed. It mends what the blind test sees; of traits that nobody looked at it knows nothing.

Dimension key: K test units, m control units.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.statistics.blindness import Material
from stages.statistics.repairs import rematch, strata, weights
from stages.tables import BALANCE, IMAGES, PROMPTS, TEXTS, UNITS
from stages.verdicts.blind import pictures
from stages.verdicts.blind_texts import traits
from stages.verdicts.blindfold import BlindConfig, Seat, asked, looks, seats

Materials = Sequence[tuple[Material, Sequence[Seat]]]
"""What is known of units without the model, each kind with the seats that it is of."""


def balance(
    inputs: Mapping[str, Iterable[pa.Table]], config: BlindConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the look of each unit of images, and its place once the controls are repaired.

    Args:
        inputs: `units` UNITS, `prompts` PROMPTS.
        config: seed and repair.
        kit: dataset `images`, IMAGES of both halves.

    Yields:
        BALANCE; nothing where there is too little to learn from.

    Source: statistics of a verdict, section 3.
    """
    seated = seats(inputs["units"])
    traits_NF, shown = pictures(seated, kit)
    said, owners = asked(inputs["prompts"], seated)
    materials: Materials = [(said, owners), (traits_NF, shown)]
    yield Out(BALANCE.of_rows(balanced(materials, config)))


def balance_texts(
    inputs: Mapping[str, Iterable[pa.Table]], config: BlindConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the look of each unit of texts, and its place once the controls are repaired.

    Args:
        inputs: `units` UNITS, `prompts` PROMPTS.
        config: seed and repair.
        kit: dataset `texts`, TEXTS of both halves.

    Yields:
        BALANCE; nothing where there is too little to learn from.

    Source: statistics of a verdict, section 3.
    """
    seated = seats(inputs["units"])
    said, owners = asked(inputs["prompts"], seated)
    materials: Materials = [(said, owners), (traits(seated, kit), seated)]
    yield Out(BALANCE.of_rows(balanced(materials, config)))


def balanced(materials: Materials, config: BlindConfig) -> list[dict[str, Any]]:
    """Return the rows of BALANCE, by unit.

    Args:
        materials: what is known of the units without the model.
        config: seed and repair.
    """
    look = looks(materials, config)
    if not look:
        return []
    units_K = [unit for unit in look if unit[1] == "test"]
    units_m = [unit for unit in look if unit[1] == "control"]
    look_K, look_m = ([look[unit] for unit in some] for some in (units_K, units_m))
    num = len(look)
    kept_U, stratum_U, weight_U = np.ones(num, np.bool_), np.zeros(num, np.int64), np.ones(num)
    if config.repair == "rematch":
        matched = rematch(look_K, look_m, config.caliper)
        kept_U = np.concatenate([matched.kept_K, matched.kept_m])
    elif config.repair == "strata":
        stratum_U = np.concatenate(strata(look_K, look_m, config.strata))
    elif config.repair == "weighted":
        weight_U = np.concatenate(weights(look_K, look_m))
    rows = [
        {
            "unit_id": unit[0],
            "label": unit[1],
            "look": look[unit],
            "repair": config.repair,
            "kept": bool(kept_U[place]),
            "stratum": int(stratum_U[place]),
            "weight": float(weight_U[place]),
        }
        for place, unit in enumerate([*units_K, *units_m])
    ]
    return sorted(rows, key=lambda row: row["unit_id"])


_READS = {
    "units": columns("work_id unit_id label prompt_ids", UNITS),
    "prompts": columns("prompt_id text", PROMPTS),
}

STAGE = FoldStage(
    name="balance",
    reads=_READS,
    writes=BALANCE,
    config=BlindConfig,
    run=balance,
    uses={"images": columns("image_id bytes", IMAGES)},
)

TEXTS_STAGE = FoldStage(
    name="balance_texts",
    reads=_READS,
    writes=BALANCE,
    config=BlindConfig,
    run=balance_texts,
    uses={"texts": columns("piece_id num_words text", TEXTS)},
)
