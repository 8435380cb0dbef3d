"""Names: which person a written name means, and which names are merely like it.

A look-up answers only where the normal forms are equal: the same letters apart from case, accents,
spaces, punctuation, the order `Last, First` and the way initials are written. Whatever is only
similar is a suggestion and never an answer. Two people with one normal form are both returned, and
the answer says so.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

_LETTERS = str.maketrans(
    {
        "\N{LATIN SMALL LETTER L WITH STROKE}": "l",
        "\N{LATIN SMALL LETTER O WITH STROKE}": "o",
        "\N{LATIN SMALL LETTER D WITH STROKE}": "d",
        "\N{LATIN SMALL LETTER ETH}": "d",
        "\N{LATIN SMALL LETTER THORN}": "th",
        "\N{LATIN SMALL LETTER AE}": "ae",
        "\N{LATIN SMALL LIGATURE OE}": "oe",
        "\N{LATIN SMALL LETTER H WITH STROKE}": "h",
        "\N{LATIN SMALL LETTER T WITH STROKE}": "t",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "\N{LATIN SMALL LETTER ENG}": "ng",
        "\N{LATIN SMALL LETTER KRA}": "k",
    }
)
"""Letters that Unicode does not take apart; applied to casefolded text, where sharp s is `ss`."""

_MARKS = re.compile("[\N{COMBINING GRAVE ACCENT}-\N{COMBINING LATIN SMALL LETTER X}]")
"""Accents of Latin, Greek and Cyrillic; in other scripts a mark can be another letter."""

_APOSTROPHES = re.compile(
    "['`\N{ACUTE ACCENT}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
    "\N{MODIFIER LETTER APOSTROPHE}\N{MODIFIER LETTER TURNED COMMA}]"
)
"""Dropped, not spaced: O'Keeffe is also written OKeeffe."""

_COMMA = re.compile("\\s*[,\N{FULLWIDTH COMMA}\N{ARABIC COMMA}]\\s*")

_ENDINGS = frozenset(
    {"jr", "sr", "ii", "iii", "iv", "inc", "ltd", "llc", "co", "corp", "company", "gmbh"}
    | {"the elder", "the younger", "elder", "younger", "der altere", "der jungere"}
    | {"il vecchio", "il giovane", "le vieux", "le jeune", "de oude", "de jonge"}
)
"""After a comma these close a name; anything else opens it: `Last, First`."""

_SIGNS = re.compile(r"[\W_]+")

_MIN_LIKENESS = 0.5
"""Share of trigrams in common from which a name is suggested."""


class Person(NamedTuple):
    """Somebody with a name; the id tells people of one name apart."""

    person_id: str
    name: str


class Suggestion(NamedTuple):
    """A name that is like the one asked for; likeness is in (0, 1]."""

    person: Person
    likeness: float


class Answer(NamedTuple):
    """Whom a name means."""

    people: tuple[Person, ...]
    """Everybody who bears this name up to its normal form; empty if nobody does."""

    shared: bool
    """True if several people bear it: the name alone does not say who is meant."""

    suggestions: tuple[Suggestion, ...]
    """Others whose names are like it, likest first; for a person to choose from."""


def normal_form(name: str) -> str:
    r"""Return the letters and digits of a name, in the order first name, last name.

    >>> normal_form("  \N{LATIN CAPITAL LETTER O WITH STROKE}degaard,  J. M. W., Sir")
    'sir jmw odegaard'
    >>> normal_form("J.M.W. ODEGAARD, Jr.") == normal_form("JMW Odegaard Jr")
    True
    """
    parts = [part for part in map(_words, _COMMA.split(name.strip())) if part]
    ends = [part for part in parts[1:] if " ".join(part) in _ENDINGS]
    opens = [part for part in parts[1:] if " ".join(part) not in _ENDINGS]
    ordered = [*reversed(opens), *parts[:1], *ends]
    return " ".join(_with_initials_joined([word for part in ordered for word in part]))


class Names:
    """Names and aliases of people, looked up exactly and, apart from that, by likeness."""

    def __init__(self, people: Iterable[Person]) -> None:
        """Read all names.

        Args:
            people: one entry per name; a person with aliases has several with one id. Where
                sources give no id, the name as written is the id, so that two ways of writing
                one name count as two people, and are both returned.
        """
        self._by_form: defaultdict[str, dict[str, Person]] = defaultdict(dict)
        for person in people:
            self._by_form[normal_form(person.name)].setdefault(person.person_id, person)
        self._by_form.pop("", None)
        self._forms = sorted(self._by_form)
        self._sizes = [len(_trigrams(form)) for form in self._forms]
        self._with_trigram: defaultdict[str, list[int]] = defaultdict(list)
        for place, form in enumerate(self._forms):
            for trigram in _trigrams(form):
                self._with_trigram[trigram].append(place)

    def find(self, name: str, *, most: int = 5) -> Answer:
        """Return the people who bear a name, and apart from them those of similar names.

        Args:
            name: as a person types it.
            most: suggestions at most.
        """
        form = normal_form(name)
        found = self._by_form.get(form, {})
        people = tuple(found[person_id] for person_id in sorted(found))
        return Answer(people, len(people) > 1, self._suggest(form, set(found), most))

    def _suggest(self, form: str, answered: set[str], most: int) -> tuple[Suggestion, ...]:
        best: dict[str, Suggestion] = {}
        for likeness, other in self._similar(form):
            for person in self._by_form[other].values():
                if person.person_id not in answered and person.person_id not in best:
                    best[person.person_id] = Suggestion(person, likeness)
            if len(best) >= most:
                break
        return tuple(best.values())[:most]

    def _similar(self, form: str) -> list[tuple[float, str]]:
        trigrams = _trigrams(form)
        common: defaultdict[int, int] = defaultdict(int)
        for trigram in trigrams:
            for place in self._with_trigram.get(trigram, ()):
                common[place] += 1
        liked = [
            (2 * count / (len(trigrams) + self._sizes[place]), self._forms[place])
            for place, count in common.items()
            if self._forms[place] != form
        ]
        return sorted(
            ((likeness, other) for likeness, other in liked if likeness >= _MIN_LIKENESS),
            key=lambda pair: (-pair[0], pair[1]),
        )


def _words(text: str) -> list[str]:
    folded = text.casefold()
    if not folded.isascii():
        bare = _MARKS.sub("", unicodedata.normalize("NFKD", folded)).translate(_LETTERS)
        folded = unicodedata.normalize("NFC", bare).casefold()
    plain = _APOSTROPHES.sub("", folded)
    # a name of signs alone keeps them: it must not become nobody
    return _spaced(plain).split() or text.casefold().split()


def _spaced(text: str) -> str:
    if text.isascii():
        return _SIGNS.sub(" ", text)
    # combining vowels of other scripts are part of a word, which a regular expression denies
    return "".join(sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in text)


def _with_initials_joined(words: list[str]) -> list[str]:
    joined: list[str] = []
    open_run = False
    for word in words:
        single = len(word) == 1 and word.isalpha() and word.isascii()
        if single and open_run:
            joined[-1] += word
        else:
            joined.append(word)
        open_run = single
    return joined


def _trigrams(form: str) -> frozenset[str]:
    padded = (f"  {word} " for word in form.split())
    return frozenset(word[i : i + 3] for word in padded for i in range(len(word) - 2))
