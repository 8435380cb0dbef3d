"""Leaves: pressed plants, one bold stem on a quiet sheet."""

import numpy as np
from PIL import Image, ImageDraw

from styles.canvas import Artist, Color, Palette, blank, disc, mix, points, stroke


def _leaf(
    pen: ImageDraw.ImageDraw,
    root: tuple[float, float],
    angle: float,
    shape: tuple[float, float],
    ink: Color,
) -> None:
    """Draw a pointed leaf with a lighter vein; shape is its length and its half width."""
    length, half = shape
    share_N = np.linspace(0, 1, 24)
    belly_N = half * np.sin(np.pi * share_N**0.8)
    run = np.concatenate([share_N, share_N[::-1]]) * length
    off = np.concatenate([belly_N, -belly_N[::-1]])
    cos, sin = np.cos(angle), np.sin(angle)
    pen.polygon(points(root[0] + cos * run - sin * off, root[1] + sin * run + cos * off), fill=ink)
    tip = (root[0] + cos * length * 0.82, root[1] + sin * length * 0.82)
    stroke(pen, [root, tip], 4, mix(ink, (255, 255, 245), 0.45))


def _bloom(
    rng: np.random.Generator,
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    inks: tuple[Color, Color],
) -> None:
    """Draw a flower of round petals, or one of pointed petals."""
    petals = int(rng.integers(5, 9))
    reach = float(rng.uniform(24, 36))
    pointed = rng.random() < 0.5
    turn = rng.uniform(0, np.pi)
    for petal in range(petals):
        angle = float(turn + petal * 2 * np.pi / petals)
        if pointed:
            _leaf(pen, at, angle, (reach * 1.7, reach * 0.42), inks[0])
        else:
            disc(
                pen,
                (at[0] + reach * np.cos(angle), at[1] + reach * np.sin(angle)),
                reach * 0.62,
                inks[0],
            )
    disc(pen, at, reach * 0.5, inks[1])


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a stem that leans, leaves along it and perhaps a flower on top.

    The palette is: paper, second paper, leaf, second leaf, petal, heart.
    """
    paper, second, leaf, other, petal, heart = colors
    image, pen = blank(paper)
    if rng.random() < 0.5:
        disc(
            pen,
            (float(rng.uniform(80, 176)), float(rng.uniform(70, 186))),
            float(rng.uniform(70, 105)),
            second,
        )
    root = (128 + float(rng.uniform(-40, 40)), 262.0)
    tip = (128 + float(rng.uniform(-62, 62)), float(rng.uniform(34, 84)))
    bend = float(rng.uniform(-60, 60))
    share_N = np.linspace(0, 1, 40)
    x_N = root[0] + (tip[0] - root[0]) * share_N + bend * np.sin(np.pi * share_N)
    y_N = root[1] + (tip[1] - root[1]) * share_N
    pairs = int(rng.integers(2, 6))
    length, half = float(rng.uniform(64, 110)), float(rng.uniform(13, 30))
    open_angle = float(rng.uniform(0.5, 1.2))
    alternate = rng.random() < 0.5
    for pair in range(pairs):
        for side in (-1, 1):
            place = 0.14 + 0.72 * (pair + (0.5 if alternate and side > 0 else 0)) / pairs
            i = min(int(place * 39), 38)
            along = float(np.arctan2(y_N[i + 1] - y_N[i], x_N[i + 1] - x_N[i]))
            size = 1.1 - 0.5 * place
            ink = leaf if side < 0 else other
            _leaf(
                pen,
                (float(x_N[i]), float(y_N[i])),
                along + side * open_angle,
                (length * size, half * size),
                ink,
            )
    stroke(pen, points(x_N, y_N), 7, leaf)
    if rng.random() < 0.7:
        _bloom(rng, pen, tip, (petal, heart))
    else:
        _leaf(pen, (float(x_N[-2]), float(y_N[-2])), -1.57, (length * 0.6, half * 0.8), leaf)
    return image


ARTIST = Artist(
    name="Inés Quillahuamán",
    slug="ines-quillahuaman",
    paint=paint,
    palettes=(
        "f6f0dc e8dcb5 2f5d3a 5f8f4e d1495b f2c14e",
        "1d2b26 2b4038 7fb685 b7d6a3 f4a259 fff1c9",
        "fbe7df f4c9b8 3d6b5c 7a9e87 8e3b5c f6c667",
        "dfeaf0 b9d3df 1f4e5f 4d8a8b f26c4f ffe3a3",
        "f4e3b2 e7c878 4a5d23 7d8f3a a63d40 2d1e12",
        "2a1f33 3f2f4c 5fa777 98c9a3 ef6f9c ffd972",
        "ece8f2 d0c5e2 3b4a7a 6b7db3 f0a202 7a2e4d",
        "cfe5c5 a9cf9f 14532d 3f8a4f ffffff f2b705",
        "b5485a c9667a f2d9b8 e8b98f fff2d6 f2b134",
        "f2b84b f6cd7c 1f4e4a 2f7a6a c1333b fff0cc",
        "123047 1d4763 5fb3b3 9ad0c2 f7a6b4 fff2b0",
        "c9b79c d9cab3 3a3f2c 6a6b45 fbf3e4 b5532c",
    ),
    adjectives=(
        "Bitter",
        "Climbing",
        "Dried",
        "Early",
        "Fragrant",
        "Green",
        "Hidden",
        "Mountain",
        "Pressed",
        "Slender",
        "Tall",
        "Wild",
    ),
    nouns=(
        "Fern",
        "Poppy",
        "Laurel",
        "Orchid",
        "Thistle",
        "Sage",
        "Nettle",
        "Daisy",
        "Willow",
        "Herb",
        "Seedling",
        "Garden",
    ),
)
