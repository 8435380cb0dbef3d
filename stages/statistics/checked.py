"""What may enter a statistic: arrays and levels, each refused with a sentence if it may not.

Dimension key: N numbers of one array.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray


def numbers(values_N: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return numbers as float64[N].

    Raises:
        ValueError: there are none, they are no row, or one of them is NaN.

    >>> numbers([1, float("-inf")], "scores").tolist()
    [1.0, -inf]
    """
    array_N = np.asarray(values_N, np.float64)
    if array_N.ndim != 1 or not len(array_N):
        raise ValueError(f"{name}: expected a row of one or more numbers, got {array_N.shape}")
    if np.isnan(array_N).any():
        at = int(np.argmax(np.isnan(array_N)))
        raise ValueError(f"{name}: expected numbers, got NaN at place {at}; measure it or leave it")
    return array_N


def chances(values_N: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return numbers in [0, 1] as float64[N].

    Raises:
        ValueError: there are none, they are no row, or one of them is NaN or outside [0, 1].
    """
    array_N = numbers(values_N, name)
    outside_N = (array_N < 0) | (array_N > 1)
    if outside_N.any():
        raise ValueError(f"{name}: expected numbers in [0, 1], got {array_N[outside_N][0]}")
    return array_N


def labels(values_N: ArrayLike, num: int, name: str) -> NDArray[np.bool_]:
    """Return marks of two kinds as bool[N].

    Raises:
        ValueError: they are not `num`, or something else than 0 and 1.
    """
    array_N = np.asarray(values_N)
    if array_N.shape != (num,) or not np.isin(array_N, (0, 1)).all():
        raise ValueError(f"{name}: expected {num} marks, each true or false, got {array_N.shape}")
    return array_N.astype(np.bool_)


def aligned(values_N: ArrayLike, num: int, name: str) -> NDArray[np.generic]:
    """Return an array that has one entry for each of `num` things.

    Raises:
        ValueError: it has another length.
    """
    array_N = np.asarray(values_N)
    if array_N.shape != (num,):
        raise ValueError(f"{name}: expected one entry for each of {num}, got {array_N.shape}")
    return array_N


def exact(value: float, name: str) -> Fraction:
    """Return a level in (0, 1) as the decimal that was written: 0.05 is one twentieth.

    The nearest binary number is not: 300 / (0.01 * 30) is above 1000 and rounds up to 1001.

    Raises:
        ValueError: it is not inside (0, 1).

    >>> exact(0.05, "q")
    Fraction(1, 20)
    """
    if not 0 < value < 1:
        raise ValueError(f"{name}: expected a number inside (0, 1), got {value}")
    return Fraction(repr(float(value)))


def count(value: int, name: str, *, least: int = 0) -> int:
    """Return a whole number.

    Raises:
        ValueError: it is below `least`.
    """
    if value < least or value != int(value):
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value}")
    return int(value)


def part(value: int, whole: int, name: str, *, least: int = 0) -> int:
    """Return a whole number from `least` to `whole`.

    Raises:
        ValueError: it is outside.
    """
    if not least <= value <= whole or value != int(value):
        raise ValueError(f"{name}: expected a whole number in {least}..{whole}, got {value}")
    return int(value)
