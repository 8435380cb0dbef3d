"""Confirm: which candidates are findings, once every unit has been held against the controls.

A candidate has come back often enough and close enough. It is a finding if, besides, its unit
stands out: its false discovery rate is at most the one that was asked for. A work that belongs to
no unit, as nothing was asked in its name, has no test and is no finding. Imported generations
have no n and no list; there a candidate stands if it beats every control work, and the row says
that this shows existence only.

A work that came back whole came back in part too: of the verdicts on images the strongest stands.
The row of a weaker one stays, as `none`, and its unit is taken off the list of the weaker verdict
before that list is judged (`shorter`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns, whole
from stages.tables import ASSESSMENTS, BLIND, FINDINGS, UNITS
from stages.verdicts.measures import PRIMARY, larger
from stages.verdicts.sentences import none_closer
from stages.verdicts.shorter import shorter
from stages.verdicts.standing import AssessConfig
from stages.verdicts.trials import foreign

COPIES = frozenset({"verbatim", "template", "partial", "verbatim_text", "near_text"})
"""Verdicts that say a work came back; only these need a test."""

Row = Mapping[str, Any]

_WEAKER = list(PRIMARY.values())[1:]

_NUMBERS = ("num_units", "num_exceeding", "p", "p_bound", "q", "gamma_star")


class _Standing(NamedTuple):
    """How the units stand, and by which rule that is judged."""

    config: AssessConfig
    units: Mapping[str, str]
    """work_id -> unit_id."""
    assessed: dict[tuple[str, str, str], Row]
    """(model, method, unit) -> ASSESSMENTS."""
    doubt: str
    """Why no p-value of this case holds; empty if nothing speaks against them."""
    given: dict[tuple[str, str], str]
    """(model, unit, or work where it has none) -> verdict on images, the strongest."""


def confirm(
    inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit
) -> Iterator[Out]:
    """Yield the candidates with their numbers; those that do not stand out are `none`.

    Args:
        inputs: `candidates`, FINDINGS as the rules on k of n leave them; `units` UNITS,
            `assessments` ASSESSMENTS and `blind` BLIND.
        config: the level.
        kit: not used.

    Yields:
        FINDINGS, the same rows; those of `template` and `partial` behind all others.

    Source: statistics of a verdict, sections 1, 4 and 5.
    """
    del kit
    units = {
        row["work_id"]: row["unit_id"] for batch in inputs["units"] for row in batch.to_pylist()
    }
    assessed = {
        (row["model_id"], row["method"], row["unit_id"]): row
        for batch in inputs["assessments"]
        for row in batch.filter(batch["primary"]).to_pylist()
    }
    doubt = "" if config.setting == "randomised" else _doubt(inputs["blind"])
    standing = _Standing(config, units, assessed, doubt, {})
    for batch in _strongest_first(inputs["candidates"], standing):
        yield Out(FINDINGS.of_rows([_row(row, standing) for row in batch.to_pylist()]))


def _strongest_first(batches: Iterable[pa.Table], standing: _Standing) -> Iterator[pa.Table]:
    """Yield the candidates; those of a weaker verdict once every stronger one is given."""
    later: dict[str, list[pa.Table]] = {method: [] for method in _WEAKER}
    for batch in batches:
        for method, kept in later.items():
            kept.append(batch.filter(pc.equal(batch["method"], method)))
        weaker = pc.is_in(batch["method"], value_set=pa.array(_WEAKER, pa.large_string()))
        yield batch.filter(pc.invert(weaker))
    for method, kept in later.items():
        _shorten(method, standing)
        yield from (batch for batch in kept if len(batch))


def _shorten(method: str, standing: _Standing) -> None:
    """Take the units with a stronger verdict off the lists of a method, in place."""
    for model_id in sorted({model for model, name, _ in standing.assessed if name == method}):
        rows = [
            row
            for (model, name, _), row in standing.assessed.items()
            if (model, name) == (model_id, method)
        ]
        named = {place for model, place in standing.given if model == model_id}
        for unit_id, row in shorter(rows, named, standing.config).items():
            standing.assessed[model_id, method, unit_id] = row


def _row(row: dict[str, Any], standing: _Standing) -> dict[str, Any]:
    unit_id = standing.units.get(row["work_id"])
    key = (row["model_id"], row["method"], unit_id or "")
    stands = standing.assessed.get(key)
    if stands is not None and stands["p"] is not None:
        row |= {name: stands[name] for name in _NUMBERS}
        row |= {"unit_id": unit_id, "num_control_units": stands["num_controls"]}
    if row["verdict"] not in COPIES:
        return row
    place = (row["model_id"], unit_id or row["work_id"])
    given = standing.given.get(place, row["verdict"])
    why = _weaker(row, given) or _against(row, stands, standing)
    if not why and row["verdict"] in PRIMARY:
        standing.given[place] = given
    if why:
        return row | {"verdict": "none", "reason": f"{row['reason']}; {why}", "gamma_star": None}
    return row | {"reason": f"{row['reason']}; {_for(row)}"}


def _doubt(batches: Iterable[pa.Table]) -> str:
    """Return by what units are told apart without the model so well that no p-value holds."""
    rows = [row for batch in batches for row in batch.to_pylist()]
    told = [row for row in rows if row["judgement"] == "not calibrated"]
    return " and ".join(
        f"{row['material']} alone tell works from controls (blind AUC up to {row['high']:.2f})"
        for row in told
    )


def _against(row: Row, stands: Row | None, standing: _Standing) -> str:
    """Return why a candidate is no finding; empty if nothing speaks against it."""
    if foreign(row["model_id"]):
        return _rival(row)
    if stands is None:
        return "nothing was asked in the name of this work, so no test stands behind it"
    if row["p"] is None:
        return f"not tested: {stands['excluded'] or 'there is no control unit to hold it against'}"
    if standing.doubt:
        return f"null not calibrated: {standing.doubt}"
    return _weak(row, standing.config)


def _weak(row: Row, config: AssessConfig) -> str:
    if row["q"] > config.q:
        return f"{none_closer(row)}, so its q is {row['q']:.3g}, above {config.q:.3g}"
    if row["k_low"] is not None and row["k_low"] <= config.min_rate:
        return f"the lower limit of its rate is not above {config.min_rate:.3g}"
    return ""


def _weaker(row: Row, given: str) -> str:
    """Return that a stronger verdict stands on the same unit; empty if none does."""
    if given == row["verdict"] or row["verdict"] not in PRIMARY:
        return ""
    return f"the work came back as `{given}`, which says more"


def _rival(row: Row) -> str:
    best, score = row["control_best"], row["score"]
    if best is None:
        return ""
    beaten = score > best if larger(row["method"]) else score < best
    return "" if beaten else f"a control work came as close: {best:.4g} against {score:.4g}"


def _for(row: Row) -> str:
    if row["p"] is None:
        stood = row["num_controls"]
        return (
            f"closer than any of {stood} control works" if stood else "no control stood against it"
        )
    return f"{none_closer(row)}; q {row['q']:.3g}"


_READ = ("model_id", "method", "primary", "unit_id", "excluded", "num_controls", *_NUMBERS)

STAGE = FoldStage(
    name="confirm",
    reads={
        "candidates": whole(FINDINGS),
        "units": columns("work_id unit_id", UNITS),
        "assessments": columns(" ".join(_READ), ASSESSMENTS),
        "blind": columns("material high judgement", BLIND),
    },
    writes=FINDINGS,
    config=AssessConfig,
    run=confirm,
    version=2,
)
