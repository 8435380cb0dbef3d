"""Kin: the units of one artist as a family, tested on its own.

A q-value belongs to its list: three findings that an artist picks from the list of a run do not
inherit its q. So artists are families that are named before anything is made, and a family has two
numbers: the q of "nothing of this artist came back", over all artists, and inside it the q of each
unit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stages.statistics.discovery import families

Row = Mapping[str, Any]


class Kin(NamedTuple):
    """How a unit stands in the family of its artist."""

    artist_units: int
    """Tested units of the artist."""

    artist_q: float
    """False discovery rate over artists of a list that holds this one."""

    q: float
    """False discovery rate inside the artist's own list, scaled so that it is held against the
    level of the run."""


def kin(
    findings: Iterable[Row], artists: Mapping[str, str | None], level: float
) -> Mapping[tuple[str, str, str], Kin]:
    """Return the standing of each tested unit in the family of its artist.

    Args:
        findings: model_id, method, unit_id, work_id and p of FINDINGS.
        artists: work_id -> artist; units without one belong to no family.
        level: false discovery rate of the run.

    Returns:
        (model, method, unit) -> standing.

    Source: Benjamini and Bogomolov 2014 (1106.3670); statistics of a verdict, section 5.
    """
    lists: dict[tuple[str, str], dict[str, tuple[float, str]]] = defaultdict(dict)
    for row in findings:
        artist = artists.get(row["work_id"])
        if row["p"] is not None and artist is not None:
            lists[row["model_id"], row["method"]][row["unit_id"]] = (row["p"], artist)
    standing = {}
    for (model_id, method), units in lists.items():
        p_K, artist_K = zip(*units.values(), strict=True)
        found = families(p_K, artist_K, level)
        artist_q = dict(zip(found.family_A.tolist(), found.q_A.tolist(), strict=True))
        for unit_id, artist, q in zip(units, artist_K, found.q_K.tolist(), strict=True):
            standing[model_id, method, unit_id] = Kin(
                artist_K.count(artist), min(1.0, artist_q[artist]), q
            )
    return standing
