"""The longest common subsequence, against a library that does it another way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

from indexes.subsequence import code, longest

WORDS = st.lists(st.integers(0, 30), max_size=200)


@given(WORDS, WORDS, st.integers(0, 2**32))
def test_it_is_as_long_as_the_library_says(left: list[int], right: list[int], seed: int) -> None:
    # words that share slots of the table, and the hash 0
    hashes = np.random.default_rng(seed).integers(0, 2**64, 31, dtype=np.uint64)
    hashes[:8] &= np.uint64(0xFFFFFFFF)
    hashes[0] = 0
    codes_N, codes_M = code(hashes[left], hashes[right])
    assert longest(codes_N, codes_M) == LCSseq.similarity(left, right)


@given(WORDS, WORDS)
def test_numbers_are_those_of_words(left: list[int], right: list[int]) -> None:
    hashes = np.arange(31, dtype=np.uint64) << np.uint64(40)
    codes_N, codes_M = code(hashes[left], hashes[right])
    number = dict(zip(left, codes_N.tolist(), strict=True))
    assert sorted(set(number.values())) == list(range(1, len(number) + 1))
    assert codes_M.tolist() == [number.get(word, 0) for word in right]


def test_a_carry_goes_through_many_machine_words() -> None:
    hashes = np.arange(1, 1001, dtype=np.uint64) << np.uint64(33)
    assert longest(*code(hashes, hashes)) == 1000
    assert longest(*code(hashes, hashes[::-1].copy())) == 1
