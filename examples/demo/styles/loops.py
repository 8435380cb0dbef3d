"""Loops: rosettes drawn by one wheel rolling inside another."""

import numpy as np
from PIL import Image

from styles.canvas import Artist, Palette, blank, disc, points

_WHEELS = ((3, 1), (4, 1), (5, 1), (5, 2), (6, 1), (7, 2), (7, 1), (8, 1))
"""Cogs of ring and wheel: the ring's number is the number of petals."""


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint two or three nested rosettes over a disc.

    The palette is: ground, disc, then three inks.
    """
    ground, back, *inks = colors
    image, pen = blank(ground)
    center = rng.uniform(104, 152, size=2)
    disc(pen, (float(center[0]), float(center[1])), float(rng.uniform(84, 122)), back)
    turn = rng.uniform(0, 2 * np.pi)
    size = rng.uniform(108, 124)
    angle_N = np.linspace(0, 2 * np.pi, 361)
    for ink in inks[: int(rng.integers(2, 4))]:
        ring, wheel = _WHEELS[int(rng.integers(len(_WHEELS)))]
        arm = rng.uniform(0.45, 1.0)
        around_N = angle_N * wheel
        rolled_N = around_N * (ring - wheel) / wheel
        inner = (ring - wheel) / ring
        x_N = inner * np.cos(around_N) + arm * (1 - inner + 0.25) * np.cos(rolled_N)
        y_N = inner * np.sin(around_N) - arm * (1 - inner + 0.25) * np.sin(rolled_N)
        scale = size / np.hypot(x_N, y_N).max()
        cos, sin = np.cos(turn), np.sin(turn)
        path = points(
            center[0] + scale * (cos * x_N - sin * y_N), center[1] + scale * (sin * x_N + cos * y_N)
        )
        pen.line(path, fill=ink, width=int(rng.integers(12, 17)), joint="curve")
        size *= rng.uniform(0.5, 0.68)
    return image


ARTIST = Artist(
    name="Đỗ Vân Sương",
    slug="do-van-suong",
    paint=paint,
    palettes=(
        "14213d 1f3364 fca311 e5e5e5 ff6b6b",
        "f8f1e5 f3d9b1 c1272d 234e70 e08e45",
        "0b132b 1c2541 5bc0be f7f7ff ff9f1c",
        "fff8f0 d8e2dc 9d3c72 355070 e56b6f",
        "1b1b1e 373f51 d8dbe2 58a4b0 f26157",
        "e7f0dc c5dbb0 1f5041 d1603d 3b7a57",
        "3c0d31 5d1a4a f9c80e f86624 ea3546",
        "dceaf5 b5d1e8 102a54 e4572e 17a398",
        "f7d9c4 faedcb 5f4bb6 c9514a 2d8a6e",
        "073b4c 0c5c6b ffd166 ef476f 8ff7e0",
        "f9c74f f6b63a 1d3557 d62839 fff8e6",
        "c8553d d9704f fdf0d5 2b2d42 ffd29d",
    ),
    adjectives=(
        "Circling",
        "Clockwork",
        "Dizzy",
        "Eternal",
        "Golden",
        "Merry",
        "Orbiting",
        "Perfect",
        "Ringing",
        "Seventh",
        "Spinning",
        "Turned",
    ),
    nouns=(
        "Carousel",
        "Clover",
        "Compass",
        "Cycle",
        "Flywheel",
        "Knot",
        "Lotus",
        "Orbit",
        "Planet",
        "Spindle",
        "Star",
        "Waltz",
    ),
)
