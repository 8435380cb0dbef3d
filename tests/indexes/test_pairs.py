import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from indexes.exact import score
from indexes.pairs import near


@given(arrays(np.bool_, (6, 32)), st.integers(0, 32))
def test_signs_count_differing_bits(bits: NDArray[np.bool_], limit: int) -> None:
    signs = np.where(bits, 1, -1).astype(np.float32)
    found = near(signs, signs, minimum=32 - 2 * limit, metric="inner")
    hamming = (bits[:, None] != bits[None]).sum(axis=2)
    assert (found == (hamming <= limit)).all()


def test_pairs_at_the_minimum_are_decided_by_the_exact_score() -> None:
    # the minimum is the score of one pair; neighbours of it in float32 lie on either side
    rng = np.random.default_rng(0)
    left = rng.standard_normal((40, 64)).astype(np.float32)
    right = np.repeat(left[:1] + 1, 50, axis=0)
    right *= 1 + rng.integers(-9, 9, size=right.shape).astype(np.float32) * np.float32(2**-23)
    scores = score(np.repeat(left, 50, axis=0), np.tile(right, (40, 1)), "cosine").reshape(40, 50)
    minimum = float(np.median(scores[0]))
    found = near(left, right, minimum=minimum)
    assert (found == (scores >= np.float32(minimum))).all()
    assert (found == near(right, left, minimum=minimum).T).all()
    assert 0 < found[0].sum() < 50


def test_a_zero_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="length 0"):
        near(np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32), minimum=0.5)
