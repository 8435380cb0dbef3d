"""Outputs with planted copies: what a search of texts has to find, known to the word.

Dimension key: N words of an output, P its passages, C its code points.

Some books are held out, others are the corpus. An output is some 1,000 words of held-out prose with
three copied passages of 60, 120 or 200 words. Kinds and lengths take turns, each passage lies
inside one document (about 4 KB, cut at blank lines), so that cutting costs no peer anything. A word
is copied if the passage has it from the document: words put in by an edit are not.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from indexes.words import Words, split

KINDS = ("verbatim", "spaces", "layout", "n12", "n8", "reordered")
"""Raw text; white space made one space; case and line breaks changed; an edit at every 12th and
8th word, white space made one space; three chunks of 20 words or more, shuffled, the same."""

SIZES = (60, 120, 200)
HELD_OUT, OUTPUT_WORDS, DOCUMENT_BYTES, WIDTH = 25, 1000, 4000, 12
_BLANK = re.compile(r"(?<=\n)(?=[ \t]*\r?\n)")

Fragment = tuple[str, bool]
"""Some text, and whether it was copied."""


class Corpus(NamedTuple):
    """Books to search, the same in documents, and books that nobody searches."""

    books: list[str]
    documents: list[str]
    held_out: list[str]

    @property
    def num_bytes(self) -> int:
        """Bytes of UTF-8 of the books."""
        return sum(len(book.encode()) for book in self.books)


class Passage(NamedTuple):
    """What was copied."""

    kind: str
    size: int
    document: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One text to search for."""

    text: str
    """What a model might have written."""

    words: Words
    """Its words."""

    passages: tuple[Passage, ...]
    """What it copies."""

    passage_N: NDArray[np.int64]
    """Row of the passage that a word was copied from, -1 for none."""


def read(path: Path, megabytes: float, seed: int) -> Corpus:
    """Return books of about so many MB (or all), and those held out; texts that repeat count once.

    Raises:
        ValueError: there are too few books.
    """
    rows = pq.read_table(path, columns=["sha256", "text"]).to_pylist()
    books = list({row["sha256"]: row["text"] for row in rows}.values())
    if len(books) <= HELD_OUT:
        raise ValueError(f"{path}: expected more than {HELD_OUT} books, found {len(books)}")
    order = np.random.default_rng(seed).permutation(len(books))
    held_out, others = ([books[k] for k in part] for part in (order[:HELD_OUT], order[HELD_OUT:]))
    sizes = np.cumsum([len(book.encode()) for book in others]) / 1e6
    chosen = others[: int(np.searchsorted(sizes, megabytes)) + 1]
    return Corpus(chosen, [part for book in chosen for part in _documents(book)], held_out)


def _documents(book: str) -> Iterator[str]:
    part, size = list[str](), 0
    for paragraph in _BLANK.split(book):
        part.append(paragraph)
        size += len(paragraph.encode())
        if size >= DOCUMENT_BYTES:
            yield "".join(part)
            part, size = [], 0
    if part:
        yield "".join(part)


def write_outputs(corpus: Corpus, count: int, seed: int) -> list[Output]:
    """Return outputs; every 18 passages hold each kind in each length once."""
    rng = np.random.default_rng(seed + 1)
    turns = [(kind, size) for kind in KINDS for size in SIZES]
    long = [k for k, text in enumerate(corpus.documents) if len(text.split()) >= max(SIZES)]
    deck = list[int]()
    outputs = []
    for _ in range(count):
        passages = list[Passage]()
        for _ in range(3):
            deck = deck or rng.permutation(len(turns)).tolist()
            passages.append(Passage(*turns[deck.pop()], long[rng.integers(len(long))]))
        outputs.append(_output(rng, corpus, passages))
    return outputs


def _output(rng: np.random.Generator, corpus: Corpus, passages: Sequence[Passage]) -> Output:
    rest = (OUTPUT_WORDS - sum(passage.size for passage in passages)) // (len(passages) + 1)
    fragments, owners = list[str](), list[int]()
    for row, passage in enumerate(passages):
        copy = _copy(rng, _slice(rng, corpus.documents[passage.document], passage.size), passage)
        for text, copied in [(_prose(rng, corpus, rest), False), ("\n\n", False), *copy]:
            fragments.append(text)
            owners.append(row if copied else -1)
        fragments.append("\n\n")
        owners.append(-1)
    fragments.append(_prose(rng, corpus, rest))
    owner_C = np.repeat([*owners, -1], [len(fragment) for fragment in fragments])
    text = "".join(fragments)
    words = split([text])
    return Output(
        text=text, words=words, passages=tuple(passages), passage_N=owner_C[words.starts_N]
    )


def _slice(rng: np.random.Generator, text: str, size: int) -> str:
    """Return some raw text of so many words, as white space tells them."""
    places = [match.span() for match in re.finditer(r"\S+", text)]
    first = int(rng.integers(len(places) - size + 1))
    return text[places[first][0] : places[first + size - 1][1]]


def _prose(rng: np.random.Generator, corpus: Corpus, size: int) -> str:
    return _slice(rng, corpus.held_out[rng.integers(len(corpus.held_out))], size)


def _copy(rng: np.random.Generator, raw: str, passage: Passage) -> list[Fragment]:
    words = raw.split()
    match passage.kind:
        case "verbatim":
            return [(raw, True)]
        case "spaces":
            return [(" ".join(words), True)]
        case "layout":
            lines = [" ".join(words[k : k + WIDTH]) for k in range(0, len(words), WIDTH)]
            change = (str.lower, str.upper, str.title)[rng.integers(3)]
            return [(change("\n".join(lines)), True)]
        case "reordered":
            return [(" ".join(word for chunk in _shuffled(rng, words) for word in chunk), True)]
        case _:
            return list(_edited(rng, words, int(passage.kind[1:])))


def _shuffled(rng: np.random.Generator, words: Sequence[str]) -> list[Sequence[str]]:
    spare = len(words) - 3 * 20
    first, second = sorted(rng.integers(0, spare + 1, 2).tolist())
    edges = (0, 20 + first, 40 + second, len(words))
    orders = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    return [words[edges[k] : edges[k + 1]] for k in orders[rng.integers(len(orders))]]


def _edited(rng: np.random.Generator, words: Sequence[str], every: int) -> Iterator[Fragment]:
    """Yield words with an edit at every 8th or 12th: 60 % replaced, 20 % left out, 20 % put in."""
    for number, word in enumerate(words, 1):
        edit = rng.choice(("replace", "delete", "insert"), p=(0.6, 0.2, 0.2))
        if number % every or edit == "insert":
            yield f"{word} ", True
        if number % every == 0 and edit != "delete":
            others = [other for other in words if other.isalpha() and other != word]
            yield f"{others[rng.integers(len(others))]} ", False


class Score(NamedTuple):
    """How well words were found."""

    recall: dict[str, float]
    """Share of the copied words that were found, by kind, and by kind and length (`n8/60`)."""

    false_words: float
    """Words found that were not copied, per output."""

    chance_words: float
    """Of these, words in stretches that touch no copied word: quotations, idioms, chance."""

    precision: float
    """Share of the words found that were copied."""


def score(outputs: Sequence[Output], found: Sequence[NDArray[np.bool_]]) -> Score:
    """Return how well words were found; `found` has bool[N] for each output."""
    copied, hit = dict[str, int](), dict[str, int]()
    false = chance = right = 0
    for output, found_N in zip(outputs, found, strict=True):
        for row, passage in enumerate(output.passages):
            own_N = output.passage_N == row
            for name in (passage.kind, f"{passage.kind}/{passage.size}"):
                copied[name] = copied.get(name, 0) + int(own_N.sum())
                hit[name] = hit.get(name, 0) + int((own_N & found_N).sum())
        wrong_N = found_N & (output.passage_N < 0)
        right += int((found_N & ~wrong_N).sum())
        false += int(wrong_N.sum())
        chance += _alone(found_N, wrong_N)
    return Score(
        {name: hit[name] / number for name, number in copied.items() if number},
        false / len(outputs),
        chance / len(outputs),
        right / max(1, right + false),
    )


def _alone(found_N: NDArray[np.bool_], wrong_N: NDArray[np.bool_]) -> int:
    """Return the words in stretches of found words that were all wrong."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found_N, [False]])))
    return sum(
        last - first for first, last in edges.reshape(-1, 2).tolist() if wrong_N[first:last].all()
    )
