"""When a simulated error rate counts as kept, and the loop that measures it.

Dimension key: B repetitions, Q nominal rates, K test units, m control units; in the last axis of an
outcome stand error, power and whether anything was found.

A trial is one repetition: it draws a world, judges it with the product's own functions, and holds
the findings against the truth. Every trial gets its own stream of random numbers, by name, so that
adding a row changes no other row.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from stages.statistics.intervals import lower_limit, upper_limit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Trial = Callable[[np.random.Generator, Sequence[float]], Floats]
"""Draws one world; returns float64[Q, 3]: error, power, found, at each nominal rate."""

LEVELS = (0.01, 0.05, 0.1)
CONFIDENCE = 0.95
SLACK = 1.25
STATEMENT = (
    "A row passes if the one-sided 95 % lower limit of its mean error is at or below the nominal "
    "rate q, and the one-sided 95 % upper limit is at or below 1.25 q. The error of one repetition "
    "is the false discovery proportion, false findings over findings, 0 where nothing was found; "
    "for a single test it is 1 if a true null was rejected, for intervals the share that missed. "
    "Limits over repetitions: Student's t; where every error is 0 or 1, exact (Clopper-Pearson). "
    "A broken variant is caught if its lower limit lies above q."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A measured error rate beside its nominal one."""

    q: float
    """Nominal rate."""

    repeats: int
    """Repetitions, each with a world of its own."""

    error: float
    """Mean error over repetitions."""

    low: float
    """One-sided 95 % lower limit of the mean error."""

    high: float
    """One-sided 95 % upper limit of the mean error."""

    sd: float
    """Standard deviation of the error between repetitions."""

    power: float
    """Mean share of what was to be found that was found."""

    silent: float
    """Share of repetitions without any finding."""

    @property
    def kept(self) -> bool:
        """Whether the row passes."""
        return self.low <= self.q and self.high <= SLACK * self.q

    @property
    def exceeded(self) -> bool:
        """Whether the rate is shown to be above the nominal one."""
        return self.low > self.q

    def facts(self) -> dict[str, Any]:
        """Return the row of the report."""
        rounded = {name: round(value, 6) for name, value in asdict(self).items()}
        return {**rounded, "passed": self.kept}


def limits(errors_B: Floats) -> tuple[float, float]:
    """Return the one-sided 95 % limits, below and above, of the mean.

    >>> [round(limit, 4) for limit in limits(np.zeros(2000))]
    [0.0, 0.0015]
    """
    num = len(errors_B)
    if np.isin(errors_B, (0, 1)).all():
        hits = int(errors_B.sum())
        return lower_limit(hits, num, CONFIDENCE), upper_limit(hits, num, CONFIDENCE)
    half = float(stdtrit(num - 1, CONFIDENCE) * errors_B.std(ddof=1) / np.sqrt(num))
    mean = float(errors_B.mean())
    return max(0.0, mean - half), mean + half


def rate_of(outcomes_B3: Floats, q: float) -> Rate:
    """Return what the repetitions say at one nominal rate.

    Args:
        outcomes_B3: float64[B, 3]: error, power, found.
        q: nominal rate.
    """
    low, high = limits(outcomes_B3[:, 0])
    error, power, found = (float(mean) for mean in outcomes_B3.mean(axis=0))
    return Rate(
        q=q,
        repeats=len(outcomes_B3),
        error=error,
        low=low,
        high=high,
        sd=float(outcomes_B3[:, 0].std(ddof=1)),
        power=power,
        silent=1 - found,
    )


def dice_for(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one row, which depend on nothing but seed and name."""
    return np.random.default_rng([seed, crc32(name.encode())])


def measure(
    trial: Trial, dice: np.random.Generator, repeats: int, levels: Sequence[float] = LEVELS
) -> list[Rate]:
    """Return the rate at each level over so many repetitions."""
    outcomes_BQ3 = np.stack([trial(dice, levels) for _ in range(repeats)])
    return [rate_of(outcomes_BQ3[:, at], q) for at, q in enumerate(levels)]


def score_list(found_K: Bools, copied_K: Bools) -> tuple[float, float, float]:
    """Return false discovery proportion, power and whether anything was found.

    >>> score_list(np.array([True, True, False]), np.array([True, False, True]))
    (0.5, 0.5, 1.0)
    """
    num_found, num_copied = int(found_K.sum()), int(copied_K.sum())
    right = int((found_K & copied_K).sum())
    return (
        (num_found - right) / max(1, num_found),
        right / max(1, num_copied),
        float(num_found > 0),
    )
