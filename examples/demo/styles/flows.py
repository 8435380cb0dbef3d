"""Flows: broad ribbons that follow an invisible current."""

import numpy as np
from PIL import Image

from styles.canvas import CANVAS, Array, Artist, Palette, blank, points, stroke


def _current(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return one or two eddies as rows of (x, y) and their spins."""
    eddies = int(rng.integers(1, 3))
    center_E2 = rng.uniform(40, 216, size=(eddies, 2))
    spin_E = rng.choice([-1.0, 1.0], size=eddies) * rng.uniform(0.7, 1.3, size=eddies)
    return center_E2, spin_E


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint ribbons along a drift bent by one or two eddies.

    The palette is: ground, then four inks, laid in bands across the picture.
    """
    ground, *inks = colors
    image, pen = blank(ground)
    center_E2, spin_E = _current(rng)
    drift = rng.uniform(0, 2 * np.pi)
    step = 60.0
    start = np.arange(-step, CANVAS + step, step)
    grid_y, grid_x = (axis.ravel() for axis in np.meshgrid(start, start, indexing="ij"))
    x_N = grid_x + rng.uniform(-14, 14, grid_x.size)
    y_N = grid_y + rng.uniform(-14, 14, grid_y.size)
    band = np.cos(drift + 1.2) * x_N + np.sin(drift + 1.2) * y_N
    ink_N = np.argsort(np.argsort(band)) * len(inks) // x_N.size
    xs, ys = [x_N], [y_N]
    for _ in range(19):
        dx_N = 0.9 * np.cos(drift) + np.zeros_like(x_N)
        dy_N = 0.9 * np.sin(drift) + np.zeros_like(y_N)
        for (cx, cy), spin in zip(center_E2, spin_E, strict=True):
            away_x, away_y = x_N - cx, y_N - cy
            reach = 90.0 / (np.hypot(away_x, away_y) + 25.0)
            turn = spin * reach**2
            dx_N += -turn * away_y / (np.hypot(away_x, away_y) + 1e-6)
            dy_N += turn * away_x / (np.hypot(away_x, away_y) + 1e-6)
        length_N = np.hypot(dx_N, dy_N) + 1e-6
        x_N, y_N = x_N + 7.5 * dx_N / length_N, y_N + 7.5 * dy_N / length_N
        xs.append(x_N)
        ys.append(y_N)
    path_x, path_y = np.stack(xs), np.stack(ys)
    width = rng.uniform(27, 36)
    for ribbon in rng.permutation(x_N.size):
        path = points(path_x[:, ribbon], path_y[:, ribbon])
        stroke(pen, path, width + 9, ground)
        stroke(pen, path, width, inks[int(ink_N[ribbon])])
    return image


ARTIST = Artist(
    name="Yusuf Karaçelebi",
    slug="yusuf-karacelebi",
    paint=paint,
    palettes=(
        "f4ecd8 1d3557 457b9d e76f51 f4a261",
        "101820 f2aa4c f6d186 e8505b 14b1ab",
        "fdf6ec 264653 2a9d8f e9c46a e76f51",
        "1a1a2e e94560 f5b461 9dd9d2 53599a",
        "eef2e6 1c6758 58a37e d9b25f 1a3a34",
        "2d132c ee4540 ffb38a 8f2d56 ffe8d1",
        "f7f4ff 3a0ca3 8f2fc7 f2508f 4cc9f0",
        "e9c9a4 6f1d1b bb4d3e fff3dd 2f4b52",
        "20242c e9e4d8 8d99ae ef6f53 4f6d7a",
        "dbe9e4 0b4f6c 01a7c2 fbb13c d8514a",
        "0a2239 53a2be 1d84b5 f2e9dc f2b950",
    ),
    adjectives=(
        "Drifting",
        "Endless",
        "Flowing",
        "Gentle",
        "Liquid",
        "Restless",
        "Southern",
        "Swift",
        "Tidal",
        "Turning",
        "Wandering",
        "Whirling",
    ),
    nouns=(
        "Current",
        "River",
        "Eddy",
        "Stream",
        "Breeze",
        "Delta",
        "Monsoon",
        "Ribbon",
        "Tempest",
        "Undertow",
        "Vortex",
        "Wake",
    ),
)
