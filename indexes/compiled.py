"""Compiled: loops over words and letters that no library has, turned into machine code by numba.

Each is compiled at its first call, which takes seconds, and kept on disk from then on where there
is a folder that can be written. Importing this module takes a second: who compares two pages does
not need it, who goes through a corpus has it back at once.

In such a loop every number of a hash is `np.uint64`: with a plain integer beside it, it would
become a float.
"""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled when it is called; it holds no lock of the interpreter."""
    try:
        kept: Callable[..., Any] = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder to keep it in: each process compiles for itself
        kept = njit(nogil=True)(function)
    return kept
