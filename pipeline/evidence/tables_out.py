"""Tables out: each table of a bundle as CSV for spreadsheets, and as JSON and Parquet, exact.

CSV is UTF-8 with a byte order mark; a cell that a spreadsheet would compute begins with an
apostrophe, and characters that would be obeyed are replaced. JSON and Parquet keep every value,
but for addresses: users, passwords and queries in them never enter a bundle.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.datasets import open_dataset
from pipeline.evidence.items import as_json
from pipeline.evidence.material import batches
from pipeline.evidence.safe import in_cell, without_secrets
from pipeline.flow import FLOW
from pipeline.store import Store
from stages.contract import Table
from stages.tables import (
    ARTISTS,
    ASSESSMENTS,
    BLIND,
    CHANCES,
    FINDINGS,
    GENERATIONS,
    LEANINGS,
    LIMITS,
    OUTPUTS,
    PROMPTS,
    REJECTED,
    THRESHOLDS,
    UNITS,
)

HIDDEN = frozenset({"url", "place", "key", "message", "failure"})
"""Columns whose addresses are cut down."""

_LEFT_OUT = frozenset({"guidance_norms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One table of a bundle."""

    place: str
    """Folder and name, without suffix."""

    table: Table
    """Its columns; large ones stand with the items."""

    datasets: tuple[str, ...]
    """Datasets that are read one after the other; none for rejected rows of all."""

    says: str
    """What a row is."""

    verdicts: frozenset[str] = frozenset()
    """Verdicts to keep; none for all rows."""

    @property
    def names(self) -> list[str]:
        """Columns that are written."""
        names: list[str] = self.table.schema.names
        return [name for name in names if name not in {*self.table.blobs, *_LEFT_OUT}]


NEGATIVE = frozenset({"none", "not_examined"})

EXPORTS = (
    Export(
        place="4_negatives/not_found",
        table=FINDINGS,
        datasets=("made.findings", "made.text_findings"),
        says="what was asked and is no finding, and why",
        verdicts=NEGATIVE,
    ),
    Export(
        place="4_negatives/attempts_images",
        table=GENERATIONS,
        datasets=("made.sampled", "made.adopted"),
        says="every generated image, by seed",
    ),
    Export(
        place="4_negatives/attempts_texts",
        table=OUTPUTS,
        datasets=("made.outputs",),
        says="every attempt at a text, also those that failed",
    ),
    Export(
        place="4_negatives/prompts",
        table=PROMPTS,
        datasets=("made.prompts", "made.openings"),
        says="everything that was to be asked, with its seed",
    ),
    Export(
        place="4_negatives/units",
        table=UNITS,
        datasets=("made.units", "made.text_units"),
        says="every work that was tested, and every control",
    ),
    Export(
        place="4_negatives/assessments",
        table=ASSESSMENTS,
        datasets=("made.assessments", "made.text_assessments"),
        says="how each unit stands against the controls",
    ),
    Export(
        place="4_negatives/rejected",
        table=REJECTED,
        datasets=(),
        says="rows that could not be processed, and why",
    ),
    Export(
        place="6_tables/findings",
        table=FINDINGS,
        datasets=("made.findings", "made.text_findings"),
        says="every verdict, negative ones too",
    ),
    Export(
        place="6_tables/artists",
        table=ARTISTS,
        datasets=("made.artists", "made.authors"),
        says="works by artist or author, and what came back",
    ),
    Export(
        place="6_tables/thresholds",
        table=THRESHOLDS,
        datasets=("made.thresholds",),
        says="thresholds of each model, set on controls",
    ),
    Export(
        place="6_tables/limits",
        table=LIMITS,
        datasets=("made.limits", "made.text_limits"),
        says="what could have been seen",
    ),
    Export(
        place="6_tables/blind",
        table=BLIND,
        datasets=("made.blind", "made.text_blind"),
        says="whether works and controls can be told apart without the model",
    ),
    Export(
        place="6_tables/leanings",
        table=LEANINGS,
        datasets=("made.leanings", "made.text_leanings"),
        says="whether a model leans to the training half",
    ),
    Export(
        place="6_tables/chances",
        table=CHANCES,
        datasets=("input.chances",),
        says="how often unrelated works share a run of words",
    ),
)
"""Every table of a bundle; each is tagged as a summary (FRE 1006)."""


def tables(store: Store, scratch: Path) -> Iterator[tuple[str, Path | bytes]]:
    """Yield every table three times, and what their columns mean.

    Args:
        store: the run.
        scratch: an empty folder for the files.
    """
    for export in EXPORTS:
        yield from _written(store, export, scratch)
    yield "6_tables/columns.json", as_json({each.place: meanings(each) for each in EXPORTS})


def meanings(export: Export) -> dict[str, Any]:
    """Return what the columns of a table mean."""
    fields = [export.table.schema.field(name) for name in export.names]
    return {
        "row": export.says,
        "rule": "summary (FRE 1006)",
        "columns": {
            field.name: {"type": str(field.type)}
            | {k.decode(): v.decode() for k, v in (field.metadata or {}).items() if v}
            for field in fields
        },
    }


def _written(store: Store, export: Export, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Write one table and yield its three files."""
    name = export.place.replace("/", "-")
    paths = {kind: scratch / f"{name}.{kind}" for kind in ("csv", "json", "parquet")}
    schema = export.table.schema.empty_table().select(export.names).schema
    with ExitStack() as stack:
        cells = stack.enter_context(paths["csv"].open("w", encoding="utf-8-sig", newline=""))
        plain = stack.enter_context(paths["json"].open("w", encoding="ascii", newline=""))
        exact = stack.enter_context(pq.ParquetWriter(paths["parquet"], schema, compression="zstd"))
        sheet = csv.writer(cells)
        sheet.writerow(export.names)
        lines = _Lines(plain)
        for batch in _batches(store, export):
            table = _cleaned(batch).cast(schema)
            exact.write_table(table)
            for row in table.to_pylist():
                sheet.writerow([in_cell(row[name]) for name in export.names])
                lines.write(row)
        lines.close()
    for kind, path in paths.items():
        yield f"{export.place}.{kind}", path


class _Lines:
    """A JSON array, one row a line, written as it comes."""

    def __init__(self, out: TextIOWrapper) -> None:
        self.out = out
        self.before = "[\n"

    def write(self, row: Mapping[str, Any]) -> None:
        self.out.write(self.before + json.dumps(row, ensure_ascii=True, allow_nan=False))
        self.before = ",\n"

    def close(self) -> None:
        self.out.write("[]\n" if self.before == "[\n" else "\n]\n")


def _batches(store: Store, export: Export) -> Iterator[pa.Table]:
    if not export.datasets:
        yield from rejected(store)
        return
    keep = {"verdict": set(export.verdicts)} if export.verdicts else None
    for batch in batches(open_dataset(store, export.table, *export.datasets), export.names, keep):
        for start in range(0, batch.num_rows, _ROWS):
            yield batch.slice(start, _ROWS)


_ROWS = 5_000


def rejected(store: Store) -> Iterator[pa.Table]:
    """Yield the rejected rows of every step."""
    for step in FLOW:
        for record in store.current(step.writes):
            if record.rejected_file:
                path = store.root / record.rejected_file.path
                yield pq.read_table(path, memory_map=False).cast(REJECTED.schema)


def _cleaned(table: pa.Table) -> pa.Table:
    for name in sorted(HIDDEN & set(table.column_names)):
        if pc.any(pc.match_substring(table[name], "://")).as_py():
            values: Sequence[str | None] = table[name].to_pylist()
            clean = [value if value is None else without_secrets(value) for value in values]
            place = table.column_names.index(name)
            field = table.schema.field(name)
            table = table.set_column(place, field, pa.array(clean, field.type))
    return table
