"""What is tested: units, clusters of prompts alike together with the works alike they caption.

Dimension key: N rows (a caption of a work), U units, M best works of units, several if they tie.

Rows of one unit are not independent, so that error rates over rows are not what they say. All of
this is blind to the label (test or control); `stages.verdicts.units` takes out units with both.
"""

from collections import Counter
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.union import Union
from stages.statistics.checked import aligned, count


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
