"""Material: the datasets of a finished run that a bundle is made of, and the rows behind items.

Large tables are read part by part and cut down at once to what the items need, so that memory
follows the findings and not the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import rounds
from pipeline.datasets import Dataset, open_dataset
from pipeline.evidence.custody_files import Kept, keep_custody
from pipeline.evidence.review_read import read_reviews
from pipeline.evidence.reviews import Reviews
from pipeline.project import Project
from pipeline.report_file import check_finished
from pipeline.store import Store
from stages.contract import Table
from stages.tables import (
    ARTISTS,
    ASSESSMENTS,
    FINDINGS,
    GENERATIONS,
    IMAGES,
    MATCHES,
    OUTPUTS,
    PROMPTS,
    SCORES,
    TEXT_WORKS,
    TEXTS,
    UNITS,
)
from stages.verdicts.confirm import COPIES

Row = Mapping[str, Any]

READS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "findings": (FINDINGS, ("made.findings", "made.text_findings")),
    "generations": (GENERATIONS, rounds.IMAGES),
    "images": (IMAGES, ("train.images", "control.images")),
    "suspects": (IMAGES, ("suspect.images",)),
    "scores": (SCORES, ("made.scores",)),
    "outputs": (OUTPUTS, ("made.outputs",)),
    "texts": (TEXTS, ("train.texts", "control.texts")),
    "works": (TEXT_WORKS, ("input.text_works",)),
    "prompts": (PROMPTS, ("made.prompts", "made.openings")),
    "matches": (MATCHES, (*rounds.MATCHES, "made.text_matches")),
    "units": (UNITS, ("made.units", "made.text_units")),
    "assessments": (ASSESSMENTS, ("made.assessments", "made.text_assessments")),
    "artists": (ARTISTS, ("made.artists", "made.authors")),
}
"""Role -> table and the datasets behind it."""

_OF_PROMPT = ("prompt_id", "text", "class_label", "origin", "half")
_OF_MADE = ("model_id", "prompt_id", "image_id", "sample", "phase", "seed", "sha256")
_OF_OUTPUT = ("model_id", "prompt_id", "output_id", "sample", "phase", "seed", "failure")
_OF_MATCH = (
    *("prompt_id", "work_id", "made_id", "best", "similarity", "l2", "tiled_l2"),
    *("adaptive_ratio", "run_words", "words_8", "near_words", "near_block_words", "tags"),
)


class Grouped:
    """Rows of a table by the value of one column."""

    def __init__(self, table: pa.Table, key: str, order: Sequence[str]) -> None:
        self.table = table.sort_by([(name, "ascending") for name in (key, *order)])
        values = self.table[key].combine_chunks().dictionary_encode()
        codes = np.asarray(values.indices.to_numpy(zero_copy_only=False))
        starts = np.flatnonzero(np.diff(codes, prepend=-1)).tolist()
        ends = [*starts[1:], len(codes)][: len(starts)]
        names = values.dictionary.to_pylist()
        self.places = {names[codes[a]]: (a, b) for a, b in zip(starts, ends, strict=True)}

    def rows(self, value: str) -> list[dict[str, Any]]:
        """Return the rows with a value, in order."""
        start, end = self.places.get(value, (0, 0))
        found: list[dict[str, Any]] = self.table.slice(start, end - start).to_pylist()
        return found


@dataclass(frozen=True)
class Material:
    """A finished run, opened."""

    project: Project
    """The case."""

    readers: Mapping[str, Dataset]
    """A reader for each role of `READS`."""

    @property
    def store(self) -> Store:
        """The run folder."""
        return self.project.store

    @cached_property
    def custody(self) -> Kept:
        """The custody log, as it was when it was first asked for."""
        return keep_custody(self.store)

    @cached_property
    def items(self) -> list[Row]:
        """Findings that name a work that came back, the surest first; each becomes an item."""
        found = [row for row in self.findings() if row["verdict"] in COPIES and row["best_made_id"]]
        return sorted(found, key=_place)

    @cached_property
    def reviews(self) -> Reviews:
        """What people decided on the items.

        Raises:
            CaseError: a file of the review makes no sense.
        """
        # provenance is made of material, and imports it
        from pipeline.evidence.provenance import span_of

        items = {row["finding_id"]: row["best_made_id"] for row in self.items}
        began, _ = span_of(self.store)
        return read_reviews(self.project.case.reviews, self.project.folder, items, began)

    @cached_property
    def occurrences(self) -> Mapping[str, int]:
        """How many images or texts of the case each work of an item is, by work."""
        wanted = {"work_id": {row["work_id"] for row in self.items}}
        return {
            row["work_id"]: row["num_images"]
            for table in batches(self.readers["artists"], ("work_id", "num_images"), wanted)
            for row in table.to_pylist()
        }

    def findings(self) -> Iterator[Row]:
        """Yield every row of FINDINGS, negative ones too."""
        for table in batches(self.readers["findings"], list(FINDINGS.schema.names)):
            yield from table.to_pylist()

    @cached_property
    def prompts(self) -> Mapping[str, Row]:
        """What was asked, for the prompts of items; imported generations have no row."""
        wanted = {"prompt_id": {row["prompt_id"] for row in self.items}}
        out: dict[str, Row] = {}
        for table in batches(self.readers["prompts"], _OF_PROMPT, wanted):
            first = table.group_by("prompt_id", use_threads=False).aggregate(
                [(name, "first") for name in _OF_PROMPT[1:]]
            )
            for row in first.to_pylist():
                named = {name.removesuffix("_first"): value for name, value in row.items()}
                out.setdefault(row["prompt_id"], named)
        return out

    @cached_property
    def placed(self) -> Mapping[tuple[str, str, str], str]:
        """How a generation lies on a work, as JSON: by generation, work and method."""
        wanted = {
            "made_id": {row["best_made_id"] for row in self.items},
            "method": {row["method"] for row in self.items},
        }
        names = ("made_id", "work_id", "method", "detail")
        return {
            (row["made_id"], row["work_id"], row["method"]): row["detail"]
            for table in batches(self.readers["scores"], names, wanted)
            for row in table.to_pylist()
            if row["detail"] is not None
        }

    @cached_property
    def made(self) -> Grouped:
        """Every image of the prompts of items."""
        return self._attempts("generations", _OF_MADE, "image_id")

    @cached_property
    def written(self) -> Grouped:
        """Every text of the prompts of items."""
        return self._attempts("outputs", _OF_OUTPUT, "output_id")

    def _attempts(self, role: str, names: Sequence[str], last: str) -> Grouped:
        wanted = {"prompt_id": {row["prompt_id"] for row in self.items}}
        return Grouped(_whole(self.readers[role], names, wanted), "prompt_id", ["sample", last])

    @cached_property
    def matches(self) -> Grouped:
        """What the generations of items share with the works of items."""
        wanted = {name: {row[name] for row in self.items} for name in ("prompt_id", "work_id")}
        found = _whole(self.readers["matches"], _OF_MATCH, wanted)
        return Grouped(found, "prompt_id", ["work_id", "made_id"])


def open_material(project: Project) -> Material:
    """Return a finished run, opened.

    Raises:
        RunError: the run is not finished.
    """
    check_finished(project.store)
    readers = {
        role: open_dataset(project.store, table, *names) for role, (table, names) in READS.items()
    }
    return Material(project, readers)


def batches(
    dataset: Dataset, names: Sequence[str], keep: Mapping[str, set[str]] | None = None
) -> Iterator[pa.Table]:
    """Yield the named columns part by part, cut down to rows with certain values.

    Args:
        dataset: what to read.
        names: columns.
        keep: column -> values of the rows to keep.
    """
    empty = dataset.table.schema.empty_table().select(list(names))
    sets = {
        name: pa.array(sorted(values), dataset.table.schema.field(name).type)
        for name, values in (keep or {}).items()
    }
    for part in dataset.parts:
        table = dataset.store.read(part, names).cast(empty.schema)
        for name, values in sets.items():
            table = table.filter(pc.is_in(table[name], value_set=values))
        if table.num_rows:
            yield table


def _whole(dataset: Dataset, names: Sequence[str], keep: Mapping[str, set[str]]) -> pa.Table:
    empty = dataset.table.schema.empty_table().select(list(names))
    return pa.concat_tables([empty, *batches(dataset, names, keep)])


def _place(row: Row) -> tuple[float, float, str]:
    """Return where a finding stands among the items."""
    rate = row["k"] / row["n"] if row["n"] else 0.0
    return 1.0 if row["q"] is None else row["q"], -rate, row["finding_id"]
