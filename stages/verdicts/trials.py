"""Trials: what one model gave back of one prompt, and which works are candidates.

Both halves of the house judge here, images and texts alike: who is asked, what counts as given
back, how often of how many, with which interval. What differs is in the `Bench`. Every prompt of
every model keeps a row. Whether a candidate stands out against the controls is for `confirm`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa

from stages.statistics.intervals import clopper_pearson, confidence_sequence

IMPORTED = "imported"
UNKNOWN_MODEL = "unknown"
DISCOVERY, CONFIRMATION = "discovery", "confirmation"

Row = Mapping[str, Any]
Reason = tuple[str, str]
"""A verdict and why, for a person."""


class Pair(NamedTuple):
    """One generation and one work that it was compared with."""

    made_id: str
    phase: str
    work_id: str
    half: str
    neighbor_id: str
    score: float
    hit: bool
    """True if this generation gave this work back."""
    named: bool
    """True if the work has to have a row of its own."""


class Trial(NamedTuple):
    """What one model was asked and what came back."""

    model_id: str
    prompt_id: str
    own: tuple[str, str] | None
    """Work and half that the prompt comes from."""
    planned: int
    """Confirmation generations that were to be made."""
    examined: Collection[str]
    """Confirmation generations that were looked at, also those that gave nothing."""
    pairs: Sequence[Pair]
    counted: bool
    """True if all attempts are known, so that k of n is a rate and not a count."""
    given_up: int = 0
    """Seeds after which it was given up, as samples are spent one after the other; 0 if it was
    not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """By what the scores of a model are judged, and how that is said."""

    method: str
    """The measure."""

    verdict: str
    """What a work is that came back often enough."""

    larger: bool
    """True if a larger score lies closer."""

    threshold: float | None
    """What the row says of the mark at which a pair is a hit; None if there is none."""

    control_best: float | None
    """Closest score of any control work in the confirmation generations."""

    num_controls: int
    """Control works that could have come as close."""

    mixed: frozenset[str]
    """Works in both halves: no finding and no control."""

    min_hits: int
    """Confirmation generations that must give the work back."""

    made: str
    """What a model makes: image, attempt."""

    holds: str
    """What a work consists of: images, texts."""

    looked: bool = False
    """True if the number of seeds was chosen by looking, so that only a confidence sequence is an
    interval."""

    back: str
    """What k counts, behind "k of n images": closest to it and below the threshold."""


def foreign(model_id: str) -> bool:
    """Return whether generations were imported, so that nobody here saw them being made.

    >>> foreign("imported"), foreign("imported:gpt-4"), foreign("3f2a")
    (True, True, False)
    """
    return model_id.partition(":")[0] == IMPORTED


def grouped(table: pa.Table, *keys: str) -> Mapping[tuple[str, ...], list[Row]]:
    """Return the rows of a table by the values of some columns; nothing for unknown values."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in table.to_pylist():
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def asked(
    prompts: Iterable[str], made: Collection[tuple[str, str]], models: Collection[str]
) -> list[tuple[str, str]]:
    """Return every prompt and model that must have a row, sorted.

    Args:
        prompts: prompts that were planned.
        made: prompt and model of everything that was made.
        models: models that are known from all of the run.

    Returns:
        A prompt of which a model made nothing is here too.
    """
    models = {model_id for model_id in models if not foreign(model_id)}
    wanted = {(prompt_id, model_id) for prompt_id in prompts for model_id in models}
    if not models:
        own = {prompt_id for prompt_id, model_id in made if not foreign(model_id)}
        wanted = {(prompt_id, UNKNOWN_MODEL) for prompt_id in prompts if prompt_id not in own}
    return sorted(wanted | set(made))


def plan(rows: Iterable[Row]) -> tuple[tuple[str, str] | None, int]:
    """Return the work a prompt comes from with its half, and its planned confirmations."""
    rows = list(rows)
    own = {(row["work_id"], row["half"]) for row in rows if row["work_id"]}
    return min(own, default=None), sum(row["phase"] == CONFIRMATION for row in rows)


def judged(
    trial: Trial,
    bench: Bench,
    alone: Callable[[Row], Reason],
    remark: Callable[[Row], str] = lambda _: "",
) -> Iterator[dict[str, Any]]:
    """Yield the findings of one trial.

    Args:
        trial: what was asked and what came back.
        bench: by what it is judged.
        alone: the verdict on a prompt that gave no work back.
        remark: what is added to the reason of a work, from its row with the verdict.

    Yields:
        FINDINGS: one row per work that is named (the prompt's own, and those that were seen), and
        one for the prompt where none is a finding.
    """
    halves = {pair.work_id: pair.half for pair in trial.pairs if pair.named}
    nominated = {pair.work_id for pair in trial.pairs if pair.hit and pair.phase == DISCOVERY}
    if trial.own:
        halves.setdefault(*trial.own)
        nominated.add(trial.own[0])
    pairs = [pair for pair in trial.pairs if pair.phase == CONFIRMATION]
    hits, found = [pair for pair in pairs if pair.hit], False
    for work_id in sorted(halves):
        close = [pair for pair in pairs if pair.work_id == work_id]
        back = [pair for pair in hits if pair.work_id == work_id]
        row = _numbers(trial, bench, back, back or close)
        own = trial.own is not None and trial.own[0] == work_id
        row |= {"work_id": work_id, "half": halves[work_id], "own_caption": own}
        verdict, reason = _verdict(row, bench)
        if work_id not in nominated:
            row |= {"k_low": None, "k_high": None}
            reason += "; first seen in the seeds that are judged, so no interval"
        found = found or verdict == bench.verdict
        reason += remark(row | {"verdict": verdict})
        yield _signed(row, (verdict, reason), trial, bench)
    if not found:
        back = [pair for pair in hits if pair.half == "train" and pair.work_id not in bench.mixed]
        row = _numbers(trial, bench, back, pairs)
        yield _signed(row, alone(row), trial, bench)


def _numbers(
    trial: Trial, bench: Bench, back: Iterable[Pair], close: Iterable[Pair]
) -> dict[str, Any]:
    """Return a FINDINGS row that names no work and has no verdict yet."""
    sign = -1 if bench.larger else 1
    k, n = len({pair.made_id for pair in back}), len(trial.examined)
    interval = confidence_sequence if bench.looked else clopper_pearson
    rate = interval(k, n) if n and trial.counted else None
    best = min(close, key=lambda p: (sign * p.score, p.made_id, p.work_id), default=None)
    return {
        "model_id": trial.model_id,
        "prompt_id": trial.prompt_id,
        "method": bench.method,
        "k": k,
        "n": n,
        "k_low": rate.low if rate else None,
        "k_high": rate.high if rate else None,
        "score": best.score if best else None,
        "threshold": bench.threshold,
        "control_best": bench.control_best,
        "num_controls": bench.num_controls,
        "best_made_id": best.made_id if best else None,
        "neighbor_id": best.neighbor_id if best else None,
        "clique_size": None,
        "own_caption": False,
    }


def _verdict(row: Row, bench: Bench) -> Reason:
    """Return the verdict on one work and why, first reason first."""
    k, seen = row["k"], f"{row['k']} of {row['n']} {bench.made}s"
    if not row["n"]:
        return unexamined(bench)
    if row["work_id"] in bench.mixed:
        both = f"the work has {bench.holds} in both halves"
        return "none", f"{both}, so it can be no finding and no control"
    if row["half"] != "train":
        return "none", f"a control work, {seen} {bench.back}"
    if k < bench.min_hits:
        return "none", f"{seen} gave the work back, {bench.min_hits} are needed"
    return bench.verdict, f"{seen} gave the work back"


def looked(made: Iterable[tuple[str, str]], design: str) -> int:
    """Return the seeds after which a prompt was given up; 0 if it was not.

    Args:
        made: what was made of it: name and phase.
        design: with `sequential`, who is not given up has confirmations.

    >>> looked([("a", "discovery"), ("b", "discovery")], "sequential")
    2
    >>> looked([("a", "discovery"), ("b", "confirmation")], "sequential")
    0
    """
    phases = dict(made)
    is_over = design == "sequential" and CONFIRMATION not in phases.values()
    return len(phases) if is_over else 0


def unexamined(bench: Bench) -> Reason:
    """Return the verdict where there was nothing to look at."""
    return "not_examined", f"no confirmation {bench.made} was compared"


def _signed(row: dict[str, Any], reason: Reason, trial: Trial, bench: Bench) -> dict[str, Any]:
    verdict, why = reason
    if not trial.counted:
        why += f"; imported {bench.made}s, existence only: k of n is a count, not a rate"
    elif trial.given_up:
        seeds = "1 seed" if trial.given_up == 1 else f"{trial.given_up} seeds"
        rest = f"its other {bench.made}s were not made, on purpose"
        why += f"; given up after {seeds} that were looks, by the futility rule: {rest}"
    elif (lost := trial.planned - row["n"]) > 0:
        why += f"; {lost} of {trial.planned} planned confirmation {bench.made}s missing"
    named = (trial.model_id, trial.prompt_id, row.get("work_id") or "", bench.method)
    finding_id = sha256("\x1f".join(named).encode()).hexdigest()
    return row | {"finding_id": finding_id, "verdict": verdict, "reason": why}
