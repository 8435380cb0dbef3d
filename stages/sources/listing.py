"""Listing: the files that a case names, before anything is read.

Nothing is opened but the footers of Parquet files; what cannot be read is listed all the same, so
that ingest rejects it with a reason. The order is that of the sources, then of the paths.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from os.path import lexists
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa

from stages.contract import StageError
from stages.sources import lines
from stages.sources.beside import METADATA
from stages.sources.parquet import open_parquet
from stages.sources.places import AnySource, File, Layout, Sources, is_pattern, kind_of, root_of
from stages.sources.refused import RefusedError
from stages.tables import FILES

RUN_ROWS = 2048
"""Row groups of a Parquet file are read together up to so many rows, and to the size of a part, so
that a set of small images is spread over workers."""

_IN_RUNS = ("parquet", "jsonl")


class _Run(NamedTuple):
    """Row groups or blocks that are read together, and their bytes; other files are one run."""

    first: int
    num: int
    size: int


def list_files(config: Sources) -> pa.Table:
    """Return the files of every source of a config.

    Returns:
        FILES, in the order of the sources and, within a source, of the paths. The size and time of
        a file by itself cover what lies beside it, so that a changed caption is noticed; the size
        of a run of row groups or blocks is that of the run. A file of JSON lines has one row per
        block of `lines.BLOCK_BYTES`; the count of the last is 0: whatever follows.

    Raises:
        StageError: a source is missing, empty, of unclear kind, overlaps another one, or a Parquet
            file of it lacks a column.
    """
    rows: list[Mapping[str, Any]] = []
    listed: dict[Path, int] = {}
    for number, source in enumerate(config.sources):
        root, beside, layout = root_of(source.path), _Beside(), source.columns.layout
        for path in _chosen(f"source {number}: {source.path}", source, root):
            first = listed.setdefault(root.resolve() / path, number)
            if first != number:
                both = f"sources {first} and {number} both hold {path}"
                twice = f"its {layout.noun}s would count twice"
                raise StageError(f"{both}: {twice}; leave it out of one")
            kind = kind_of(path, layout, source.kind)
            file = File(number, path, kind, 0, 1, root, source.columns, config.max_bytes)
            rows += _rows(file, beside)
    return FILES.of_rows(rows)


def _chosen(where: str, source: AnySource, root: Path) -> list[str]:
    if not Path(source.path).is_dir() and not is_pattern(source.path):
        if not lexists(source.path):
            raise StageError(f"{where} does not exist")
        return [Path(source.path).name]
    found = sorted(_pattern(where, source.path, root) if is_pattern(source.path) else _walk(root))
    layout = source.columns.layout
    by_kind = {kind: _ending(found, endings) for kind, endings in layout.endings.items()}
    kind = _only_kind(where, by_kind) if source.kind == "auto" else source.kind
    chosen = sorted({*by_kind[kind], *(path for path in found if _is_odd(root / path))})
    if not chosen:
        expected = f"expected names that end in {', '.join(layout.endings[kind][:9])}"
        raise StageError(f"{where}: none of its {len(found)} files is of kind {kind}; {expected}")
    return chosen


def _ending(paths: Iterable[str], endings: tuple[str, ...]) -> list[str]:
    return [
        path
        for path in paths
        if path.lower().endswith(endings) and PurePosixPath(path).name not in METADATA
    ]


def _only_kind(where: str, by_kind: Mapping[str, list[str]]) -> str:
    tars = {path.lower().partition(".tar")[0] for path in by_kind.get("webdataset", ())}
    # img2dataset leaves 00000.parquet, without images, beside 00000.tar
    lone = [path for path in by_kind["parquet"] if path.lower()[: -len(".parquet")] not in tars]
    several = {"parquet": lone if tars else by_kind["parquet"]}
    present = [kind for kind, paths in {**by_kind, **several}.items() if paths]
    if len(present) > 1:
        counts = ", ".join(f"{len(by_kind[kind])} of kind {kind}" for kind in present)
        raise StageError(f"{where} holds files {counts}: say which with `kind`")
    return present[0] if present else next(iter(by_kind))


def _walk(root: Path) -> Iterator[str]:
    odd: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=odd.append):
        here = Path(folder)
        links = [name for name in subfolders if (here / name).is_symlink()]
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in (*names, *links):
            if not name.startswith("."):
                yield (here / name).relative_to(root).as_posix()
    for error in odd:
        yield Path(error.filename).relative_to(root).as_posix()


def _pattern(where: str, pattern: str, root: Path) -> Iterator[str]:
    try:
        for match in root.glob(Path(pattern).relative_to(root).as_posix()):
            path = match.relative_to(root)
            if not any(part.startswith(".") for part in path.parts):
                yield path.as_posix()
    except ValueError as error:
        raise StageError(f"{where} is not a pattern: {error}") from error


def _is_odd(path: Path) -> bool:
    # a folder behind a link, or one that cannot be searched: listed, so that ingest says so
    return path.is_dir() and (path.is_symlink() or not os.access(path, os.R_OK | os.X_OK))


class _Beside:
    """What lies beside files; every folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, frozenset[str]] = {}

    def files(self, file: File, layout: Layout) -> Iterator[Path]:
        """Yield the sidecars and metadata files that may speak of a file."""
        path = PurePosixPath(file.path)
        for suffix in layout.sidecars:
            for name in (path.with_suffix(suffix).name, path.name + suffix):
                if name in self._in(file.root / path.parent):
                    yield file.root / path.parent / name
        for folder in path.parents:
            for name in METADATA:
                if name in self._in(file.root / folder):
                    yield file.root / folder / name

    def _in(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            self._names[folder] = frozenset(path.name for path in folder.iterdir())
        return self._names[folder]


def _rows(file: File, beside: _Beside) -> Iterator[Mapping[str, Any]]:
    path = os.fsencode(file.path).decode("utf-8", "backslashreplace")
    others = beside.files(file, file.columns.layout) if file.kind == "folder" else ()
    size, time = _size_and_time(file.root / file.path, others)
    for run in _runs(file, size):
        yield {
            "place": f"{file.source}:{path}" + (f"@{run.first}" if file.kind in _IN_RUNS else ""),
            "source": file.source,
            "path": path,
            "first": run.first,
            "count": run.num,
            "size": run.size,
            "mtime_ns": time,
        }


def _size_and_time(path: Path, others: Iterable[Path]) -> tuple[int, int]:
    size = time = 0
    for each in (path, *others):
        stat = each.stat(follow_symlinks=each.exists())
        size += stat.st_size if each.name not in METADATA else 0
        time = max(time, stat.st_mtime_ns)
    return size, time


def _runs(file: File, size: int) -> list[_Run]:
    if file.kind == "parquet":
        return _groups(file)
    return _blocks(file, size) if file.kind == "jsonl" else [_Run(0, 1, size)]


def _blocks(file: File, size: int) -> list[_Run]:
    packed = file.path.lower().endswith((".gz", ".zst"))
    size *= lines.PACKED if packed else 1
    num = max(1, -(-size // lines.BLOCK_BYTES))
    sizes = [lines.BLOCK_BYTES] * (num - 1) + [size - (num - 1) * lines.BLOCK_BYTES]
    return [_Run(block, int(block < num - 1), each) for block, each in enumerate(sizes)]


def _groups(file: File) -> list[_Run]:
    try:
        with open_parquet(file) as opened:
            meta = opened.metadata
            groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
            sizes = [(group.total_byte_size, group.num_rows) for group in groups]
    except RefusedError:
        return [_Run(0, 1, 0)]
    full = file.columns.layout.part_bytes
    runs: list[_Run] = []
    rows = 0
    for number, (size, num_rows) in enumerate(sizes):
        rows += num_rows
        last = runs[-1] if runs else None
        if last and last.size + size <= full and rows <= RUN_ROWS:
            runs[-1] = _Run(last.first, last.num + 1, last.size + size)
        else:
            runs.append(_Run(number, 1, size))
            rows = num_rows
    return runs
