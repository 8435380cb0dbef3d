"""Overlap as a stage: planted copies are found, and no cut of the corpus changes a row."""

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit
from stages.sources.listing import list_files
from stages.tables import FILES, OUTPUTS, RUNS, TEXTS
from stages.text import works
from stages.text.overlap import STAGE, OverlapConfig
from stages.text.sources import TextSource
from tests.stages.shelf import Shelf
from tests.stages.tiny_texts import table


def outputs_of(written: Mapping[str, str | None]) -> pa.Table:
    blank = dict.fromkeys(OUTPUTS.schema.names)
    said = {"set": "s", "model_id": "m", "sample": 0, "phase": "confirmation", "settings": "{}"}
    rows = [
        {**blank, **said, "output_id": key, "prompt_id": key, "origin": "file", "text": text}
        for key, text in written.items()
    ]
    return OUTPUTS.check(OUTPUTS.of_rows(rows))


def runs(written: Mapping[str, str | None], *parts: pa.Table) -> list[tuple[object, ...]]:
    """Return (output, text, output_word, text_word, words) of all runs, part by part."""
    tools = STAGE.open(OverlapConfig(), Kit(datasets={"outputs": Shelf(outputs_of(written))}))
    names = list(STAGE.reads["texts"].names)
    found = [STAGE.run({"texts": part.select(names)}, tools).rows for part in parts]
    rows = RUNS.check(pa.concat_tables([RUNS.empty(), *found])).to_pylist()
    columns = ("output_id", "text_id", "output_word", "text_word", "words")
    return sorted(tuple(row[name] for name in columns) for row in rows)


def words(seed: int, count: int, kinds: int = 10**6) -> list[str]:
    return [f"w{number}" for number in random.Random(seed).choices(range(kinds), k=count)]


@settings(max_examples=60)
@given(st.integers(0, 99), st.integers(8, 40), st.integers(0, 700), st.integers(1, 900))
def test_a_planted_copy_of_8_words_or_more_is_found_wherever_the_text_is_cut(
    seed: int, size: int, at: int, cut: int
) -> None:
    text, at = words(seed, 800), min(at, 800 - size)
    made = [*words(seed + 100, 5), *text[at : at + size], *words(seed + 200, 5)]
    expected = [("o", "t", 5, at, size)]
    full, pieces = table({"t": " ".join(text)}), table({"t": " ".join(text)}, cut)
    assert runs({"o": " ".join(made), "failed": None}, full) == expected
    assert runs({"o": " ".join(made), "failed": None}, pieces) == expected


few = st.sampled_from([3, 12, 60, 900])
"""Kinds of words: of few kinds everything repeats."""


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 300), few), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 250), st.integers(1, 60)), max_size=12),
    st.integers(1, 400),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_cutting_texts_and_corpus_anywhere_changes_nothing(
    shapes: Sequence[tuple[int, int, int]],
    copies: Sequence[tuple[int, int, int]],
    cut: int,
    edges: Sequence[int],
) -> None:
    texts = {f"t{n}": words(*shape) for n, shape in enumerate(shapes)}
    held = list(texts.values())
    made = [word for n, at, size in copies for word in [*held[n % len(held)][at:][:size], "x"]]
    written = {"a": " ".join(made), "b": " ".join(made[::-1])}
    whole = table({key: " ".join(text) for key, text in texts.items()})
    pieces = table({key: " ".join(text) for key, text in texts.items()}, cut)
    bounds = sorted({0, *(min(edge, pieces.num_rows) for edge in edges), pieces.num_rows})
    # a text stays in one part, as its pieces do when they are written
    firsts = [*pieces["piece"].to_pylist(), 0]
    bounds = [edge for edge in bounds if firsts[edge] == 0]
    parts = [pieces.slice(first, last - first) for first, last in pairwise(bounds)]
    assert runs(written, *parts) == runs(written, whole)


def test_a_work_of_50_mb_in_one_line(tmp_path: Path) -> None:
    passage, size = words(1, 60), 50 << 20
    plain = ("the same old words again and again " * (1 << 16)).encode()
    end = (" ".join(passage)).encode()
    with (tmp_path / "a.txt").open("wb") as file:
        for _ in range(size // len(plain) + 1):
            file.write(plain)
        file.write(end)
    config = works.TextsConfig(dataset="train", sources=(TextSource(path=str(tmp_path)),))
    out = works.works({"files": FILES.check(list_files(config))}, works.STAGE.open(config, Kit()))
    assert not out.rejected
    full = TEXTS.check(out.rows)
    total = (size // len(plain) + 1) * len(plain)
    assert full.num_rows == -(-(total + len(end)) // config.piece_bytes)
    assert max(len(text) for text in full["text"].to_pylist()) < config.piece_bytes + 20_000
    (run,) = runs({"o": " ".join(passage)}, full)
    before = 7 * (1 << 16) * (size // len(plain) + 1)
    assert run[2:] == (0, before, 60)
    last = full.slice(full.num_rows - 1)
    place = last["text"][0].as_py().index(passage[0])
    assert last["first_char"][0].as_py() + place == last["first_byte"][0].as_py() + place == total
