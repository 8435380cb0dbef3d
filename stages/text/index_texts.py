"""Index texts: one index of the words of both halves, for looking up a text in milliseconds.

Dimension key: T texts, N words.

The folder is that of `indexes.postings`, with the texts beside the postings; `about.utf8` holds a
line of JSON for each text, in the same order. `overlap` searches the same texts without an index;
both find the same runs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import indexes.grams
import indexes.words
from indexes.building import Batch, build
from indexes.strings import Strings, StringsWriter, opened
from indexes.words import Words
from stages.contract import Artefact, FoldStage, Kit, Out, StageError, columns
from stages.tables import TEXT_WORKS, TEXTS
from stages.text.own_words import own_words

TEXT_INDEX = Artefact(f"text index by {indexes.words.SCHEME} and {indexes.grams.SCHEME}")

ABOUT = "about"
"""Name of the file with what is known of each text."""

_BATCH_CHARS = 4 << 20
_ROWS = "piece_id text_id piece num_pieces first_char first_word own_from own_to text"
_SAID = "title author date url place"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTextsConfig:
    """The index has no knobs; a case that names it gets one, 1.8 times as large as its texts."""


class _Text(NamedTuple):
    """One whole text."""

    about: Mapping[str, Any]
    text: str
    hashes_N: NDArray[np.uint64]
    starts_N: NDArray[np.int64]
    ends_N: NDArray[np.int64]


def index_texts(
    inputs: Mapping[str, Iterable[pa.Table]], config: IndexTextsConfig, kit: Kit
) -> Iterator[Out]:
    """Write the index; texts in the order in which they come, those for training first.

    Args:
        inputs: `train` and `control`: TEXTS; `works`: TEXT_WORKS.
        config: nothing.
        kit: with the folder to write to.

    Yields:
        Nothing.

    Raises:
        StageError: the texts have more words than an index holds.
    """
    del config
    if kit.folder is None:
        raise StageError("index_texts: expected a folder to write to, got none")
    works = {row["text_id"]: row["work_id"] for rows in inputs["works"] for row in rows.to_pylist()}
    halves = ((half, rows) for half in ("train", "control") for rows in inputs[half])
    texts = (text for half, rows in halves for text in whole_texts(rows, half, works))
    try:
        build(kit.folder, _batches(texts, kit.folder), keep_texts=True)
    except ValueError as error:
        raise StageError(f"index_texts: {error}") from error
    yield from ()


def about_texts(folder: Path) -> Strings:
    """Return a line of JSON for each text of a finished index."""
    ends = np.load(folder / f"{ABOUT}-ends.npy", mmap_mode="r")
    return opened(folder / f"{ABOUT}.utf8", np.asarray(ends))


def whole_texts(rows: pa.Table, half: str, works: Mapping[str, str]) -> Iterator[_Text]:
    """Yield texts put together from their pieces, which follow each other."""
    held: list[tuple[Mapping[str, Any], tuple[NDArray[Any], ...]]] = []
    for part, words, own_T2 in own_words(rows):
        edges = zip(part.to_pylist(), words.offsets_T[:-1].tolist(), own_T2.tolist(), strict=True)
        for row, before, (first, last) in edges:
            own, shift = slice(before + first, before + last), row["first_char"]
            places = (words.starts_N[own] + shift, words.ends_N[own] + shift)
            held.append((row, (words.hashes_N[own], *places)))
            if len(held) == row["num_pieces"]:
                yield _joined(held, half, works)
                held = []


def _joined(
    held: list[tuple[Mapping[str, Any], tuple[NDArray[Any], ...]]],
    half: str,
    works: Mapping[str, str],
) -> _Text:
    rows = [row for row, _ in held]
    ends = [row["first_char"] for row in rows[1:]] + [None]
    text = "".join(
        row["text"] if end is None else row["text"][: end - row["first_char"]]
        for row, end in zip(rows, ends, strict=True)
    )
    text_id = rows[0]["text_id"]
    about = {"text_id": text_id, "work_id": works[text_id], "half": half}
    about |= {name: rows[0][name] for name in _SAID.split()}
    own = (np.concatenate(column) for column in zip(*(words for _, words in held), strict=True))
    return _Text(about, text, *own)


def _batches(texts: Iterable[_Text], folder: Path) -> Iterator[Batch]:
    """Yield texts some at a time, and write what is known of them beside the index."""
    with StringsWriter(folder, ABOUT) as about:
        held, size = list[_Text](), 0
        for text in texts:
            about.add([json.dumps(text.about, ensure_ascii=False)])
            held.append(text)
            size += len(text.text)
            if size >= _BATCH_CHARS:
                yield _batch(held)
                held, size = [], 0
        if held:
            yield _batch(held)


def _batch(held: list[_Text]) -> Batch:
    sizes = [len(text.hashes_N) for text in held]
    words = Words(
        hashes_N=np.concatenate([text.hashes_N for text in held]),
        starts_N=np.concatenate([text.starts_N for text in held]),
        ends_N=np.concatenate([text.ends_N for text in held]),
        offsets_T=np.cumsum([0, *sizes]),
    )
    return Batch([text.about["text_id"] for text in held], words, [text.text for text in held])


STAGE = FoldStage(
    name="index_texts",
    reads={
        "train": columns(f"{_ROWS} {_SAID}", TEXTS),
        "control": columns(f"{_ROWS} {_SAID}", TEXTS),
        "works": columns("text_id work_id", TEXT_WORKS),
    },
    writes=TEXT_INDEX,
    config=IndexTextsConfig,
    run=index_texts,
)
