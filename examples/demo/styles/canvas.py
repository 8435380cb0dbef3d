"""Canvas: the few drawing tools that all the demo's artists share.

Pictures are painted at four times their final size and reduced once, which is all the
antialiasing they get; a painter therefore thinks in canvas pixels, 0 to 255 from the top left.
Dimensions: H rows, W columns, N points along a curve.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 64
"""Pixels on a side of a finished work."""
CANVAS = 256
"""Pixels on a side while painting: four per finished pixel."""

Color = tuple[int, int, int]
Palette = tuple[Color, ...]
Array = NDArray[np.float64]
Paint = Callable[[np.random.Generator, Palette], Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artist:
    """One invented artist: a name, a hand and the words of the titles."""

    name: str
    """As printed in captions; several are outside ASCII, so that matching of names is exercised."""
    slug: str
    """The name in lower-case ASCII, for work ids and urls."""
    paint: Paint
    """Paints one work on a canvas of 256x256 from random numbers and a palette."""
    palettes: tuple[str, ...]
    """Hand-picked colour sets, hex codes between spaces; the painter knows each place's meaning."""
    adjectives: tuple[str, ...]
    """First words of titles; no word belongs to two artists."""
    nouns: tuple[str, ...]
    """Second words of titles; no word belongs to two artists."""


def rgb(code: str) -> Color:
    """Read a six-digit hex colour.

    >>> rgb("ff8000")
    (255, 128, 0)
    """
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colours; a share of 0 is the first, 1 the second.

    >>> mix((0, 0, 0), (100, 200, 50), 0.5)
    (50, 100, 25)
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def along(stops: Sequence[Color], share: float) -> Color:
    """Return the colour at a share (0 to 1) of the way through evenly spaced stops.

    >>> along([(0, 0, 0), (10, 10, 10), (90, 90, 90)], 0.75)
    (50, 50, 50)
    """
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    return mix(stops[low], stops[low + 1], place - low)


def shifted(palette: str, hue: float) -> Palette:
    """Read a palette with all hues turned a little, so that no two works share their inks exactly.

    Args:
        palette: Hex codes between spaces.
        hue: Turn as a share of the full circle, -1 to 1.

    Returns:
        The colours in the order of the codes.
    """
    return tuple(_turned(rgb(code), hue) for code in palette.split())


def _turned(color: Color, hue: float) -> Color:
    h, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in color))
    red, green, blue = colorsys.hls_to_rgb((h + hue) % 1.0, light, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def blank(color: Color) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a canvas of one colour and a pen on it."""
    image = Image.new("RGB", (CANVAS, CANVAS), color)
    return image, ImageDraw.Draw(image)


def sky(stops: Sequence[Color]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a canvas that fades from the first colour at the top to the last, and a pen on it."""
    rows = [along(stops, row / (CANVAS - 1)) for row in range(CANVAS)]
    column = np.array(rows, dtype=np.uint8)[:, None, :]
    image = Image.fromarray(np.repeat(column, CANVAS, axis=1))
    return image, ImageDraw.Draw(image)


@cache
def pixels() -> tuple[Array, Array]:
    """Return x_HW and y_HW, the place of every canvas pixel."""
    y_HW, x_HW = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float64)
    return x_HW, y_HW


def points(x_N: Array, y_N: Array) -> list[tuple[float, float]]:
    """Pair coordinates for Pillow."""
    return list(zip(x_N.tolist(), y_N.tolist(), strict=True))


def disc(pen: ImageDraw.ImageDraw, center: tuple[float, float], radius: float, ink: Color) -> None:
    """Fill a circle."""
    x, y = center
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def stroke(
    pen: ImageDraw.ImageDraw, path: Sequence[tuple[float, float]], width: float, ink: Color
) -> None:
    """Draw a line with round joints and round ends."""
    pen.line(list(path), fill=ink, width=round(width), joint="curve")
    for end in (path[0], path[-1]):
        disc(pen, end, width / 2 - 0.5, ink)


def hill(rng: np.random.Generator, rough: float) -> Array:
    """Return the heights of a rolling skyline, one per canvas column, between about -1 and 1.

    Args:
        rng: Random numbers.
        rough: How fast the finer waves keep their height, 0 (one smooth swell) to 1.

    Returns:
        float64[256].
    """
    x_W = np.linspace(0.0, 2 * np.pi, CANVAS)
    height_W = np.zeros(CANVAS)
    for octave in range(1, 5):
        wave = octave * rng.uniform(0.6, 1.0)
        height_W += rough ** (octave - 1) * np.sin(wave * x_W + rng.uniform(0, 2 * np.pi))
    return np.asarray(height_W / np.abs(height_W).max())


def finish(canvas: Image.Image) -> Image.Image:
    """Reduce a canvas to a finished work of 64x64."""
    return canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
