"""Texts of invented words, whole or in pieces, as the text half reads them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from indexes.words import split
from stages.contract import FoldStage
from stages.tables import TEXTS
from stages.text.pieces import FEW, SAMPLE

SHARED = 512


def prose(rng: np.random.Generator, words: int, kinds: int = 10**9) -> list[str]:
    """Return words that hardly ever come twice."""
    return [f"w{number}" for number in rng.integers(0, kinds, words)]


def rows_of(text_id: str, text: str, cut: int | None = None, **more: Any) -> list[dict[str, Any]]:
    """Return the TEXTS rows of a text, cut into pieces of so many words of their own."""
    found = split([text])
    size = len(found.hashes_N)
    starts = range(0, size, cut) if cut and size else range(1)
    rows = []
    for piece, own in enumerate(starts):
        own_to = min(own + cut, size) if cut else size
        first, last = max(own - SHARED, 0), min(own_to + SHARED, size)
        whole = len(starts) == 1
        begin = 0 if whole else int(found.starts_N[first])
        end = len(text) if whole else int(found.ends_N[last - 1])
        row = {
            "piece_id": f"{text_id}-{piece}",
            "text_id": text_id,
            "piece": piece,
            "num_pieces": len(starts),
            "first_char": begin,
            "first_byte": None,
            "first_word": first,
            "own_from": own,
            "own_to": own_to,
            "num_words": size,
            "samples": (found.starts_N[first:last:SAMPLE] - begin).tolist()
            if last - first > FEW
            else None,
            "place": text_id,
            "sha256": sha256(text.encode()).hexdigest(),
            "format": "txt",
            "text": text[begin:end],
        }
        rows.append(row | more)
    return rows


def table(texts: Mapping[str, str], cut: int | None = None) -> pa.Table:
    """Return TEXTS."""
    rows = [row for text_id, text in texts.items() for row in rows_of(text_id, text, cut)]
    return TEXTS.check(TEXTS.of_rows(rows))


def batches(stage: FoldStage[Any], role: str, full: pa.Table, size: int = 3) -> Any:
    """Return a stream of what the stage reads, which can be read once."""
    part = full.select(list(stage.reads[role].names))
    return (part.slice(first, size) for first in range(0, max(len(part), 1), size))
