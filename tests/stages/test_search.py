from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from indexes import device
from indexes.exact import score
from indexes.folder import FolderError
from stages.columns import vector_column
from stages.contract import Kit, StageError
from stages.images import index_images, search
from stages.images.search import SearchConfig, open_search
from stages.tables import EMBEDDINGS, GENERATIONS, NEIGHBORS, WORKS

DIMS = 8


def unit(seed: int, rows: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).standard_normal((rows, DIMS)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


STORED = unit(0, 60)
STORED[40:52] = STORED[7]
IDS = [f"s{n:02}" for n in range(60)]


@pytest.fixture(scope="module", name="index")
def _index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    halves = ["train" if n < 30 else "control" for n in range(60)]
    rows = {"image_id": IDS, "work_id": [f"w{n // 2}" for n in range(60)], "half": halves}
    works = pa.table(rows, schema=pa.schema([WORKS.schema.field(name) for name in rows]))
    inputs = {
        "vectors": [EMBEDDINGS.make({"image_id": IDS, "vector": vector_column(STORED)})],
        "works": [works],
    }
    fold = index_images.STAGE
    assert list(fold.run(inputs, fold.config(), Kit(folder=folder))) == []
    return folder


def generations(ids: list[str]) -> pa.Table:
    rows = {"image_id": ids, "prompt_id": [f"p{i}" for i in ids]}
    return pa.table(rows, schema=pa.schema([GENERATIONS.schema.field(name) for name in rows]))


def vectors(ids: list[str], values: NDArray[np.float32]) -> pa.Table:
    return EMBEDDINGS.make({"image_id": ids, "vector": vector_column(values)})


def run(index: Path, ids: list[str], described: pa.Table, k: int = 3) -> list[dict[str, Any]]:
    tools = open_search(SearchConfig(k=k), Kit(folders={"index": index}))
    out = search.STAGE.run({"images": generations(ids), "vectors": described}, tools)
    assert out.rejected == ()
    return NEIGHBORS.check(out.rows).to_pylist()


def test_nearest_first_with_their_works(index: Path) -> None:
    queries = unit(1, 2)
    rows = run(index, ["b", "a"], vectors(["b", "a"], queries))
    assert [row["image_id"] for row in rows] == ["b"] * 3 + ["a"] * 3
    assert [row["prompt_id"] for row in rows[2:4]] == ["pb", "pa"]
    for query, mine in zip(queries, (rows[:3], rows[3:]), strict=True):
        cosines = score(np.repeat(query[None], 60, axis=0), STORED, "cosine")
        best = np.argsort(-cosines)[:3]
        assert [row["neighbor_id"] for row in mine] == [IDS[n] for n in best]
        assert [row["similarity"] for row in mine] == cosines[best].tolist()
        assert [row["work_id"] for row in mine] == [f"w{n // 2}" for n in best]
        assert [row["half"] for row in mine] == ["train" if n < 30 else "control" for n in best]
        assert [row["rank"] for row in mine] == [1, 2, 3]


def test_all_copies_tie_at_rank_one(index: Path) -> None:
    rows = run(index, ["a"], vectors(["a"], STORED[7:8]))
    assert [row["neighbor_id"] for row in rows] == ["s07", *(f"s{n}" for n in range(40, 52))]
    assert {(row["rank"], row["similarity"]) for row in rows} == {(1, 1.0)}


def test_rows_are_joined_by_id_and_cuts_change_nothing(index: Path) -> None:
    ids, values = [f"g{n}" for n in range(9)], unit(3, 9)
    values[4] = STORED[7]
    want = run(index, ids, vectors(ids, values))
    moved = np.random.default_rng(0).permutation(9)
    assert run(index, ids, vectors([ids[n] for n in moved], values[moved])) == want
    parts = [
        run(index, ids[i : i + 2], vectors(ids[i : i + 2], values[i : i + 2]))
        for i in range(0, 9, 2)
    ]
    assert [row for part in parts for row in part] == want


def test_a_generation_without_descriptor_has_no_neighbours(index: Path) -> None:
    rows = run(index, ["a", "b"], vectors(["b"], unit(1, 1)))
    assert {row["image_id"] for row in rows} == {"b"}
    assert run(index, ["a"], vectors([], unit(1, 0))) == []
    assert run(index, [], vectors([], unit(1, 0))) == []


def test_more_neighbours_than_images(index: Path) -> None:
    assert len(run(index, ["a"], vectors(["a"], unit(1, 1)), k=1000)) == 60


def test_the_device_changes_no_row(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the path of a GPU, in half precision, with the tensors left on the CPU
    tiles = device.Tiles(precision="float16", queries=4, cells=1, resident=2**20)
    monkeypatch.setattr(search, "tiles_for", lambda _: tiles)
    ids, values = [f"g{n}" for n in range(9)], np.concatenate([unit(3, 8), STORED[7:8]])
    inputs = {"images": generations(ids), "vectors": vectors(ids, values)}
    tables = [
        search.STAGE.run(
            inputs, open_search(SearchConfig(k=5), Kit(folders={"index": index}, device=name))
        ).rows
        for name in ("cpu", "cuda")
    ]
    assert tables[0].equals(tables[1])


def test_bad_input_is_said(index: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="expected those of the same part"):
        run(index, ["a"], vectors(["a", "b"], unit(1, 2)))
    wide = np.eye(1, DIMS + 1, dtype=np.float32)
    with pytest.raises(StageError, match="embed both with one model"):
        run(index, ["a"], vectors(["a"], wide))
    with pytest.raises(FolderError, match="not an index"):
        run(tmp_path, ["a"], vectors(["a"], unit(1, 1)))
    with pytest.raises(ValueError, match="k: expected 1 or more, got 0"):
        SearchConfig(k=0)
