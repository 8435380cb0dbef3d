"""Wording: words that are read where they are needed are those of the whole text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.words import split
from stages.measures.wording import Lexicon, Places, Wording

SIGNS = "ab\u00c9\u0301-'\u2019\n \u00ad\u200b\u4e00\u0e01\u0e33\u30ab\u00bd.\ud800"


def places(text: str, step: int) -> Places:
    words = split([text])
    size = len(words.hashes_N)
    return Places(range(0, size, step), words.starts_N[::step].tolist(), size)


@settings(max_examples=200)
@given(st.text(SIGNS, max_size=200), st.integers(1, 7), st.data())
def test_stretches_read_by_themselves_are_those_of_the_whole(
    text: str, step: int, data: st.DataObject
) -> None:
    whole = Wording(text, Lexicon())
    parts = Wording(text, Lexicon(), places=places(text, step))
    size = len(whole)
    assert len(parts) == size
    spans = st.tuples(st.integers(0, size), st.integers(0, size)).map(sorted)
    parts.read(tuple(span) for span in data.draw(st.lists(spans, max_size=3)))
    for first, end in data.draw(st.lists(spans, max_size=6)):
        np.testing.assert_array_equal(parts.hashes(first, end), whole.hashes_N[first:end])
        assert parts.chars(first, end) == whole.chars(first, end)
        assert len(set(parts.ids(first, end).tolist())) == len(set(whole.ids(first, end).tolist()))
    for name in ("hashes_N", "starts_N", "ends_N"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_only_what_is_asked_for_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"w{n}" for n in range(5000))
    parts = Wording(text, Lexicon(), places=places(text, 64))
    seen: list[str] = []
    monkeypatch.setattr(
        "stages.measures.wording.split", lambda texts: (seen.extend(texts), split(texts))[1]
    )
    assert text[slice(*parts.chars(2000, 2003))] == "w2000 w2001 w2002"
    parts.read([(0, 10), (10, 20), (4000, 4010)])
    assert parts.chars(4000, 4001) == Wording(text, Lexicon()).chars(4000, 4001)
    assert sum(map(len, seen[:-1])) < len(text) / 4


def test_ids_are_shared_by_texts_whose_words_have_the_same_form() -> None:
    lexicon = Lexicon()
    one, other = Wording("The cat", lexicon), Wording("CAT the dog", lexicon)
    assert one.ids(0, 2).tolist() == other.ids(0, 2)[::-1].tolist()
    assert other.ids(2, 3)[0] not in one.ids(0, 2)


def test_another_text_than_the_one_that_was_counted_is_refused() -> None:
    text = " ".join(["word"] * 1000)
    with pytest.raises(ValueError, match="has 999 words, expected 1000"):
        _ = Wording(text[5:], Lexicon(), places=places(text, 64)).hashes_N
