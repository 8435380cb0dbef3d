"""The quick way through plain text says what the slow way says, or nothing."""

import subprocess
import sys
from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes import characters as ch
from indexes import words
from indexes.compiled import compiled
from indexes.word_hashes import plain_words
from indexes.words import split

# letters, signs that join, what is ignored, line ends of all sorts, and letters of several points
PLAIN = (
    "ab\u00e9\u00c6\u0149\u01c6\ufb01\u03b1Z9 .,'-\u2019\u2011\u00ac\u2014\n\r\t\u2028\ufeff\u200b"
)
OTHER = "\u0301\u0345\u00bd\u4e00\u0e01\u00ad\U0001d400"


def slowly(text: str, monkeypatch: pytest.MonkeyPatch) -> words.Words:
    with monkeypatch.context() as patched:
        patched.setattr(words, "_QUICK_WAY", "a module that nobody imported")
        return split([text])


def quickly(text: str, monkeypatch: pytest.MonkeyPatch) -> words.Words:
    with monkeypatch.context() as patched:
        patched.setattr(words, "_MANY", 0)
        return split([text])


def same(one: words.Words, other: words.Words) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in words.Words.__slots__
    )


@given(st.text(PLAIN, max_size=60))
def test_plain_text_has_the_same_words(text: str) -> None:
    found = plain_words(ch.points(text))
    if found is not None:
        with pytest.MonkeyPatch.context() as patched:
            slow = slowly(text, patched)
        assert [column.tolist() for column in found] == [
            column.tolist() for column in (slow.starts_N, slow.ends_N, slow.hashes_N)
        ]


@given(st.text(PLAIN + OTHER, max_size=40))
def test_any_text_has_the_same_words_by_both_ways(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        assert same(slowly(text, patched), quickly(text, patched))


def test_most_prose_is_plain() -> None:
    said = "It\u2019s a well-\r\nknown "
    said += "\u201cthing\u201d \u2014 na\u00efve, \ufeff\u2026 l'\u00e9t\u00e9"
    found = plain_words(ch.points(said))
    assert found is not None
    cut = [said[a:b] for a, b in zip(found.starts_N, found.ends_N, strict=True)]
    assert cut == [*("It\u2019s", "a", "well-\r\nknown", "thing", "na\u00efve", "l'\u00e9t\u00e9")]


@pytest.mark.parametrize(
    "odd", ["e\u0301", "\u4e00", "co\u00adop", "a\u200bb", "a-\ufeffb", "a-\n\ufeffb"]
)
def test_what_is_not_plain_goes_the_slow_way(odd: str) -> None:
    assert plain_words(ch.points("plain " + odd)) is None


def test_long_texts_are_cut_into_blocks_at_no_cost_to_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a word of every length from 1 on meets every edge of a block, and some blocks are not plain
    text = " ".join("x" * (size % 997 + 1) for size in range(1500))
    text = text.replace("xxxxx xxxxxx", "xxxxx-\nxxxxxx", 99) + " \u4e00" + "y" * 200_000
    slow, quick = slowly(text, monkeypatch), quickly(text, monkeypatch)
    assert same(slow, quick)
    assert len(slow.hashes_N) > 1400


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    def double(number: int) -> int:
        return 2 * number

    nowhere = double.__code__.replace(co_filename="<no file>")
    assert compiled(FunctionType(nowhere, {}))(21) == 42


def test_short_texts_do_not_pay_for_it() -> None:
    asked = (
        "import sys; from indexes.words import split; split(['a word'] * 9);"
        " assert 'numba' not in sys.modules; split(['a word ' * 400_000]);"
        " assert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", asked], check=True)
