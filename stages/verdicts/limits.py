"""Limits: from which rate per seed on this run would have found a work.

Without it "nothing was found" says nothing. A work is found if it can be found at all (recall, rho)
and enough seeds give it back in copies that are recognised (sensitivity, s). The two are measured
on planted copies and never traded for each other: a work that is missed once is missed for every
seed, so no number of seeds makes up for recall.

What k* is for the rule of this run. A unit is scored by its closest generation, and one finding
more is on the list if at most r = t (m + 1) - 1 of m control units score as close, where t is the
cut-off of that list. So the score of a control unit, the (r + 1)-th closest, is a mark: a copy is
recognised if it is a hit (see `recognise`) and lies beyond the mark. By the mark at most r controls
have such a hit, so that `fewest_hits` is 1, and k* is what the verdict asks for besides: `min_hits`
of them, as many as a hit takes at all, and as many as put the lower limit of k/n above `min_rate`.

A hit on a layout takes several images. A planted copy is then a group, of the fewest that a verdict
takes, and is recognised whole or not at all: s is no larger than the share of single images that
are recognised, so that the limit is rather too high than too low.

Dimension key: m control units.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from stages.contract import FoldStage, Kit, Out, columns
from stages.statistics.intervals import clopper_pearson
from stages.statistics.limits import POWER, rate_at, recall_lower
from stages.statistics.spending import Rule
from stages.statistics.visits import fresh_limit
from stages.tables import ASSESSMENTS, BLIND, COPIES, LIMITS
from stages.verdicts.blindfold import Repair
from stages.verdicts.measures import REGIONS, fewest, larger
from stages.verdicts.sentences import limit_of

_FAILED = "not calibrated"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What a finding has to meet; the case fills it in from the sections that say so."""

    min_hits: int = 1
    """Seeds that must give a work back, from 1."""

    q: float = 0.05
    """Largest false discovery rate of a list, in (0, 1)."""

    min_rate: float = 0.0
    """The lower limit of k/n lies above it; in [0, 1)."""

    prompts_per_unit: int = 1
    """Prompts over which the seeds of a unit are spread, from 1."""

    setting: Literal["randomised", "matched", "portfolio"] = "matched"
    """How the controls arose: unless a coin split the works, a failed blind test undoes them."""

    repair: Repair = "none"
    """What is done about controls that can be told from works."""

    rule: Rule | None = None
    """Looks before the judged seeds, where samples were spent one after the other; none where
    everything was made."""


class Bar(NamedTuple):
    """What one finding more would have had to pass."""

    n: int
    """Seeds of a prompt."""

    cutoff: float | None
    """Largest p; None if no unit was tested."""

    mark: float | None
    """Score to beat; None if there is none."""

    reached: bool
    """True if a score beyond the mark puts a unit on the list."""

    is_larger: bool
    """True if a larger score lies closer."""


def limits(
    inputs: Mapping[str, Iterable[pa.Table]], config: LimitsConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the detection limit of every model and method with a verdict of its own.

    Args:
        inputs: `copies` COPIES, `assessments` ASSESSMENTS and `blind` BLIND of the run.
        config: what a finding has to meet.
        kit: not used.

    Yields:
        LIMITS by model and method. Imported generations have no n and so no limit.

    Source: statistics of a verdict, section 7.
    """
    del kit
    copies: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(inputs["copies"]):
        copies[row["model_id"], row["method"]].append(row)
    told = [row["material"] for row in _rows(inputs["blind"]) if row["judgement"] == _FAILED]
    doubt = "" if config.setting == "randomised" or not told else _told(told)
    units: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(inputs["assessments"]):
        if row["primary"]:
            units[row["model_id"], row["method"]].append(row)
    rows = [
        {"model_id": model_id, "method": method}
        | _limit(
            copies[model_id, method],
            bar_of(units[model_id, method], config, is_larger=larger(method)),
            replace(config, min_hits=max(config.min_hits, fewest(method))),
            doubt or _unequal(config) or _spent(method, config),
        )
        for model_id, method in sorted(units)
    ]
    yield Out(LIMITS.of_rows(rows))


def bar_of(units: Sequence[Row], config: LimitsConfig, *, is_larger: bool) -> Bar:
    """Return what one finding more than a run has would have had to pass.

    Args:
        units: ASSESSMENTS of one model and method.
        config: the level.
        is_larger: True if a larger score lies closer.
    """
    kept = [row for row in units if row["excluded"] is None]
    tested = [row for row in kept if row["label"] == "test"]
    controls = [row for row in kept if row["label"] == "control"]
    seeds = Counter(row["n"] // config.prompts_per_unit for row in tested)
    if config.rule is not None:
        # who was given up has none
        seeds = Counter({n: many for n, many in seeds.items() if n})
    n = max(seeds, key=lambda n: (seeds[n], -n), default=0)
    if not tested or not controls:
        return Bar(n, None, None, reached=False, is_larger=is_larger)
    found = sum(row["q"] is not None and row["q"] <= config.q for row in tested)
    cutoff = Fraction(str(config.q)) * min(found + 1, len(tested)) / len(tested)
    most = floor(cutoff * (len(controls) + 1)) - 1
    sign = 1 if is_larger else -1
    scores_m = [sign * row["score"] for row in controls if row["score"] is not None]
    # a control without any match lies behind every copy
    ahead = sorted(scores_m, reverse=True)[most:] if most >= 0 else []
    mark = sign * ahead[0] if ahead else None
    return Bar(n, float(cutoff), mark, reached=most >= 0, is_larger=is_larger)


def _limit(copies: Sequence[Row], bar: Bar, config: LimitsConfig, doubt: str) -> dict[str, Any]:
    row = measured(copies, bar) | {"n": bar.n, "cutoff": bar.cutoff, "mark": bar.mark}
    k_star = None if doubt else _k_star(bar, config)
    row |= {"k_star": k_star, "pi_95": None, "pi_50": None}
    if k_star is not None and row["sensitivity_low"]:
        lows = row["recall_low"], row["sensitivity_low"]
        row["pi_95"] = _rate(POWER, k_star, bar, lows, config)
        row["pi_50"] = _rate(0.5, k_star, bar, lows, config)
    return row | {"sentence": limit_of(row, _against(bar, k_star, doubt)) + _looks(config)}


def _rate(
    power: float, k_star: int, bar: Bar, lows: tuple[float, float], config: LimitsConfig
) -> float | None:
    if config.rule is not None:
        return fresh_limit(k_star, bar.n, config.rule, lows=lows, power=power)
    return rate_at(power, k_star, bar.n, recall=lows[0], sensitivity=lows[1])


def _looks(config: LimitsConfig) -> str:
    if config.rule is None:
        return ""
    looks = " and ".join(str(look) for look in config.rule.looks)
    return f"; counted in: who showed too little in the first {looks} seeds was given up"


def _told(materials: Sequence[str]) -> str:
    alone = " and ".join(materials)
    return f"{alone} alone tell works from controls, so nothing would be a finding"


def _unequal(config: LimitsConfig) -> str:
    """Return why there is no mark that would hold for any work; empty if there is one."""
    if config.repair in {"none", "rematch"}:
        return ""
    held = "controls of its stratum" if config.repair == "strata" else "weighted controls"
    return f"each unit is held against {held} alone, so no one score would have been enough for all"


def _spent(method: str, config: LimitsConfig) -> str:
    """Return why looks say nothing of a method; empty if they do.

    Looks count images that give a work back whole, and nobody planted those for parts of works.
    """
    if config.rule is None or method not in REGIONS:
        return ""
    return (
        "seeds were spent by how works came back whole, so that a work that comes back in part may"
        " have been given up"
    )


def _against(bar: Bar, k_star: int | None, doubt: str) -> str:
    """Return why nothing more would have been a finding; empty if something would."""
    if doubt:
        return doubt
    if bar.cutoff is None:
        return "no unit was tested against controls"
    if not bar.reached:
        least = f"one finding more needs a p of {bar.cutoff:.2g} or less"
        return f"{least}, and these controls are too few for that"
    return f"{bar.n} seeds are too few for a verdict" if k_star is None else ""


def measured(copies: Sequence[Row], bar: Bar) -> dict[str, Any]:
    """Return recall and sensitivity with their lower limits, and what each edit lets through.

    Copies of one work are no independent trials, so the limit of the sensitivity is that of the
    works: what they let through is added up, rounded down to whole works, and limited like so many
    works that either let all of their copies through or none, which would vary more.

    Args:
        copies: COPIES of one model and method.
        bar: what a copy has to pass besides being a hit.
    """
    by_work: dict[str, list[bool]] = defaultdict(list)
    by_edit: dict[str, list[bool]] = defaultdict(list)
    for row in copies:
        passes = row["hit"] and _beyond(row, bar)
        by_work[row["work_id"]].append(passes)
        by_edit[row["edit"]].append(passes)
    seen = [Fraction(sum(passes), len(passes)) for passes in by_work.values() if any(passes)]
    num, whole = len(by_work), floor(sum(seen))
    share = sum(map(sum, by_work.values())), sum(map(len, filter(any, by_work.values())))
    return {
        "num_works": num,
        "num_copies": len(copies),
        "recall": len(seen) / num if num else None,
        "recall_low": recall_lower(len(seen), num) if num else None,
        "sensitivity": share[0] / share[1] if seen else None,
        "sensitivity_low": recall_lower(whole, len(seen)) if seen else None,
        "by_edit": "; ".join(
            f"{edit}: {sum(passes)} of {len(passes)}" for edit, passes in by_edit.items()
        ),
    }


def _beyond(row: Row, bar: Bar) -> bool:
    if bar.mark is None:
        return True
    return bool(row["score"] > bar.mark if bar.is_larger else row["score"] < bar.mark)


def _k_star(bar: Bar, config: LimitsConfig) -> int | None:
    if not bar.reached:
        return None
    enough = (
        k
        for k in range(config.min_hits, bar.n + 1)
        if clopper_pearson(k, bar.n).low > config.min_rate
    )
    return next(enough, None)


def _rows(batches: Iterable[pa.Table]) -> Iterator[Row]:
    for batch in batches:
        yield from batch.to_pylist()


STAGE = FoldStage(
    name="limits",
    reads={
        "copies": columns("model_id method work_id edit score hit", COPIES),
        "assessments": columns("model_id method primary label n score excluded q", ASSESSMENTS),
        "blind": columns("material judgement", BLIND),
    },
    writes=LIMITS,
    config=LimitsConfig,
    run=limits,
)
