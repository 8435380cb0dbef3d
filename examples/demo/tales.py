"""Tales: the demo's corpus of texts, by ten invented authors, whose copies are known in advance.

    python examples/demo/tales.py OUT           # train.jsonl, control.jsonl, key.json
    python examples/demo/tales.py OUT --show 3  # and print some

The corpus is written in units. A unit is one work; or a work and its second edition; or a work and
one by another author that quotes it. Units come in pairs of the same authors and kind, and a coin
sends one of each pair to the training half and the other to the control half: whatever is true of
the training works is true of the control works, except that a model has seen them. Some pairs bear
the printer's notice, the same words each time. The key says which is which; the pipeline never
reads it. Same seed, same bytes.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Literal

import numpy as np
from manners import Draft, Pen, manners

Half = Literal["train", "control"]
Kind = Literal["single", "near_duplicate", "quoting"]

SEED = 11
"""The demo's own corpus."""
SINGLE_PAIRS = 20
"""Pairs of single works per author."""
NEAR_DUPLICATE_PAIRS = 1
"""Pairs of (work, second edition) units per author."""
QUOTING_PAIRS = 6
"""Pairs of (work, work that quotes it) units in all."""
REPEATED = {64: 6, 16: 10, 4: 10}
"""How many single training works occur how many times; all others occur once."""
QUOTED_WORDS = (28, 45)
"""Least and most words of a quotation."""
NOTICE_RATE = 0.3
"""Share of the pairs of single works that bear the printer's notice."""
NOTICE = (
    "Printed for the Company of the Half Moon, at the sign of the Patient Snail, where all manner"
    " of tales, verses and useful books are sold at fair prices. Whoever finds an error in these"
    " pages is begged to forgive the printer, who works by a single candle and has one good eye."
)
"""Boilerplate: the same in every work that bears it."""
LICENCE = "CC0-1.0"
"""Of every work: they were written for this demo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One distinct text with all that is true of it."""

    work: str
    """Id: the author's slug and a number."""
    title: str
    """Unique among the works of an author, but for second editions."""
    author: str
    """Name as printed."""
    date: str
    """Year, by lot among the author's."""
    half: Half
    """Whether models are trained on it."""
    times: int
    """Rows it has in its half's file, at least 1."""
    kind: Kind
    """Of the unit that it belongs to."""
    unit: str
    """Id of that unit: the coin fell for all of its works together."""
    pair: str
    """Id of the pair of units, one in each half."""
    near_duplicate_of: str | None
    """Id of the first edition, for a second one."""
    quotes: str | None
    """Id of the work that is quoted, for a work that quotes."""
    quotation: str | None
    """The quoted words."""
    notice: bool
    """Whether it bears the printer's notice."""
    text: str
    """The work."""

    def url(self, occurrence: int) -> str:
        """Return the address of one occurrence, counted from 1."""
        slug = self.work.rpartition("-")[0]
        return f"https://example.org/{slug}/{self.work}/{occurrence}.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One text of a unit, before it has its id and its half."""

    draft: Draft
    """Title, year and text as written."""
    author: str
    """Name as printed."""
    slug: str
    """Of the author."""
    quotation: str | None = None
    """What it quotes of the unit's first text."""


Unit = tuple[Kind, tuple[Page, ...]]


def works(seed: int = SEED) -> list[Work]:
    """Write every work of the corpus.

    Args:
        seed: Of all random numbers.

    Returns:
        Distinct works, author by author and then those that quote, both halves mixed.
    """
    rng = np.random.default_rng(seed)
    pens = [Pen(manner, np.random.default_rng([seed, i])) for i, manner in enumerate(manners())]
    pairs = [pair for pen in pens for pair in _pairs(pen)]
    for number in range(QUOTING_PAIRS):
        quoted, quoting = pens[number % len(pens)], pens[(number + 3) % len(pens)]
        pairs.append((_quoting(quoted, quoting, rng), _quoting(quoted, quoting, rng)))
    return _repeated(list(_signed(pairs, rng)), rng)


def _pairs(pen: Pen) -> Iterator[tuple[Unit, Unit]]:
    """Write the pairs of units of one author."""
    for _ in range(SINGLE_PAIRS):
        yield ("single", (_page(pen),)), ("single", (_page(pen),))
    for _ in range(NEAR_DUPLICATE_PAIRS):
        yield _editions(pen), _editions(pen)


def _page(pen: Pen) -> Page:
    return Page(draft=pen.write(), author=pen.manner.author, slug=pen.manner.slug)


def _editions(pen: Pen) -> Unit:
    first = _page(pen)
    return "near_duplicate", (first, replace(first, draft=pen.revise(first.draft)))


def _quoting(quoted: Pen, quoting: Pen, rng: np.random.Generator) -> Unit:
    """Write a work and, by another hand, one that quotes some words of it."""
    first, second = _page(quoted), _page(quoting)
    words = first.draft.text.split()
    size = int(rng.integers(QUOTED_WORDS[0], QUOTED_WORDS[1] + 1))
    start = int(rng.integers(5, len(words) - size - 5))
    quotation = " ".join(words[start : start + size])
    sentence = f"{first.author} has it so: \u201c{quotation}\u201d"
    parts = list(second.draft.parts)
    parts.insert(len(parts) // 2, (sentence,))
    draft = replace(second.draft, parts=tuple(parts))
    return "quoting", (first, replace(second, draft=draft, quotation=quotation))


def _signed(pairs: Iterable[tuple[Unit, Unit]], rng: np.random.Generator) -> Iterator[Work]:
    """Toss the coins: which unit of a pair is trained on, and which pair bears the notice."""
    counts: dict[str, int] = {}
    for number, pair in enumerate(pairs, start=1):
        halves: tuple[Half, Half] = (
            ("train", "control") if rng.random() < 0.5 else ("control", "train")
        )
        notice = bool(rng.random() < NOTICE_RATE) and pair[0][0] == "single"
        for side, ((kind, pages), half) in enumerate(zip(pair, halves, strict=True)):
            first: str | None = None
            for page in pages:
                counts[page.slug] = counts.get(page.slug, 0) + 1
                text = page.draft.text + (f"\n\n{NOTICE}" if notice else "")
                made = Work(
                    work=f"{page.slug}-{counts[page.slug]:03d}",
                    title=page.draft.title,
                    author=page.author,
                    date=str(page.draft.year),
                    half=half,
                    times=1,
                    kind=kind,
                    unit=f"pair-{number:03d}-{'ab'[side]}",
                    pair=f"pair-{number:03d}",
                    near_duplicate_of=first if kind == "near_duplicate" else None,
                    quotes=first if kind == "quoting" else None,
                    quotation=page.quotation,
                    notice=notice,
                    text=text + "\n",
                )
                yield made
                first = made.work


def _repeated(written: Sequence[Work], rng: np.random.Generator) -> list[Work]:
    """Decide which training works occur more than once, dealing them round the authors."""
    singles: dict[str, list[str]] = {}
    for work in written:
        if work.half == "train" and work.kind == "single":
            singles.setdefault(work.author, []).append(work.work)
    decks = [iter(rng.permutation(deck).tolist()) for deck in singles.values()]
    dealer = cycle([decks[i] for i in rng.permutation(len(decks))])
    times = {
        next(next(dealer)): repeats for repeats, number in REPEATED.items() for _ in range(number)
    }
    return [replace(work, times=times.get(work.work, 1)) for work in written]


def write(out: Path, seed: int = SEED) -> list[Work]:
    """Write the corpus and its key.

    Args:
        out: Folder, made where missing; receives train.jsonl, control.jsonl and key.json.
        seed: Of all random numbers.

    Returns:
        The distinct works, as `works` gives them.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = works(seed)
    for half in ("train", "control"):
        rows = [
            _row(work, occurrence)
            for work in written
            if work.half == half
            for occurrence in range(1, work.times + 1)
        ]
        order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
        lines = "".join(json.dumps(rows[i], ensure_ascii=False) + "\n" for i in order)
        (out / f"{half}.jsonl").write_text(lines, encoding="utf-8")
    key = {"seed": seed, "notice": NOTICE, "works": [_truth(work) for work in written]}
    (out / "key.json").write_text(
        json.dumps(key, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return written


def _row(work: Work, occurrence: int) -> dict[str, str]:
    """Return one line of a half's file."""
    return {
        "text": work.text,
        "title": work.title,
        "author": work.author,
        "date": work.date,
        "licence": LICENCE,
        "url": work.url(occurrence),
    }


def _truth(work: Work) -> dict[str, object]:
    """Return a work as the key records it: everything but the text."""
    fields = asdict(work)
    text = fields.pop("text")
    return {
        **fields,
        "licence": LICENCE,
        "words": len(text.split()),
        "sha256": sha256(text.encode()).hexdigest(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the corpus from the command line."""
    parser = argparse.ArgumentParser(description="Write the demo's corpus of texts.")
    parser.add_argument("out", type=Path, help="folder for train.jsonl, control.jsonl, key.json")
    parser.add_argument("--seed", type=int, default=SEED, help="default %(default)s")
    parser.add_argument("--show", type=int, default=0, help="print so many works of each author")
    options = parser.parse_args(arguments)
    written = write(options.out, options.seed)
    shown: dict[str, int] = {}
    for work in written:
        shown[work.author] = shown.get(work.author, 0) + 1
        if shown[work.author] <= options.show:
            print(f"{work.title.upper()}\n{work.author}, {work.date}\n\n{work.text}\n")
    rows = sum(work.times for work in written if work.half == "train")
    print(f"{len(written)} works, {rows} training rows: {options.out}")


if __name__ == "__main__":
    main()
