"""A toy flow without models: files of numbers -> rows -> questions -> answers -> a sum."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa

from pipeline.cluster import ClusterConfig
from pipeline.identity import column_digest
from pipeline.lock import locked
from pipeline.runner import Job, StepTotal, run_flow
from pipeline.sources import SourcePart, cuts
from pipeline.steps import Step
from pipeline.store import Part, Store
from stages.contract import (
    Artefact,
    FoldStage,
    Kit,
    MapStage,
    Out,
    Rejected,
    Table,
    column,
    columns,
    only_config,
)
from stages.tables import FILES

TEXT = pa.large_string()
NUMBERS = Table(
    name="numbers",
    grain="one number",
    key=("number_id",),
    schema=pa.schema(
        [
            column("number_id", TEXT, "file and line"),
            column("value", pa.int64(), "the number"),
            column("bytes", pa.large_binary(), "the line as it was"),
        ]
    ),
    blobs=("bytes",),
)
QUESTIONS = Table(
    name="questions",
    grain="one question and number of the try",
    key=("value", "block", "sample"),
    schema=pa.schema(
        [
            column("value", pa.int64(), "what is asked"),
            column("block", pa.int32(), "block"),
            column("sample", pa.int32(), "number of the try"),
            column("name", TEXT, "value as text"),
        ]
    ),
    groups=("name",),
)
ANSWERS = Table(
    name="answers",
    grain="one answer",
    key=("answer_id",),
    schema=pa.schema(
        [
            column("answer_id", TEXT, "question and try"),
            column("name", TEXT, "question"),
            column("square", pa.float64(), "square of the value"),
        ]
    ),
    groups=("name",),
)
TOTALS = Table(
    name="totals",
    grain="one question",
    key=("name",),
    schema=pa.schema(
        [column("name", TEXT, "question"), column("total", pa.float64(), "sum of the answers")]
    ),
    groups=("name",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfig:
    path: Annotated[str, "path"] = ""


def read(inputs: Mapping[str, pa.Table], config: ReadConfig) -> Out:
    rows, rejected = [], []
    for name in inputs["files"]["path"].to_pylist():
        for i, line in enumerate((Path(config.path) / name).read_bytes().splitlines()):
            try:
                value = int(line)
            except ValueError:
                rejected.append(Rejected(f"{name}:{i}", "not-a-number", repr(line)))
            else:
                rows.append({"number_id": f"{name}:{i}", "value": value, "bytes": line})
    return Out(NUMBERS.of_rows(rows), rejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskConfig:
    tries: int = 4
    block: int = 2


def ask(inputs: Mapping[str, Iterable[pa.Table]], config: AskConfig, _: Kit) -> Iterator[Out]:
    values = {v for batch in inputs["numbers"] for v in batch["value"].to_pylist()}
    rows = [
        {"value": v, "block": s // config.block, "sample": s, "name": str(v)}
        for v in sorted(values)
        for s in range(config.tries)
    ]
    yield Out(QUESTIONS.of_rows(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerConfig:
    seconds: float = 0.0
    deadly: int = -1
    slip: str = ""
    tag: str = ""


def answer(inputs: Mapping[str, pa.Table], config: AnswerConfig) -> Out:
    rows = []
    for row in inputs["questions"].to_pylist():
        if row["value"] == config.deadly:
            os.kill(os.getpid(), 9)
        if config.slip and not Path(config.slip).exists():
            Path(config.slip).touch()
            raise OSError("the disk hiccuped")
        time.sleep(config.seconds)
        key = f"{config.tag}{row['value']}/{row['sample']}"
        rows.append({"answer_id": key, "name": row["name"], "square": float(row["value"] ** 2)})
    return Out(ANSWERS.of_rows(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    pass


def total(inputs: Mapping[str, pa.Table], _: NoConfig) -> Out:
    sums: dict[str, float] = {}
    for row in inputs["answers"].to_pylist():
        sums[row["name"]] = sums.get(row["name"], 0.0) + row["square"]
    asked = set(inputs["questions"]["name"].to_pylist())
    if missing := asked ^ set(sums):
        raise ValueError(f"a question was cut in two: {missing}")
    return Out(TOTALS.make({"name": list(sums), "total": list(sums.values())}))


def write_sum(inputs: Mapping[str, Iterable[pa.Table]], _: NoConfig, kit: Kit) -> Iterator[Out]:
    result = sum(v for batch in inputs["totals"] for v in batch["total"].to_pylist())
    if kit.folder is not None:
        (kit.folder / "sum.txt").write_text(str(result))
    yield from ()


READ = MapStage(
    name="read",
    reads={"files": columns("place path size mtime_ns", FILES)},
    writes=NUMBERS,
    config=ReadConfig,
    open=only_config,
    run=read,
)
ASK = FoldStage(
    name="ask",
    reads={"numbers": columns("value", NUMBERS)},
    writes=QUESTIONS,
    config=AskConfig,
    run=ask,
    cut=("name", "block"),
)
ANSWER = MapStage(
    name="answer",
    reads={"questions": columns("value block sample name", QUESTIONS)},
    writes=ANSWERS,
    config=AnswerConfig,
    open=only_config,
    run=answer,
)
TOTAL = MapStage(
    name="total",
    reads={"answers": columns("name square", ANSWERS), "questions": columns("name", QUESTIONS)},
    writes=TOTALS,
    config=NoConfig,
    open=only_config,
    run=total,
    per=("name",),
)
SUM = FoldStage(
    name="sum",
    reads={"totals": columns("total", TOTALS)},
    writes=Artefact("the sum"),
    config=NoConfig,
    run=write_sum,
)
FLOW = (
    Step(run=READ, reads={"files": ("in.files",)}, writes="in.numbers"),
    Step(run=ASK, reads={"numbers": ("in.numbers",)}, writes="made.questions"),
    Step(run=ANSWER, reads={"questions": ("made.questions",)}, writes="made.answers"),
    Step(
        run=TOTAL,
        reads={"answers": ("made.answers",), "questions": ("made.questions",)},
        writes="made.totals",
    ),
    Step(run=SUM, reads={"totals": ("made.totals",)}, writes="made.sum"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyCase:
    read: ReadConfig = field(default_factory=lambda: ReadConfig(path="numbers"))
    ask: AskConfig = field(default_factory=AskConfig)
    answer: AnswerConfig = field(default_factory=AnswerConfig)
    models: Mapping[str, AnswerConfig] = field(default_factory=dict)
    total: NoConfig = field(default_factory=NoConfig)
    sum: NoConfig = field(default_factory=NoConfig)
    cluster: ClusterConfig = field(default_factory=lambda: ClusterConfig(kind="inline"))


def write_numbers(folder: Path, files: Mapping[str, str]) -> None:
    (folder / "numbers").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "numbers" / name).write_text(text)


def list_numbers(folder: Path) -> list[SourcePart]:
    rows = [
        {
            "place": f"0/{path.name}/0",
            "source": 0,
            "path": path.name,
            "first": 0,
            "count": 1,
            "size": path.stat().st_size,
            "mtime_ns": path.stat().st_mtime_ns,
        }
        for path in sorted((folder / "numbers").iterdir())
    ]
    table = FILES.of_rows(rows)
    out = []
    for start, stop in cuts(table, 64 << 20):
        piece = table.slice(start, stop - start)
        digests = {name: column_digest(piece[name]) for name in piece.column_names}
        name = piece["path"][0].as_py().replace(".", "-")
        out.append(SourcePart(Part(name=name, rows=piece.num_rows, columns=digests), piece))
    return out


def run_toy(
    folder: Path, case: ToyCase | None = None, events: list[Mapping[str, Any]] | None = None
) -> list[StepTotal]:
    heard: list[Mapping[str, Any]] = [] if events is None else events
    job = Job(
        case=case or ToyCase(),
        folder=folder,
        flow=FLOW,
        sources={"in.files": list_numbers(folder)},
        models={},
        notify=heard.append,
    )
    with locked(folder / "run"):
        return run_flow(job, Store(folder / "run"))


def contents(folder: Path) -> list[tuple[str, str, str]]:
    """The multiset of (dataset, part, digest of data file) of the current datasets."""
    store = Store(folder / "run")
    return sorted(
        (step.writes, part.name, file.sha256)
        for step in FLOW
        for record in store.current(step.writes)
        for part in record.parts
        for file in part.files
    )


if __name__ == "__main__":
    seconds = float(sys.argv[2])
    local = ClusterConfig(kind="local", workers=2, threads=1)
    run_toy(Path(sys.argv[1]), ToyCase(answer=AnswerConfig(seconds=seconds), cluster=local))
