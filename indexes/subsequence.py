"""Subsequence: the longest common subsequence of two long sequences of hashes, 64 words at a time.

Dimension key: N words of the left side, M of the right, D distinct words of the left, S slots of a
hash table, W = ceil(N / 64) machine words.

Source: Hyyro 2004, "Bit-parallel LCS-length computation revisited", figure 2.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled

_NONE, _ONE, _ALL = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)
_LEAD = np.uint64(32)


@compiled
def code(left_N: NDArray[np.uint64], right_M: NDArray[np.uint64]) -> Any:
    """Return int32[N] and int32[M]: both sides as numbers from 1, 0 for what the left has not."""
    num_slots = 16
    while num_slots < 4 * len(left_N):
        num_slots *= 2
    last = np.uint64(num_slots - 1)
    key_S, code_S = np.zeros(num_slots, np.uint64), np.zeros(num_slots, np.int32)
    codes_N, codes_M = np.empty(len(left_N), np.int32), np.empty(len(right_M), np.int32)
    known = 0
    for n in range(len(left_N)):
        slot = (left_N[n] >> _LEAD) & last
        while code_S[slot] and key_S[slot] != left_N[n]:
            slot = (slot + _ONE) & last
        if not code_S[slot]:
            known += 1
            key_S[slot], code_S[slot] = left_N[n], known
        codes_N[n] = code_S[slot]
    for m in range(len(right_M)):
        slot = (right_M[m] >> _LEAD) & last
        while code_S[slot] and key_S[slot] != right_M[m]:
            slot = (slot + _ONE) & last
        codes_M[m] = code_S[slot]
    return codes_N, codes_M


@compiled
def longest(codes_N: NDArray[np.int32], codes_M: NDArray[np.int32]) -> int:
    """Return the length of the longest common subsequence of two sides that `code` numbered."""
    width = (len(codes_N) + 63) // 64
    places_DW = np.zeros((len(codes_N) + 1, width), np.uint64)
    for n in range(len(codes_N)):
        places_DW[codes_N[n], n // 64] |= _ONE << np.uint64(n % 64)
    open_W = np.full(width, _ALL)
    for m in range(len(codes_M)):
        carry = _NONE
        for w in range(width if codes_M[m] else 0):
            ahead = open_W[w] & places_DW[codes_M[m], w]
            part = open_W[w] + ahead
            total = part + carry
            carry = np.uint64(part < ahead) | np.uint64(total < part)
            open_W[w] = total | (open_W[w] - ahead)
    length = 0
    for n in range(len(codes_N)):
        length += not (open_W[n // 64] >> np.uint64(n % 64)) & _ONE
    return length
