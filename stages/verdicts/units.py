"""Units: what is tested together, clustered on both halves and blind to the half.

Dimension key: W works, P prompts, U units.

A unit is a cluster of near-duplicate prompts with the works that they come from: captions that say
nearly the same are asked about one thing, however many rows they fill. Only then does it get its
label: `test` if all its works are of the training half, `control` if all are controls; a unit with
both is `mixed`, tested by nobody, and counted. Its prompts stand in an order that a committed draw
decides, so which of them is judged is no choice of anybody who has seen a generation.

Models without captions have no prompt that belongs to a work. There every work is a unit, judged by
everything that the model made.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexes.sketch import Recipe, Sketches
from indexes.words import split
from stages.columns import texts
from stages.contract import FoldStage, Kit, Out, StageError, columns
from stages.statistics.units import merge, ranks
from stages.tables import PROMPTS, TEXT_WORKS, UNITS, WORKS

LABELS = {"train": "test", "control": "control"}
"""Half -> what a unit of works of that half is."""

_BATCH_ROWS = 50_000
_MANY = 20
"""Prompts from which on one unit with more than half of them is an error, and no accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsConfig:
    """What is one unit."""

    of: Literal["captions", "works"] = "captions"
    """`captions`: works whose own prompt is asked. `works`: every work, for models that are asked
    for nothing by name."""

    min_jaccard: float = 0.8
    """Least Jaccard similarity of the words of two near-duplicate prompts, in (0, 1]. One word
    changed in ten leaves 0.82."""

    choice_seed: int = 0
    """Seed of the draw that puts the prompts of a unit in order, from 0."""

    def __post_init__(self) -> None:
        """Refuse what cannot be clustered.

        Raises:
            ValueError: a knob is out of range.
        """
        if self.of not in {"captions", "works"}:
            raise ValueError(f"units.of: expected captions or works, got {self.of!r}")
        if self.choice_seed < 0:
            raise ValueError(f"units.choice_seed: expected 0 or more, got {self.choice_seed}")
        if not 0 < self.min_jaccard <= 1:
            found = self.min_jaccard
            raise ValueError(f"units.min_jaccard: expected a number in (0, 1], got {found}")


class _Asked(NamedTuple):
    """The prompts that belong to a known work, sorted by id."""

    prompt_ids: Sequence[str]
    texts: Sequence[str]
    works: Sequence[str]


def units(inputs: Mapping[str, Iterable[pa.Table]], config: UnitsConfig, kit: Kit) -> Iterator[Out]:
    """Yield the unit of each work that is tested.

    Args:
        inputs: `works`, WORKS or TEXT_WORKS of both halves; `prompts`, PROMPTS.
        config: what is one unit.
        kit: not used.

    Yields:
        UNITS by work_id.

    Raises:
        StageError: one unit holds more than half of the prompts.

    Source: statistics of a verdict, section 2; BH over units rather than rows.
    """
    del kit
    labels = _labels(inputs["works"])
    asked = _asked(inputs["prompts"], labels)
    if config.of == "works":
        work_ids = sorted(labels)
        unit_W = np.arange(len(work_ids))
    else:
        work_ids = sorted(set(asked.works))
        unit_W = _cluster(asked, work_ids, config)
    prompts = _prompts(work_ids, unit_W, asked, config)
    _check(prompts, config)
    rows = list(_rows(work_ids, unit_W, labels, prompts, config))
    for first in range(0, len(rows), _BATCH_ROWS):
        yield Out(UNITS.of_rows(rows[first : first + _BATCH_ROWS]))


def _labels(batches: Iterable[pa.Table]) -> dict[str, str]:
    """Return what each work alone would be."""
    found: dict[str, str] = {}
    for batch in batches:
        halves = texts(batch, "half")
        mixed = batch["mixed"].to_pylist()
        for work_id, half, both in zip(texts(batch, "work_id"), halves, mixed, strict=True):
            found[work_id] = "mixed" if both else LABELS[half]
    return found


def _asked(batches: Iterable[pa.Table], labels: Mapping[str, str]) -> _Asked:
    found: dict[str, tuple[str, str]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            if row["work_id"] in labels:
                found[row["prompt_id"]] = (row["text"] or "", row["work_id"])
    ids = sorted(found)
    return _Asked(ids, [found[i][0] for i in ids], [found[i][1] for i in ids])


def _cluster(asked: _Asked, work_ids: Sequence[str], config: UnitsConfig) -> NDArray[np.int64]:
    """Return the unit of each work: works are connected through near-duplicate prompts."""
    number = {work_id: place for place, work_id in enumerate(work_ids)}
    work_P = np.array([number[work_id] for work_id in asked.works], np.int64)
    if not len(work_P):
        return work_P
    words = split(asked.texts)
    with TemporaryFile() as file:
        sketches = Sketches(Recipe(min_jaccard=config.min_jaccard), file)
        for prompt, (start, end) in enumerate(
            zip(words.offsets_T[:-1].tolist(), words.offsets_T[1:].tolist(), strict=True)
        ):
            sketches.add(prompt, words.hashes_N[start:end])
        near_P = sketches.clusters(len(asked.texts))
    # every work is asked for by some prompt, and the first prompt of a unit stands for it
    unit_W = np.empty(len(work_ids), np.int64)
    unit_W[work_P] = merge(near_P, work_P)
    return unit_W


def _prompts(
    work_ids: Sequence[str], unit_W: NDArray[np.int64], asked: _Asked, config: UnitsConfig
) -> Mapping[int, Sequence[str]]:
    """Return the prompts of each unit in the order of the draw."""
    found: dict[int, list[str]] = defaultdict(list)
    if config.of == "captions":
        unit_of = dict(zip(work_ids, unit_W.tolist(), strict=True))
        for prompt_id, work_id in zip(asked.prompt_ids, asked.works, strict=True):
            found[unit_of[work_id]].append(prompt_id)
    drawn = _drawn(asked.prompt_ids, config)
    for prompt_ids in found.values():
        prompt_ids.sort(key=drawn.__getitem__)
    return found


def _rows(
    work_ids: Sequence[str],
    unit_W: NDArray[np.int64],
    labels: Mapping[str, str],
    prompts: Mapping[int, Sequence[str]],
    config: UnitsConfig,
) -> Iterator[dict[str, object]]:
    works: dict[int, list[str]] = defaultdict(list)
    for work_id, unit in zip(work_ids, unit_W.tolist(), strict=True):
        works[unit].append(work_id)
    drawn = _drawn([members[0] for members in works.values()], config)
    for work_id, unit in zip(work_ids, unit_W.tolist(), strict=True):
        unit_id, found = works[unit][0], {labels[other] for other in works[unit]}
        yield {
            "work_id": work_id,
            "unit_id": unit_id,
            "label": found.pop() if len(found) == 1 else "mixed",
            "rank": f"{drawn[unit_id]:016x}",
            "prompt_ids": prompts.get(unit, []),
        }


def _drawn(names: Sequence[str], config: UnitsConfig) -> dict[str, int]:
    """Return the committed random draw of each name."""
    rank_N = ranks(names, config.choice_seed.to_bytes(16, "big")).tolist() if names else []
    return dict(zip(names, rank_N, strict=True))


def _check(prompts: Mapping[int, Sequence[str]], config: UnitsConfig) -> None:
    sizes = [len(prompt_ids) for prompt_ids in prompts.values()]
    if sum(sizes) >= _MANY and max(sizes) > sum(sizes) // 2:
        raise StageError(
            f"units: {max(sizes)} of {sum(sizes)} prompts are one unit, so there is next to nothing"
            f" to test; near-duplicates share {config.min_jaccard} of their words: raise"
            " units.min_jaccard, or ask for other works"
        )


STAGE = FoldStage(
    name="units",
    reads={
        "works": columns("work_id half mixed", WORKS, TEXT_WORKS),
        "prompts": columns("prompt_id text work_id", PROMPTS),
    },
    writes=UNITS,
    config=UnitsConfig,
    run=units,
)
