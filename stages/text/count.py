"""Count: how often each word stands in the works that no model here has seen."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.contract import FoldStage, Kit, Out, columns
from stages.measures.surprisal import fit
from stages.tables import TEXTS
from stages.text.frequencies import FREQUENCIES, write_frequencies
from stages.text.own_words import own_words


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
    write_frequencies(fit(_hashes(inputs["texts"])), kit.folder)
    yield from ()


def _hashes(batches: Iterable[pa.Table]) -> Iterator[NDArray[np.uint64]]:
    for batch in batches:
        for _, words, own_T2 in own_words(batch):
            for start, (first, last) in zip(words.offsets_T[:-1], own_T2, strict=True):
                yield words.hashes_N[start + first : start + last]


STAGE = FoldStage(
    name="count",
    reads={"texts": columns("first_word own_from own_to text", TEXTS)},
    writes=FREQUENCIES,
    config=CountConfig,
    run=count,
    version=2,
)
