"""Tiles: one decorated square, turned at random over a wall."""

import numpy as np
from PIL import Image, ImageDraw

from styles.canvas import CANVAS, Artist, Color, Palette, blank


def _arcs(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], turn: int, ink: Color) -> None:
    """Draw two quarter rings around opposite corners."""
    left, top, right, bottom = box
    side = right - left
    corners = ((left, top), (right, bottom)) if turn % 2 else ((right, top), (left, bottom))
    reach = side * 0.68
    for x, y in corners:
        pen.ellipse(
            (x - reach, y - reach, x + reach, y + reach), outline=ink, width=round(side * 0.36)
        )


def _wedge(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], turn: int, ink: Color) -> None:
    """Fill half of the square, cut along a diagonal."""
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    pen.polygon([corner for i, corner in enumerate(corners) if i != turn % 4], fill=ink)


def _fan(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], turn: int, ink: Color) -> None:
    """Fill a quarter disc around one corner."""
    left, top, right, bottom = box
    side = right - left
    x, y = ((left, top), (right, top), (right, bottom), (left, bottom))[turn % 4]
    pen.ellipse((x - side, y - side, x + side, y + side), fill=ink)


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a wall of three or four tiles a side in one of three patterns.

    The palette is: two grounds that alternate like a chessboard, then two inks.
    """
    ground, other, *inks = colors
    image, _ = blank(ground)
    tile = (_arcs, _wedge, _fan)[int(rng.integers(3))]
    number = 3 if rng.random() < 0.6 else 4
    side = -(-CANVAS // number)
    square = Image.new("RGB", (side, side))
    pen = ImageDraw.Draw(square)
    lean = rng.random()
    for row in range(number):
        for column in range(number):
            odd = (row + column) % 2
            pen.rectangle((0, 0, side, side), fill=other if odd and tile is not _arcs else ground)
            ink = inks[int(rng.random() < lean)] if tile is not _arcs else inks[0]
            tile(pen, (0, 0, side - 1, side - 1), int(rng.integers(4)), ink)
            image.paste(square, (column * side, row * side))
    return image


ARTIST = Artist(
    name="Caoimhe O'Darragh",
    slug="caoimhe-odarragh",
    paint=paint,
    palettes=(
        "f3ead7 e4d3b2 1f3b4d c8553d",
        "0f2027 203a43 f4d35e ee964b",
        "fdfcdc fed9b7 00798c f07167",
        "2b2d42 3f4360 edf2f4 ef233c",
        "e3f2e1 bfe0c0 14532d eab308",
        "f6e7f0 eccbdc 6d1a5b f28f3b",
        "e6eef7 c4d7ec 1b3a6b 2a9df4",
        "31081f 4d1432 f7a072 f3e9d2",
        "f4d8c4 ecc2a6 3a4f8f a8324a",
        "12343b 1c4a52 e1b382 f6efe3",
        "f9f3e6 efe3c8 2c2c34 e0a526",
        "c9dfc9 a9cdb2 5a2a5c 2f6f6a",
    ),
    adjectives=(
        "Coastal",
        "Crooked",
        "Double",
        "Folded",
        "Kitchen",
        "Laced",
        "Mirrored",
        "Patterned",
        "Quilted",
        "Scattered",
        "Tangled",
        "Winding",
    ),
    nouns=(
        "Maze",
        "Tiles",
        "Braid",
        "Labyrinth",
        "Lattice",
        "Paving",
        "Puzzle",
        "Riddle",
        "Terrace",
        "Thread",
        "Trellis",
        "Weave",
    ),
)
