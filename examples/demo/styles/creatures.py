"""Creatures: one round-eyed beast per picture, seen from the front."""

import numpy as np
from PIL import Image, ImageDraw

from styles.canvas import CANVAS, Artist, Color, Palette, blank, disc, mix, stroke

_WHITE = (252, 250, 244)
_BLACK = (24, 20, 30)
Box = tuple[float, float, float, float]


def _ears(pen: ImageDraw.ImageDraw, box: Box, kind: int, ink: Color) -> None:
    """Draw horns, antennae, round ears or a row of spikes on top of the body."""
    left, top, right, _ = box
    width = right - left
    for side in (-1, 1):
        x = (left + right) / 2 + side * width * 0.28
        if kind == 0:
            pen.polygon(
                [(x - 18, top + 26), (x + 18, top + 26), (x + side * 22, top - 42)], fill=ink
            )
        elif kind == 1:
            stroke(pen, [(x, top + 24), (x + side * 16, top - 26)], 9, ink)
            disc(pen, (x + side * 16, top - 30), 15, ink)
        elif kind == 2:
            disc(pen, (x + side * 14, top + 6), 30, ink)
    if kind == 3:
        for spike in range(-2, 3):
            x = (left + right) / 2 + spike * width * 0.17
            tip = top - 34 + abs(spike) * 10
            pen.polygon([(x - 17, top + 30), (x + 17, top + 30), (x, tip)], fill=ink)


def _limbs(pen: ImageDraw.ImageDraw, box: Box, lift: float, ink: Color) -> None:
    """Draw two feet, and two arms; a positive lift (canvas pixels) raises the hands."""
    left, top, right, bottom = box
    middle = (top + bottom) / 2
    for side, edge in ((-1, left), (1, right)):
        hand = middle - lift
        stroke(pen, [(edge - side * 14, middle + 6), (edge + side * 26, hand)], 22, ink)
        x = (left + right) / 2 + side * (right - left) * 0.24
        pen.ellipse((x - 27, bottom - 20, x + 27, bottom + 18), fill=ink)


def _body(pen: ImageDraw.ImageDraw, box: Box, kind: int, ink: Color) -> None:
    """Fill an egg, a block, a pear or a triangle with round corners."""
    left, top, right, bottom = box
    middle = (left + right) / 2
    if kind == 0:
        pen.ellipse(box, fill=ink)
    elif kind == 1:
        pen.rounded_rectangle(box, radius=34, fill=ink)
    elif kind == 2:
        pen.ellipse((left, top + (bottom - top) * 0.34, right, bottom), fill=ink)
        pen.ellipse((left + 22, top, right - 22, bottom - 22), fill=ink)
    else:
        pen.polygon(
            [(middle, top + 4), (right - 8, bottom - 16), (left + 8, bottom - 16)], fill=ink
        )
        for x, y in ((middle, top + 24), (right - 26, bottom - 26), (left + 26, bottom - 26)):
            disc(pen, (x, y), 26, ink)


def _face(rng: np.random.Generator, pen: ImageDraw.ImageDraw, box: Box, mouth: Color) -> None:
    """Draw one to three eyes that look the same way, and a mouth with or without teeth."""
    left, top, right, bottom = box
    middle, height = (left + right) / 2, bottom - top
    eyes = int(rng.integers(1, 4))
    radius = (34, 24, 19)[eyes - 1]
    look = rng.uniform(-0.4, 0.4, size=2) * radius
    for eye in range(eyes):
        x = middle + (eye - (eyes - 1) / 2) * radius * 2.2
        y = top + height * 0.36
        disc(pen, (x, y), radius, _WHITE)
        disc(pen, (x + look[0], y + look[1]), radius * 0.52, _BLACK)
    y = top + height * 0.66
    half = float(rng.uniform(22, 42))
    kind = int(rng.integers(3))
    if kind == 0:
        pen.pieslice((middle - half, y - 34, middle + half, y + 34), 0, 180, fill=mouth)
        pen.rectangle((middle - half * 0.5, y, middle - half * 0.5 + 13, y + 13), fill=_WHITE)
    elif kind == 1:
        disc(pen, (middle, y + 8), half * 0.55, mouth)
    else:
        pen.rounded_rectangle((middle - half, y, middle + half, y + 26), radius=9, fill=mouth)
        for tooth in (-0.5, 0.2):
            x = middle + half * tooth
            pen.polygon([(x, y), (x + 16, y), (x + 8, y + 18)], fill=_WHITE)


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a beast from parts: body, ears, limbs, eyes, mouth and belly.

    The palette is: ground, floor, fur, second fur, mouth.
    """
    ground, floor, fur, second, mouth = colors
    image, pen = blank(ground)
    if rng.random() < 0.5:
        disc(pen, (128, 128), 112, mix(ground, floor, 0.5))
    pen.rectangle((0, 214, CANVAS, CANVAS), fill=floor)
    width, height = rng.uniform(118, 168), rng.uniform(128, 164)
    middle = 128 + rng.uniform(-16, 16)
    box = (middle - width / 2, 222 - height, middle + width / 2, 222.0)
    dark = mix(fur, _BLACK, 0.28)
    _limbs(pen, box, float(rng.choice([-44, 46])), dark)
    _ears(pen, box, int(rng.integers(4)), second)
    _body(pen, box, int(rng.integers(4)), fur)
    if rng.random() < 0.5:
        pen.ellipse(
            (middle - width * 0.28, 222 - height * 0.42, middle + width * 0.28, 220),
            fill=mix(fur, second, 0.6),
        )
    _face(rng, pen, box, mouth)
    return image


ARTIST = Artist(
    name="Aiyana Okoro-Reyes",
    slug="aiyana-okoro-reyes",
    paint=paint,
    palettes=(
        "f9d8a5 e2a458 4b6cb7 f06449 2b193d",
        "cfe8e0 8fc1b5 e4572e f3a712 401a22",
        "2e294e 1b1735 7bd389 f4d35e 4a1942",
        "fbe3e8 efb0c0 5c4d9a 2ec4b6 2b1942",
        "dcecf9 a3c9e6 f2a541 d1495b 3a1a12",
        "fff3c4 f0d06a 2a9d8f e76f51 12343b",
        "1f3b4d 142836 f28482 f6bd60 3d0c11",
        "e7e0f3 c3b4e0 8ab17d e9c46a 26331f",
        "ffdcc9 f3a88a 7b2d8b f7d046 2d0b33",
        "3d5a50 2b423a f2c6a0 e4572e 3a1410",
        "f4c542 d99f1e 2f3e9e f06fa0 14143d",
    ),
    adjectives=(
        "Brave",
        "Clumsy",
        "Curious",
        "Friendly",
        "Grumpy",
        "Hungry",
        "Jolly",
        "Nervous",
        "Polite",
        "Shy",
        "Sleepy",
        "Tiny",
    ),
    nouns=(
        "Monster",
        "Goblin",
        "Beast",
        "Imp",
        "Ogre",
        "Troll",
        "Yeti",
        "Gremlin",
        "Pixie",
        "Dragon",
        "Critter",
        "Giant",
    ),
)
