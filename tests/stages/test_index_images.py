import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from indexes.folder import open_folder
from indexes.vector import Recipe, load
from stages.columns import vector_column
from stages.contract import Kit, StageError
from stages.images.index_images import IndexImagesConfig, index_images
from stages.tables import EMBEDDINGS, WORKS

DIMS = 16


def unit(seed: int, rows: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).standard_normal((rows, DIMS)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def described(ids: list[str], vectors: NDArray[np.float32]) -> pa.Table:
    return EMBEDDINGS.make({"image_id": ids, "vector": vector_column(vectors)})


def works(ids: list[str]) -> pa.Table:
    rows = {"image_id": ids, "work_id": [f"w{i}" for i in ids], "half": ["train"] * len(ids)}
    return pa.table(rows, schema=pa.schema([WORKS.schema.field(name) for name in rows]))


def write(folder: Path, parts: list[pa.Table], known: list[str], **knobs: Any) -> Path:
    folder.mkdir()
    inputs = {"vectors": parts, "works": [works(known[:2]), works(known[2:])]}
    assert list(index_images(inputs, IndexImagesConfig(**knobs), Kit(folder=folder))) == []
    return folder


def test_rows_and_vectors_stand_in_the_same_order(tmp_path: Path) -> None:
    ids, vectors = [f"i{n}" for n in range(7)], unit(0, 7)
    parts = [
        described(ids[:3], vectors[:3]),
        described([], vectors[:0]),
        described(ids[3:], vectors[3:]),
    ]
    folder = open_folder(write(tmp_path / "x", parts, [*ids[::-1], "lost"]), kind="images")
    assert (folder.array("vectors.npy") == vectors).all()
    rows = pq.read_table(folder.file("rows.parquet"))
    assert rows["image_id"].to_pylist() == ids
    assert rows["work_id"].to_pylist() == [f"w{i}" for i in ids]
    assert folder.facts == {"images": 7, "without_vector": 1}
    assert sorted(folder.files) == ["rows.parquet", "vectors.npy"]


def test_same_rows_in_other_parts_give_the_same_bytes(tmp_path: Path) -> None:
    ids, vectors = [f"i{n}" for n in range(7)], unit(0, 7)
    metas = []
    for cut in (1, 3, 7):
        parts = [described(ids[i : i + cut], vectors[i : i + cut]) for i in range(0, 7, cut)]
        folder = write(tmp_path / str(cut), parts, ids)
        metas.append(json.loads((folder / "meta.json").read_text()))
    assert metas[0] == metas[1] == metas[2]


def test_an_approximate_index_is_audited(tmp_path: Path) -> None:
    ids, vectors = [f"i{n}" for n in range(1500)], unit(0, 1500)
    knobs: dict[str, Any] = {"factory": "IVF16,PQ8x4fs", "nprobe": 4, "rerank": 50, "audit": 200}
    path = write(tmp_path / "x", [described(ids, vectors)], ids, **knobs)
    folder = open_folder(path, kind="images")
    approximate = folder.facts["approximate"]
    assert approximate["factory"] == "IVF16,PQ8x4fs"
    found = approximate["recall_at_10"]
    assert found["trials"] == 200
    assert 0.3 < found["low"] < found["share"] < found["high"] < 1
    assert approximate["itself"]["trials"] == 1500
    assert approximate["itself"]["share"] == 1
    assert approximate["itself"]["first_lost_rows"] == []
    recipe = Recipe(factory=knobs["factory"], nprobe=4, rerank=50)
    index = load(folder.file("index.faiss"), folder.array("vectors.npy"), recipe)
    assert index.search(vectors[:5], 1).rows_QK[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_bad_input_is_said(tmp_path: Path) -> None:
    ids, vectors = ["a", "b", "c"], unit(0, 3)
    with pytest.raises(StageError, match="expected images with a descriptor, got none"):
        write(tmp_path / "1", [], ids)
    with pytest.raises(StageError, match=r"descriptor of b has length 2\.0000"):
        write(tmp_path / "2", [described(ids, vectors * [[1], [2], [1]])], ids)
    with pytest.raises(StageError, match="belong to no work, c for one"):
        write(tmp_path / "3", [described(ids, vectors)], ["a", "b"])
    with pytest.raises(StageError, match="faiss cannot build 'Nonsense'"):
        write(tmp_path / "4", [described(ids, vectors)], ids, factory="Nonsense")
    with pytest.raises(StageError, match="expected a folder"):
        list(index_images({"vectors": [], "works": []}, IndexImagesConfig(), Kit()))


def test_a_fold_that_failed_leaves_no_index(tmp_path: Path) -> None:
    with pytest.raises(StageError):
        write(tmp_path / "x", [described(["a"], unit(0, 1))], [])
    with pytest.raises(ValueError, match="cut short"):
        open_folder(tmp_path / "x", kind="images")


@pytest.mark.parametrize("knob", ["nprobe", "rerank", "audit"])
def test_impossible_knobs_are_refused(knob: str) -> None:
    with pytest.raises(ValueError, match=f"{knob}: expected 1 or more, got 0"):
        IndexImagesConfig(**{knob: 0})
