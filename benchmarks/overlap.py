"""How fast runs are found, by a scan and by an index: `python -m benchmarks.overlap BOOKS.parquet`.

BOOKS has a column `text`, a book a row. 25 books are kept for the outputs, the others are the
texts. 1,000 outputs of about 1,000 words are prose of the books kept; 50 of them hold passages of
60, 120 and 200 words of the texts, line breaks and spaces made one. Rates are MB of UTF-8 per
processor second, so other work on the machine hardly counts. The scan of 10 to 250 MB includes
splitting into words, not reading the file. A look-up is all of an output's way: splitting, its
grams, finding, extension over the words read again from the texts beside the index; for passages
alignment, too. With a warm cache, one output at a time; "words known" if the normal forms of all
its words were made before, as in a service that answers many.
Memory is what the scan takes beside the texts.
"""

import argparse
import json
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from indexes.building import Batch, build
from indexes.postings import Postings, load
from indexes.runs import Query, Runs, scan
from indexes.words import split
from stages.measures.wording import Lexicon
from stages.text.look_up import look_up

SEED, KEPT, OUTPUTS, COPYING, LOOK_UPS = 7, 25, 1000, 50, 200
PASSAGES = (60, 120, 200)
SIZES_MB = (10, 25, 100, 250)
INDEXED_MB = 100
BATCH = 1 << 21
"""Code points of a batch of texts, a longer one by itself."""


class Planted(NamedTuple):
    """A copied passage: words of an output that stand in a text."""

    output: int
    first: int
    last: int


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return the books for the texts and those for the outputs, in a random order."""
    books = pq.read_table(path, columns=["text"])["text"].to_pylist()
    order = np.random.default_rng(SEED).permutation(len(books)).tolist()
    return [books[k] for k in order[KEPT:]], [books[k] for k in order[:KEPT]]


def write_outputs(texts: Sequence[str], books: Sequence[str]) -> tuple[list[str], list[Planted]]:
    """Return outputs and what was planted in them."""
    rng = np.random.default_rng(SEED)
    prose = [book.split() for book in books]
    outputs, planted = [], []
    for number in range(OUTPUTS):
        parts = [_passage(rng, prose[rng.integers(len(prose))], 1000)]
        if number < COPYING:
            parts = [parts[0][:150], parts[0][150:300], parts[0][300:450], parts[0][450:620]]
            for place, size in zip((1, 3, 5), PASSAGES, strict=True):
                text = texts[int(rng.integers(len(texts)))]
                parts.insert(place, _passage(rng, text.split(), size))
        words = [" ".join(part) for part in parts]
        ends = np.cumsum(np.diff(split(words).offsets_T)).tolist()
        planted += [Planted(number, ends[k - 1], ends[k]) for k in range(1, len(parts), 2)]
        outputs.append(" ".join(words))
    return outputs, planted


def first_mb(texts: Sequence[str], megabytes: float) -> tuple[list[str], float]:
    """Return texts of about so many MB of UTF-8, and how many they are."""
    sizes = np.cumsum([len(text.encode()) for text in texts]) / 1e6
    number = int(np.searchsorted(sizes, megabytes)) + 1
    return list(texts[:number]), float(sizes[min(number, len(sizes)) - 1])


def batches(texts: Sequence[str]) -> Iterator[range]:
    """Yield the numbers of texts that are scanned together."""
    first, size = 0, 0
    for number, text in enumerate(texts):
        if size and size + len(text) > BATCH:
            yield range(first, number)
            first, size = number, 0
        size += len(text)
    yield range(first, len(texts))


def scanned(query: Query, texts: Sequence[str]) -> tuple[Runs, float]:
    """Return the runs of all texts and the processor seconds that splitting took."""
    found, seconds = [], 0.0
    for numbers in batches(texts):
        start = process_time()
        words = split([texts[number] for number in numbers])
        seconds += process_time() - start
        runs = scan(query, words)
        found.append(runs._replace(text_R=runs.text_R + np.int32(numbers[0])))
    return Runs(*(np.concatenate(column) for column in zip(*found, strict=True))), seconds


def measure_scan(query: Query, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return rates by size, the exponent of time in size, and memory of the ends."""
    sizes, seconds, rows = [], [], []
    for megabytes in SIZES_MB:
        part, size = first_mb(texts, megabytes)
        start = process_time()
        runs, splitting = scanned(query, part)
        took = process_time() - start
        sizes.append(size)
        seconds.append(took)
        name = f"scan of {size:.0f} MB, {len(runs.words_R)} runs, {size / splitting:.1f} is words"
        rows.append(row(name, size / took, "MB/cpu-s", 35 if megabytes >= INDEXED_MB else 0))
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    rows.append(row("scan: exponent of time in size", exponent, "", -1.1))
    for megabytes in (SIZES_MB[0], INDEXED_MB):
        peak = _peak_bytes(query, first_mb(texts, megabytes)[0])
        rows.append(row(f"scan: memory at {megabytes} MB", peak / 1e6, "MB", -400))
    return rows


def measure_index(outputs: Sequence[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rate of building, the size, the time of an output, and whether a scan agrees."""
    part, size = first_mb(texts, INDEXED_MB)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "index"
        start = process_time()
        build(path, _batches(part), keep_texts=True)
        took = process_time() - start
        kept = (path / "texts.utf8").stat().st_size
        stored = sum(file.stat().st_size for file in path.iterdir()) - kept
        index = load(path)
        times = [_look_up(index, output) for output in [*outputs[:10], *outputs]][10:]
        near = [_passages(index, output, Lexicon()) for output in outputs]
        lexicon = Lexicon()
        known = [_passages(index, output, lexicon) for _ in range(2) for output in outputs]
        query = Query.of(split(outputs))
        same = _as_rows(index.find(query)) == _as_rows(scanned(query, part)[0])
    return [
        row(f"index of {size:.0f} MB: build", size / took, "MB/cpu-s", 15),
        row("index: bytes per byte", stored / 1e6 / size, "B/B", -0.9),
        row("index: the texts beside it", kept / 1e6 / size, "B/B", 0),
        row("index: runs of an output, median", 1e3 * median(times), "ms cpu", -6),
        row("index: runs, one that copies, median", 1e3 * median(times[:COPYING]), "ms cpu", -6),
        row("index: runs, the slowest of all", 1e3 * max(times), "ms cpu", 0),
        row("index: passages of an output, median", 1e3 * median(near), "ms cpu", -6),
        row("index: passages, one that copies, median", 1e3 * median(near[:COPYING]), "ms cpu", -6),
        row("index: passages, the slowest of all", 1e3 * max(near), "ms cpu", 0),
        row("index: passages, words known", 1e3 * median(known[len(outputs) :]), "ms cpu", 0),
        row("index: the same runs as the scan", float(same), "", 1),
    ]


def _batches(texts: Sequence[str]) -> Iterator[Batch]:
    for numbers in batches(texts):
        part = [texts[number] for number in numbers]
        yield Batch([str(number) for number in numbers], split(part), part)


def measure_recall(
    query: Query, texts: Sequence[str], planted: Sequence[Planted]
) -> list[dict[str, Any]]:
    """Return the share of planted words inside runs of at least 8 words."""
    runs, _ = scanned(query, texts)
    hit = 0
    for output, first, last in planted:
        covered = np.zeros(last - first, np.bool_)
        for k in np.flatnonzero((runs.output_R == output) & (runs.words_R >= 8)):
            start = int(runs.output_word_R[k]) - first
            covered[max(start, 0) : max(start + int(runs.words_R[k]), 0)] = True
        hit += int(covered.sum())
    total = sum(last - first for _, first, last in planted)
    return [row(f"recall of {total} planted words", hit / total, "", 0.999)]


def row(what: str, value: float, unit: str, target: float) -> dict[str, Any]:
    """Return a row; the target is at least so much, or at most if negative, or none if zero."""
    met = target == 0 or (value >= target if target > 0 else value <= -target)
    return {"what": what, "value": round(value, 3), "unit": unit, "target": target, "met": met}


def measure(path: Path) -> list[dict[str, Any]]:
    """Return all rows for a Parquet file of books."""
    texts, books = read(path)
    outputs, planted = write_outputs(texts, books)
    query = Query.of(split(outputs))
    return [
        *measure_scan(query, texts),
        *measure_index(outputs[: COPYING + LOOK_UPS], texts),
        *measure_recall(query, texts, planted),
    ]


def _passage(rng: np.random.Generator, words: list[str], size: int) -> list[str]:
    start = int(rng.integers(max(len(words) - size, 1)))
    return words[start : start + size]


def _look_up(index: Postings, output: str) -> float:
    start = process_time()
    index.find(Query.of(split([output])))
    return process_time() - start


def _passages(index: Postings, output: str, lexicon: Lexicon) -> float:
    start = process_time()
    look_up(index, output, lexicon=lexicon)
    return process_time() - start


def _as_rows(runs: Runs) -> set[tuple[int, ...]]:
    return set(zip(*(column.tolist() for column in runs), strict=True))


def _peak_bytes(query: Query, texts: Sequence[str]) -> int:
    """Return the memory that a scan takes; a run of its own: watching makes it slower."""
    tracemalloc.start()
    scanned(query, texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def main() -> int:
    """Print the table and the same as JSON; return 1 if a target is missed."""
    options = argparse.ArgumentParser(description="Time the search for equal words.")
    options.add_argument("books", type=Path, help="Parquet file with a column `text`")
    rows = measure(options.parse_args().books)
    for each in rows:
        wanted = f"(at {'least' if each['target'] > 0 else 'most'} {abs(each['target'])})"
        wanted = wanted if each["target"] else ""
        print(f"{each['what']:52} {each['value']:>9} {each['unit']:9} {wanted}")
    print(json.dumps(rows))
    return int(not all(each["met"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
