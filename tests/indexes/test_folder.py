import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.folder import FolderError, RowWriter, open_folder, seal


def written(folder: Path) -> Path:
    folder.mkdir()
    with RowWriter(folder / "vectors.npy") as rows:
        rows.add(np.arange(6, dtype=np.float32).reshape(2, 3))
        rows.add(np.zeros((0, 3), np.float32))
        rows.add(np.full((1, 3), 9, np.float32))
    (folder / "names.txt").write_text("a b c")
    seal(folder, kind="images", facts={"num": 3}, descriptor="d1")
    return folder


def test_round_trip(tmp_path: Path) -> None:
    opened = open_folder(written(tmp_path / "index"), kind="images")
    array = opened.array("vectors.npy")
    assert array.tolist() == [[0, 1, 2], [3, 4, 5], [9, 9, 9]]
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert (opened.facts, opened.descriptor) == ({"num": 3}, "d1")
    assert opened.file("names.txt").read_text() == "a b c"


def test_a_moved_folder_opens(tmp_path: Path) -> None:
    moved = written(tmp_path / "index").rename(tmp_path / "elsewhere")
    assert open_folder(moved, kind="images").array("vectors.npy").shape == (3, 3)


def test_same_content_gives_same_bytes(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one"), written(tmp_path / "two")
    assert (one / "meta.json").read_bytes() == (two / "meta.json").read_bytes()


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(1, 9))
def test_rows_written_in_any_blocks_are_the_array(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], dims: int
) -> None:
    rng = np.random.default_rng(sum(cuts))
    blocks = [rng.standard_normal((n, dims)).astype(np.float32) for n in cuts]
    path = tmp_path_factory.mktemp("rows") / "a.npy"
    with RowWriter(path) as rows:
        for block in blocks:
            rows.add(block)
    if sum(cuts):
        assert (np.load(path) == np.concatenate(blocks)).all()
    else:
        assert np.load(path).size == 0


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    folder = written(tmp_path / "index")
    whole = (folder / "vectors.npy").read_bytes()
    for place in (0, 60, 127, 128, len(whole) - 1):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1
        (folder / "vectors.npy").write_bytes(spoilt)
        with pytest.raises(FolderError, match="was changed: sha256"):
            open_folder(folder, kind="images")
    (folder / "vectors.npy").write_bytes(whole[:-1])
    with pytest.raises(FolderError, match="was changed: size"):
        open_folder(folder, kind="images")
    (folder / "vectors.npy").unlink()
    with pytest.raises(FolderError, match="is missing"):
        open_folder(folder, kind="images")


def test_unsealed_folder_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "index")
    (folder / "meta.json").unlink()
    with pytest.raises(FolderError, match=r"has no meta\.json"):
        open_folder(folder, kind="images")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 1}', "cannot be read"),
        ('{"format": 1, "kind": 1, "descriptor": "", "facts": {}, "files": {}}', "not describe"),
    ],
)
def test_unreadable_meta_is_refused(tmp_path: Path, text: str, found: str) -> None:
    folder = written(tmp_path / "index")
    (folder / "meta.json").write_text(text)
    with pytest.raises(FolderError, match=found):
        open_folder(folder, kind="images")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"format": 2}, "has format 2"),
        ({"kind": "pixels"}, "index of pixels, expected images"),
        ({"files": {"../secret": {}}}, "may not leave the folder"),
        ({"files": {"/etc/passwd": {}}}, "may not leave the folder"),
    ],
)
def test_other_meta_is_refused(tmp_path: Path, change: dict[str, object], found: str) -> None:
    folder = written(tmp_path / "index")
    meta = json.loads((folder / "meta.json").read_text()) | change
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(FolderError, match=found):
        open_folder(folder, kind="images")


def test_unknown_file_and_wrong_shape(tmp_path: Path) -> None:
    folder = written(tmp_path / "index")
    meta = json.loads((folder / "meta.json").read_text())
    meta["files"]["vectors.npy"]["shape"] = [4, 3]
    (folder / "meta.json").write_text(json.dumps(meta))
    opened = open_folder(folder, kind="images")
    with pytest.raises(FolderError, match="has no file x"):
        opened.file("x")
    with pytest.raises(FolderError, match=r"meta\.json says float32\(4, 3\)"):
        opened.array("vectors.npy")


def test_rows_of_other_dimensions_are_refused(tmp_path: Path) -> None:
    with RowWriter(tmp_path / "a.npy") as rows:
        rows.add(np.zeros((1, 3), np.float32))
        with pytest.raises(ValueError, match="rows of 2 dimensions after rows of 3"):
            rows.add(np.zeros((1, 2), np.float32))
