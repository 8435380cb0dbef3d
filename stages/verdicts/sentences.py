"""Sentences: numbers of a verdict as they may be said, and no others.

A p-value is no probability that a work was not copied, and 1 of m is not what 0 of m shows: so
nobody else words them.
"""

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

from stages.verdicts.trials import foreign

Row = Mapping[str, Any]

_CHANCE = 0.95


def none_closer(row: Row) -> str:
    """Return how a score stands against the controls, with the limit for this control set.

    Args:
        row: num_exceeding, num_control_units and p_bound of FINDINGS.

    Source: statistics of a verdict, section 4.2.

    >>> none_closer({"num_exceeding": 0, "num_control_units": 1000, "p_bound": 0.00599})
    'none of 1,000 control units came as close; at 95 % confidence at most 6 in 1,000 would'
    >>> none_closer({"num_exceeding": 3, "num_control_units": 39, "p_bound": 0.31})
    '3 of 39 control units came as close; at 95 % confidence at most 310 in 1,000 would'
    """
    closer, size = row["num_exceeding"], row["num_control_units"]
    share = ceil(round(row["p_bound"] * 1000, 6))
    said = f"{closer or 'none'} of {size:,} control units came as close"
    return f"{said}; at 95 % confidence at most {share:,} in 1,000 would"


def error_of(row: Row) -> str:
    """Return p and q of a unit, and what the q means; empty for what was made by somebody else.

    Imported generations have no n and no list, so nothing said of them carries a p or a q.

    Args:
        row: model_id, p and q of FINDINGS.

    Source: statistics of a verdict, section 5.

    >>> error_of({"model_id": "3f2a", "p": 0.025, "q": 0.04}).partition(": ")[0]
    'p 0.025, q 0.04'
    >>> error_of({"model_id": "imported", "p": 0.025, "q": 0.04})
    ''
    """
    if row["p"] is None or row["q"] is None or foreign(row["model_id"]):
        return ""
    return (
        f"p {row['p']:.3g}, q {row['q']:.3g}: of the run's list down to this unit, at most"
        f" {at_most(row['q'])} are false, on average over runs"
    )


def hidden_bias(row: Row) -> str:
    """Return how much hidden bias a finding withstands; empty where none is to be feared.

    Args:
        row: gamma_star of FINDINGS.

    Source: statistics of a verdict, section 4.4.

    >>> hidden_bias({"gamma_star": 5.04})
    'a finding still if, for traits nobody saw, it was up to 5.0 times likelier to be trained on'
    """
    gamma = row["gamma_star"]
    if gamma is None:
        return ""
    times = floor(round(gamma * 10, 6)) / 10
    return f"a finding still if, for traits nobody saw, it was up to {times:.1f} times {_LIKELIER}"


_LIKELIER = "likelier to be trained on"


def family_of(artist_units: int, artist_q: float) -> str:
    """Return how an artist stands among the artists of a run.

    Args:
        artist_units: tested units of the artist.
        artist_q: of ARTISTS.

    Source: statistics of a verdict, section 5; Benjamini and Bogomolov 2014 (1106.3670).

    >>> family_of(12, 0.05).partition(":")[0]
    '12 units tested together, q 0.05 over artists'
    """
    units = "1 unit tested" if artist_units == 1 else f"{artist_units:,} units tested together"
    return (
        f"{units}, q {artist_q:.3g} over artists: of a list of artists down to this one, at most"
        f" {at_most(artist_q)} are named wrongly, on average over runs"
    )


def within_family(q: float) -> str:
    """Return how a work stands in the list of its artist alone.

    Args:
        q: of ARTISTS.

    Source: statistics of a verdict, section 5.

    >>> within_family(1.0)
    'q 1 in the list of this artist alone: it is on no such list'
    """
    said = f"q {q:.3g} in the list of this artist alone"
    if q >= 1:
        return f"{said}: it is on no such list"
    return f"{said}: of such a list down to this work, at most {at_most(q)} are false on average"


def at_most(share: float) -> str:
    """Return a share in percent, rounded up.

    >>> at_most(0.04), at_most(0.0429), at_most(0.0001)
    ('4 %', '4.3 %', '0.1 %')
    """
    return f"{ceil(round(share * 1000, 6)) / 10:g} %"


def limit_of(row: Row, against: str = "") -> str:
    """Return from which rate on a run would have found a work, or why that cannot be said.

    Args:
        row: LIMITS.
        against: why nothing would have been a finding, if so.

    Source: statistics of a verdict, section 7.

    >>> row = {"n": 64, "k_star": 1, "pi_95": 0.0472, "pi_50": 0.012, "recall": 1.0}
    >>> row |= {"num_works": 100, "recall_low": 0.9638, "sensitivity_low": 0.97}
    >>> limit_of(row).partition(" (")[0]
    'a work that comes back in 4.8 % of seeds or more would have been found with 95 % probability'
    """
    if against or row["k_star"] is None:
        return f"no limit: {against or 'nothing more could have been a finding'}"
    if not row["num_works"]:
        return "no limit: no copies were planted, so nobody knows what is missed"
    planted = f"copies of {row['num_works']:,} works were planted"
    if row["pi_95"] is not None:
        return (
            f"a work that comes back in {_up(row['pi_95'])} of seeds or more would have been found"
            f" with 95 % probability ({row['n']} seeds, {row['k_star']} needed); {planted}: at"
            f" 97.5 % confidence {_down(row['recall_low'])} of works can be found, and of these"
            f" {_down(row['sensitivity_low'])} of copies are recognised"
        )
    return f"no limit: {planted}, {_missed(row)}{_half(row)}"


def _missed(row: Row) -> str:
    if row["recall_low"] >= _CHANCE:
        return f"and no more than {_down(row['sensitivity_low'])} of copies are surely recognised"
    few = " (all of them were, so more copies would settle it)" if row["recall"] == 1 else ""
    return (
        f"and no more than {_down(row['recall_low'])} of works can surely be found{few}, where 95 %"
        " are needed"
    )


def _half(row: Row) -> str:
    if row["pi_50"] is None:
        return ""
    return f"; one that comes back in {_up(row['pi_50'])} of seeds is found half of the time"


def _up(share: float) -> str:
    return f"{ceil(round(share * 1000, 6)) / 10:.1f} %"


def _down(share: float) -> str:
    return f"{floor(round(share * 1000, 6)) / 10:.1f} %"
