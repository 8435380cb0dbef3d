"""Sentences: numbers of a verdict as they may be said, and no others.

A p-value is no probability that a work was not copied, and 1 of m is not what 0 of m shows: so
nobody else words them.
"""

from collections.abc import Mapping
from math import ceil, floor, isclose
from typing import Any

from stages.statistics.intervals import lower_limit
from stages.statistics.placebo import ByCoin, ByLook
from stages.verdicts.trials import foreign

Row = Mapping[str, Any]

_CHANCE = 0.95


def none_closer(row: Row) -> str:
    """Return how a score stands against the controls, with the limit for this control set.

    Args:
        row: num_exceeding, num_control_units, p_bound and p of FINDINGS.

    Source: statistics of a verdict, section 4.2.

    >>> none_closer({"num_exceeding": 0, "num_control_units": 1000, "p_bound": 0.00599})
    'none of 1,000 control units came as close; at 95 % confidence at most 6 in 1,000 would'
    >>> none_closer({"num_exceeding": 3, "num_control_units": 39, "p_bound": 0.31})
    '3 of 39 control units came as close; at 95 % confidence at most 310 in 1,000 would'
    >>> row = {"num_exceeding": 0, "num_control_units": 99, "p_bound": 1.0, "p": 0.004}
    >>> none_closer(row)
    'none of 99 control units came as close; they count by weight, for which no limit is known'
    """
    closer, size = row["num_exceeding"], row["num_control_units"]
    said = f"{closer or 'none'} of {size:,} control units came as close"
    if "p" in row and not isclose(row["p"], (1 + closer) / (1 + size)):
        return f"{said}; they count by weight, for which no limit is known"
    share = ceil(round(row["p_bound"] * 1000, 6))
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


def repair_of(repair: str, worth: tuple[int, float], *, departed: bool | None) -> str:
    """Return what was done about controls that can be told from works; empty for nothing.

    Args:
        repair: as `blind.repair` has it.
        worth: control units, and how many of equal weight they are worth.
        departed: whether it is another than was registered; None if nothing was.

    Source: statistics of a verdict, section 3.

    >>> repair_of("rematch", (40, 40.0), departed=False).partition(":")[0]
    'Controls were re-matched'
    >>> repair_of("none", (40, 40.0), departed=False)
    ''
    """
    if repair == "none":
        return ""
    chosen = {
        None: "Nothing was registered, so nobody can check that this was not chosen after looking",
        False: "This was registered before anything was made",
        True: "This is not what was registered: whatever rests on it is exploratory",
    }[departed]
    done = _REPAIRS[repair].format(controls=f"{worth[0]:,}", worth=f"{floor(worth[1]):,}")
    return f"{done}. {chosen}. It mends what the blind test sees, and nothing that it does not see."


_REPAIRS = {
    "rematch": "Controls were re-matched: a unit is tested only if there are control units that"
    " look as it does, and only those stand against it and the others, as many for each",
    "strata": "Each unit is held against the control units of its own stratum alone, which look"
    " about as much like works as it does; drawings show those of all strata",
    "weighted": "Each control unit counts by how much it looks like a work: {controls} of them are"
    " worth {worth} of equal weight. The weights are learnt, so the error rate is as right as they"
    " are, and artists have no q of their own",
}


def placebo_by_coin(told: ByCoin, q: float) -> str:
    """Return what came of control units that stood in for works by a coin.

    Args:
        told: what was found.
        q: level of the run.

    Source: statistics of a verdict, section 9.6.

    >>> told = ByCoin(200, 98, 98, 20, 7, 0.031)
    >>> placebo_by_coin(told, 0.05).partition("; ")[2]
    '7 of 200 splits had a finding, where 5 % are allowed on average'
    """
    said = f"by coin, {told.units:,} control units stood in for works against {told.controls:,}"
    if told.fewest > told.units:
        few = "these are too few for any finding, so only p-values can be looked at"
        allowed = f"{at_most(told.small)} of them were 0.05 or less, where 5 % are allowed"
        return f"{said}; {few}: {allowed} on average"
    many = lower_limit(told.finding, told.splits, _CHANCE) > q
    allowed = f"where {at_most(q)} are allowed on average"
    found = f"{told.finding} of {told.splits} splits had a finding, {allowed}"
    return f"{said}; {found}{': too many, so do not rely on these error rates' if many else ''}"


def placebo_by_look(told: ByLook) -> str:
    """Return what came of the control units that look most like works, in the place of works.

    Args:
        told: what was found.

    Source: statistics of a verdict, section 9.2.

    >>> told = ByLook(98, 98, 0, 5, 0.0404, 0.42)
    >>> placebo_by_look(told).partition("; ")[2].partition(";")[0]
    '0 findings, and 5 p-values of 0.0404 or less, where 4.0 are to be expected'
    """
    said = f"by look, the {told.units:,} control units that look most like works stood in for them"
    expected = told.units * told.level
    small = f"{told.small} p-values of {told.level:.3g} or less, where {expected:.1f} are"
    found = f"{told.found} findings, and {small} to be expected"
    chance = f"so many or more have a chance of {told.chance:.2g} if looks make no difference"
    warned = told.chance < 1 - _CHANCE
    worse = ": scores lean on looks, so p-values are too small where works look otherwise"
    return f"{said} against {told.controls:,}; {found}; {chance}{worse if warned else ''}"


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
    """Return why there is no limit that holds with 95 % probability.

    >>> _missed({"recall": 0.0, "recall_low": 0.0, "mark": 63.0})
    'and no copy like what this model makes would have been a finding: it had to beat 63'
    """
    if not row["recall"]:
        beat = "" if row["mark"] is None else f": it had to beat {row['mark']:.4g}"
        return f"and no copy like what this model makes would have been a finding{beat}"
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
