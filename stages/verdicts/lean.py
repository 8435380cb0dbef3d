"""Lean: whether a model leans to its training half, over the whole run.

Under the null the labels of the works could be dealt again without changing what was made. So of
all distinct works that lie nearest to some generation, no more should be of the training half than
a deal of the labels gives. Each work has one vote, however many seeds bring it back: given the
split, seeds of one prompt share their nearest work, and a binomial over seeds means nothing. This
says that training shows through, and names no copy.

Where the halves are of one size, signed competition names prompts too: that of the two halves which
comes closer wins, by how much orders the list. It can report no list shorter than 1 / q.

Dimension key: M nearest works of generations, K prompts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import FoldStage, Kit, Out, columns
from stages.statistics.competition import (
    knockoff_plus,
    largest_gamma,
    least_list,
    signed,
    votes,
)
from stages.statistics.swap import Stratum, dealt
from stages.tables import LEANINGS, MATCHES, PROMPTS, TEXT_WORKS, WORKS
from stages.verdicts.standing import AssessConfig
from stages.verdicts.trials import CONFIRMATION

Row = Mapping[str, Any]


class _Halves(NamedTuple):
    """The works that lie in one half alone."""

    train: frozenset[str]
    control: frozenset[str]
    asked: frozenset[str]
    """Works of both whose caption was asked."""


def lean(inputs: Mapping[str, Iterable[pa.Table]], config: AssessConfig, kit: Kit) -> Iterator[Out]:
    """Yield, for each model, the votes of the works that lie nearest to what it made.

    Args:
        inputs: `matches` MATCHES, `works` WORKS or TEXT_WORKS, `prompts` PROMPTS.
        config: the level of the signed competition.
        kit: not used.

    Yields:
        LEANINGS by model; works of both halves have no vote.

    Source: statistics of a verdict, section 6; knockoff+ of Barber and Candes 2015 (1404.5609).
    """
    del kit
    halves = _halves(inputs["works"], inputs["prompts"])
    nearest: dict[str, list[tuple[str, str]]] = defaultdict(list)
    closest: dict[str, dict[str, dict[str, tuple[float, str]]]] = defaultdict(dict)
    for batch in inputs["matches"]:
        for row in batch.filter(pc.equal(batch["phase"], CONFIRMATION)).to_pylist():
            score = _closeness(row)
            if score is None or row["work_id"] not in halves.train | halves.control:
                continue
            if row["best"]:
                nearest[row["model_id"]].append((row["made_id"], row["work_id"]))
            by_half = closest[row["model_id"]].setdefault(row["prompt_id"], {})
            both = (score, row["work_id"])
            by_half[row["half"]] = max(both, by_half.get(row["half"], both))
    rows = [
        _row(model_id, nearest[model_id], halves)
        | _competition(closest[model_id], halves, config.q)
        for model_id in sorted(nearest)
    ]
    yield Out(LEANINGS.of_rows(rows))


def _halves(works: Iterable[pa.Table], prompts: Iterable[pa.Table]) -> _Halves:
    found: dict[str, set[str]] = {"train": set(), "control": set()}
    for batch in works:
        for row in batch.filter(pc.invert(batch["mixed"])).to_pylist():
            found[row["half"]].add(row["work_id"])
    asked = {work_id for batch in prompts for work_id in pc.unique(batch["work_id"]).to_pylist()}
    train, control = frozenset(found["train"]), frozenset(found["control"])
    return _Halves(train, control, frozenset(asked) & (train | control))


def _closeness(row: Row) -> float | None:
    """Return the score of a pair so that larger is closer."""
    if row["adaptive_ratio"] is not None:
        return -float(row["adaptive_ratio"])
    return None if row["run_words"] is None else float(row["run_words"])


def _row(model_id: str, nearest: list[tuple[str, str]], halves: _Halves) -> dict[str, Any]:
    made, works = (np.array(column) for column in zip(*nearest, strict=True))
    cast = votes(made, works, [work_id in halves.train for work_id in works.tolist()])
    strata = [_stratum(nearest, halves, asked=asked) for asked in (True, False)]
    return {
        "model_id": model_id,
        "votes_train": cast.train,
        "votes": cast.total,
        "across": cast.across,
        "within": cast.within,
        "num_train": len(halves.train),
        "num_control": len(halves.control),
        "p": dealt(strata) if cast.total and halves.control else None,
        "gamma": largest_gamma(cast.train, cast.total) if cast.total else None,
    }


def _stratum(nearest: list[tuple[str, str]], halves: _Halves, *, asked: bool) -> Stratum:
    """Return the votes of works whose caption was asked, or of the others."""
    choices = Counter(made_id for made_id, _ in nearest)
    voting = {
        work_id
        for made_id, work_id in nearest
        if choices[made_id] == 1 and (work_id in halves.asked) == asked
    }
    train, control = (
        {work_id for work_id in half if (work_id in halves.asked) == asked}
        for half in (halves.train, halves.control)
    )
    return Stratum(len(voting & train), len(voting), len(train), len(control))


def _competition(
    closest: Mapping[str, Mapping[str, tuple[float, str]]], halves: _Halves, q: float
) -> dict[str, Any]:
    """Return which prompts win for the training half; nothing where the halves differ in size."""
    if len(halves.train) != len(halves.control):
        return {"least_list": None, "named": None}
    # prompts that share their closest work are one unit: the first in a committed order speaks
    chosen: dict[str, str] = {}
    for prompt_id in sorted(closest, key=lambda name: sha256(name.encode()).digest()):
        chosen.setdefault(max(closest[prompt_id].values())[1], prompt_id)
    prompts = sorted(chosen.values())
    sides = [
        [closest[prompt_id].get(half, (-np.inf, ""))[0] for prompt_id in prompts]
        for half in ("train", "control")
    ]
    w_K = signed(*sides)
    tau = knockoff_plus(w_K, q)
    named = [prompt for prompt, w in zip(prompts, w_K.tolist(), strict=True) if w >= tau]
    return {"least_list": least_list(q), "named": named}


STAGE = FoldStage(
    name="lean",
    reads={
        "matches": columns(
            "model_id made_id prompt_id phase work_id half best adaptive_ratio run_words", MATCHES
        ),
        "works": columns("work_id half mixed", WORKS, TEXT_WORKS),
        "prompts": columns("work_id", PROMPTS),
    },
    writes=LEANINGS,
    config=AssessConfig,
    run=lean,
)
"""The same lines for images and for texts."""
