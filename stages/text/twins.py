"""Twins: which texts of the two halves together are the same work, blind to the half.

Dimension key: T texts of both halves, C contents (distinct bytes), G grams.

Two texts are linked if their bytes are equal, or if their sets of five-word grams are alike enough;
a work is what links connect. Candidates come from MinHash, the exact Jaccard similarity of the sets
decides (`indexes.sketch`), so the only pairs that are missed are those that MinHash let slip:
1 of 25 at 0.5, 1 of 340 at 0.6, 1 of 24,000 at 0.7 with the default bands. A text that is only part
of another one, a chapter of a book, is no near-duplicate of it: Jaccard similarity compares wholes.

Case, spacing, punctuation and line breaks are no difference, as words are compared. A text below
five words has no gram and is near nothing but its copies. The pieces of a text are one text: each
piece adds the grams that begin in its own words, so no gram comes from the words that pieces share.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexes import grams, words
from indexes.grams import NONE, hash_grams
from indexes.sketch import Recipe, Sketches
from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, StageError, columns
from stages.tables import TEXT_WORKS, TEXTS
from stages.text.own_words import own_words

HALVES = ("train", "control")

_SCHEME = f"{words.SCHEME}, {grams.SCHEME}"

_BLOCK = 1 << 15
"""Grams that are made at a time, so that their arrays stay in the cache."""

_ROWS_OUT = 65536
"""Rows that are given back at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinsConfig:
    """When two texts are called near-duplicates."""

    min_jaccard: float = 0.5
    """Least Jaccard similarity of the two sets of word 5-grams, in (0, 1]. Unrelated prose has
    none above 0.01. One word changed in twenty leaves 0.6, one in twelve 0.41."""

    bands: int = 24
    """Bands of a sketch, 2 or more."""

    rows: int = 3
    """Minima of a band, 1 or more; a sketch holds bands * rows of them. More bands miss less, more
    rows make fewer candidates that are compared in vain."""

    scheme: str = _SCHEME
    """How words are told apart and hashed; stored with the result, and no choice."""

    def __post_init__(self) -> None:
        """Refuse what cannot be banded, and another scheme.

        Raises:
            ValueError: a knob is out of range.
        """
        try:
            self.recipe()
        except ValueError as error:
            raise ValueError(f"twins.{error}") from error
        if self.scheme != _SCHEME:
            raise ValueError(f"twins.scheme: expected {_SCHEME!r}, got {self.scheme!r}")

    def recipe(self) -> Recipe:
        """Return how sets are sketched and compared."""
        return Recipe(bands=self.bands, rows=self.rows, min_jaccard=self.min_jaccard)


def twins(inputs: Mapping[str, Iterable[pa.Table]], config: TwinsConfig, kit: Kit) -> Iterator[Out]:
    """Yield the work of each text, and how often it occurs in its half.

    Args:
        inputs: `train` and `control`, TEXTS; pieces in any order.
        config: the thresholds.
        kit: not used.

    Yields:
        TEXT_WORKS, all texts of both halves in order of text_id.

    Raises:
        StageError: a text occurs twice.

    Source: minima of hashes after Broder 1997, made as `indexes.sketch` says; banding after
    Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4.
    """
    del kit
    shelf = _Shelf()
    with TemporaryFile() as file:
        sketches = Sketches(config.recipe(), file)
        for number, half in enumerate(HALVES):
            for batch in inputs[half]:
                _sketch(sketches, *shelf.take_in(batch, number))
        cluster_C = sketches.clusters(shelf.num_contents)
    works = _works(shelf.rows(), cluster_C)
    for first in range(0, len(works["text_id"]), _ROWS_OUT):
        yield Out(TEXT_WORKS.make({n: c[first : first + _ROWS_OUT] for n, c in works.items()}))


class _Shelf:
    """What is known of every text, and which contents were seen already."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._pieces: set[tuple[int, str, int]] = set()
        self._tables: list[pa.Table] = []

    @property
    def num_contents(self) -> int:
        return len(self._numbers)

    def take_in(self, batch: pa.Table, half: int) -> tuple[pa.Table, list[int]]:
        """Return the rows that were not seen under another name, and numbers of their contents."""
        numbers = [self._numbers.setdefault(s, self.num_contents) for s in texts(batch, "sha256")]
        kept = batch.select(["text_id", "sha256"])
        kept = kept.append_column("half", pa.array(np.full(len(batch), half)))
        kept = kept.append_column("content", pa.array(numbers, pa.int64()))
        self._tables.append(kept.filter(pc.equal(batch["piece"], 0)))
        # bytes that were read in two ways may hold different words: each way is looked at
        keys = zip(numbers, texts(batch, "format"), batch["piece"].to_pylist(), strict=True)
        fresh = []
        for row, key in enumerate(keys):
            if key not in self._pieces:
                self._pieces.add(key)
                fresh.append(row)
        if len(fresh) == len(batch):
            return batch, numbers
        return batch.take(pa.array(fresh, pa.int64())), [numbers[row] for row in fresh]

    def rows(self) -> pa.Table:
        """Return text_id, sha256, number of the half and of the content, by text_id."""
        blank = TEXT_WORKS.empty().select(["text_id", "sha256"])
        for name in ("half", "content"):
            blank = blank.append_column(name, pa.array([], pa.int64()))
        table = pa.concat_tables(
            [t.replace_schema_metadata() for t in (blank, *self._tables)],
            promote_options="permissive",
        )
        table = table.sort_by("text_id").combine_chunks()
        if pc.count_distinct(table["text_id"]).as_py() != len(table):
            raise StageError("twins: a text_id occurs twice; a source was given twice")
        return table


def _sketch(sketches: Sketches, rows: pa.Table, contents: list[int]) -> None:
    numbers = iter(contents)
    for _, found, own_T2 in own_words(rows):
        for start, end in (own_T2 + found.offsets_T[:-1, None]).tolist():
            blocks = [
                hash_grams(found, first, min(first + _BLOCK, end))
                for first in range(start, end, _BLOCK)
            ]
            own_G = np.concatenate([np.empty(0, np.uint64), *blocks])
            sketches.add(next(numbers), own_G[own_G != NONE])


def _works(rows: pa.Table, cluster_C: NDArray[np.int64]) -> dict[str, "pa.ChunkedArray[Any]"]:
    half_T, content_T = np.asarray(rows["half"]), np.asarray(rows["content"])
    work_T = cluster_C[content_T]
    exact_CH = np.zeros((len(cluster_C), len(HALVES)), np.int32)
    near_CH = np.zeros_like(exact_CH)
    np.add.at(exact_CH, (content_T, half_T), 1)
    np.add.at(near_CH, (work_T, half_T), 1)
    # sorted by text_id, so the first text of a work is the smallest
    _, first, inverse = np.unique(work_T, return_index=True, return_inverse=True)
    values = {
        "half": np.array(HALVES)[half_T],
        "num_exact": exact_CH[content_T, half_T],
        "num_near": near_CH[work_T, half_T],
        "mixed": (near_CH[work_T] > 0).all(axis=1),
    }
    return {
        "text_id": rows["text_id"],
        "work_id": rows["text_id"].take(pa.array(first[inverse])),
        "sha256": rows["sha256"],
        **{name: pa.chunked_array([pa.array(value)]) for name, value in values.items()},
    }


_READ = "text_id piece first_word own_from own_to sha256 format text"

STAGE = FoldStage(
    name="twins",
    reads={"train": columns(_READ, TEXTS), "control": columns(_READ, TEXTS)},
    writes=TEXT_WORKS,
    config=TwinsConfig,
    run=twins,
    version=2,
)
