"""Openings: what language models are asked, cut from works of both halves, and with which seeds.

A prompt is a passage of a work (the model is to go on), the beginning of a work, or free text. How
the work goes on is kept beside it, spaces and all, so that prompt and suffix together are the work.
Works of both halves are chosen and cut by one rule that looks at their bytes alone. What the same
words begin in both halves is asked, but belongs to nobody.

Dimension key: N words of a piece.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from indexes.words import split
from stages.columns import texts
from stages.contract import FileText, FoldStage, Kit, Out, StageError, columns
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import PROMPTS, TEXT_WORKS, TEXTS

_BATCH_ROWS = 1 << 16
_SHARED = ", of both halves"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningsConfig:
    """Knobs of the openings stage."""

    run_seed: int = 1
    """Seed of the run; with the prompt and the number of the sample it gives each sampler's
    seed."""

    seeds: int = 64
    """Attempts per prompt, 2 or more. The default sees a work that comes back in 4.6 % of attempts
    or more with 95 % probability (1 - 0.05^(1/64))."""

    discovery: int = 16
    """The first of them, 1 to seeds - 1, which nominate works; the others, the confirmation seeds,
    are judged. Sample 0 is a discovery sample, and greedy where the writer's config says so."""

    block: int = 64
    """Attempts that are made together, 1 or more: the grain at which work is shared out, resumed
    and kept when `seeds` is raised later."""

    works: int = 100
    """Works to ask for of each half, 0 or more; a huge number takes all that are long enough."""

    duplicated: int = 50
    """How many of them are those with the most texts, two or more, of their half, 0 or more:
    duplicates are the best predictor of memorization (Carlini et al. 2022). The others, or all
    where a half has no duplicates, are drawn."""

    choice_seed: int = 0
    """Another seed draws other works and places; apart from `run_seed`, so that a run with fresh
    randomness asks the same things."""

    places: int = 1
    """Passages per work, 0 or more; a huge number takes one at every word."""

    spread: Literal["random", "regular"] = "random"
    """Where they begin: drawn for each work, or evenly from its first word to its last possible."""

    prefix_words: int = 64
    """Words of a passage, 1 or more. Writers are given the last tokens of it, as many as their
    config says. 50 tokens are seldom more than 50 words; the rest is for scripts in which they
    are."""

    suffix_words: int = 64
    """Words after a passage or beginning that are kept as its true suffix, 1 or more."""

    opening_words: int = 0
    """First words of each work that are asked for too; 0 asks for no beginnings."""

    free: tuple[str, ...] = ()
    """Prompts that are no passage of a work, such as questions; line breaks may stand in them."""

    file: FileText | None = None
    """File with more of them, one per line, UTF-8."""

    def __post_init__(self) -> None:
        if not 1 <= self.discovery < self.seeds:
            expected = f"expected 1 to {self.seeds - 1}, so that seeds are left to be judged"
            raise ValueError(f"discovery: {expected}, got {self.discovery} of {self.seeds} seeds")
        for name in ("block", "prefix_words", "suffix_words"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("works", "duplicated", "places", "opening_words"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        if self.spread not in {"random", "regular"}:
            raise ValueError(f"spread: expected random or regular, got {self.spread!r}")


class Chosen(NamedTuple):
    """The text that stands for a chosen work, and where passages of it begin."""

    work_id: str
    half: str
    starts: frozenset[int]


class Ask(NamedTuple):
    """What a model is asked, and why."""

    origin: str
    text: str
    suffix: str | None = None
    work_id: str | None = None
    half: str | None = None


class _Work(NamedTuple):
    """A work by its text with the smallest digest."""

    sha256: str
    text_id: str
    work_id: str
    half: str


def openings(
    inputs: Mapping[str, Iterable[pa.Table]], config: OpeningsConfig, _: Kit
) -> Iterator[Out]:
    """Yield every attempt to make.

    Args:
        inputs: works: text_id, half, work_id, sha256, mixed of TEXT_WORKS; lengths: text_id,
            num_words of TEXTS, both halves; texts: text_id, first_word, own_from, own_to, text of
            the same.
        config: what to ask.

    Yields:
        PROMPTS in the order of prompt_id and sample; a batch never cuts a prompt in two.

    Raises:
        StageError: the file of prompts cannot be read.
    """
    chosen = _choose(inputs["works"], _lengths(inputs["lengths"]), config)
    asked: dict[str, Ask] = {}
    for ask in (*_cut(inputs["texts"], chosen, config), *_free(config)):
        prompt_id = prompt_id_of(text=ask.text)
        asked[prompt_id] = _owner(asked[prompt_id], ask) if prompt_id in asked else ask
    yield Out(PROMPTS.empty())
    ids = sorted(asked)
    step = max(1, _BATCH_ROWS // config.seeds)
    for start in range(0, len(ids), step):
        rows = [row for name in ids[start : start + step] for row in _rows(name, asked, config)]
        yield Out(PROMPTS.of_rows(rows))


def _lengths(batches: Iterable[pa.Table]) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for batch in batches:
        lengths.update(zip(texts(batch, "text_id"), batch["num_words"].to_pylist(), strict=True))
    return lengths


def _choose(
    batches: Iterable[pa.Table], lengths: Mapping[str, int], config: OpeningsConfig
) -> dict[str, Chosen]:
    """Return the texts to cut, by text_id."""
    copies: Counter[str] = Counter()
    works: dict[str, _Work] = {}
    for batch in batches:
        for row in batch.filter(pc.invert(batch["mixed"])).to_pylist():
            copies[row["work_id"]] += 1
            work = _Work(row["sha256"], row["text_id"], row["work_id"], row["half"])
            works[work.work_id] = min(work, works.get(work.work_id, work))
    least = max(
        (config.prefix_words + config.suffix_words) if config.places else 0,
        (config.opening_words + config.suffix_words) if config.opening_words else 0,
    )
    chosen: dict[str, Chosen] = {}
    for half in ("train", "control"):
        able = [w for w in works.values() if w.half == half and lengths[w.text_id] >= least]
        able.sort(key=lambda work: _rank(work, config))
        often = sorted((w for w in able if copies[w.work_id] > 1), key=lambda w: -copies[w.work_id])
        first = dict.fromkeys([*often[: config.duplicated], *able])
        for work in list(first)[: config.works]:
            starts = _starts(work, lengths[work.text_id], config)
            chosen[work.text_id] = Chosen(work.work_id, half, starts)
    return chosen


def _rank(work: _Work, config: OpeningsConfig) -> str:
    """Return the place of a work in the draw: of its bytes alone, like a random number."""
    return sha256(f"{config.choice_seed}\x1f{work.sha256}".encode()).hexdigest()


def _starts(work: _Work, num_words: int, config: OpeningsConfig) -> frozenset[int]:
    """Return the words at which the passages of a work begin."""
    last = num_words - config.prefix_words - config.suffix_words
    count = min(config.places, last + 1)
    if config.spread == "regular":
        return frozenset(number * last // max(1, count - 1) for number in range(count))
    rng = np.random.default_rng(seed_of(config.choice_seed, work.sha256, 0))
    return (
        frozenset(rng.choice(last + 1, size=count, replace=False).tolist())
        if count
        else frozenset()
    )


def _cut(
    batches: Iterable[pa.Table], chosen: Mapping[str, Chosen], config: OpeningsConfig
) -> Iterator[Ask]:
    """Yield the passages and beginnings of the chosen texts, in the order of the pieces.

    A passage is cut from the piece that its first word belongs to; it ends with the margin of that
    piece, if it must.
    """
    wanted = pa.array(list(chosen), pa.large_string())
    for batch in batches:
        for row in batch.filter(pc.is_in(batch["text_id"], wanted)).to_pylist():
            work = chosen[row["text_id"]]
            starts = [n for n in sorted(work.starts) if row["own_from"] <= n < row["own_to"]]
            begins = config.opening_words > 0 and row["own_from"] == 0
            if not (starts or begins):
                continue
            found = split([row["text"]])
            most = len(found.ends_N)
            places = [("prefix", n - row["first_word"], config.prefix_words) for n in starts]
            if begins:
                places.append(("opening", 0, config.opening_words))
            for origin, first, size in places:
                end = int(found.ends_N[min(first + size, most) - 1])
                stop = int(found.ends_N[min(first + size + config.suffix_words, most) - 1])
                begin = int(found.starts_N[first]) if first else 0
                text = row["text"][begin:end].lstrip()
                yield Ask(origin, text, row["text"][end:stop] or None, work.work_id, work.half)


def _free(config: OpeningsConfig) -> Iterator[Ask]:
    yield from (Ask("free", text) for text in config.free)
    if config.file is not None:
        try:
            lines = Path(config.file).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise StageError(f"file: {config.file} cannot be read as UTF-8: {error}") from error
        yield from (Ask("free", line) for line in lines if line.strip())


def _owner(one: Ask, other: Ask) -> Ask:
    """Return whose the same text is that was cut twice; the order of the two changes nothing."""
    if "free" in {one.origin, other.origin}:
        return other if one.origin == "free" else one
    first = min(one, other)
    if one.half == other.half:
        return first
    origin = first.origin.removesuffix(_SHARED)
    return Ask(origin + _SHARED, first.text)


def _rows(
    prompt_id: str, asked: Mapping[str, Ask], config: OpeningsConfig
) -> Iterator[Mapping[str, Any]]:
    same = {**asked[prompt_id]._asdict(), "prompt_id": prompt_id, "class_label": None}
    for sample in range(config.seeds):
        yield same | {
            "sample": sample,
            "phase": "discovery" if sample < config.discovery else "confirmation",
            "block": sample // config.block,
            "seed": seed_of(config.run_seed, prompt_id, sample),
        }


STAGE = FoldStage(
    name="openings",
    reads={
        "works": columns("text_id half work_id sha256 mixed", TEXT_WORKS),
        "lengths": columns("text_id num_words", TEXTS),
        "texts": columns("text_id first_word own_from own_to text", TEXTS),
    },
    writes=PROMPTS,
    config=OpeningsConfig,
    run=openings,
    cut=("prompt_id", "block"),
)
