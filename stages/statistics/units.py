"""What is tested: units, clusters of prompts alike together with the works alike they caption.

Dimension key: N rows (a caption of a work), U units, M best works of units, several if they tie.

Rows of one unit are not independent, so that error rates over rows are not what they say. All of
this is blind to the label (test or control), which only removes units that have both.
"""

from collections import Counter
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.union import Union
from stages.statistics.checked import aligned, count, labels


class Rows(NamedTuple):
    """Captions of works, test and control together."""

    id_N: ArrayLike
    """Name of the row, str[N], each once."""

    prompt_N: ArrayLike
    """Cluster of near-duplicate prompts, over both labels; any name or number."""

    work_N: ArrayLike
    """Cluster of near-duplicate works, over both labels; any name or number."""

    is_test_N: ArrayLike
    """bool[N], true for a test row, false for a control row."""


class Units(NamedTuple):
    """What is tested, one label each."""

    unit_N: NDArray[np.int64]
    """Unit of each row, 0..U-1; -1 for rows of units with both labels, which are removed."""

    row_U: NDArray[np.int64]
    """Row whose prompt is registered for the unit: the smallest rank."""

    is_test_U: NDArray[np.bool_]
    """Whether it is a test unit."""

    rank_U: NDArray[np.uint64]
    """Committed random rank of that row."""

    mixed_units: int
    """Units removed because they have both labels."""

    mixed_rows: int
    """Rows of those."""


def units(rows: Rows, key: bytes) -> Units:
    """Form units, remove those with both labels, choose one registered prompt for each.

    Args:
        rows: test and control material together.
        key: of the committed random choice, 1 to 64 bytes.

    Returns:
        Units in the order of their first row.

    Raises:
        ValueError: no rows, columns of different lengths, an id twice, a key of another length,
            or no test or no control unit left, as when one cluster holds everything.

    Source: statistics of a verdict, section 2.

    >>> rows = Rows(["a", "b", "c", "d"], [0, 0, 1, 2], [7, 8, 8, 9], [1, 1, 1, 0])
    >>> units(rows, b"coin").unit_N.tolist()
    [0, 0, 0, 1]
    """
    rank_N = ranks(rows.id_N, key)
    first_N = merge(rows.prompt_N, rows.work_N)
    is_test_N = labels(rows.is_test_N, len(first_N), "is_test")
    aligned(rows.id_N, len(first_N), "ids")
    first_V, component_N = np.unique(first_N, return_inverse=True)
    size_V = np.bincount(component_N)
    tests_V = np.bincount(component_N, weights=is_test_N)
    is_mixed_V = (tests_V > 0) & (tests_V < size_V)
    number_V = np.where(is_mixed_V, -1, np.cumsum(~is_mixed_V) - 1)
    unit_N = number_V[component_N].astype(np.int64)
    is_test_U = tests_V[~is_mixed_V] > 0
    if not is_test_U.any() or is_test_U.all():
        raise ValueError(
            f"units: {len(first_N)} rows form {len(first_V)} units, {int(is_mixed_V.sum())} of "
            f"them with test and control rows, which leaves {int(is_test_U.sum())} test and "
            f"{int((~is_test_U).sum())} control units; expected some of each: cluster less "
            "coarsely, or add controls"
        )
    order_N = np.lexsort((rank_N, unit_N))
    order_N = order_N[unit_N[order_N] >= 0]
    row_U = order_N[np.unique(unit_N[order_N], return_index=True)[1]]
    mixed_rows = int(np.count_nonzero(unit_N < 0))
    mixed_units = int(np.count_nonzero(is_mixed_V))
    return Units(unit_N, row_U, is_test_U, rank_N[row_U], mixed_units, mixed_rows)


def merge(prompt_N: ArrayLike, work_N: ArrayLike) -> NDArray[np.int64]:
    """Return, for each row, the first row that it is connected with by prompts and works.

    Args:
        prompt_N: cluster of near-duplicate prompts of each row.
        work_N: cluster of near-duplicate works of each row.

    Raises:
        ValueError: no rows, or columns of different lengths.

    >>> merge([0, 0, 1, 2], [7, 8, 8, 9]).tolist()
    [0, 0, 0, 3]
    """
    num = count(np.size(prompt_N), "rows", least=1)
    union = Union(num)
    for name, values_N in (("prompts", prompt_N), ("works", work_N)):
        label_N = np.unique(aligned(values_N, num, name), return_inverse=True)[1]
        order_N = np.argsort(label_N, kind="stable")
        is_same = np.diff(label_N[order_N]) == 0
        union.add(order_N[:-1][is_same], order_N[1:][is_same])
    return union.labels()


def merge_scored(rank_U: ArrayLike, unit_M: ArrayLike, work_M: ArrayLike) -> NDArray[np.bool_]:
    """Return the units that stay once units with the same best work have been merged.

    Of those that share a best work, test and control alike, the one of the smallest rank stays
    with its own score; count K and m again.

    Args:
        rank_U: committed random rank of each unit.
        unit_M: number of the unit, for each of its best works; a unit without any stays.
        work_M: cluster of near-duplicate works of that best work (the pair, for an index swap).

    Returns:
        bool[U].

    Raises:
        ValueError: no units, columns of different lengths, or a unit that does not exist.

    Source: statistics of a verdict, section 2.

    >>> merge_scored([5, 3, 9], [0, 1, 2], [7, 7, 8]).tolist()
    [False, True, True]
    """
    num = count(np.size(rank_U), "units", least=1)
    unit_M = np.asarray(unit_M, np.int64)
    cluster_M = np.unique(aligned(work_M, len(unit_M), "best works"), return_inverse=True)[1]
    if len(unit_M) and (unit_M.min() < 0 or unit_M.max() >= num):
        raise ValueError(f"units: expected numbers in 0..{num - 1}, got {np.sort(unit_M)}")
    union = Union(num)
    order_M = np.argsort(cluster_M, kind="stable")
    is_same = np.diff(cluster_M[order_M]) == 0
    union.add(unit_M[order_M[:-1][is_same]], unit_M[order_M[1:][is_same]])
    component_U = union.labels()
    order_U = np.lexsort((aligned(rank_U, num, "ranks"), component_U))
    stays_U = np.zeros(num, np.bool_)
    stays_U[order_U[np.unique(component_U[order_U], return_index=True)[1]]] = True
    return stays_U


def ranks(id_N: ArrayLike, key: bytes) -> NDArray[np.uint64]:
    """Return the committed random rank of every name: its keyed digest, whatever the order.

    Args:
        id_N: names, each once.
        key: published as a digest before sampling, 1 to 64 bytes.

    Raises:
        ValueError: a name stands twice, or a key of another length.

    >>> ranks(["a", "b"], b"coin").tolist() == ranks(["b", "a"], b"coin").tolist()[::-1]
    True
    """
    if not 1 <= len(key) <= blake2b.MAX_KEY_SIZE:
        raise ValueError(f"key: expected 1 to {blake2b.MAX_KEY_SIZE} bytes, got {len(key)}")
    names = [str(name) for name in np.asarray(id_N).tolist()]
    if len(set(names)) < len(names):
        name, times = Counter(names).most_common(1)[0]
        raise ValueError(f"ids: expected each once, got {name!r} {times} times")
    digests = (blake2b(name.encode(), digest_size=8, key=key).digest() for name in names)
    return np.fromiter((int.from_bytes(d, "big") for d in digests), np.uint64, len(names))
