"""Pairs: each output of a set beside each text that shares words with it, compared once.

Dimension key: R runs, 3 of (first word in the output, first word in the text, number of words),
N words of an output.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.contract import Artefact, Columns, FileText, Kit, Reader, columns
from stages.measures.chaining import Stretch
from stages.measures.echoes import echoed
from stages.measures.passages import Overlap, overlap
from stages.measures.surprisal import Frequencies, fit
from stages.measures.wording import Lexicon, Wording
from stages.sources.decoding import byte_offsets
from stages.tables import OUTPUTS, RUNS, TEXT_WORKS, TEXTS
from stages.text.frequencies import FREQUENCIES, read_frequencies

Row = Mapping[str, Any]

_READ_TOGETHER = 16
"""Texts in memory at a time; a text may be as large as a work."""

READS = {
    "outputs": columns(
        "output_id set model_id prompt_id sample phase prompt context text", OUTPUTS
    ),
    "runs": columns("set output_id text_id output_word text_word words", RUNS),
}
"""What a stage that compares pairs reads; rows of one set share a part."""

USES: Mapping[str, Columns | Artefact] = {
    "texts": columns("piece_id text_id piece first_char encoding text bytes", TEXTS),
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

    tokenizer: FileText | None = None
    """A tokenizer.json, to give the longest run in tokens too; studies count 50 of them."""

    def __post_init__(self) -> None:
        for name, least in (("common_works", 2), ("boilerplate_words", 1)):
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


class PairTools(NamedTuple):
    """What comparing needs: the texts, the work of each, and the pieces of each in order."""

    config: PassagesConfig
    texts: Reader
    works: Mapping[str, Row]
    first: frozenset[str]
    """Of texts with the same bytes in the same half, the first by id; the others would only repeat
    what is said of it."""
    pieces: Mapping[str, Sequence[str]]
    frequencies: Frequencies


def open_pairs(config: PassagesConfig, kit: Kit) -> PairTools:
    """Read which text belongs to which work, and of which pieces it is made."""
    names = ["text_id", "half", "work_id", "sha256", "num_near"]
    works = kit.datasets["works"].read(names).to_pylist()
    first: dict[tuple[str, str], str] = {}
    for work in works:
        same = (work["half"], work["sha256"])
        first[same] = min(work["text_id"], first.get(same, work["text_id"]))
    rows = kit.datasets["texts"].read(["piece_id", "text_id", "piece"]).to_pylist()
    pieces: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["text_id"], row["piece"])):
        pieces[row["text_id"]].append(row["piece_id"])
    return PairTools(
        config,
        kit.datasets["texts"],
        {work["text_id"]: work for work in works},
        frozenset(first.values()),
        pieces,
        read_frequencies(kit.folders["frequencies"]) if "frequencies" in kit.folders else fit([]),
    )


def pairs(inputs: Mapping[str, pa.Table], tools: PairTools) -> Iterator[Pair]:
    """Yield every pair that shares a run, text by text, so that each text is read once."""
    runs: dict[str, dict[str, list[tuple[int, int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in inputs["runs"].to_pylist():
        if row["text_id"] in tools.first:
            place = (row["output_word"], row["text_word"], row["words"])
            runs[row["text_id"]][row["output_id"]].append(place)
    rows = {row["output_id"]: row for row in inputs["outputs"].to_pylist()}
    lexicon, written = Lexicon(), dict[str, Written]()
    for side in read_texts(sorted(runs), tools, lexicon):
        for output_id, places in sorted(runs[side.text_id].items()):
            if output_id not in written:
                written[output_id] = _written(rows[output_id], lexicon)
            output = written[output_id]
            runs_R3 = np.array(sorted(places), np.int64)
            found = overlap(output.wording, side.wording, runs_R3=runs_R3, echoed_N=output.echoed_N)
            yield Pair(output, side, found)


def read_texts(text_ids: Sequence[str], tools: PairTools, lexicon: Lexicon) -> Iterator[Side]:
    """Yield whole texts, put together from their pieces, some read at a time."""
    for start in range(0, len(text_ids), _READ_TOGETHER):
        some = text_ids[start : start + _READ_TOGETHER]
        ids = [piece_id for text_id in some for piece_id in tools.pieces[text_id]]
        rows = iter(tools.texts.take(ids, ["first_char", "encoding", "text", "bytes"]).to_pylist())
        for text_id in some:
            pieces = list(islice(rows, len(tools.pieces[text_id])))
            yield Side(
                text_id=text_id,
                work=tools.works[text_id],
                wording=Wording(_joined(pieces), lexicon),
                raw=pieces[0]["bytes"],
                encoding=pieces[0]["encoding"],
            )


def _joined(pieces: Sequence[Row]) -> str:
    """Return the text of pieces that overlap."""
    ends = [piece["first_char"] for piece in pieces[1:]] + [None]
    return "".join(
        piece["text"] if end is None else piece["text"][: end - piece["first_char"]]
        for piece, end in zip(pieces, ends, strict=True)
    )


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
    first = len(text[:start].encode())
    return first, first + len(text[start:end].encode())


def _written(row: Row, lexicon: Lexicon) -> Written:
    wording = Wording(row["text"] or "", lexicon)
    given = [Wording(row[name], lexicon) for name in ("prompt", "context") if row[name]]
    return Written(row=row, wording=wording, echoed_N=echoed(wording, given))
