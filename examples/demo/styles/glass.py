"""Glass: leaded windows, panes of light between dark lines."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from styles.canvas import CANVAS, Array, Artist, Palette, pixels


def _free(rng: np.random.Generator) -> Array:
    """Return about a dozen pane centers that keep their distance from one another."""
    chosen = rng.uniform(0, CANVAS, size=(1, 2))
    for _ in range(int(rng.integers(9, 13))):
        tries = rng.uniform(0, CANVAS, size=(12, 2))
        gap = np.hypot(*(tries[:, None] - chosen[None]).transpose(2, 0, 1)).min(axis=1)
        chosen = np.vstack([chosen, tries[[int(gap.argmax())]]])
    return chosen


def _rose(rng: np.random.Generator) -> Array:
    """Return pane centers of a rose window: a heart, a ring of petals, a ring of corners."""
    petals = int(rng.integers(4, 8))
    heart = rng.uniform(96, 160, size=2)
    turn = rng.uniform(0, 2 * np.pi)
    rings = [heart[None]]
    for ring, reach in enumerate((rng.uniform(58, 76), rng.uniform(122, 150))):
        angle = turn + ring * np.pi / petals + np.arange(petals) * 2 * np.pi / petals
        rings.append(heart + reach * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return np.vstack(rings)


def _mirror(rng: np.random.Generator) -> Array:
    """Return pane centers that are symmetric left and right."""
    half = _free(rng)[:7] * (0.46, 1.0)
    return np.vstack([half, (CANVAS, 0) + half * (-1, 1)])


def paint(rng: np.random.Generator, colors: Palette) -> Image.Image:
    """Paint a window of one of three plans, lit from a random side.

    The palette is: lead, then five glasses.
    """
    lead, *glasses = colors
    plan = (_free, _rose, _mirror)[int(rng.integers(3))]
    center_P2 = plan(rng)
    panes = len(center_P2)
    ink_P = _scatter(rng, panes) if plan is _free else _glaze(rng, panes)
    x_HW, y_HW = pixels()
    nearest_HW = np.zeros(x_HW.shape, dtype=np.int64)
    first_HW = np.full(x_HW.shape, np.inf)
    second_HW = np.full(x_HW.shape, np.inf)
    for pane, (x, y) in enumerate(center_P2):
        distance_HW = np.hypot(x_HW - x, y_HW - y)
        closer_HW = distance_HW < first_HW
        second_HW = np.where(closer_HW, first_HW, np.minimum(second_HW, distance_HW))
        first_HW = np.minimum(first_HW, distance_HW)
        nearest_HW[closer_HW] = pane
    color_HW3 = np.array(glasses, dtype=np.float64)[ink_P[nearest_HW] % len(glasses)]
    angle = rng.uniform(0, 2 * np.pi)
    slope_HW = (np.cos(angle) * (x_HW - 128) + np.sin(angle) * (y_HW - 128)) / 181
    glow_HW = 1.0 + 0.16 * slope_HW - 0.0016 * first_HW
    color_HW3 = np.clip(color_HW3 * glow_HW[..., None], 0, 255)
    color_HW3[second_HW - first_HW < rng.uniform(9, 12)] = lead
    return Image.fromarray(color_HW3.astype(np.uint8))


def _scatter(rng: np.random.Generator, panes: int) -> NDArray[np.int64]:
    """Choose a glass for every pane, all glasses about equally often."""
    return rng.permutation(panes)


def _glaze(rng: np.random.Generator, panes: int) -> NDArray[np.int64]:
    """Choose glasses that repeat as a symmetric plan does: round the ring, or left and right."""
    first = int(rng.integers(5))
    if panes % 2:
        petals = (panes - 1) // 2
        ring = first + 1 + np.arange(petals) % (2 if petals % 2 == 0 else 1)
        return np.concatenate([[first], ring, np.full(petals, first + 3) + np.arange(petals) % 2])
    half = rng.permutation(panes // 2) + first
    return np.concatenate([half, half])


ARTIST = Artist(
    name="Ioana Ștefărescu",
    slug="ioana-stefarescu",
    paint=paint,
    palettes=(
        "14110f c81d25 1b4f9c f2b134 2e8b57 f4e8c1",
        "1a1423 3d348b 7678ed f7b801 f35b04 f1e4ff",
        "0d1b1e 0b7a75 7bdff2 eff7f6 f2b5d4 19535f",
        "201512 a4161a e5383b ffba08 faa307 fff1d0",
        "101d17 386641 a7c957 f2e8cf bc4749 6a994e",
        "15122b 5f0f40 9a031e fb8b24 e36414 0f4c5c",
        "111827 2563eb 93c5fd e0f2fe fbbf24 1e3a8a",
        "1c1016 d90368 f79ac0 fde8ef 820263 f2a65a",
        "16130f 6b4226 d9a066 f6e7c8 3f6b5c a63c2a",
        "0e1420 264653 2a9d8f e9c46a f4a261 e76f51",
    ),
    adjectives=(
        "Ancient",
        "Blessed",
        "Chapel",
        "Gothic",
        "Holy",
        "Lantern",
        "Leaded",
        "Luminous",
        "Sacred",
        "Silent",
        "Vaulted",
        "Vigil",
    ),
    nouns=(
        "Window",
        "Rose",
        "Psalm",
        "Apse",
        "Candle",
        "Choir",
        "Cloister",
        "Halo",
        "Mosaic",
        "Prism",
        "Saint",
        "Vespers",
    ),
)
