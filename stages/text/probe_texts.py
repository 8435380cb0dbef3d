"""Probe texts: passages of known works, copied as a model might give them back, and looked for.

A copy is as long as the middle output of its model, since what is cut short is found less often. It
is looked for by the same functions as outputs, in the stretch of text that it was cut from: what
stands elsewhere cannot hide it. Tags such as `quoted` are left aside; they are about what a passage
proves.

Dimension key: N words.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexes.runs import Query, scan
from indexes.words import split
from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, columns
from stages.measures.alignment import merged
from stages.measures.chaining import matched
from stages.measures.passages import overlap
from stages.measures.wording import Lexicon, Wording
from stages.probing import drawn
from stages.seeds import seed_of
from stages.tables import COPIES, OUTPUTS, TEXT_WORKS, TEXTS
from stages.text.own_words import own_words

_PIECE = ["first_word", "own_from", "own_to", "text"]
_ENDS = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTextsConfig:
    """What is copied and when it is a hit; the case fills it in from the sections that say so."""

    works: int = 100
    """Works of which a passage is copied, half of them controls."""

    choice_seed: int = 0
    """Seed of the draw of works and passages."""

    min_words: int = 32
    """Words of a run that is a hit."""

    min_near_words: int = 60
    """Matched words of a near-verbatim block that is a hit."""

    def least(self, method: str) -> int:
        """Return the words from which on a score is a hit."""
        return self.min_words if method == "verbatim_words" else self.min_near_words


class _Words(NamedTuple):
    """A passage and where its words are."""

    text: str
    places: Sequence[tuple[int, int]]


def _every(size: int, passage: _Words) -> str:
    """Return the passage with the last of every so many words made another word."""
    out, before = [], 0
    for start, end in passage.places[size - 1 :: size]:
        out += [passage.text[before:start], "x", passage.text[start:end], "x"]
        before = end
    return "".join([*out, passage.text[before:]])


def _turned(passage: _Words) -> str:
    """Return the passage with its sentences in the opposite order; one sentence by its halves."""
    sentences = _ENDS.split(passage.text)
    if len(sentences) == 1:
        middle = passage.places[len(passage.places) // 2][0]
        sentences = [passage.text[:middle].rstrip(), passage.text[middle:]]
    return " ".join(reversed(sentences))


_EDITS = {
    "word for word": lambda passage: passage.text,
    "other case and line breaks": lambda passage: "\n".join(passage.text.upper().split()),
    "1 word in 12 changed": lambda passage: _every(12, passage),
    "1 word in 8 changed": lambda passage: _every(8, passage),
    "sentences in another order": _turned,
}
_SAME_WORDS = tuple(_EDITS)[:2]

EDITS = {"verbatim_words": _SAME_WORDS, "near_words": tuple(_EDITS)}
"""Method -> the copies that it is for: what has other words is no verbatim copy."""


def probe_texts(
    inputs: Mapping[str, Iterable[pa.Table]], config: ProbeTextsConfig, kit: Kit
) -> Iterator[Out]:
    """Yield every planted copy of a passage, with what came of it.

    Args:
        inputs: `works`, TEXT_WORKS of both halves; `outputs`, OUTPUTS of the writers. A work with
            texts in both halves is never a finding, so it is not copied; neither is one that is
            shorter than the passage.
        config: how many, and what is a hit.
        kit: dataset `texts`, TEXTS of both halves.

    Yields:
        COPIES by model, method and work. Changed words are planted for `near_words` alone.

    Source: statistics of a verdict, section 7.
    """
    halves: dict[str, str] = {}
    for batch in inputs["works"]:
        for row in batch.filter(pc.invert(batch["mixed"])).to_pylist():
            halves[row["work_id"]] = row["half"]
    for model_id, words in _lengths(inputs["outputs"]).items():
        firsts = _first_pieces(kit, words)
        able = {work_id: half for work_id, half in halves.items() if work_id in firsts}
        rows: list[dict[str, Any]] = []
        for work_id in drawn(able, config.works, config.choice_seed):
            piece = kit.datasets["texts"].take([firsts[work_id]], _PIECE)
            same = {"model_id": model_id, "work_id": work_id, "half": able[work_id]}
            start = seed_of(config.choice_seed, work_id, 0)
            rows += [same | row for row in _copies(piece, start, words, config)]
        rows.sort(key=lambda row: row["method"])
        yield Out(COPIES.of_rows(rows))


def _lengths(batches: Iterable[pa.Table]) -> dict[str, int]:
    """Return the words of the middle output of each model, by model."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for batch in batches:
        written = batch.filter(pc.is_valid(batch["text"]))
        words = np.diff(split(texts(written, "text")).offsets_T)
        for model_id, size in zip(texts(written, "model_id"), words.tolist(), strict=True):
            sizes[model_id].append(size)
    return {name: max(1, median_low(found)) for name, found in sorted(sizes.items())}


def _first_pieces(kit: Kit, words: int) -> dict[str, str]:
    """Return the first piece of every text in which so many words are its own."""
    names = ["piece_id", "text_id", "piece", "own_from", "own_to"]
    rows = kit.datasets["texts"].read(names)
    rows = rows.filter(pc.equal(rows["piece"], 0))
    sizes = pc.subtract(rows["own_to"], rows["own_from"])
    rows = rows.filter(pc.greater_equal(sizes, words))
    return dict(zip(rows["text_id"].to_pylist(), rows["piece_id"].to_pylist(), strict=True))


def _copies(
    piece: pa.Table, seed: int, size: int, config: ProbeTextsConfig
) -> Iterator[dict[str, Any]]:
    """Yield the copies of one passage of a piece, without model and work."""
    ((_, words, own_T2),) = own_words(piece)
    first, end = own_T2[0].tolist()
    start = first + seed % (end - size - first + 1)
    begins = words.starts_N[start : start + size].tolist()
    ends = words.ends_N[start : start + size].tolist()
    text = piece["text"][0].as_py()
    places = [(b - begins[0], e - begins[0]) for b, e in zip(begins, ends, strict=True)]
    passage = _Words(text[begins[0] : ends[-1]], places)
    copies = [edit(passage) for edit in _EDITS.values()]
    runs = scan(Query.of(split(copies)), words, own_T2)
    runs_R3 = np.stack((runs.output_word_R, runs.text_word_R, runs.words_R), 1).astype(np.int64)
    lexicon = Lexicon()
    whole = Wording(text, lexicon, words)
    for number, (edit, copy) in enumerate(zip(_EDITS, copies, strict=True)):
        scores = _shared(Wording(copy, lexicon), whole, runs_R3[runs.output_R == number])
        for method, score in scores.items():
            if edit in EDITS[method]:
                hit = score >= config.least(method)
                row = {"method": method, "edit": edit, "made_id": None, "score": score}
                yield row | {"hit": hit}


def _shared(copy: Wording, text: Wording, runs_R3: NDArray[np.int64]) -> dict[str, int]:
    """Return the words of the longest run and of the largest near-verbatim block."""
    found = overlap(copy, text, runs_R3=runs_R3, echoed_N=np.zeros(len(copy), np.bool_))
    return {
        "verbatim_words": max(found.runs_R3[:, 2].tolist(), default=0),
        "near_words": max(map(matched, merged(found.blocks)), default=0),
    }


STAGE = FoldStage(
    name="probe_texts",
    reads={
        "works": columns("work_id half mixed", TEXT_WORKS),
        "outputs": columns("model_id text", OUTPUTS),
    },
    writes=COPIES,
    config=ProbeTextsConfig,
    run=probe_texts,
    uses={
        "texts": columns("piece_id text_id piece first_word own_from own_to text", TEXTS),
    },
)
