"""Sunsets: a large sun, a warm sky and hills that grow darker as they come near."""

import numpy as np
from PIL import Image, ImageDraw

from styles.canvas import CANVAS, Artist, Color, Palette, along, disc, hill, mix, points, sky


def _water(pen: ImageDraw.ImageDraw, shore: float, x: float, inks: tuple[Color, Color]) -> None:
    """Draw a lake from the shore down, with the sun broken into bars on it."""
    lake, sun = inks
    pen.rectangle((0, shore, CANVAS, CANVAS), fill=lake)
    for bar in range(5):
        y = shore + 6 + 17 * bar
        half = 46 - 7 * bar
        pen.rounded_rectangle((x - half, y, x + half, y + 8), radius=4, fill=sun)


def _pines(rng: np.random.Generator, pen: ImageDraw.ImageDraw, ink: Color) -> None:
    """Draw a few dark trees close to the viewer, in the left or the right corner."""
    side = int(rng.integers(2))
    for tree in range(int(rng.integers(1, 4))):
        x = abs(side * CANVAS - rng.uniform(20, 40) - 38 * tree)
        top = rng.uniform(70, 150) + 14 * tree
        for skirt in range(3):
            low = top + (262 - top) * (0.5 + 0.25 * skirt)
            half = 13 + 9 * skirt
            peak = top + (262 - top) * 0.22 * skirt
            pen.polygon([(x, peak), (x + half, low), (x - half, low)], fill=ink)


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a sun low over three or four ranges of hills.

    The palette is: sky top, sky middle, sky bottom, sun, far hill, near hill.
    """
    top, middle, bottom, sun, far, near = colors
    horizon = rng.uniform(104, 190)
    image, pen = sky([top, middle, bottom, bottom])
    center = (float(rng.uniform(45, 211)), float(horizon - rng.uniform(-10, 80)))
    radius = float(rng.uniform(26, 66))
    disc(pen, center, radius, sun)
    if rng.random() < 0.5:
        for bar in range(4):
            y = center[1] + radius * (-0.1 + 0.3 * bar)
            ink = along([top, middle, bottom, bottom], y / CANVAS)
            pen.rectangle((center[0] - radius, y, center[0] + radius, y + 4 + 2 * bar), fill=ink)
    if rng.random() < 0.35:
        _water(pen, horizon, center[0], (mix(bottom, far, 0.55), sun))
        horizon = 214.0
    ranges = int(rng.integers(3, 5))
    for layer in range(ranges):
        share = layer / (ranges - 1)
        base = horizon + share * (225 - horizon)
        y_W = base - rng.uniform(14, 44) * hill(rng, 0.35) * (1.1 - 0.4 * share)
        outline = points(np.arange(CANVAS, dtype=np.float64), y_W)
        pen.polygon([(0, CANVAS), *outline, (CANVAS, CANVAS)], fill=along([far, near], share))
    if rng.random() < 0.5:
        _pines(rng, pen, near)
    return image


ARTIST = Artist(
    name="Haruto Mizukawa-Linde",
    slug="haruto-mizukawa-linde",
    paint=paint,
    palettes=(
        "2d1b4e b5446e f7a35c ffe28a 7a2e5d 1f1033",
        "1b3a6b 6fa8c9 f6d8ae fff3d6 3f7f8c 0e2a3d",
        "f26a4b f9a65a fde2a2 fffbe6 b8434a 4a1c32",
        "0f2d3a 2a7a78 f2c57c fb8b3c 1f5b5e 071b22",
        "5b2a86 c04b8f fca3a3 fff0c2 75357f 2a1245",
        "8fc1d9 cfe5e4 fbe9c6 f2643d 6b9a86 1f4a3f",
        "3b0d11 a4262c f26b21 ffc23d 6a1218 1c0508",
        "f7c8c8 fbe3d0 fff4dc f28b82 a9a0c9 4b4a7a",
        "102542 1f5c7a 86d0c4 fdf3c0 2b6a6d 0a1f2e",
        "f2b134 f6cd61 fbe7a8 e4572e 8f9a4b 3d4a24",
        "3a2f5b 6f5b9a d9a5b8 ffd8c2 4b3f72 1c1730",
        "dfe7ea f3d8d0 f6b8a4 d94f4f 7b8a99 2d3a47",
        "d8572a f7b538 fde9b0 e2381b a8281f 3c0a12",
        "14213d 33415c e5989b ffcdb2 6d6875 22223b",
        "bfe3d0 e9f2c9 fce38a f38181 6fb98f 2c5f4e",
        "05060f 1d1f4d 6a3d9a f7e7ce 24204f 0a0a1c",
    ),
    adjectives=(
        "Amber",
        "Autumn",
        "Burning",
        "Calm",
        "Dusty",
        "Evening",
        "Fading",
        "Humid",
        "Last",
        "Quiet",
        "Tender",
        "Warm",
    ),
    nouns=(
        "Sunset",
        "Dusk",
        "Hills",
        "Valley",
        "Horizon",
        "Meadow",
        "Afterglow",
        "Farewell",
        "Pasture",
        "Savanna",
        "Twilight",
        "Homecoming",
    ),
)
