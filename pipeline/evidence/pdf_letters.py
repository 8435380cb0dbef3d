"""Letters: what the fonts of a PDF can draw, and how it says that there was something else.

The fonts are those inside Typst, so that a PDF is the same on every machine. They hold the letters
of Latin, Greek, Cyrillic, Hebrew and Arabic. PDF/A forbids a sign in place of a letter that a font
lacks: such letters, and signs that would be obeyed instead of shown, are written as [U+4E00];
item.json and the untouched files hold them exactly.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from typing import Any

MOST_SAID = 40
"""Letters of one text that are written as numbers; the others are counted."""

LONGEST = 24
"""Letters after which a line may be broken where a text has no blank."""

_NEVER = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_TOLD = re.compile(r'`"((?:[^"\\]|\\.)*)"`')
_LONG = re.compile(rf"[^ ]{{{LONGEST + 1},}}")
_DIGEST = re.compile("[0-9a-f]{32,64}")
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")


class Letters:
    """Knows which letters can be drawn, and counts those that cannot."""

    def __init__(self, lacking: Collection[str] = ()) -> None:
        """Make one.

        Args:
            lacking: letters that no font has.
        """
        self.lacking = frozenset(lacking)
        self.lost = 0

    def shown(self, text: str) -> list[Any]:
        r"""Return a text as running text: drawable, and broken where it is long.

        >>> Letters().shown("a\u202eb")
        ['a[U+202E]b']
        """
        if text.isascii() and text.isprintable():
            return list(_broken(text))
        out: list[str] = []
        said = 0
        for part, fine in _runs(text, self._fine):
            if fine:
                out.append(part)
                continue
            self.lost += len(part)
            some = part[: max(0, MOST_SAID - said)]
            said += len(some)
            names = " ".join(f"U+{ord(letter):04X}" for letter in some)
            if len(some) < len(part):
                names = f"{names} and {len(part) - len(some)} more".strip()
            out.append(f"[{names}]")
        found = list(_broken("".join(out)))
        turned = any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
        return [_ISOLATE[0], *found, _ISOLATE[1]] if turned else found

    def _fine(self, letter: str) -> bool:
        if letter in self.lacking:
            return False
        return (letter.isascii() and letter.isprintable()) or _drawable(letter)


def _drawable(letter: str) -> bool:
    return unicodedata.category(letter) not in _NEVER


def _runs(text: str, fine: Callable[[str], bool]) -> Iterator[tuple[str, bool]]:
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or fine(text[at]) != fine(text[start]):
            yield text[start:at], fine(text[start])
            start = at


def _broken(text: str) -> Iterator[Any]:
    """Yield a text in pieces, between which a line may end; digests stay whole."""
    done = 0
    for word in _LONG.finditer(text):
        if _DIGEST.fullmatch(word[0]):
            continue
        last = word.start()
        for at in range(word.start() + 1, word.end()):
            if at - last >= LONGEST and not unicodedata.combining(text[at]):
                yield from (text[done:at], {"k": "cut"})
                done = last = at
    yield text[done:]


def clusters(texts: Collection[str]) -> set[str]:
    """Return the letters beyond ASCII of some texts, each with the marks on it."""
    out: set[str] = set()
    for text in texts:
        if text.isascii():
            continue
        held = ""
        for letter in text:
            if unicodedata.category(letter)[0] == "M":
                held += letter
                continue
            out.add(held)
            held = letter
        out.add(held)
    return {each for each in out if not each.isascii()}


def lacking(told: str) -> set[str]:
    r"""Return the letters beyond ASCII that a message of Typst complains of.

    >>> ascii(lacking('the text `"a\\u{94d}"` could not be displayed with font `"X"`'))
    "{'\\u094d'}"
    """
    found = (_ESCAPED.sub(lambda hit: chr(int(hit[1], 16)), text) for text in _TOLD.findall(told))
    return {letter for text in found for letter in text if not letter.isascii()}


def words_of(value: Any) -> Iterator[str]:
    """Yield every text of blocks: strings in lists, and what stands for pictures."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, str):
                yield each
            else:
                yield from words_of(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name == "alt":
                yield each
            else:
                yield from words_of(each)


def lettered(value: Any, letters: Letters) -> Any:
    """Return blocks with texts that can be drawn."""
    if isinstance(value, list):
        out: list[Any] = []
        for each in value:
            out += letters.shown(each) if isinstance(each, str) else [lettered(each, letters)]
        return out
    if isinstance(value, dict):
        return {
            name: _plain(each, letters) if name == "alt" else lettered(each, letters)
            for name, each in value.items()
        }
    return value


def _plain(text: str, letters: Letters) -> str:
    return "".join(each for each in letters.shown(text) if isinstance(each, str))
