"""Every number of the experiment in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is drawn, trained, asked and tested; equal plans give equal models."""

    pool_seed: int = 2026
    """Of the works that the demo's artists draw; the demo's own corpus has another."""

    seed: int = 1
    """Of coins, weights, batches, noise and draws of controls, together with a model's number."""

    side: int = 16
    """Width and height of a picture in pixels, a multiple of 4; the demo has 64."""

    clusters: int = 700
    """Units of the pool, spread evenly over the 1,140 that the artists draw."""

    planted: tuple[tuple[int, int], ...] = ((4, 8), (8, 8), (16, 8), (32, 8))
    """(occurrences, units) of the repeated training works, by lot among those in training."""

    once: int = 12
    """Units in training once that are asked as well: grey, in neither rate."""

    controls: int = 250
    """Held-out units that stand as controls; all other held-out units are true nulls under test."""

    channels: tuple[int, ...] = (64, 64)
    """Width of the network per level, multiples of 8."""

    words: int = 32
    """Numbers per word of a caption."""

    steps: int = 400
    """Training steps."""

    batch: int = 64
    """Rows per step; rows are occurrences, so repeated works are seen more often."""

    rate: float = 4e-3
    """Highest learning rate of the one-cycle schedule."""

    generations: int = 4
    """Pictures asked per unit, the same for every unit."""

    denoising: int = 6
    """DDIM steps of each."""

    neighbours: int = 50
    """Other works over which the adaptive ratio takes its mean distance."""

    levels: tuple[float, ...] = (0.05, 0.1)
    """Nominal false discovery rates."""

    repeats: int = 20
    """Askings of the first model, with other noise and other controls: 'within one model'."""
