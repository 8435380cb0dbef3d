"""Suffixes: how many attempts a model needs before it writes the true suffix, after Hayes et al.

Nothing is sampled for it: the probability q of the whole suffix gives the attempts n after which it
comes at least once with probability p, 1 - (1 - q)^n >= p.

A likely suffix may be fluent and not remembered, so each count of training works stands beside that
of control works, cut into passages in the same way.

Source: Hayes et al. 2024, section 3; Cooper et al. 2025.

Dimension key: L levels of probability, S suffixes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log, log1p, log10
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from stages.contract import Reader

Row = Mapping[str, Any]

ATTEMPTS = (1, 10, 100, 1_000, 10_000, 1_000_000)
"""Attempts for which shares are given."""

CURVES = (1, 10, 100, 1_000)
"""Attempts for which a curve is drawn; all of them are in `ATTEMPTS`."""

LEVELS = tuple(number / 200 for number in range(1, 200))
"""Probabilities at which a curve is known; near 1 it would only tell how floats are rounded."""

HALVES = ("train", "control")
MAX_LISTED = 20
HALF_CHANCE, SURE = 0.5, 0.95


class Suffix(NamedTuple):
    """One prompt whose work goes on with a suffix that is known."""

    prompt_id: str
    half: str
    tokens: int
    logprob: float | None
    """Natural logarithm of its probability; None if the scheme never writes it."""


class ShareLine(NamedTuple):
    """Suffixes that come within so many attempts."""

    attempts: int
    half_chance: Mapping[str, int]
    """With a probability of 0.5, by half."""
    sure: Mapping[str, int]
    """With a probability of 0.95, by half."""


class Curve(NamedTuple):
    """How many suffixes come within so many attempts, with each probability."""

    attempts: int
    counts: Mapping[str, tuple[int, ...]]
    """Suffixes that come with a probability of at least each of `LEVELS`, by half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffixes:
    """What one model thinks of the true suffixes."""

    model_id: str
    """Digest of the model."""

    num_prompts: Mapping[str, int]
    """Prompts with a true suffix, by half of the work."""

    lines: tuple[ShareLine, ...]
    """One for each of `ATTEMPTS`."""

    curves: tuple[Curve, ...]
    """One for each of `CURVES`."""

    likeliest: Mapping[str, tuple[Suffix, ...]]
    """The most probable ones of each half, at most `MAX_LISTED`."""


def count_suffixes(outputs: Reader) -> tuple[Suffixes, ...]:
    """Return what each model thinks of the true suffixes; empty if none says so.

    Args:
        outputs: OUTPUTS.
    """
    names = ["model_id", "prompt_id", "half", "suffix_tokens", "suffix_logprob"]
    rows = outputs.read(names)
    rows = rows.filter(pc.is_valid(rows["suffix_tokens"]))
    known: dict[str, dict[str, Suffix]] = defaultdict(dict)
    for row in rows.to_pylist():
        if row["suffix_tokens"] and row["half"] in HALVES:
            suffix = Suffix(
                row["prompt_id"], row["half"], row["suffix_tokens"], row["suffix_logprob"]
            )
            known[row["model_id"]][row["prompt_id"]] = suffix
    return tuple(
        _counted(model_id, list(found.values())) for model_id, found in sorted(known.items())
    )


def _counted(model_id: str, suffixes: Sequence[Suffix]) -> Suffixes:
    halves = {half: sorted((s for s in suffixes if s.half == half), key=_rank) for half in HALVES}

    def within(most: int, chance: float) -> dict[str, int]:
        limit = log10(most)
        return {
            half: sum(attempts_log10(s.logprob, chance) <= limit for s in some)
            for half, some in halves.items()
        }

    return Suffixes(
        model_id=model_id,
        num_prompts={half: len(some) for half, some in halves.items()},
        lines=tuple(ShareLine(n, within(n, HALF_CHANCE), within(n, SURE)) for n in ATTEMPTS),
        curves=tuple(
            Curve(n, {half: at_least(some, n) for half, some in halves.items()}) for n in CURVES
        ),
        likeliest={half: tuple(some[:MAX_LISTED]) for half, some in halves.items()},
    )


def at_least(suffixes: Sequence[Suffix], attempts: int) -> tuple[int, ...]:
    """Return how many suffixes come within so many attempts with at least each of `LEVELS`.

    >>> counts = at_least([Suffix("p", "train", 50, log(0.5))], 2)
    >>> counts[LEVELS.index(0.75)], counts[LEVELS.index(0.755)]
    (1, 0)
    """
    said = [-np.inf if suffix.logprob is None else suffix.logprob for suffix in suffixes]
    chance_S = np.exp(np.minimum(np.array(said, np.float64), 0.0))
    with np.errstate(divide="ignore"):  # what is certain comes at once
        within_S = -np.expm1(attempts * np.log1p(-chance_S))
    # a hair of slack: 0.75 must count as 0.75 after a logarithm and back
    levels_L = np.array(LEVELS) - 1e-12
    return tuple((len(within_S) - np.searchsorted(np.sort(within_S), levels_L)).tolist())


def _rank(suffix: Suffix) -> tuple[float, str]:
    return (float("inf") if suffix.logprob is None else -suffix.logprob), suffix.prompt_id


_TINY = -30.0
"""Below this logarithm, log(1 - q) is -q in double precision."""


def attempts_log10(logprob: float | None, chance: float) -> float:
    """Return the decimal logarithm of the attempts needed; infinite if it is never written.

    >>> round(10 ** attempts_log10(log(0.5), 0.95))
    5
    >>> round(attempts_log10(-460.517, 0.5), 3)
    199.841
    """
    if logprob is None:
        return float("inf")
    if logprob < _TINY:
        return log10(-log1p(-chance)) - logprob / log(10)
    rest = 1 - exp(logprob)
    needed = log1p(-chance) / log(rest) if rest > 0 else 1.0
    return log10(max(1, ceil(needed - 1e-9)))
