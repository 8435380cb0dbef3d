"""Folder: an index on disk that says what it is and notices when it is not whole.

Dimension key: N vectors, D dimensions, B rows of a block.

`meta.json` is written last: it names each file with its size and sha256, so a folder that was cut
short or changed is refused instead of giving answers. Paths inside are names: it can be moved.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_META = "meta.json"
_FORMAT = 1


class FolderError(ValueError):
    """An index folder is not whole, or is not the index that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFolder:
    """An opened index folder."""

    path: Path
    """Where it lies."""

    kind: str
    """What the index holds, such as `images`."""

    descriptor: str
    """Digest of the descriptor that made the vectors; empty if the writer was not told."""

    facts: Mapping[str, Any]
    """What the writer wants to be known: counts, recipe, recall."""

    files: Mapping[str, Mapping[str, Any]]
    """Name -> size and sha256, for arrays also shape and dtype."""

    def file(self, name: str) -> Path:
        """Return the path of a file of the index.

        Raises:
            FolderError: the index has no such file.
        """
        if name not in self.files:
            raise FolderError(f"{self.path} has no file {name}; it has {sorted(self.files)}")
        return self.path / name

    def array(self, name: str) -> NDArray[Any]:
        """Return an array of the index, memory-mapped and read-only."""
        path = self.file(name)
        described = self.files[name]
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if [str(array.dtype), list(array.shape)] != [described["dtype"], described["shape"]]:
            raise FolderError(
                f"{path}: found {array.dtype}{array.shape}, {_META} says"
                f" {described['dtype']}{tuple(described['shape'])}"
            )
        return array


class RowWriter:
    """Writes an f32[N, D] array row block by row block, N and D not known before."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._shape: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._header(self._shape or (0, 0))
        self._file.close()

    def add(self, block_BD: NDArray[np.float32]) -> None:
        """Append rows.

        Raises:
            ValueError: they have other dimensions than the rows before.
        """
        rows, dims = block_BD.shape
        if not rows:
            return
        if self._shape is None:
            self._shape = (0, dims)
            self._header(self._shape)
        if dims != self._shape[1]:
            raise ValueError(f"rows of {dims} dimensions after rows of {self._shape[1]}")
        self._file.write(np.ascontiguousarray(block_BD, "<f4").tobytes())
        self._shape = (self._shape[0] + rows, dims)

    def _header(self, shape: tuple[int, int]) -> None:
        # numpy pads its header so that the first axis may grow, hence it can be written again
        self._file.seek(0)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def seal(
    path: Path, *, kind: str, facts: Mapping[str, Any] | None = None, descriptor: str = ""
) -> None:
    """Describe every file of a folder in its `meta.json`; the last act of writing an index.

    Args:
        path: the folder; its files are complete.
        kind: what the index holds.
        facts: what else is to be known; JSON.
        descriptor: digest of the descriptor that made the vectors.
    """
    files = {file.name: _described(file) for file in sorted(path.iterdir())}
    meta = {
        "format": _FORMAT,
        "kind": kind,
        "descriptor": descriptor,
        "facts": dict(facts or {}),
        "files": files,
    }
    text = json.dumps(meta, sort_keys=True, indent=1, allow_nan=False)
    (path / _META).write_text(text + "\n", encoding="utf-8")


def open_folder(path: Path, *, kind: str, verify: bool = True) -> IndexFolder:
    """Return an index folder after reading each of its files again.

    Args:
        path: the folder.
        kind: what the index should hold.
        verify: False compares sizes alone, so that opening takes no longer for a larger index.

    Raises:
        FolderError: it is of another kind, incomplete or changed.
    """
    meta = _meta(path)
    if meta["kind"] != kind:
        raise FolderError(f"{path} is an index of {meta['kind']}, expected {kind}")
    for name, described in meta["files"].items():
        _check_file(path / name, described, verify=verify)
    return IndexFolder(
        path=path,
        kind=kind,
        descriptor=meta["descriptor"],
        facts=meta["facts"],
        files=meta["files"],
    )


def _meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads((path / _META).read_text(encoding="utf-8"))
        form, names = meta["format"], list(meta["files"])
        known = [meta[name] for name in ("kind", "descriptor", "facts")]
    except FileNotFoundError as error:
        raise FolderError(f"{path} has no {_META}: not an index, or cut short") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{path / _META} cannot be read: {error!r}; build it again") from error
    if form != _FORMAT:
        raise FolderError(f"{path} has format {form}, this program reads {_FORMAT}")
    if not all(isinstance(value, str | dict) for value in known):
        raise FolderError(f"{path / _META} does not describe an index: {known}; build it again")
    if strays := [name for name in names if Path(name).name != name]:
        raise FolderError(f"{path / _META} names {strays}: names may not leave the folder")
    return dict(meta)


def _check_file(file: Path, described: Mapping[str, Any], *, verify: bool) -> None:
    if not file.is_file():
        raise FolderError(f"{file} is missing: the index is incomplete; build it again")
    known = _identity(file) if verify else {"size": file.stat().st_size}
    for what, found in known.items():
        if found != described.get(what):
            raise FolderError(
                f"{file} was changed: {what} {found}, expected {described.get(what)};"
                " build it again"
            )


def _identity(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    return {"size": file.stat().st_size, "sha256": digest}


def _described(file: Path) -> dict[str, Any]:
    described = _identity(file)
    if file.suffix == ".npy":
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        described |= {"dtype": str(array.dtype), "shape": list(array.shape)}
    return described
