"""Lighthouses: a banded tower on a rock, its beam over the sea."""

import numpy as np
from PIL import Image, ImageDraw

from styles.canvas import CANVAS, Artist, Color, Palette, disc, hill, mix, points, sky


def _tower(
    pen: ImageDraw.ImageDraw,
    foot: tuple[float, float],
    height: float,
    bands: int,
    inks: tuple[Color, Color, Color],
) -> None:
    """Draw the banded shaft, the gallery and the lamp room."""
    x, y = foot
    light, band, lamp = inks
    low, high = 0.27 * height, 0.17 * height
    for part in range(bands):
        near, far = part / bands, (part + 1) / bands
        a, b = low + (high - low) * near, low + (high - low) * far
        pen.polygon(
            [
                (x - a, y - near * height),
                (x + a, y - near * height),
                (x + b, y - far * height),
                (x - b, y - far * height),
            ],
            fill=band if part % 2 else light,
        )
    top = y - height
    pen.rectangle((x - 24, top - 6, x + 24, top + 3), fill=band)
    pen.rectangle((x - 13, top - 30, x + 13, top - 7), fill=lamp)
    pen.polygon([(x - 20, top - 29), (x + 20, top - 29), (x, top - 52)], fill=band)


def _boat(pen: ImageDraw.ImageDraw, at: tuple[float, float], inks: tuple[Color, Color]) -> None:
    """Draw a boat with two sails on the water."""
    x, y = at
    sail, hull = inks
    pen.polygon([(x + 2, y - 62), (x + 2, y - 8), (x + 34, y - 8)], fill=sail)
    pen.polygon([(x - 4, y - 52), (x - 4, y - 8), (x - 28, y - 8)], fill=mix(sail, hull, 0.25))
    pen.polygon([(x - 36, y - 4), (x + 38, y - 4), (x + 24, y + 14), (x - 24, y + 14)], fill=hull)


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a tower left or right of the middle, by night or by day.

    The palette is: sky top, sky bottom, sea, rock, light band, dark band, lamp.
    """
    top, bottom, sea, rock, light, band, lamp = colors
    image, pen = sky([top, bottom])
    horizon = float(rng.uniform(150, 200))
    x = float(rng.uniform(60, 196))
    foot = horizon + 6
    height = float(rng.uniform(78, min(136, foot - 62)))
    lamp_y = foot - height - 18
    moon = (float((x + rng.uniform(80, 150)) % CANVAS), float(rng.uniform(28, 70)))
    disc(pen, moon, float(rng.uniform(14, 30)), mix(light, lamp, 0.4))
    side = 1 if x < 128 else -1
    tilt = rng.uniform(-40, 40)
    far = x + side * 260
    pen.polygon(
        [(x, lamp_y), (far, lamp_y + tilt - 42), (far, lamp_y + tilt + 42)],
        fill=mix(lamp, bottom, 0.35),
    )
    if rng.random() < 0.5:
        pen.polygon(
            [
                (x, lamp_y),
                (x - side * 260, lamp_y - tilt - 30),
                (x - side * 260, lamp_y - tilt + 30),
            ],
            fill=mix(lamp, bottom, 0.35),
        )
    pen.rectangle((0, horizon, CANVAS, CANVAS), fill=sea)
    x_W = np.arange(CANVAS, dtype=np.float64)
    bump = np.exp(-(((x_W - x) / rng.uniform(44, 84)) ** 2))
    if rng.random() < 0.5:
        edge = (x - x_W) if x < 128 else (x_W - x)
        bump = 1.0 / (1.0 + np.exp(-(edge + 46) / 9))
    if rng.random() < 0.5:
        _boat(pen, ((x + 128) % CANVAS, horizon + float(rng.uniform(4, 18))), (light, band))
    _tower(pen, (x, foot), height, int(rng.integers(3, 7)), (light, band, lamp))
    y_W = horizon + 52 - 62 * bump - 7 * hill(rng, 0.9)
    pen.polygon([(0, CANVAS), *points(x_W, y_W), (CANVAS, CANVAS)], fill=rock)
    for wave in range(2):
        y_W = 226 + 16 * wave + 5 * np.sin(x_W / rng.uniform(9, 13) + rng.uniform(0, 6))
        pen.polygon(
            [(0, CANVAS), *points(x_W, y_W), (CANVAS, CANVAS)],
            fill=mix(sea, light, 0.3 - 0.3 * wave),
        )
    return image


ARTIST = Artist(
    name="Søren Vindmark",
    slug="soren-vindmark",
    paint=paint,
    palettes=(
        "0d1b3e 27476e 12305a 0a1020 f4f1e6 c8352e ffe28a",
        "8ecae6 d9f0f7 2a7fa5 5b4a3f ffffff d62828 fff3b0",
        "f6b58a fbe0c3 4f7d8c 3d2c3a fff6e6 2b4f81 ffd166",
        "1f1a38 5a3d7a 2d2350 120e22 e8e0f0 e07a5f ffe8a3",
        "a8c9b4 e6efd9 3f7d6e 2f3b34 fdfbf0 22577a fff1a8",
        "20333d 4f7480 1b4650 0f1d22 dfe9e6 f2a33a fff0b5",
        "e98a7b f7cfa5 7a3e58 34182b fff0df 401f3e fff5b8",
        "c7d3dd eef1f0 5f7c8f 3b4450 ffffff b5433a fff1a8",
        "2f2a4a c76b7d 3b2f55 17132b ffe9dc 2a6f77 ffe08a",
        "f3cf6d fae9b0 3c8d93 6b4a35 fffaf0 d1495b fff7cf",
        "0b3b3c 2f8f7f 0d5552 062222 f4f7e8 e9b44c fff2ad",
        "f9d5d3 fdeee2 8fb3c9 5a5f78 ffffff e05a6d fff3b8",
        "7a1f2b e0623f 4a1526 1f0a14 fff0d8 2b2b45 ffd76a",
        "b8d8ba e9f5db 52796f 354f52 ffffff 9d2b4e fff6c2",
    ),
    adjectives=(
        "Abandoned",
        "Baltic",
        "Faithful",
        "Foggy",
        "Frozen",
        "Guiding",
        "Midnight",
        "Old",
        "Salted",
        "Stormy",
        "Western",
        "Windy",
    ),
    nouns=(
        "Lighthouse",
        "Harbour",
        "Beacon",
        "Cape",
        "Fjord",
        "Headland",
        "Island",
        "Keeper",
        "Pier",
        "Skerry",
        "Sound",
        "Watch",
    ),
)
