"""Grids: a sheet divided by heavy bars into a few flat fields."""

import numpy as np
from PIL import Image

from styles.canvas import CANVAS, Artist, Palette, blank, disc

Box = tuple[int, int, int, int]


def _divided(rng: np.random.Generator) -> list[Box]:
    """Cut the sheet again and again through its largest field."""
    boxes: list[Box] = [(0, 0, CANVAS, CANVAS)]
    for _ in range(int(rng.integers(4, 8))):
        boxes.sort(key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        left, top, right, bottom = boxes.pop()
        share = float(rng.choice([0.3, 0.4, 0.6, 0.7]))
        if right - left > bottom - top or (right - left == bottom - top and rng.random() < 0.5):
            cut = left + round((right - left) * share)
            boxes += [(left, top, cut, bottom), (cut, top, right, bottom)]
        else:
            cut = top + round((bottom - top) * share)
            boxes += [(left, top, right, cut), (left, cut, right, bottom)]
    return boxes


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint the fields, no two neighbours in the list alike, then the bars.

    The palette is: paper, bar, then four inks.
    """
    paper, bar, *inks = colors
    image, pen = blank(paper)
    boxes = _divided(rng)
    order = [inks[i % len(inks)] if i % 3 else paper for i in range(len(boxes))]
    fields = [order[i] for i in rng.permutation(len(boxes))]
    width = int(rng.integers(6, 9))
    for box, field in zip(boxes, fields, strict=True):
        pen.rectangle(box, fill=field)
    for left, top, right, bottom in boxes:
        pen.rectangle(
            (left - width, top - width, right + width, bottom + width), outline=bar, width=2 * width
        )
    roomy = [i for i, box in enumerate(boxes) if min(box[2] - box[0], box[3] - box[1]) > 70]
    chosen = roomy[int(rng.integers(len(roomy)))]
    left, top, right, bottom = boxes[chosen]
    radius = min(right - left, bottom - top) / 2 - width - 6
    others = [ink for ink in inks if ink != fields[chosen]]
    disc(pen, ((left + right) / 2, (top + bottom) / 2), radius, others[int(rng.integers(3))])
    return image


ARTIST = Artist(
    name="Mbali Dlomovu",
    slug="mbali-dlomovu",
    paint=paint,
    palettes=(
        "f7f3e8 17161a d7263d 1b4b9b f4c430 2a2a35",
        "fbf5e6 3a2a20 e07a3f 2f7f79 f0c36d a63d2f",
        "efe9f4 231942 5e548e 9f86c0 e0b1cb f2c14e",
        "e9f0ea 12302b 2d6a4f 95d5b2 e9c46a d1495b",
        "1d1b26 f5efe2 ef476f ffd166 06a77d 2176ae",
        "fdf0d5 003049 c1121f 669bbc f3a712 780000",
        "e8edf2 1b2a41 ff7f51 324a5f ffbf81 0c9fa6",
        "f6d5c3 3b1f2b a23b72 e8833a 2f6690 f9efe5",
        "2b3a42 e9dcc3 d9623b 3f7d78 f0b857 8c2f39",
        "f5efe0 1f2421 49796b dce1de 9cc5a1 e0803f",
    ),
    adjectives=(
        "Balanced",
        "Bold",
        "Broken",
        "Civic",
        "Exact",
        "Formal",
        "Ninth",
        "Plain",
        "Square",
        "Strict",
        "Upright",
        "Woven",
    ),
    nouns=(
        "Composition",
        "Court",
        "Crossing",
        "Divide",
        "Facade",
        "Fugue",
        "Junction",
        "Ledger",
        "Market",
        "Parade",
        "Quarter",
        "Township",
    ),
)
