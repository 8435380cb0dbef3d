"""Shorter lists: the list of a weaker verdict without the units that have a stronger one.

A unit that came back whole stands on the list of `template` and of `partial` too. Named only once,
by its strongest verdict, it must not lend its place to others: forty true copies would leave room
for four false templates at q = 0.1, and those four would be all templates that are named. So the
p of such a unit counts as 1 on the weaker lists, and their length stays.

Dimension key: K test units of a list.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from stages.statistics.conformal import gamma_star
from stages.statistics.discovery import bh, bh_cutoff
from stages.verdicts.measures import PRIMARY
from stages.verdicts.standing import AssessConfig

Row = Mapping[str, Any]

_STRONGER = {
    method: tuple(PRIMARY)[:place] for place, method in enumerate(PRIMARY.values()) if place
}
"""Method -> verdicts that are stronger than its own."""


def shorter(
    units: Sequence[Row], named: Collection[str], config: AssessConfig
) -> dict[str, dict[str, Any]]:
    """Return the units of one list with q and gamma of the list without some of them.

    Args:
        units: ASSESSMENTS of one model and method.
        named: units that have a stronger verdict.
        config: the level.

    Returns:
        unit_id -> row; a unit that has a stronger verdict has q 1.

    Source: Benjamini and Hochberg 1995. A p that is only ever raised stays a p-value, whatever it
    is raised by. Of weighted controls Benjamini and Yekutieli 2001, which asks for nothing of how
    p-values hang together.
    """
    rows = {row["unit_id"]: dict(row) for row in units}
    tested = [row for row in rows.values() if row["p"] is not None]
    if not tested or not named:
        return rows
    p_K = [1.0 if row["unit_id"] in named else row["p"] for row in tested]
    spread = sum(1 / n for n in range(1, len(p_K) + 1)) if config.repair == "weighted" else 1.0
    # at q over this sum Benjamini-Hochberg is Benjamini-Yekutieli
    cutoff = bh_cutoff(p_K, config.q / spread)
    for row, q in zip(tested, (spread * bh(p_K)).tolist(), strict=True):
        row |= {"q": min(1.0, q), "gamma_star": None}
        if config.setting != "randomised" and row["q"] <= config.q:
            row["gamma_star"] = gamma_star(row["p"], cutoff)
    return rows


def raised(findings: Iterable[Row]) -> list[Row]:
    """Return tested findings with p 1 where their unit has a stronger verdict than they could give.

    The same for lists that are made of findings, such as those of one artist.

    Args:
        findings: model_id, method, unit_id, verdict and p of FINDINGS; those without p have no
            place in the answer.
    """
    rows = [row for row in findings if row["p"] is not None]
    given = {(row["model_id"], row["unit_id"], row["verdict"]) for row in rows}
    out = []
    for row in rows:
        stronger = _STRONGER.get(row["method"], ())
        named = any((row["model_id"], row["unit_id"], each) in given for each in stronger)
        out.append({**row, "p": 1.0} if named else row)
    return out
