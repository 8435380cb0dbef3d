"""Pairs: each output of a set beside each text that shares words with it, compared once.

Dimension key: R runs, 3 of (first word in the output, first word in the text, number of words),
N words of an output.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexes.words import Words, split
from stages.contract import Artefact, Columns, FileText, Kit, Reader, columns
from stages.measures.chaining import Stretch
from stages.measures.echoes import echoed
from stages.measures.passages import Overlap, overlap
from stages.measures.surprisal import Frequencies, fit
from stages.measures.wording import Lexicon, Places, Wording
from stages.sources.decoding import byte_offsets
from stages.tables import OUTPUTS, RUNS, TEXT_WORKS, TEXTS
from stages.text.frequencies import FREQUENCIES, read_frequencies
from stages.text.pieces import SAMPLE

Row = Mapping[str, Any]

_WORDS_TOGETHER = 4_000_000
"""Words of texts in memory at a time, some 25 MB; a text that is longer comes by itself."""

_BESIDE = 160
"""Words beside a run that are read with it: most comparing looks no farther."""

READS = {
    "outputs": columns(
        "output_id set model_id prompt_id sample phase prompt context text", OUTPUTS
    ),
    "runs": columns("set output_id text_id output_word text_word words", RUNS),
}
"""What a stage that compares pairs reads; rows of one set share a part."""

USES: Mapping[str, Columns | Artefact] = {
    "texts": columns(
        "piece_id text_id piece first_char first_word num_words samples encoding text bytes", TEXTS
    ),
    "works": columns("text_id half work_id sha256 num_near", TEXT_WORKS),
    "frequencies": FREQUENCIES,
}
"""What it looks up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagesConfig:
    """Knobs of the stages that compare pairs, align and measure."""

    common_works: int = 3
    """Distinct works that must hold half of a passage before it is tagged `common` (short) or
    `boilerplate` (long); 2 or more. Two works may quote each other; what three hold is nobody's
    alone."""

    boilerplate_words: int = 20
    """Words from which on such a passage is `boilerplate` and not `common`; 1 or more. No idiom is
    as long."""

    whole_words: int = 13
    """Words of the longest run from which on a long text is read whole, for ROUGE-L and Jaccard
    similarity, 0 or more. Those two mean little where nothing but a phrase is shared, and with a
    book they take a hundred times as long as all else; a text of up to 2,000,000 words over the
    words of the output, and one with a near-verbatim block, is read whole anyway."""

    tokenizer: FileText | None = None
    """A tokenizer.json, to give the longest run in tokens too; studies count 50 of them."""

    def __post_init__(self) -> None:
        for name, least in (("common_works", 2), ("boilerplate_words", 1), ("whole_words", 0)):
            if (found := getattr(self, name)) < least:
                raise ValueError(f"{name}: expected {least} or more, got {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One whole text with what is known of it."""

    text_id: str
    work: Row
    wording: Wording
    raw: bytes | None
    encoding: str | None

    def bytes_at(self, start: int, end: int) -> tuple[int | None, int | None]:
        """Return where two code points stand in the original; None in extracted text."""
        if self.encoding is None:
            return None, None
        if self.raw is None:
            return utf8_at(self.wording.text, start, end)
        first, last = byte_offsets(self.raw, self.encoding, [start, end]).tolist()
        return first, last


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One output with its words."""

    row: Row
    wording: Wording
    echoed_N: NDArray[np.bool_]


class Pair(NamedTuple):
    """An output, a text and what they share."""

    output: Written
    text: Side
    overlap: Overlap


class Pieces(NamedTuple):
    """The pieces of a text, in order."""

    ids: Sequence[str]
    num_words: int
    """Words of the text."""


class PairTools(NamedTuple):
    """What comparing needs: the texts, the work of each, and the pieces of each in order."""

    config: PassagesConfig
    texts: Reader
    works: Mapping[str, Row]
    first: frozenset[str]
    """Of texts with the same bytes in the same half, the first by id; the others would only repeat
    what is said of it."""
    pieces: Mapping[str, "Pieces"]
    """By text, in the order of the corpus, so that neighbours are read together."""
    frequencies: Frequencies


def open_pairs(config: PassagesConfig, kit: Kit) -> PairTools:
    """Read which text belongs to which work, and of which pieces it is made."""
    names = ["text_id", "half", "work_id", "sha256", "num_near"]
    works = kit.datasets["works"].read(names).to_pylist()
    first: dict[tuple[str, str], str] = {}
    for work in works:
        same = (work["half"], work["sha256"])
        first[same] = min(work["text_id"], first.get(same, work["text_id"]))
    rows = kit.datasets["texts"].read(["piece_id", "text_id", "piece", "num_words"]).to_pylist()
    pieces: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        pieces[row["text_id"]].append(row)
    return PairTools(
        config,
        kit.datasets["texts"],
        {work["text_id"]: work for work in works},
        frozenset(first.values()),
        {text_id: _in_order(found) for text_id, found in pieces.items()},
        read_frequencies(kit.folders["frequencies"]) if "frequencies" in kit.folders else fit([]),
    )


def _in_order(pieces: Sequence[Row]) -> Pieces:
    ordered = sorted(pieces, key=lambda row: row["piece"])
    return Pieces([row["piece_id"] for row in ordered], ordered[0]["num_words"])


def pairs(inputs: Mapping[str, pa.Table], tools: PairTools) -> Iterator[Pair]:
    """Yield every pair that shares a run, text by text, so that each text is read once."""
    runs = _by_pair(inputs["runs"], tools)
    sharing = {output_id for mine in runs.values() for output_id in mine}
    rows = [row for row in inputs["outputs"].to_pylist() if row["output_id"] in sharing]
    lexicon = Lexicon()
    written = _written(rows, lexicon)
    met = [text_id for text_id in tools.pieces if text_id in runs]
    for side in read_texts(met, tools, lexicon):
        mine = runs[side.text_id]
        side.wording.read(
            (first - _BESIDE, first + words + _BESIDE)
            for runs_R3 in mine.values()
            for _, first, words in runs_R3.tolist()
        )
        for output_id, runs_R3 in sorted(mine.items()):
            output = written[output_id]
            found = overlap(output.wording, side.wording, runs_R3=runs_R3, echoed_N=output.echoed_N)
            yield Pair(output, side, found)


def _by_pair(runs: pa.Table, tools: PairTools) -> dict[str, dict[str, NDArray[np.int64]]]:
    """Return the runs of each text with each output, sorted."""
    found: dict[str, dict[str, list[tuple[int, int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in runs.to_pylist():
        if row["text_id"] in tools.first:
            place = (row["output_word"], row["text_word"], row["words"])
            found[row["text_id"]][row["output_id"]].append(place)
    return {
        text_id: {output_id: np.array(sorted(places)) for output_id, places in mine.items()}
        for text_id, mine in found.items()
    }


def read_texts(text_ids: Sequence[str], tools: PairTools, lexicon: Lexicon) -> Iterator[Side]:
    """Yield whole texts, put together from their pieces, some read at a time."""
    names = ["first_char", "first_word", "num_words", "samples", "encoding", "text", "bytes"]
    for some in _together(text_ids, tools):
        ids = [piece_id for text_id in some for piece_id in tools.pieces[text_id].ids]
        table = tools.texts.take(ids, names)
        first = 0
        for text_id in some:
            size = len(tools.pieces[text_id].ids)
            pieces = table.slice(first, size).to_pylist()
            first += size
            yield Side(
                text_id=text_id,
                work=tools.works[text_id],
                wording=Wording(_joined(pieces), lexicon, places=_places(pieces)),
                raw=pieces[0]["bytes"],
                encoding=pieces[0]["encoding"],
            )


def _together(text_ids: Sequence[str], tools: PairTools) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for text_id in text_ids:
        some.append(text_id)
        size += tools.pieces[text_id].num_words
        if size >= _WORDS_TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def _joined(pieces: Sequence[Row]) -> str:
    """Return the text of pieces that overlap."""
    if len(pieces) == 1:
        return str(pieces[0]["text"])
    ends = [piece["first_char"] for piece in pieces[1:]] + [None]
    return "".join(
        piece["text"] if end is None else piece["text"][: end - piece["first_char"]]
        for piece, end in zip(pieces, ends, strict=True)
    )


def _places(pieces: Sequence[Row]) -> Places | None:
    """Return the samples of all pieces; each piece says them up to where the next one begins."""
    if any(piece["samples"] is None for piece in pieces):
        return None
    words: list[int] = []
    chars: list[int] = []
    ends = [piece["first_word"] for piece in pieces[1:]] + [pieces[-1]["num_words"]]
    for piece, end in zip(pieces, ends, strict=True):
        own = range(piece["first_word"], end, SAMPLE)
        words += own
        chars += [piece["first_char"] + char for char in piece["samples"][: len(own)]]
    return Places(words, chars, pieces[0]["num_words"])


def surprisal_of(pair: Pair, stretches: Sequence[Stretch], tools: PairTools) -> float:
    """Return the bits of some words of the output under the words of the control half."""
    hashes_N = pair.output.wording.hashes_N
    return sum(
        tools.frequencies.surprisal(hashes_N[s.output : s.output + s.words]) for s in stretches
    )


def utf8_at(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where two code points stand in a text encoded as UTF-8.

    >>> utf8_at("caf\u00e9 noir", 4, 5)
    (5, 6)
    """
    if text.isascii():
        return start, end
    first = len(text[:start].encode())
    return first, first + len(text[start:end].encode())


def _written(rows: Sequence[Row], lexicon: Lexicon) -> dict[str, Written]:
    """Return outputs with their words, by output_id; all are split together."""
    names = ("text", "prompt", "context")
    found = split([row[name] or "" for row in rows for name in names])
    sides = iter(_each(found))
    out = {}
    for row in rows:
        made, *given = (Wording(row[name] or "", lexicon, next(sides)) for name in names)
        out[row["output_id"]] = Written(row=row, wording=made, echoed_N=echoed(made, given))
    return out


def _each(words: Words) -> Iterator[Words]:
    """Yield the words of each text by themselves."""
    edges = words.offsets_T.tolist()
    for start, end in pairwise(edges):
        own = slice(start, end)
        offsets_T = np.array([0, end - start], np.int64)
        yield Words(words.hashes_N[own], words.starts_N[own], words.ends_N[own], offsets_T)
