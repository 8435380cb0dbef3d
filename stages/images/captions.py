"""Captions: which captions the works have, and whose caption a text is.

Duplicates are counted over the union of both halves, blind to the half, so that captions of
training and control works are picked by one rule. Works with images in both halves are left out:
they can be neither found nor used as controls.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.prompt_ids import prompt_id_of


class Work(NamedTuple):
    """A work that has a caption."""

    num_images: int
    work_id: str
    half: str
    caption: str


class Captions(NamedTuple):
    """The captions of all works."""

    works: list[Work]
    """Each work with its most frequent caption; ties by text."""

    owners: Mapping[str, list[Work]]
    """Works that have a caption on any of their images, by caption."""

    titles: list[tuple[str, str | None]]
    """Artists and titles of all images, once each, in order of text."""


def read_captions(works: Iterable[pa.Table], images: Iterable[pa.Table]) -> Captions:
    """Return the captions of all works that lie in one half.

    Args:
        works: image_id, half, work_id, mixed of WORKS, in any order.
        images: image_id, caption, artist, title of IMAGES, in any order.
    """
    batches, work_batches = list(images), list(works)
    if not (batches and work_batches):
        return Captions([], {}, [])
    pictures, whole = pa.concat_tables(batches), pa.concat_tables(work_batches)
    sizes = dict(_groups(whole, "work_id"))
    pure = whole.filter(pc.invert(whole["mixed"])).drop_columns("mixed")
    captioned = pictures.filter(pc.is_valid(pictures["caption"])).select(["image_id", "caption"])
    counted: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for *who, caption, count in _groups(
        captioned.join(pure, "image_id", join_type="inner"), "work_id", "half", "caption"
    ):
        counted[who[0], who[1]].append((-count, caption))
    found: list[Work] = []
    owners: dict[str, list[Work]] = defaultdict(list)
    for (work_id, half), captions in sorted(counted.items()):
        work = Work(sizes[work_id], work_id, half, min(captions)[1])
        found.append(work)
        for _, caption in captions:
            owners[caption].append(work)
    signed = pictures.filter(pc.is_valid(pictures["artist"]))
    titles = [(row[0], row[1]) for row in _groups(signed, "artist", "title")]
    return Captions(found, owners, sorted(titles, key=lambda pair: (pair[0], pair[1] or "")))


def _groups(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    counts = table.group_by(list(names)).aggregate([([], "count_all")])
    columns = [counts[name].to_pylist() for name in (*names, "count_all")]
    return zip(*columns, strict=True)


def owner_of(captions: Captions, text: str | None) -> tuple[Work | None, bool]:
    """Return the work whose caption a text is, and whether both halves claim it.

    Of several works of one half the one with most images is named; where both halves have the
    caption, none is.
    """
    owners = [] if text is None else captions.owners.get(text, [])
    if len({work.half for work in owners}) > 1:
        return None, True
    return min(owners, key=lambda work: (-work.num_images, work.work_id), default=None), False


def duplicated(captions: Captions, half: str, *, count: int, choice_seed: int) -> list[str]:
    """Return the captions of the works of a half with the most images, two or more, once each."""
    works = [work for work in captions.works if work.half == half and work.num_images > 1]
    works.sort(key=lambda work: (-work.num_images, rank_of(choice_seed, work.caption)))
    return list(dict.fromkeys(work.caption for work in works))[:count]


def drawn(
    captions: Captions, half: str, *, count: int, choice_seed: int, but: set[str]
) -> list[str]:
    """Return captions of works of a half, drawn without regard to anything but their text.

    A caption's place in the draw is a digest of itself, so that a work more or less moves no other.

    Args:
        captions: captions of all works.
        half: `train` or `control`; captions that both halves have are not drawn.
        count: number of captions, or fewer if there are no more.
        choice_seed: another seed is another draw.
        but: captions that are asked already.
    """
    texts = {work.caption for work in captions.works if work.half == half} - but
    clear = (text for text in texts if len({work.half for work in captions.owners[text]}) == 1)
    return sorted(clear, key=lambda text: rank_of(choice_seed, text))[:count]


def rank_of(choice_seed: int, text: str) -> str:
    """Return the place of a caption in a draw: a digest that sorts like a random number."""
    return sha256(f"{choice_seed}\x1f{prompt_id_of(text=text)}".encode()).hexdigest()
