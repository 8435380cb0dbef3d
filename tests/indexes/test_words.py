import functools
import sys
import tracemalloc
import unicodedata
from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes import characters, words
from indexes.words import Words, normal, split

Found = list[tuple[int, int, str]]

APOSTROPHE = regex.compile("['\u2018\u2019\u201b\u02bb\u02bc\u055a\u00b4\u1ffd\uff07]")
HYPHEN = regex.compile("[-\u2010\u2011\u058a\u05be\u1806\u2e17\u00ac\ufe63\uff0d]")
SPACES = "\t \u00a0\u2000\u2003\u2009\u202f\u205f\u3000"
LINE_ENDS = "\n\v\f\u0085\u2028"
UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u3006\u3031-\u3035\u303c]"
)

CONSONANT = r"[[\p{Khmer}\p{Myanmar}]&&\p{InCB=Consonant}]"
CONJUNCT = regex.compile(
    rf"(?V1){CONSONANT}\p{{Mn}}*[\u1039\u17d2]\p{{Mn}}*{CONSONANT}$"
)  # rule GB9c

# each of these has been a way to be wrong; the rest of Unicode comes with `st.characters`
TRAPS = [
    *"ab1A\u00df\u00e9\u00c5\u1e9e\u0130\u0131\u03c2\u03c3\u01c4\u0149\ufb03\u2167\u2460\u00b2",
    *"\u0301\u0323\u0308\u0345\u0344\u3099\u20dd\u05b0\u0651\u064e\u1fb4\u1e69\u0390",
    *"-\u2010\u2011\u2013\u2014\u00ac\ufe63'\u2019\u02bc\u00b4\u1ffd\uff07`._*\u05be",
    *" \t\n\r\v\u00a0\u3000\u2028\u0085\0",
    *"\u00ad\u200b\u200d\u200e\u202e\u2066\ufeff\ufe0f\u034f\u115f\u3164\U000e0041",
    *"\u4e00\u3005\u3007\uf900\U00020000\U0002f800\u3042\u304c\u30ab\uff76\uff9e\u30fc\uff70\u3300",
    *"\u0e01\u0e33\u0e49\u0e32\u0e51\u0e2f\u0e81\u0eb3\u0edc\u1780\u17d2\u17b6\u17e1\u17d4",
    *"\u1000\u1039\u103a\u1031\u102c\u1037\u1041\u104a\u1026",
    *"\u0905\u093e\u05d0\u0627\u0640\ufefb\ufdfa\uac00\u1100\u1161\u11a8\u00bd\u33c2\u2474\u2122",
    *"\U0001f600\U0001f3fb\U0001d400\U00010400\U0001f1e6\ud800\udc00\ufffd\uffff",
    "\r\n",
    "exam-\nple",
    "-  \r\n ",
    "\u00ad\n",
]
pieces = st.one_of(st.sampled_from(TRAPS), st.characters(exclude_categories=["Cn", "Co"]))
hostile = st.lists(pieces, max_size=60).map("".join)


def ignored(character: str) -> bool:
    return bool(regex.match(r"\p{Default_Ignorable_Code_Point}", character))


@functools.cache
def role(character: str) -> str:
    """Return letter, single, mark or other, from what Unicode says of one code point."""
    parts = unicodedata.normalize("NFKD", character)
    if character in "\u0e33\u0eb3\u30fc\uff70":
        return "mark"
    if all(unicodedata.category(c)[0] == "M" for c in parts):
        alone = regex.match(r"\p{Myanmar}\p{Mc}", character + "\u103b")
        apart = alone and len(regex.findall(r"\X", "\u1000" + character)) > 1
        return "single" if apart else "mark"
    parts = APOSTROPHE.sub("", parts)
    if not any(belongs(c) and unicodedata.category(c)[0] != "M" for c in parts):
        return "other"
    apart = UNSPACED.search(character + parts) or not all(map(belongs, parts))
    return "single" if apart else "letter"


def belongs(character: str) -> bool:
    return bool(regex.match(r"\p{Han}", character)) or (
        unicodedata.category(character)[0] in "LNM" and character not in "\u02bb\u02bc"
    )


def joins(gap: str) -> bool:
    """Return whether what stands between two letters joins them."""
    if len(gap) == 1:
        return bool(HYPHEN.match(gap) or APOSTROPHE.match(gap))
    white = gap[1:]
    blank = all(c in SPACES or c in LINE_ENDS or c == "\r" for c in white)
    breaks = sum(c in LINE_ENDS for c in white)
    one = max(breaks, white.count("\r")) == 1
    return bool(HYPHEN.match(gap)) and blank and one and len(white) <= 64


def plain_normal(raw: str) -> str:
    """Return the normal form of a word, from its whole text at once."""
    inside = "".join(c for c in raw if not ignored(c) and role(c) != "other")
    text = unicodedata.normalize("NFKD", inside).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", text) if belongs(c) and not ignored(c))


def readable(text: str) -> list[tuple[int, str]]:
    """Return what is not ignored, with its place; a soft hyphen at a line end is a hyphen."""
    points = [(i, c) for i, c in enumerate(text) if c == "\u00ad" or not ignored(c)]
    after = [c for _, c in [*points, (0, "")]][1:]
    seen = []
    for (i, c), following in zip(points, after, strict=True):
        white = following and following in SPACES + LINE_ENDS + "\r"
        if c != "\u00ad":
            seen.append((i, c))
        elif white:
            seen.append((i, "-"))
    return seen


def plain_words(text: str, longest: int = 2**16) -> Found:
    """Find words one code point after the other."""
    seen = readable(text)
    before = ""
    spans: list[list[int]] = []
    inside, gap = "", ""
    for i, c in seen:
        if inside and i - spans[-1][0] >= longest:
            inside = ""
        what = role(c)
        if what == "mark" and inside and not gap:
            spans[-1][1] = i + 1
        elif what == "letter" and inside == "letter" and (not gap or joins(gap)):
            spans[-1][1], gap = i + 1, ""
        elif what == "single" and inside == "single" and not gap and CONJUNCT.search(before + c):
            spans[-1][1] = i + 1
        elif what in ("letter", "single"):
            spans.append([i, i + 1])
            inside, gap = what, ""
        else:
            gap += c
        before += c
    return [(start, end, plain_normal(text[start:end])) for start, end in spans]


def plain_hash(form: str) -> int:
    """Return the hash of a normal form as its definition says, in whole numbers."""

    def mix(z: int) -> int:
        z = (z + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    numbers = [ord(c) if c.isascii() else mix(ord(c)) for c in form]
    return mix(sum(number * 251**i for i, number in enumerate(numbers)) % 2**64)


def of_text(found: Words, text: int) -> list[tuple[int, int, int]]:
    own = slice(found.offsets_T[text], found.offsets_T[text + 1])
    columns = found.starts_N[own], found.ends_N[own], found.hashes_N[own]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def forms(text: str) -> list[str]:
    return [normal(text[start:end]) for start, end, _ in of_text(split([text]), 0)]


@settings(max_examples=400)
@given(st.lists(hostile, max_size=4))
def test_words_and_hashes_are_those_of_the_plain_reading(texts: list[str]) -> None:
    found = split(texts)
    assert len(found.offsets_T) == len(texts) + 1
    for n, text in enumerate(texts):
        expected = plain_words(text)
        assert of_text(found, n) == [
            (start, end, plain_hash(form)) for start, end, form in expected
        ]
        for start, end, form in expected:
            assert normal(text[start:end]) == form
            assert normal(form) == form


@settings(max_examples=300)
@given(st.lists(hostile, max_size=5), st.integers(4, 9))
def test_cuts_of_blocks_and_long_words_are_those_of_the_plain_reading(
    texts: list[str], longest: int
) -> None:
    with mock.patch.multiple(words, _BLOCK=2 * longest, _LONGEST=longest):
        found = split(texts)
    for n, text in enumerate(texts):
        expected = [(a, b, plain_hash(form)) for a, b, form in plain_words(text, longest)]
        assert of_text(found, n) == expected


@given(hostile)
def test_normal_forms_of_text_give_the_same_words(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert forms(unicodedata.normalize(form, text)) == forms(text)


SCRIPTS = [
    *"\u0e01\u0e2d\u0e40\u0e46\u0e50\u0e31\u0e34\u0e38\u0e48\u0e33\u0e32\u0e4f\u0e3f",
    *"\u0e81\u0eab\u0ebc\u0eb1\u0eb5\u0ec8\u0eb3\u0ec0\u0ed1",
    *"\u1780\u1798\u17a2\u17b3\u17d2\u17c6\u17b6\u17c1\u17cb\u17d7\u17dc\u17e0\u17d4",
    *"\u1000\u1019\u103f\u1025\u1075\uaa60\ua9e0\u1039\u103a\u103b\u103d\u1031\u102c\u102f\u1036",
    *"\u1037\u1038\u1062\u1087\u109a\uaa7b\u1040\u104a ",
    "a ",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(SCRIPTS), max_size=30).map("".join))
def test_scripts_without_spaces_are_read_by_grapheme_clusters(text: str) -> None:
    # the oracle forgets that a conjunct begins with a consonant
    text = regex.sub(rf"(?V1)(?<!{CONSONANT}\p{{Mn}}*)[\u1039\u17d2]", "", text)
    clusters = [c for c in regex.findall(r"\X", text) if role(c[0]) in ("letter", "single")]
    assert [text[start:end] for start, end, _ in of_text(split([text]), 0)] == clusters


def test_ignored_code_points_are_those_of_unicode() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    listed = {chr(point) for points in characters._IGNORED_RANGES for point in points}
    assert set(regex.findall(r"\p{Default_Ignorable_Code_Point}", everything)) == listed | {
        "\u00ad"
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't don\u2019t DONT don\uff07t", "dont dont dont dont"),
        ("well-known well\u2011known wellknown", "wellknown wellknown wellknown"),
        ("exam-\nple exam- \r\n\tple exam\u00ad\nple ex\u00adample", "example " * 4),
        ("exam\u00ac\nple", "example"),
        ("exam-\n\nple exam- ple exam -\nple exam--\nple", "exam ple " * 4),
        ("a--b c\u2014d e\u2013f g-'h", "a b c d e f g h"),
        ("U.S. snake_case *bold* 'tis dogs'", "u s snake case bold tis dogs"),
        ("\ufb01ne STRASSE stra\u00dfe \u1e9e \u2167", "fine strasse strasse ss viii"),
        ("a\u0323\u0301 a\u0301\u0323 \u1ea1\u0301 a\u0301\u200b\u0323", "a\u0323\u0301 " * 4),
        ("\u03b1\u0345\u0301 \u1fb4 \u0386\u0399", "\u03b1\u0301\u03b9 " * 3),
        (
            "\u1f48\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2",
            "\u03bf\u0313\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u0301\u03c3",
        ),
        (" \u0301a -\u0301b c-\u0301d", "a b c d"),
        ("\u65e5\u672c\u8a9e\u3002\u3005a\u3007", "\u65e5 \u672c \u8a9e \u3005 a \u3007"),
        ("\u4e00-\u4e00 a-\u4e00", "\u4e00 \u4e00 a \u4e00"),
        ("\u30ac\u30fc \uff76\uff9e\uff70 \u30ab\u3099\u30fc", "\u30ab\u3099\u30fc " * 3),
        ("\U00020000\U00031350\uf900", "\U00020000 \U00031350 \u8c48"),
        ("x\u00bd \u33c2", "x 12 am"),
        (
            "\u05e9\u05dc\u05d5\u05dd \u202b\u0633\u0644\u0627\u0645\u202c",
            "\u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645",
        ),
        ("\ufefb", "\u0644\u0627"),
        ("a\ud800b\udfffc", "a b c"),
        ("\U0001f600\U0001f3fbok\U0001f600", "ok"),
        ("", ""),
        ("-\n' \u0301\u200b", ""),
    ],
)
def test_words_by_hand(text: str, expected: str) -> None:
    assert forms(text) == expected.split()


def test_what_is_ignored_lies_inside_a_word_only_between_its_letters() -> None:
    found = split(["\ufeff\u200bex\u00adam-\nple\u200b \u200dx"])
    assert of_text(found, 0) == [
        (2, 12, plain_hash("example")),
        (15, 16, plain_hash("x")),
    ]


def test_no_texts_and_empty_texts() -> None:
    assert split([]).offsets_T.tolist() == [0]
    nothing = split(["", "", ""])
    assert nothing.offsets_T.tolist() == [0, 0, 0, 0]
    kinds = [np.uint64, np.int64, np.int64, np.int64]
    arrays = [nothing.hashes_N, nothing.starts_N, nothing.ends_N, nothing.offsets_T]
    assert [array.dtype for array in arrays] == kinds


def test_many_small_texts_are_each_read_alone() -> None:
    texts = [f"one two-\nthree {n} caf\u00e9-" for n in range(20_000)]
    found = split(texts)
    assert np.diff(found.offsets_T).tolist() == [4] * len(texts)
    for n in (0, 4_000, 7_281, 19_999):
        assert of_text(found, n) == of_text(split([texts[n]]), 0)


def test_many_marks_on_one_letter_are_put_in_order() -> None:
    marks = "\u0345\u0301\u0323" * 500
    form = "a" + "\u0323" * 500 + "\u0301" * 500 + "\u03b9" * 500
    assert forms("a" + marks) == [form]
    assert of_text(split(["a" + marks]), 0) == [(0, 1501, plain_hash(form))]


def test_a_hyphen_leads_over_so_much_white_space_and_no_more() -> None:
    assert forms("a-\n" + 63 * " " + "b") == ["ab"]
    assert forms("a-\n" + 64 * " " + "b") == ["a", "b"]


SIZE = 2**21
LONGEST = 2**16


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: "a" * SIZE, SIZE // LONGEST),
        (lambda: "a" + "\u0301" * SIZE, 1),
        (lambda: "\u0301" * SIZE, 0),
        (lambda: "a" + "\u200b" * SIZE + "b", 2),
        (lambda: "a-" + " " * SIZE + "\nb", 2),
        (lambda: "-'" * SIZE, 0),
        (lambda: "a" + "\u0301\u0323" * (SIZE // 32), 1),
        (lambda: "\ufdfa" * (SIZE // 8), SIZE // 8),
        (lambda: "\u4e00" * (SIZE // 2), SIZE // 2),
    ],
    ids=[
        "letter",
        "mark",
        "bare mark",
        "ignored",
        "gap",
        "signs",
        "order",
        "ligature",
        "ideograph",
    ],
)
def test_memory_is_bounded_whatever_one_line_holds(make: Callable[[], str], count: int) -> None:
    text = make()
    tracemalloc.start()
    try:
        found = split([text])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    answer = 3 * 8 * len(found.starts_N)
    assert len(found.starts_N) == count
    assert peak < 2**26 + 4 * answer
