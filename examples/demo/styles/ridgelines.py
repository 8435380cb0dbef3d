"""Ridgelines: rows of mountains, one behind the other, each with a bright crest."""

import numpy as np
from PIL import Image

from styles.canvas import CANVAS, Artist, Palette, along, hill, points, sky, stroke


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a range of ridges whose peaks gather around one or two places.

    The palette is: sky top, sky bottom, far ridge, near ridge, crest.
    """
    top, bottom, far, near, crest = colors
    image, pen = sky([top, bottom])
    rows = int(rng.integers(4, 8))
    x_W = np.arange(CANVAS, dtype=np.float64)
    center = rng.uniform(44, 212)
    drift = rng.uniform(-170, 170)
    first = rng.uniform(60, 130)
    spread = rng.uniform(26, 74)
    height = rng.uniform(50, 110)
    for row in range(rows):
        share = row / (rows - 1)
        base = first + share * (246 - first)
        peak = np.exp(-(((x_W - center - drift * (share - 0.5)) / spread) ** 2))
        rugged = 1.0 + 0.45 * hill(rng, 0.9)
        y_W = base - height * peak * rugged * rng.uniform(0.55, 1.0) - 7 * hill(rng, 0.7)
        outline = points(x_W, y_W)
        pen.polygon([(0, CANVAS), *outline, (CANVAS, CANVAS)], fill=along([far, near], share))
        stroke(pen, outline[::4] + outline[-1:], 8, crest)
    return image


ARTIST = Artist(
    name="Zoë Marchetti-Ållund",
    slug="zoe-marchetti-allund",
    paint=paint,
    palettes=(
        "0b0c10 0b0c10 0b0c10 0b0c10 f4f1e8",
        "f6d9c0 f0a58a 7d4f6d 231b3a ffe9d2",
        "f2efe6 f2efe6 f2efe6 f2efe6 c8342b",
        "10243f 2f6f8f 1d4a68 071423 8fe3d6",
        "f8e7a1 f3b562 d0643c 59211f fff4cf",
        "dfeee8 a7cfc0 4d8f83 12393b ffffff",
        "2b1245 7b2d72 c13d7a 2a0d3a ffc46b",
        "f5f0e1 f5f0e1 1f4e8c 0f2747 f5f0e1",
        "f2c14e f2c14e d9573f 3a2340 fff1c9",
        "1a1423 45335f 7a4f8a f08a6c ffe3c2",
        "c9e4f5 f7f3e3 6fa3a0 1f4f4a fffdf2",
        "b23a48 e07a5f f2b880 fbe8c8 5b1424",
    ),
    adjectives=(
        "Distant",
        "Hollow",
        "Jagged",
        "Lonely",
        "Northern",
        "Patient",
        "Rising",
        "Solemn",
        "Steep",
        "Thin",
        "Upper",
        "Weathered",
    ),
    nouns=(
        "Ridge",
        "Summit",
        "Signal",
        "Pulse",
        "Echo",
        "Range",
        "Crest",
        "Pass",
        "Granite",
        "Glacier",
        "Cairn",
        "Plateau",
    ),
)
