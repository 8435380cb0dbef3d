"""Manners: how each invented author writes, and the pen that writes so.

A manner is a text file. `name = a | b` or a name with indented lines below it says what `{name}`
may stand for. Three names are looked for: in prose `open`, `body` and `close`; in verse `line`,
or `long` and `short`, and `rhyme`. In a template `{name^}` begins with a capital, `{@name}` is
chosen once per work, and `{#2-9}` is a number in words. Every word was written for this demo.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GRAM = 12
"""No two works of an author share so many words, except where that is planted."""
SHORT_GRAM = 8
"""Nor so many, but in a few sentences: control works have to show how often chance does that."""
CHANCE = 0.02
"""Share of the sentences that may share `SHORT_GRAM` words with another work."""
TRIES = 300
"""Attempts at a sentence; the second half of them is held to `GRAM` alone."""
WORDS = (170, 330)
"""Least and most words at which a piece of prose comes to its end."""
STANZAS = (10, 14)
"""Quatrains of a ballad."""
_SONNET = "ababcdcdefefgg"
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES = ("nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen")
_NUMBERS = (*_ONES, *_TEENS, "seventeen", "eighteen", "nineteen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one author writes."""

    slug: str
    """Name of the file."""
    author: str
    """Name as printed."""
    form: str
    """`prose`, `sonnet` or `ballad`."""
    years: tuple[int, int]
    """First and last year of the works."""
    symbols: dict[str, list[str]]
    """What each name may stand for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A finished piece."""

    title: str
    """As printed."""
    year: int
    """Of the work."""
    parts: tuple[tuple[str, ...], ...]
    """Paragraphs of sentences, or stanzas of lines."""
    joint: str
    """What stands between two sentences or lines."""

    @property
    def text(self) -> str:
        """The whole piece."""
        return "\n\n".join(self.joint.join(part) for part in self.parts)


def read(path: Path) -> Manner:
    """Read a manner from its file."""
    symbols: dict[str, list[str]] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            symbols[name].append(line.strip())
        elif line and not line.startswith("#"):
            name, _, values = (piece.strip() for piece in line.partition("="))
            symbols[name] = [value.strip() for value in values.split(" | ")] if values else []
    first, last = symbols.pop("years")[0].split("-")
    return Manner(
        slug=path.stem.replace("_", "-"),
        author=symbols.pop("author")[0],
        form=symbols.pop("form", ["prose"])[0],
        years=(int(first), int(last)),
        symbols=symbols,
    )


def manners() -> list[Manner]:
    """Read all manners, in order of file name."""
    return [read(path) for path in sorted(HERE.glob("*.txt"))]


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation.

    >>> words_of("The goose-girl's hat; 3 hats.")
    ['the', 'goosegirls', 'hat', '3', 'hats']
    """
    return re.findall(r"\w+", re.sub(r"(?<=\w)['\u2019-](?=\w)", "", text.lower()))


def grams(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield every run of `size` words."""
    return (tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def spelled(number: int) -> str:
    """Return a number below 100 in words.

    >>> [spelled(number) for number in (7, 40, 61)]
    ['seven', 'forty', 'sixty-one']
    """
    if number < len(_NUMBERS):
        return _NUMBERS[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def polished(text: str) -> str:
    """Return a sentence with `an` where it belongs and a capital at its beginning.

    >>> polished('a owl had a honest eye')
    'An owl had an honest eye'
    """
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIOU]|hour|honest|heir)", r"\1n ", text)
    return text[:1].upper() + text[1:]


class Pen:
    """One author at work; remembers what was written, so as not to write it again."""

    def __init__(self, manner: Manner, rng: np.random.Generator) -> None:
        self.manner = manner
        self._rng = rng
        self._seen: set[tuple[str, ...]] = set()
        self._titles: set[str] = set()
        self._kept: dict[str, str] = {}
        self._decks: dict[str, list[str]] = {}

    def write(self) -> Draft:
        """Write a new work."""
        year = int(self._rng.integers(self.manner.years[0], self.manner.years[1] + 1))
        self._kept = {"year": str(year)}
        self._decks = {}
        title = self._title()
        verse = self.manner.form != "prose"
        parts = self._verse() if verse else self._prose()
        draft = Draft(title=title, year=year, parts=parts, joint="\n" if verse else " ")
        for size in (SHORT_GRAM, GRAM):
            self._seen.update(grams(words_of(draft.text), size))
        return draft

    def revise(self, draft: Draft) -> Draft:
        """Return a second edition of a work: two sentences or lines of it are written anew."""
        places = [
            (part, place) for part, own in enumerate(draft.parts) for place in range(len(own))
        ]
        parts = [list(part) for part in draft.parts]
        for chosen in self._rng.choice(np.arange(1, len(places) - 1), size=2, replace=False):
            part, place = places[int(chosen)]
            parts[part][place] = self._anew(parts[part][place], line=place)
        return replace(draft, parts=tuple(tuple(part) for part in parts))

    def _anew(self, old: str, line: int) -> str:
        """Write a sentence; or a line with the old one's rhyme and stop."""
        if self.manner.form == "prose":
            return self._fresh("body", [])
        if self.manner.form == "ballad" and line % 2 == 0:
            return self._fresh("long", []) + old[-1]
        name = "line" if self.manner.form == "sonnet" else "short"
        return self._fresh(name, [], old[:-1].rpartition(" ")[2]) + old[-1]

    def _title(self) -> str:
        while True:
            title = polished(self._filled(self._drawn("title"), set()))
            title = title.replace(" The ", " the ") if title in self._titles else title
            if title not in self._titles:
                self._titles.add(title)
                return title

    def _prose(self) -> tuple[tuple[str, ...], ...]:
        target = int(self._rng.integers(WORDS[0], WORDS[1] + 1))
        paragraphs: list[list[str]] = [[self._fresh("open", [])]]
        room = int(self._rng.integers(2, 5))
        written = words_of(paragraphs[0][0])
        while len(written) < target:
            sentence = self._fresh("body", written)
            written += words_of(sentence)
            if len(paragraphs[-1]) > room:
                paragraphs.append([])
                room = int(self._rng.integers(2, 5))
            paragraphs[-1].append(sentence)
        paragraphs[-1].append(self._fresh("close", written))
        return tuple(tuple(paragraph) for paragraph in paragraphs)

    def _verse(self) -> tuple[tuple[str, ...], ...]:
        if self.manner.form == "sonnet":
            schemes = [_SONNET, _SONNET]
        else:
            schemes = ["xaxa"] * int(self._rng.integers(STANZAS[0], STANZAS[1] + 1))
        written: list[str] = []
        stanzas: list[tuple[str, ...]] = []
        for scheme in schemes:
            lines: list[str] = []
            for rhyme in self._rhymes(scheme):
                name = "line" if self.manner.form == "sonnet" else "short" if rhyme else "long"
                lines.append(self._fresh(name, written, rhyme))
                written += words_of(lines[-1])
            stops = [";" if number % 2 else "," for number in range(len(lines))]
            stops[-1] = "."
            stanzas.append(tuple(line + stop for line, stop in zip(lines, stops, strict=True)))
        return tuple(stanzas)

    def _rhymes(self, scheme: str) -> list[str]:
        """Return the last words of the lines; a line without a rhyme has an empty one."""
        families = self.manner.symbols["rhyme"]
        letters = sorted(set(scheme) - {"x"})
        places = self._rng.choice(len(families), size=len(letters), replace=False)
        decks = {
            letter: self._rng.permutation(families[int(place)].split(" | ")).tolist()
            for letter, place in zip(letters, places, strict=True)
        }
        return ["" if letter == "x" else str(decks[letter].pop()) for letter in scheme]

    def _fresh(self, name: str, written: Sequence[str], rhyme: str = "") -> str:
        """Write a sentence until it is new where it stands."""
        lax = self._rng.random() < CHANCE
        for attempt in range(TRIES):
            size = GRAM if lax or attempt > TRIES // 2 else SHORT_GRAM
            template = self._dealt(name).replace("{r}", rhyme)
            sentence = polished(self._filled(template, set()))
            around = [*written[max(0, len(written) - size + 1) :], *words_of(sentence)]
            if self._seen.isdisjoint(grams(around, size)):
                return sentence
        raise RuntimeError(f"{self.manner.author} has nothing new to say: give {name} more words")

    def _dealt(self, name: str) -> str:
        """Return templates in a random order, each once before any comes again."""
        if not self._decks.get(name):
            self._decks[name] = self._rng.permutation(self.manner.symbols[name]).tolist()
        return self._decks[name].pop()

    def _drawn(self, name: str) -> str:
        values = self.manner.symbols[name]
        return values[int(self._rng.integers(len(values)))]

    def _filled(self, template: str, used: set[str]) -> str:
        """Return a template with everything in braces chosen; within it no choice comes twice."""
        return re.sub(r"\{([^{}]+)\}", lambda found: self._chosen(found[1], used), template)

    def _chosen(self, asked: str, used: set[str]) -> str:
        name = asked.strip("@^")
        if asked.startswith("#"):
            low, high = asked[1:].split("-")
            return spelled(int(self._rng.integers(int(low), int(high) + 1)))
        if asked.startswith("@") and name in self._kept:
            value = self._kept[name]
        else:
            value = self._unused(name, used)
            if asked.startswith("@"):
                self._kept[name] = value
        return value[:1].upper() + value[1:] if asked.endswith("^") else value

    def _unused(self, name: str, used: set[str]) -> str:
        for _ in range(8):
            drawn = self._drawn(name)
            if drawn not in used:
                break
        used.add(drawn)
        return self._filled(drawn, used)
