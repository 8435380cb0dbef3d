import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes import grams
from indexes.grams import DULL, LAGS, NONE, hash_grams, winnow
from indexes.words import Words
from tests.indexes.plain import Text, chosen, gram_hash, words_of

few = st.integers(1, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=40))


def whole(words: Words) -> list[int]:
    return hash_grams(words, 0, len(words.hashes_N)).tolist()


def choice(words: Words) -> list[tuple[int, int]]:
    return [
        (word, gram)
        for block in winnow(words)
        for word, gram in zip(block.word_C.tolist(), block.gram_C.tolist(), strict=True)
    ]


@given(st.lists(few, max_size=5))
def test_hashes(texts: list[Text]) -> None:
    plain = [
        gram_hash(text[i : i + 5]) if i + 5 <= len(text) else int(NONE)
        for text in texts
        for i in range(len(text))
    ]
    assert whole(words_of(texts)) == plain


@given(st.lists(few, max_size=5), st.integers(1, 9))
def test_choice_depends_on_the_text_alone(texts: list[Text], block: int) -> None:
    plain, before = [], 0
    for text in texts:
        plain += [(before + i, gram_hash(text[i : i + 5])) for i in chosen(text)]
        before += len(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grams, "_BLOCK", block)
        assert choice(words_of(texts)) == plain


@pytest.mark.parametrize("size", [5, 6, 7, 8])
def test_a_short_text_has_a_chosen_gram(size: int) -> None:
    assert choice(words_of([[1, 2, 3, 4], list(range(size)), []]))


def test_density() -> None:
    rng = np.random.default_rng(0)
    places = [word for word, _ in choice(words_of([rng.integers(0, 1000, 100_000).tolist()]))]
    assert 0.395 < len(places) / 100_000 < 0.405
    assert max(np.diff(places)) == 4


@pytest.mark.parametrize("period", [*range(1, 22), 60, 120])
def test_dull_grams(period: int) -> None:
    loop = (list(range(period)) * 1000)[:1000]
    hashes = whole(words_of([list(range(500, 530)), [*loop, *range(200, 230)]]))
    dull = [word for word, gram in enumerate(hashes) if gram == NONE and word < 1030]
    # the word that ends the gram is the DULL-th that equals the one a lag before
    lag = min(lag for lag in LAGS if lag % period == 0)
    first = 30 + lag + DULL - 1 - 4
    assert dull == [26, 27, 28, 29, *range(first, 30 + 1000 - 4)]


@pytest.mark.parametrize("period", [23, 29, 111, 121, 240])
def test_other_periods_are_not_dull(period: int) -> None:
    assert whole(words_of([(list(range(period)) * 200)[:1000]])).count(int(NONE)) == 4


def test_repetitions_end_with_their_text() -> None:
    texts = [[3] * (min(LAGS) + DULL - 1)] * 5
    assert whole(words_of(texts)).count(int(NONE)) == 5 * 4


@given(st.integers(0, 700), st.integers(0, 700))
def test_a_part_has_the_hashes_of_the_whole(first: int, last: int) -> None:
    words = words_of([[1] * 300, [1, 2] * 170, list(range(60))])
    first, last = sorted((first, last))
    assert hash_grams(words, first, last).tolist() == whole(words)[first:last]
