"""Allocate: which of the planned generations are made in this round, and which never.

Dimension key: P prompts, M models.

`fixed` makes everything in the first round. `sequential` takes cheap looks: prompts that gave their
own work back, or that look suspect from inside, go on to the next round, and in the last round to
all their seeds; the others are given up and count with p = 1. Looks lie in the discovery seeds, so
the confirmation seeds of whoever goes on are fresh and equally many for all. This stage is given no
column that says what is a control: `half` and `work_id` are not read, and every prompt is treated
by the same rule.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stages.contract import FoldStage, Kit, Out, StageError, columns
from stages.methods.table import METHODS
from stages.statistics.betting import log_e
from stages.statistics.spending import Rule, triage_evidence
from stages.tables import MATCHES, PROMPTS, SIGNALS, TURNS

LAST_ROUND = 3
"""Rounds that the flow has."""

_BATCH_ROWS = 50_000

Row = Mapping[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateConfig:
    """How samples are spent."""

    design: Literal["fixed", "sequential"] = "fixed"
    """`fixed`: as many seeds for every prompt. `sequential`: a few for every prompt, and all of
    them where these, or the triage, give reason to. It costs detection limit: a work that comes
    back rarely is mostly given up."""

    looks: tuple[int, ...] = (1, 4)
    """Seeds that a prompt has had after the first round and, if it goes on, after the second; all
    of them discovery seeds. Up to 2 numbers, rising. The last round takes the rest."""

    mark: float = 1.0
    """A generation is a hit if its adaptive ratio to the prompt's own work lies below this; 1 is
    the mark of Carlini et al. 2023. A prompt of no known work hits with any work."""

    p0: float = 0.01
    """Rate of hits per seed that the bets are against, in (0, 1)."""

    give_up: float = 0.0
    """Evidence below which a prompt is given up, natural logarithm; 2 with a good triage."""

    triage: str = ""
    """Method of the `triage` section that is part of the evidence; empty for none."""

    stake: float = 0.1
    """How far it is trusted, in (0, 1]; smaller lifts fewer prompts higher."""

    pack: int = 16
    """Prompts that share a part, 1 or more; for models whose `batch` is larger than a look."""

    def __post_init__(self) -> None:
        """Refuse what is no rule.

        Raises:
            ValueError: a knob is out of range.
        """
        if self.design not in {"fixed", "sequential"}:
            raise ValueError(f"design: expected fixed or sequential, got {self.design!r}")
        if not 1 <= len(self.looks) < LAST_ROUND:
            raise ValueError(f"looks: expected 1 or {LAST_ROUND - 1} numbers, got {self.looks}")
        if not self.mark > 0:
            raise ValueError(f"mark: expected a number above 0, got {self.mark}")
        if self.triage and getattr(METHODS.get(self.triage), "compares", None) != "triage":
            raise ValueError(f"triage: expected a method of triage, or nothing, got {self.triage}")
        if self.pack < 1:
            raise ValueError(f"pack: expected 1 or more, got {self.pack}")
        self.rule()

    def rule(self) -> Rule:
        """Return the rule of the looks."""
        return Rule(looks=self.looks, p0=self.p0, give_up=self.give_up, stake=self.stake)


class _Plan(NamedTuple):
    """What was planned for one prompt."""

    rows: Sequence[Row]
    """By sample."""
    discovery: int
    """Discovery seeds."""


def allocate(
    number: int,
    inputs: Mapping[str, Iterable[pa.Table]],
    config: AllocateConfig,
    kit: Kit,
) -> Iterator[Out]:
    """Yield the generations of one round.

    Args:
        number: of the round, from 1.
        inputs: `prompts` PROMPTS, everything that was planned; `signals` SIGNALS; `matches` MATCHES
            of the rounds before.
        config: how samples are spent.
        kit: not used.

    Yields:
        TURNS by prompt and sample.

    Raises:
        StageError: a look goes beyond the discovery seeds, or the method of triage was not run.

    Source: statistics of a verdict, sections 2 and 8.
    """
    del kit
    if config.design == "fixed":
        if number == 1:
            for batch in inputs["prompts"]:
                yield Out(_everything(batch))
        return
    plans = _plans(inputs["prompts"], config)
    ids = sorted(plans)
    first, end = _span(number, config)
    is_open_P = _open(ids, inputs, config, looked=number - 1)
    rows = [
        _turn(row, f"{place // config.pack:06d}")
        for place, prompt_id in enumerate(ids)
        if is_open_P[place]
        for row in plans[prompt_id].rows[first:end]
    ]
    for start in range(0, len(rows), _BATCH_ROWS):
        yield Out(TURNS.of_rows(rows[start : start + _BATCH_ROWS]))


def _everything(batch: pa.Table) -> pa.Table:
    blocks = pc.cast(batch["block"], pa.large_string())
    point = pa.scalar(".", pa.large_string())
    packs = pc.binary_join_element_wise(batch["prompt_id"], blocks, point)
    return TURNS.make({name: batch[name] for name in _PASSED} | {"pack": packs})


def _turn(row: Row, pack: str) -> dict[str, Any]:
    return {name: row[name] for name in _PASSED} | {"pack": pack}


def _plans(batches: Iterable[pa.Table], config: AllocateConfig) -> dict[str, _Plan]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for batch in batches:
        for row in batch.to_pylist():
            rows[row["prompt_id"]].append(row)
    plans = {}
    for prompt_id, found in rows.items():
        found.sort(key=lambda row: row["sample"])
        discovery = sum(row["phase"] == "discovery" for row in found)
        if config.looks[-1] > discovery:
            raise StageError(
                f"allocate.looks: {config.looks[-1]} seeds, but prompts.discovery is {discovery}:"
                " looks must not touch the seeds that are judged"
            )
        plans[prompt_id] = _Plan(found, discovery)
    return plans


def _span(number: int, config: AllocateConfig) -> tuple[int, int | None]:
    """Return the first sample of a round and the one after its last; None for all the rest."""
    ends = (0, *config.looks, None)
    if number >= len(ends):
        return 0, 0
    return ends[number - 1] or 0, ends[number]


def _open(
    ids: Sequence[str],
    inputs: Mapping[str, Iterable[pa.Table]],
    config: AllocateConfig,
    *,
    looked: int,
) -> NDArray[np.bool_]:
    """Return the prompts that were not given up at any of the looks so far."""
    rule = config.rule()
    bonus_P = _bonus(ids, inputs["signals"], config)
    is_open_P = bonus_P >= rule.give_up
    hits = _hits(inputs["matches"], config.mark)
    for look in config.looks[:looked]:
        hits_PM = [[sum(s < look for s in by.get(p, ())) for by in hits.values()] for p in ids]
        most_P = np.array([max(hits_M, default=0) for hits_M in hits_PM])
        is_open_P &= log_e(most_P, look, rule.p0) + bonus_P >= rule.give_up
    return is_open_P


def _bonus(ids: Sequence[str], batches: Iterable[pa.Table], config: AllocateConfig) -> Floats:
    """Return the evidence of the triage, of several models the strongest; 0 without triage.

    A prompt whose score is not there, as it was not finite, gets the middle one.
    """
    if not config.triage or not ids:
        return np.zeros(len(ids))
    found: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for batch in batches:
        for row in batch.filter(pc.equal(batch["method"], config.triage)).to_pylist():
            told = (row["evaluations"], row["value"])
            by_prompt = found[row["model_id"]]
            # of one method with several settings, the cheapest
            by_prompt[row["prompt_id"]] = min(told, by_prompt.get(row["prompt_id"], told))
    if not found:
        raise StageError(
            f"allocate.triage: {config.triage} was not run; name it in a `triage` section too"
        )
    sign = 1.0 if METHODS[config.triage].closer == "larger" else -1.0
    bonuses = []
    for by_prompt in found.values():
        middle = float(np.median([value for _, value in by_prompt.values()]))
        score_P = [sign * by_prompt.get(prompt_id, (0, middle))[1] for prompt_id in ids]
        bonuses.append(triage_evidence(score_P, config.stake))
    return np.asarray(np.max(bonuses, axis=0))


def _hits(batches: Iterable[pa.Table], mark: float) -> dict[str, dict[str, set[int]]]:
    """Return model -> prompt -> samples that gave its own work back; any work if it has none.

    A pair that was nominated by its caption is a prompt and its own work, in both halves alike.
    """
    near: dict[tuple[str, str], dict[bool, set[int]]] = {}
    owned: set[str] = set()
    for batch in batches:
        for row in batch.to_pylist():
            is_own = "caption" in row["via"].split("+")
            if is_own:
                owned.add(row["prompt_id"])
            if row["adaptive_ratio"] is not None and row["adaptive_ratio"] < mark:
                by_kind = near.setdefault((row["model_id"], row["prompt_id"]), {})
                by_kind.setdefault(is_own, set()).add(row["sample"])
    hits: dict[str, dict[str, set[int]]] = defaultdict(dict)
    for (model_id, prompt_id), by_kind in near.items():
        own, other = by_kind.get(True, set()), by_kind.get(False, set())
        hits[model_id][prompt_id] = own if prompt_id in owned else own | other
    return hits


_PASSED = ("prompt_id", "sample", "phase", "block", "seed", "text", "class_label")


def stage_of(number: int) -> FoldStage[AllocateConfig]:
    """Return the stage of one round, from 1 to `LAST_ROUND`."""
    return FoldStage(
        name="allocate",
        reads={
            "prompts": columns(" ".join(_PASSED), PROMPTS),
            "signals": columns("model_id prompt_id method evaluations value", SIGNALS),
            "matches": columns("model_id prompt_id sample via adaptive_ratio", MATCHES),
        },
        writes=TURNS,
        config=AllocateConfig,
        run=partial(allocate, number),
        cut=("pack",),
    )
