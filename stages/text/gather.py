"""Gather: which outputs are searched together.

A set is searched in one pass over the texts, and its outputs are never searched again while the set
stays what it is. So sets are filled one after the other, in an order in which whatever comes later
stands last: rows of a file in the order of the file; outputs that were written here by number of
the attempt, so that more attempts at the same prompts leave the first ones where they are.

What is left of the files of one source, less than a set of each, is searched together: a folder of
many small files costs as few passes as one file. Nobody knows which of them came when, and no rule
that looks at the files alone could join small ones and leave every set as it was when one more
comes. So the row of files is cut where the hash of an output says so, as files are cut into parts:
a file that comes or grows changes the set that it falls into, seldom the next one, and each costs
the one pass that a set of its own would have cost. A new source changes no set at all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

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
    """Most outputs in a set, 1 or more. Each set costs one pass over the texts; a full set of one
    writer or file is never searched again, another one when outputs come that belong into it."""

    def __post_init__(self) -> None:
        if self.outputs_per_set < 1:
            raise ValueError(f"outputs_per_set: expected 1 or more, got {self.outputs_per_set}")


class _Rest(NamedTuple):
    """Outputs of a file that fill no set."""

    file: str
    name: str
    """Of the set that they would be by themselves."""
    rows: pa.Table


def gather(inputs: Mapping[str, Iterable[pa.Table]], config: GatherConfig, _: Kit) -> Iterator[Out]:
    """Yield all outputs with the name of their set.

    Args:
        inputs: outputs: OUTPUTS; `set` is their writer or file.
        config: how large sets are.

    Yields:
        OUTPUTS, one batch per set: first those of each writer or file in the order of its first
        output, then what is left of the files, by source and path. `set` is the writer or file, `#`
        and a number from 0; where files share a set it is that of the first, `+` and how many
        follow. Of a writer or file every set but the last is full, and stays as it is when outputs
        are appended to a file, or attempts of higher number made.
    """
    rests: list[_Rest] = []
    for origin, part in _by_origin(pa.concat_tables([OUTPUTS.empty(), *inputs["outputs"]])):
        from_file = _FROM_FILE in set(texts(part, "origin"))
        ordered = part if from_file else _by_attempt(part)
        for number, start in enumerate(range(0, ordered.num_rows, config.outputs_per_set)):
            piece = ordered.slice(start, config.outputs_per_set)
            name = f"{origin}#{number}"
            if from_file and piece.num_rows < config.outputs_per_set:
                rests.append(_Rest(origin, name, piece))
            else:
                yield _set(name, [piece])
    for shared in _together(sorted(rests, key=_source_and_path), config.outputs_per_set):
        more = f"+{len(shared) - 1}" if len(shared) > 1 else ""
        yield _set(shared[0].name + more, [rest.rows for rest in shared])


def _by_origin(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    places: dict[str, list[int]] = {}
    for row, origin in enumerate(texts(rows, "set")):
        places.setdefault(str(origin), []).append(row)
    # one copy in the order of the origins, and slices of it: files may be as many as outputs
    order = [row for taken in places.values() for row in taken]
    rows, start = rows.combine_chunks().take(pa.array(order, pa.int64())), 0
    for origin, taken in places.items():
        yield origin, rows.slice(start, len(taken))
        start += len(taken)


def _by_attempt(part: pa.Table) -> pa.Table:
    order = np.argsort(np.asarray(part["sample"]), kind="stable")
    return part.take(pa.array(order))


def _source_and_path(rest: _Rest) -> tuple[str, str]:
    source, _, path = rest.file.partition(":")
    return source, path


def _together(rests: Sequence[_Rest], most: int) -> Iterator[list[_Rest]]:
    """Yield what is searched together, cut between sources, by content, and where a set is full."""
    held: list[_Rest] = []
    size = 0
    for rest in rests:
        other = held and _source_and_path(held[0])[0] != _source_and_path(rest)[0]
        if other or size + rest.rows.num_rows > most:
            yield held
            held, size = [], 0
        held.append(rest)
        size += rest.rows.num_rows
        if any(_ends(str(output_id), most) for output_id in texts(rest.rows, "output_id")):
            yield held
            held, size = [], 0
    if held:
        yield held


def _ends(output_id: str, most: int) -> bool:
    """Return whether an output ends what is searched together, as one in `most` does."""
    return int.from_bytes(sha256(output_id.encode()).digest()[:8]) % most == 0


def _set(name: str, pieces: Sequence[pa.Table]) -> Out:
    rows = pa.concat_tables(pieces)
    names = pa.repeat(pa.scalar(name, pa.large_string()), rows.num_rows)
    at = OUTPUTS.schema.get_field_index("set")
    return Out(rows.set_column(at, OUTPUTS.schema.field("set"), names))


STAGE = FoldStage(
    name="gather",
    reads={"outputs": whole(OUTPUTS)},
    writes=OUTPUTS,
    config=GatherConfig,
    run=gather,
    cut=("set",),
    version=2,
)
