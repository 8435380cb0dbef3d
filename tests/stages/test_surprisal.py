"""Surprisal: probabilities that sum to one, counts that no cut changes."""

from collections import Counter
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.measures import surprisal
from stages.measures.surprisal import Frequencies, fit

some_words = st.lists(st.sampled_from([0, 1, 2, 7, 2**63, 2**64 - 1]), max_size=30)


def hashes(words: list[int]) -> "np.typing.NDArray[np.uint64]":
    return np.array(words, np.uint64)


def test_by_hand() -> None:
    # "the the the cat": 4 words of 2 kinds, so p(the) = 4/7, p(cat) = 2/7, p(any other) = 1/7
    the, cat, dog = 11, 5, 8
    corpus = fit([hashes([the, the, the, cat])])
    found = corpus.bits(hashes([the, cat, dog, 12]))
    np.testing.assert_allclose(found, [log2(7 / 4), log2(7 / 2), log2(7), log2(7)])
    assert corpus.surprisal(hashes([dog, dog, the])) == pytest.approx(2 * log2(7) + log2(7 / 4))
    assert corpus.surprisal(hashes([])) == 0


def test_of_nothing_every_word_is_certain_to_be_new() -> None:
    assert fit([]).bits(hashes([1, 2])).tolist() == [0, 0]
    assert fit([hashes([])]).surprisal(hashes([3])) == 0


@given(some_words)
def test_the_shares_of_all_words_sum_to_one(words: list[int]) -> None:
    corpus, unseen = fit([hashes(words)]), 99
    shares = 2.0 ** -corpus.bits(hashes([*sorted(set(words)), unseen]))
    assert shares.sum() == pytest.approx(1)


@given(st.lists(some_words, max_size=6), st.integers(0, 12))
def test_cut_and_order_change_no_count(batches: list[list[int]], held: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surprisal, "_HELD", held)
        found = fit(hashes(batch) for batch in reversed(batches))
    want = Counter(word for batch in batches for word in batch)
    assert dict(zip(found.hashes_W.tolist(), found.counts_W.tolist(), strict=True)) == want
    assert found.hashes_W.tolist() == sorted(want)


@given(some_words.filter(bool))
def test_more_frequent_words_say_less(words: list[int]) -> None:
    corpus = fit([hashes(words)])
    bits = corpus.bits(corpus.hashes_W)
    order = np.argsort(corpus.counts_W, kind="stable")
    assert (np.diff(bits[order]) <= 0).all()
    assert (bits < corpus.surprisal(hashes([99]))).all()


def test_hashes_of_one_word_are_not_mistaken_for_their_neighbours() -> None:
    corpus = Frequencies(hashes([10, 20]), np.array([4, 6]))
    missing = corpus.bits(hashes([0, 9, 11, 19, 21, 2**64 - 1]))
    assert (missing == missing[0]).all()
    assert missing[0] == pytest.approx(log2(13))
