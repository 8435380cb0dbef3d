"""Overlap: which runs of words of a set of outputs stand in these texts.

The grams of the outputs are built once per worker and every text goes past them once: no index, no
shuffle, and memory that does not grow with the corpus. A set of outputs that was searched before
is not searched again when another one comes.

Dimension key: P pieces of texts, R runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from indexes.runs import Query, Runs, join, scan
from indexes.words import split
from stages.columns import texts
from stages.contract import Kit, MapStage, Out, columns
from stages.tables import OUTPUTS, RUNS, TEXTS
from stages.text.own_words import own_words


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapConfig:
    """The overlap stage has no knobs: runs of 8 words are all kept, thresholds come later."""


class OverlapTools(NamedTuple):
    """One set of outputs, ready to be looked for."""

    query: Query
    output_ids: tuple[str, ...]
    set: str


def open_overlap(_: OverlapConfig, kit: Kit) -> OverlapTools:
    """Split the outputs of one set into words and grams; failed attempts have none."""
    rows = kit.datasets["outputs"].read(["output_id", "set", "text"])
    written = [text or "" for text in texts(rows, "text")]
    (name,) = set(rows["set"].to_pylist())
    return OverlapTools(Query.of(split(written)), tuple(rows["output_id"].to_pylist()), name)


def overlap(inputs: Mapping[str, pa.Table], tools: OverlapTools) -> Out:
    """Return every run of equal words of the outputs and these texts.

    A run is as long as it can be. Runs of 8 words and more are all
    there; shorter ones, down to 5, where another run of the same pair lies close by, as they do in
    a passage that was edited.

    Args:
        inputs: `texts`: TEXTS.
        tools: one set of outputs.

    Returns:
        RUNS by output, text and place.

    Source: winnowing after Schleimer, Wilkerson, Aiken 2003, section 4.
    """
    rows = inputs["texts"]
    text_ids = rows["text_id"].combine_chunks().dictionary_encode()
    text_P = text_ids.indices.to_numpy()
    found, before = [], 0
    for part, words, own_P2 in own_words(rows):
        runs = scan(tools.query, words, own_P2)
        first_P = part["first_word"].to_numpy()
        found.append(
            runs._replace(
                text_R=text_P[before:][runs.text_R],
                text_word_R=runs.text_word_R + first_P[runs.text_R],
            )
        )
        before += part.num_rows
    if not found:
        return Out(RUNS.empty())
    # pieces of one text see the same run twice, or each a part of it
    runs = join(Runs(*map(np.concatenate, zip(*found, strict=True))))
    return Out(_table(runs, text_ids.dictionary, tools))


def _table(runs: Runs, text_ids: Any, tools: OverlapTools) -> pa.Table:
    output_ids = pa.array(tools.output_ids, pa.large_string())
    return RUNS.make(
        {
            "set": pa.repeat(pa.scalar(tools.set, pa.large_string()), len(runs.words_R)),
            "output_id": output_ids.take(pa.array(runs.output_R)),
            "text_id": text_ids.take(pa.array(runs.text_R)),
            "output_word": runs.output_word_R,
            "text_word": runs.text_word_R,
            "words": runs.words_R,
        }
    )


STAGE = MapStage(
    name="overlap",
    reads={"texts": columns("text_id first_word own_from own_to text", TEXTS)},
    writes=RUNS,
    config=OverlapConfig,
    open=open_overlap,
    run=overlap,
    uses={"outputs": columns("output_id set text", OUTPUTS)},
)
