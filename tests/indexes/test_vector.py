from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from indexes import vector
from indexes.exact import cut, search
from indexes.recall import look_up_stored, recall
from indexes.vector import Recipe, VectorIndexError, build, load, recipe_for


def unit(seed: int, rows: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).standard_normal((rows, 32)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


STORED, NOVEL = unit(0, 1500), unit(1, 40)


def test_flat_is_exact() -> None:
    found = build(STORED, Recipe()).search(NOVEL, 5)
    want = cut(search(NOVEL, STORED, k=5), 5)
    assert (found.rows_QK == want.rows_QK).all()
    assert found.scores_QK.tobytes() == want.scores_QK.tobytes()


@pytest.mark.parametrize("factory", ["IVF16,Flat", "IVF16,PQ16x4fs", "IVF16,SQ8", "PCA16,Flat"])
def test_approximate_indexes_find_copies_and_score_them_exactly(factory: str) -> None:
    index = build(STORED, Recipe(factory=factory, nprobe=8, rerank=100))
    assert not len(look_up_stored(index.search, STORED, np.arange(1500), k=1).lost_rows)
    exact = search(NOVEL, STORED, k=5)
    found = index.search(NOVEL, 5)
    assert recall(found, exact, k=5).share > 0.6
    pairs = np.repeat(NOVEL, 5, axis=0)
    again = (pairs.astype(float) * STORED[found.rows_QK.ravel()].astype(float)).sum(axis=1)
    assert np.allclose(found.scores_QK.ravel(), again, atol=1e-6)
    assert (np.diff(found.scores_QK, axis=1) <= 0).all()


def test_more_lists_searched_find_more() -> None:
    exact = search(NOVEL, STORED, k=5)
    shares = [
        recall(build(STORED, Recipe(factory="IVF32,Flat", nprobe=n)).search(NOVEL, 5), exact, k=5)
        for n in (1, 32)
    ]
    assert shares[0].share < shares[1].share == 1


def test_places_without_an_answer_are_marked() -> None:
    index = build(STORED, Recipe(factory="IVF32,Flat", nprobe=1))
    found = index.search(NOVEL, 500)
    assert (found.rows_QK[:, -1] == -1).any()
    assert np.isneginf(found.scores_QK[found.rows_QK == -1]).all()


def test_saved_index_answers_alike(tmp_path: Path) -> None:
    recipe = Recipe(factory="IVF16,PQ16x4fs", nprobe=8)
    index = build(STORED, recipe)
    index.save(tmp_path / "index.faiss")
    again = load(tmp_path / "index.faiss", STORED, recipe)
    for one, other in zip(index.search(NOVEL, 7), again.search(NOVEL, 7), strict=True):
        assert (one == other).all()


def test_an_index_over_other_vectors_is_refused(tmp_path: Path) -> None:
    build(STORED, Recipe()).save(tmp_path / "index.faiss")
    with pytest.raises(VectorIndexError, match="build it again"):
        load(tmp_path / "index.faiss", STORED[:-1], Recipe())


def test_an_index_that_lost_vectors_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        """A flat index that files half of its vectors under the wrong row."""

        def __init__(self) -> None:
            self._flat = faiss.IndexFlatIP(32)
            self.d, self.is_trained = 32, True

        @property
        def ntotal(self) -> int:
            return int(self._flat.ntotal)

        def add(self, block: NDArray[np.float32]) -> None:
            moved = block.copy()
            moved[::2] = moved[::2][::-1]
            self._flat.add(moved)

        def search(self, queries: NDArray[np.float32], k: int) -> object:
            return self._flat.search(queries, min(k, 1))

    def factory(*_: object) -> Forgetful:
        return Forgetful()

    monkeypatch.setattr(faiss, "index_factory", factory)
    monkeypatch.setattr(faiss, "try_extract_index_ivf", lambda _: None)
    with pytest.raises(VectorIndexError, match="do not return themselves"):
        build(STORED, Recipe())


@pytest.mark.parametrize("factory", ["Nonsense", "IVF8,PQ5x8", "IVF100000,Flat"])
def test_what_faiss_cannot_build_is_said(factory: str) -> None:
    with pytest.raises(VectorIndexError, match="faiss cannot build"):
        build(STORED, Recipe(factory=factory))


def test_recipes_by_size() -> None:
    assert recipe_for(999_999, 512) == "Flat"
    assert recipe_for(10_000_000, 768) == "IVF16384,PQ64x4fs"
    assert recipe_for(10_000_000, 24) == "IVF16384,PQ8x4fs"
    assert recipe_for(10_000_000, 13) == "IVF16384,SQ8"


def test_threads_are_set_explicitly() -> None:
    faiss.omp_set_num_threads(2)
    vector.build(STORED[:300], Recipe(threads=1)).search(NOVEL, 1)
    assert faiss.omp_get_max_threads() == 1
