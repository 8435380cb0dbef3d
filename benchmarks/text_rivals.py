"""The other tools of `benchmarks.text_peers`: infini-gram, datasketch, difflib.

Dimension key: N words of an output.
"""

import difflib
import json
import re
import subprocess
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.text_planted import Corpus, Output, Score, score
from indexes.words import split

PERMUTATIONS, SHINGLE = 128, 5
PAIRED, OTHERS, MIN_BLOCK = 36, 3, 5
SIDE = Path(__file__).with_name("infini_gram_side.py")

Seconds = tuple[float, float]
"""Of the wall, and of all threads of the process."""


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = perf_counter(), process_time()

    def read(self) -> Seconds:
        """Return both."""
        return perf_counter() - self._start[0], process_time() - self._start[1]


def timed(way: Callable[[Output], object], output: Output) -> Seconds:
    """Return how long one output takes."""
    clock = Clock()
    way(output)
    return clock.read()


def median(rounds: Sequence[Sequence[Seconds]]) -> Seconds:
    """Return the median of outputs, each the median of its rounds."""
    wall, cpu = np.median(np.median(np.array(rounds), axis=0), axis=0).tolist()
    return wall, cpu


class Row(NamedTuple):
    """What one tool did; no score if it was not measured."""

    name: str
    score: Score | None
    seconds: Seconds
    """Per output."""

    num_bytes: int
    """Of what it keeps beside the texts."""

    note: str


class InfiniGram:
    """A process of a Python that has infini-gram, with its index."""

    def __init__(
        self, python: str, folder: Path, corpus: Corpus, outputs: Sequence[Output]
    ) -> None:
        texts = {"documents": corpus.documents, "outputs": [output.text for output in outputs]}
        for name, values in texts.items():
            (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
        with (folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [python, str(SIDE), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._log = folder / "log"
        self.facts = self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"infini-gram gave up:\n{self._log.read_text()[-2000:]}")
        return json.loads(line)

    def ask(self, numbers: Iterable[int]) -> tuple[list[Any], list[tuple[float, float]]]:
        """Return the spans of some outputs and the seconds of each."""
        print(json.dumps(list(numbers)), file=self._process.stdin, flush=True)
        rows = self._answer()
        return [row["spans"] for row in rows], [(row["wall"], row["cpu"]) for row in rows]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def row(self, outputs: Sequence[Output], spans: Sequence[Any], seconds: Seconds) -> Row:
        """Return how it did; `spans` of all outputs."""
        found = []
        for output, places in zip(outputs, spans, strict=True):
            found_N = np.zeros(len(output.passage_N), np.bool_)
            for start, end in places:
                found_N |= (output.words.starts_N >= start) & (output.words.ends_N <= end)
            found.append(found_N)
        note = ", ".join(f"{name} {self.facts[name]}" for name in self.facts if name != "bytes")
        return Row("infini-gram", score(outputs, found), seconds, self.facts["bytes"], note)


def measure_minhash(corpus: Corpus, outputs: Sequence[Output]) -> Iterator[Row]:
    """Yield datasketch alone, at two thresholds; its score counts documents, not words."""
    from datasketch import MinHash, MinHashLSH

    blank = MinHash(num_perm=PERMUTATIONS, hashfunc=zlib.crc32, scheme="affine32")

    def sketch(text: str) -> Any:
        words = re.findall(r"\w+", text.lower())
        grams = {" ".join(words[k : k + SHINGLE]).encode() for k in range(len(words))}
        one = blank.copy()
        one.update_batch(list(grams))
        return one

    clock = Clock()
    sketches = [sketch(text) for text in corpus.documents]
    sketching = clock.read()[1]
    for threshold in (0.5, 0.1):
        lsh, clock = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS), Clock()
        for number, one in enumerate(sketches):
            lsh.insert(number, one)
        note = f"documents, not words; built in {sketching + clock.read()[1]:.1f} s cpu"
        returned, times = [], []
        for output in outputs:
            clock = Clock()
            returned.append(set(lsh.query(sketch(output.text))))
            times.append(clock.read())
        wall, cpu = np.median(times, axis=0).tolist()
        size = 4 * PERMUTATIONS * len(sketches)
        name = f"datasketch, Jaccard {threshold}"
        yield Row(name, _documents_found(outputs, returned), (wall, cpu), size, note)


def _documents_found(outputs: Sequence[Output], returned: Sequence[set[int]]) -> Score:
    tries = dict[str, list[bool]]()
    wrong = right = 0
    for output, documents in zip(outputs, returned, strict=True):
        own = {passage.document for passage in output.passages}
        wrong, right = wrong + len(documents - own), right + len(documents & own)
        for passage in output.passages:
            for name in (passage.kind, f"{passage.kind}/{passage.size}"):
                tries.setdefault(name, []).append(passage.document in documents)
    recall = {name: sum(found) / len(found) for name, found in tries.items()}
    per_output = wrong / len(outputs)
    return Score(recall, per_output, per_output, right / max(1, right + wrong))


def measure_difflib(corpus: Corpus, outputs: Sequence[Output]) -> Row:
    """Return difflib on few pairs: each output with its own documents and as many others."""
    rng = np.random.default_rng(0)
    few, found, times = outputs[:PAIRED], [], []
    for output in few:
        others = rng.integers(len(corpus.documents), size=OTHERS).tolist()
        found_N: NDArray[np.bool_] = np.zeros(len(output.passage_N), np.bool_)
        for number in [*(passage.document for passage in output.passages), *others]:
            clock = Clock()
            words = split([corpus.documents[number]]).hashes_N.tolist()
            sides = output.words.hashes_N.tolist(), words
            matcher = difflib.SequenceMatcher(None, *sides, autojunk=False)
            for block in matcher.get_matching_blocks():
                if block.size >= MIN_BLOCK:
                    found_N[block.a : block.a + block.size] = True
            times.append(clock.read())
        found.append(found_N)
    wall, cpu = (float(each) * len(corpus.documents) for each in np.median(times, axis=0))
    note = f"{len(few)} outputs with {3 + OTHERS} documents each; time scaled to all documents"
    return Row("difflib, right document shown", score(few, found), (wall, cpu), 0, note)
