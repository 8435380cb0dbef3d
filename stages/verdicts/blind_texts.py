"""Blind texts: whether prompts or the traits of texts alone tell test units from control units.

Dimension key: N works, F traits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, columns
from stages.tables import BALANCE, BLIND, PROMPTS, TEXTS, UNITS
from stages.verdicts.blindfold import PLACES, BlindConfig, Seat, asked, places, seats, told_apart

_READ_TOGETHER = 16
"""Texts in memory at a time."""


def blind_texts(
    inputs: Mapping[str, Iterable[pa.Table]], config: BlindConfig, kit: Kit
) -> Iterator[Out]:
    """Yield how well prompts and traits of the texts tell the labels, without any model.

    Args:
        inputs: `units` UNITS, `prompts` PROMPTS, `balance` BALANCE.
        config: seed and repair.
        kit: dataset `texts`, TEXTS of both halves.

    Yields:
        BLIND: `prompts`, runs of characters of what the model is given; `texts`, number of
        words, and what the first piece is made of: spaces, letters, capitals, digits, line breaks.
        After a repair each is tested once more.
    """
    placed = places(inputs["balance"])
    seated = seats(inputs["units"])
    said, owners = asked(inputs["prompts"], seated)
    rows = [
        *told_apart("prompts", said, owners, config, placed),
        *told_apart("texts", traits(seated, kit), seated, config, placed),
    ]
    yield Out(BLIND.of_rows(rows))


def traits(seated: Sequence[Seat], kit: Kit) -> NDArray[np.float64]:
    """Return float64[N, F] of the traits of works.

    Args:
        seated: works of the units.
        kit: dataset `texts`, TEXTS of both halves.
    """
    found = np.empty((len(seated), 6))
    for start in range(0, len(seated), _READ_TOGETHER):
        # a work bears the id of one of its texts
        ids = [f"{seat.work_id}#0" for seat in seated[start : start + _READ_TOGETHER]]
        rows = kit.datasets["texts"].take(ids, ["num_words", "text"])
        for place, text in enumerate(texts(rows, "text"), start):
            shares = (str.isalpha, str.isupper, str.isdigit, "\n".__eq__)
            counts = [sum(map(share, text)) / max(1, len(text)) for share in shares]
            found[place] = [0.0, len(text.split()) / max(1, len(text)), *counts]
        sizes = rows["num_words"].to_numpy()
        found[start : start + len(ids), 0] = np.log(sizes)
    return found


STAGE = FoldStage(
    name="blind_texts",
    reads={
        "units": columns("work_id unit_id label prompt_ids", UNITS),
        "prompts": columns("prompt_id text", PROMPTS),
        "balance": columns(" ".join(PLACES), BALANCE),
    },
    writes=BLIND,
    config=BlindConfig,
    run=blind_texts,
    uses={"texts": columns("piece_id num_words text", TEXTS)},
)
