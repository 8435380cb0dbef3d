"""Score pairs: the methods that need nothing but pictures, vectors or hashes, whichever they are.

What a method is given depends on the words under `needs` in the table of methods alone, so that a
new one is scored without a line here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from stages.contract import StageError
from stages.images.score_rows import Group, Row, work_of
from stages.images.shown import Network, Originals, hash_of, squares_of
from stages.measures.distances import Bytes
from stages.methods.table import METHODS

Scores = list[float | None]


class Shelf(NamedTuple):
    """What methods are given."""

    originals: Originals
    network: Network | None
    side: int
    """Pixels of the squares in which generations are held against each other."""


def training_rows(name: str, group: Group, shelf: Shelf) -> Iterator[dict[str, Any]]:
    """Yield the score of a method for each generation and each work that `compare` names.

    Args:
        name: of a method between a generation and the training set.
        group: generations of one prompt and phase.
        shelf: what methods are given.

    Yields:
        SCORES.

    Raises:
        StageError: the method gives another number of scores than it was given works.
    """
    method = METHODS[name]
    function, given = method.load(), _TRAINING[method.needs]
    for made_id, rgb_HWC in group.made.items():
        matches = group.matches.get(made_id, ())
        pictures = shelf.originals.of(row["neighbor_id"] for row in matches)
        rows = [row for row in matches if row["neighbor_id"] in pictures]
        scores = given(function, rgb_HWC, {row["neighbor_id"]: row for row in rows}, shelf)
        if len(scores) != len(rows):
            raise StageError(f"score: {name} gave {len(scores)} scores for {len(rows)} works")
        for row, score in zip(rows, scores, strict=True):
            yield group.row(name, score, work_of(row), made_id)


def between_rows(name: str, group: Group, shelf: Shelf) -> Iterator[dict[str, Any]]:
    """Yield what a method says of the generations of a prompt among themselves, one row.

    Args:
        name: of a method between generations.
        group: generations of one prompt and phase.
        shelf: what methods are given.
    """
    method = METHODS[name]
    score = _BETWEEN[method.needs](method.load(), group, shelf) if group.made else None
    yield group.row(name, score, group.own, None)


def _pixels(
    function: Callable[..., Scores], made: Bytes, works: Mapping[str, Row], shelf: Shelf
) -> Scores:
    if not works:
        return []
    pictures = shelf.originals.of(works)
    return function(squares_of([made])[0], squares_of(pictures[each] for each in works))


def _hashes(
    function: Callable[..., Scores], made: Bytes, works: Mapping[str, Row], shelf: Shelf
) -> Scores:
    return function(hash_of(made), shelf.originals.hashes(list(works))) if works else []


def _vectors(
    function: Callable[..., Scores], made: Bytes, works: Mapping[str, Row], shelf: Shelf
) -> Scores:
    if not works or shelf.network is None:
        return []
    pictures = shelf.originals.of(works)
    try:
        one = shelf.network.one(made)
        each = shelf.network.each({image_id: pictures[image_id] for image_id in works})
    except ValueError:
        return [None] * len(works)  # a vector without direction has no cosine
    return function(one, each)


def _among_pixels(
    function: Callable[..., float | None], group: Group, shelf: Shelf
) -> float | None:
    return function(group.squares(shelf.side))


def _among_vectors(
    function: Callable[..., float | None], group: Group, shelf: Shelf
) -> float | None:
    if shelf.network is None:
        return None
    try:
        vectors = shelf.network.each(group.made)
    except ValueError:
        return None
    return function(vectors)


_TRAINING = {"pixels": _pixels, "hashes": _hashes, "vectors": _vectors}
_BETWEEN = {"pixels": _among_pixels, "vectors": _among_vectors}
