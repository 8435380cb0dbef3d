"""Gather: which outputs are searched together.

A set is searched in one pass over the texts, and its outputs are never searched again while the set
stays what it is. So sets are filled one after the other, in an order in which whatever comes later
stands last: rows of a file in the order of the file; outputs that were written here by number of
the attempt, so that more attempts at the same prompts leave the first ones where they are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, whole
from stages.tables import OUTPUTS

_FROM_FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherConfig:
    """How outputs are brought together."""

    outputs_per_set: int = 2000
    """Most outputs in a set, 1 or more. Each set costs one pass over the texts; the last set of a
    writer or file is searched again when outputs are added to it."""

    def __post_init__(self) -> None:
        if self.outputs_per_set < 1:
            raise ValueError(f"outputs_per_set: expected 1 or more, got {self.outputs_per_set}")


def gather(inputs: Mapping[str, Iterable[pa.Table]], config: GatherConfig, _: Kit) -> Iterator[Out]:
    """Yield all outputs with the name of their set.

    Args:
        inputs: outputs: OUTPUTS; `set` is their writer or file.
        config: how large sets are.

    Yields:
        OUTPUTS, one batch per writer or file in the order of its first output; `set` is that
        writer or file, `#` and a number from 0. Every set but the last of a writer or file is full,
        and stays as it is when outputs are appended to a file, or attempts of higher number made.
    """
    rows = pa.concat_tables([OUTPUTS.empty(), *inputs["outputs"]])
    places: dict[str, list[int]] = {}
    for row, origin in enumerate(texts(rows, "set")):
        places.setdefault(str(origin), []).append(row)
    for origin, taken in places.items():
        part = _in_order(rows.take(pa.array(taken, pa.int64())))
        number = np.arange(part.num_rows) // config.outputs_per_set
        names = pa.array([f"{origin}#{each}" for each in number.tolist()], pa.large_string())
        described = OUTPUTS.schema.field("set")
        yield Out(part.set_column(OUTPUTS.schema.get_field_index("set"), described, names))


def _in_order(part: pa.Table) -> pa.Table:
    if _FROM_FILE in set(texts(part, "origin")):
        return part
    order = np.argsort(np.asarray(part["sample"]), kind="stable")
    return part.take(pa.array(order))


STAGE = FoldStage(
    name="gather",
    reads={"outputs": whole(OUTPUTS)},
    writes=OUTPUTS,
    config=GatherConfig,
    run=gather,
    cut=("set",),
)
