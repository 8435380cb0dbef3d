"""Count: how often each word stands in the works that no model here has seen."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexes.words import split
from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, columns
from stages.measures.surprisal import fit
from stages.tables import TEXTS
from stages.text.frequencies import FREQUENCIES, write_frequencies


@dataclass(frozen=True, slots=True, kw_only=True)
class CountConfig:
    """The count stage has no knobs."""


def count(inputs: Mapping[str, Iterable[pa.Table]], config: CountConfig, kit: Kit) -> Iterator[Out]:
    """Write the words of the control works and how often each is there.

    Args:
        inputs: `texts`: TEXTS of the control half.
        config: nothing.
        kit: the folder to write into.
    """
    del config
    if kit.folder is None:
        raise ValueError("count writes an artefact and needs a folder")
    write_frequencies(fit(_own_words(inputs["texts"])), kit.folder)
    yield from ()


def _own_words(batches: Iterable[pa.Table]) -> Iterator[NDArray[np.uint64]]:
    for batch in batches:
        places = batch.select(["first_word", "own_from", "own_to"]).to_pylist()
        for place, text in zip(places, texts(batch, "text"), strict=True):
            first = place["first_word"]
            yield split([text]).hashes_N[place["own_from"] - first : place["own_to"] - first]


STAGE = FoldStage(
    name="count",
    reads={"texts": columns("first_word own_from own_to text", TEXTS)},
    writes=FREQUENCIES,
    config=CountConfig,
    run=count,
)
