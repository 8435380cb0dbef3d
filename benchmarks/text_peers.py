"""Copied words found, beside other tools: `python -m benchmarks.text_peers BOOKS.parquet`.

What is planted, and how a word counts as copied, is told in `benchmarks.text_planted`. All tools
search the same corpus for the same outputs in one run; ours get the books whole, the others as
documents. Words of a tool are those that it shows as copied: equal words of passages (ours), words
wholly inside a span of 50 tokens (infini-gram, see `benchmarks.infini_gram_side`), of matching
blocks of 5 words (difflib, which is shown the right document and some others; its time of one
document is scaled to all). MinHash knows documents only: a passage counts as found if its document
is returned, and a document that the output has nothing from counts as a wrong one.

An output's time is all of its way, splitting or tokenising it too, with a warm cache; rounds of
infini-gram and ours alternate. Our index lies on disk with its texts, memory-mapped, and comes
three times: only the runs that it finds; passages, where the words around runs are read from there;
and passages where the normal forms of all words were made before, as in a service that answers
many. The scan's time is that of all outputs together, from raw text to passages, shared out.
Exit status 1 if recall of a kind is below 0.99 or the runs take more than 1/30 of infini-gram.
Takes about five minutes at 100 MB, on two busy cores.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.overlap import batches, scanned
from benchmarks.text_planted import KINDS, Corpus, Output, read, score, write_outputs
from benchmarks.text_rivals import (
    Clock,
    InfiniGram,
    Row,
    Seconds,
    measure_difflib,
    measure_minhash,
    median,
    timed,
)
from indexes.building import Batch, build
from indexes.postings import Postings, load
from indexes.runs import Query, Runs, join
from indexes.words import Words, split
from stages.measures.passages import overlap
from stages.measures.wording import Lexicon, Wording
from stages.text.look_up import look_up

ROUNDS, TIMED = 5, 40
MIN_RECALL, MIN_RATIO = 0.99, 30

Found = NDArray[np.bool_]
WordsOf = Callable[[int], Words]


def passages(
    outputs: Sequence[Output], runs: Runs, texts: Sequence[str], words_of: WordsOf
) -> list[Found]:
    """Return the words of outputs that are equal words of a passage of some text."""
    lexicon = Lexicon()
    found = [np.zeros(len(output.passage_N), np.bool_) for output in outputs]
    wordings = [Wording(output.text, lexicon, output.words) for output in outputs]
    for number in np.unique(runs.text_R).tolist():
        text = Wording(texts[number], lexicon, words_of(number))
        here = runs.take(runs.text_R == number)
        for row in np.unique(here.output_R).tolist():
            own = here.take(here.output_R == row)
            places = (own.output_word_R, own.text_word_R, own.words_R)
            runs_R3 = np.stack(places, axis=1).astype(np.int64)
            echoed_N = np.zeros(len(found[row]), np.bool_)
            shared = overlap(wordings[row], text, runs_R3=runs_R3, echoed_N=echoed_N)
            for passage in shared.passages:
                for stretch in passage.stretches:
                    found[row][stretch.output : stretch.output + stretch.words] = True
    return found


def measure_scan(corpus: Corpus, outputs: Sequence[Output]) -> tuple[Row, Runs]:
    """Return how our scan did, and its runs."""
    times = []
    for _ in range(ROUNDS):
        clock = Clock()
        query = Query.of(split([output.text for output in outputs]))
        runs, _ = scanned(query, corpus.books)
        found = passages(outputs, runs, corpus.books, lambda k: split([corpus.books[k]]))
        times.append(clock.read())
    wall, cpu = np.median(times, axis=0).tolist()
    note = f"{wall:.1f} s ({cpu:.1f} s cpu) for all {len(outputs)} outputs"
    seconds = (wall / len(outputs), cpu / len(outputs))
    return Row("ours, scan", score(outputs, found), seconds, 0, note), join(runs)


class Index:
    """Our index of the books, and three ways to ask it."""

    def __init__(self, folder: Path, books: Sequence[str]) -> None:
        clock = Clock()
        path = folder / "postings"
        numbers = list(batches(books))
        parts = ([books[k] for k in ks] for ks in numbers)
        own = (
            Batch([str(k) for k in ks], split(part), part)
            for ks, part in zip(numbers, parts, strict=True)
        )
        build(path, own, keep_texts=True)
        texts = (path / "texts.utf8").stat().st_size
        self.note = f"built in {clock.read()[1]:.1f} s cpu; {texts} bytes are the texts themselves"
        self.num_bytes = sum(file.stat().st_size for file in path.iterdir()) - texts
        self.postings: Postings = load(path)
        self._lexicon = Lexicon()
        self.ways: dict[str, Callable[[Output], Found]] = {
            "runs": self._runs,
            "passages": lambda output: self._passages(output, Lexicon()),
            "passages, words known": lambda output: self._passages(output, self._lexicon),
        }

    def runs(self, texts: Sequence[str]) -> Runs:
        """Return the runs of some outputs."""
        return self.postings.find(Query.of(split(texts)))

    def _runs(self, output: Output) -> Found:
        runs = self.runs([output.text])
        found_N = np.zeros(len(output.passage_N), np.bool_)
        for first, size in zip(runs.output_word_R.tolist(), runs.words_R.tolist(), strict=True):
            found_N[first : first + size] = True
        return found_N

    def _passages(self, output: Output, lexicon: Lexicon) -> Found:
        found_N = np.zeros(len(output.passage_N), np.bool_)
        for shared in look_up(self.postings, output.text, lexicon=lexicon).shared:
            for passage in shared.overlap.passages:
                for stretch in passage.stretches:
                    found_N[stretch.output : stretch.output + stretch.words] = True
        return found_N


def measure_index(index: Index, outputs: Sequence[Output], side: InfiniGram | None) -> list[Row]:
    """Return how our index did, and infini-gram if there is one, round by round."""
    found = {name: [way(output) for output in outputs] for name, way in index.ways.items()}
    spans = side.ask(range(len(outputs)))[0] if side else []
    times: dict[str, list[list[Seconds]]] = {name: [] for name in (*index.ways, "side")}
    few = outputs[:TIMED]
    for _ in range(ROUNDS):
        for name, way in index.ways.items():
            times[name].append([timed(way, output) for output in few])
        times["side"].append(side.ask(range(len(few)))[1] if side else [(0.0, 0.0)])
    seconds = {name: median(rounds) for name, rounds in times.items()}
    marks = {name: score(outputs, words) for name, words in found.items()}
    rows = [
        Row(f"ours, index: {name}", marks[name], seconds[name], index.num_bytes, index.note)
        for name in index.ways
    ]
    if side is None:
        return [*rows, Row("infini-gram", None, (0.0, 0.0), 0, "not measured")]
    return [*rows, side.row(outputs, spans, seconds["side"])]


def measure(corpus: Corpus, outputs: Sequence[Output], python: str | None) -> dict[str, Any]:
    """Return the rows of all tools, and the ratios that are promised."""
    with tempfile.TemporaryDirectory() as name:
        side = InfiniGram(python, Path(name), corpus, outputs) if python else None
        index = Index(Path(name), corpus.books)
        scan, runs = measure_scan(corpus, outputs)
        same = index.runs([output.text for output in outputs])
        rows = [scan, *measure_index(index, outputs, side)]
        if side:
            side.close()
    rows += [*measure_minhash(corpus, outputs), measure_difflib(corpus, outputs)]
    return {
        "benchmark": "text_peers",
        "corpus_bytes": corpus.num_bytes,
        "documents": len(corpus.documents),
        "outputs": len(outputs),
        "words_per_output": sum(len(output.passage_N) for output in outputs) / len(outputs),
        "copied_per_output": sum(int((o.passage_N >= 0).sum()) for o in outputs) / len(outputs),
        "rows": [_as_dict(row, corpus.num_bytes) for row in rows],
        "same_runs": [part.tolist() for part in runs] == [part.tolist() for part in same],
        "worst_recall": min(
            row.score.recall[kind]
            for row in rows
            if row.score and row.name in ("ours, scan", "ours, index: passages")
            for kind in KINDS
        ),
        "ratios": _ratios(rows) if side else {},
    }


def _ratios(rows: Sequence[Row]) -> dict[str, Seconds]:
    """Return how many times longer than each way of our index infini-gram takes."""
    (rival,) = (row.seconds for row in rows if row.name == "infini-gram")
    ours = {row.name: row.seconds for row in rows if row.name.startswith("ours, index")}
    return {name: (rival[0] / wall, rival[1] / cpu) for name, (wall, cpu) in ours.items()}


def _as_dict(row: Row, corpus_bytes: int) -> dict[str, Any]:
    found = row.score._asdict() if row.score else None
    return row._asdict() | {"score": found, "bytes_per_byte": row.num_bytes / corpus_bytes}


def show(found: dict[str, Any]) -> None:
    """Print the table."""
    print(
        f"{found['corpus_bytes'] / 1e6:.1f} MB, {found['documents']} documents,"
        f" {found['outputs']} outputs of {found['words_per_output']:.0f} words,"
        f" {found['copied_per_output']:.0f} of them copied; {os.cpu_count()} cores,"
        f" load {os.getloadavg()[0]:.1f}"
    )
    heads = (*KINDS, "false", "chance", "precis.", "ms", "ms cpu", "B/B")
    print(f"{'recall of copied words':40}" + "".join(f"{head:>10}" for head in heads))
    for row in found["rows"]:
        if row["score"] is None:
            print(f"{row['name']:40}{row['note']:>10}")
            continue
        marks, ms = row["score"], [1000 * second for second in row["seconds"]]
        values = [f"{marks['recall'].get(kind, float('nan')):.3f}" for kind in KINDS]
        values += [f"{marks['false_words']:.2f}", f"{marks['chance_words']:.2f}"]
        values += [f"{marks['precision']:.4f}", *(f"{value:.1f}" for value in ms)]
        values += [f"{row['bytes_per_byte']:.2f}"]
        print(f"{row['name']:40}" + "".join(f"{value:>10}" for value in values))
    for row in found["rows"]:
        print(f"{row['name']}: {row['note']}")
    print(f"scan and index have the same runs: {found['same_runs']}")
    print(f"least recall of a kind, passages: {found['worst_recall']:.4f} (wanted {MIN_RECALL})")
    for name, (wall, cpu) in found["ratios"].items():
        print(f"{name}: {wall:.1f} times faster than infini-gram, {cpu:.1f} by the processor")


def main() -> int:
    """Print the table, with --json the same as JSON; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("books", type=Path, help="Parquet with columns sha256 and text")
    parser.add_argument("--megabytes", type=float, default=100, help="size of the corpus")
    parser.add_argument("--outputs", type=int, default=200, help="outputs of about 1,000 words")
    parser.add_argument("--seed", type=int, default=7, help="of the books and what is planted")
    parser.add_argument("--infini-gram", metavar="PYTHON", help="a Python that has infini-gram")
    parser.add_argument("--json", action="store_true", help="print JSON after the table")
    chosen = parser.parse_args()
    corpus = read(chosen.books, chosen.megabytes, chosen.seed)
    outputs = write_outputs(corpus, chosen.outputs, chosen.seed)
    found = measure(corpus, outputs, chosen.infini_gram)
    show(found)
    if chosen.json:
        print(json.dumps(found))
    slow = found["ratios"].get("ours, index: runs", [MIN_RATIO])[0] < MIN_RATIO
    return int(found["worst_recall"] < MIN_RECALL or slow or not found["same_runs"])


if __name__ == "__main__":
    sys.exit(main())
