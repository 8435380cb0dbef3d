"""The torch tests of this room: one process imports torch once for all of them."""

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from indexes import device, exact, pairs
from indexes.device import Searcher, Tiles
from indexes.exact import Answers
from indexes.nominate import Metric

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
METRICS: tuple[Metric, ...] = ("inner", "cosine", "l2")


def unit(rng: np.random.Generator, rows: int, dims: int) -> NDArray[np.float32]:
    x = rng.standard_normal((rows, dims)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def planted() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Queries with a crowd of rows around their k-th score, far closer than half precision sees."""
    rng = np.random.default_rng(0)
    indexed, queries = unit(rng, 3000, 48), unit(rng, 12, 48)
    for query in range(6):
        crowd = np.repeat(queries[query : query + 1], 80, axis=0)
        crowd += 1e-5 * rng.standard_normal(crowd.shape).astype(np.float32)
        indexed[rng.choice(3000, 80, replace=False)] = crowd
    indexed[2990:] = indexed[:10]
    return queries, indexed


def same(one: Answers, other: Answers) -> None:
    for left, right in zip(one, other, strict=True):
        assert left.tobytes() == right.tobytes()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_same_answers_as_exact_with_planted_near_ties(precision: Precision, metric: Metric) -> None:
    queries, indexed = planted()
    tiles = Tiles(precision=precision, queries=5, cells=1)
    found = device.search(queries, indexed, k=10, metric=metric, tiles=tiles)
    same(found, exact.search(queries, indexed, k=10, metric=metric))


def test_half_precision_alone_would_be_wrong() -> None:
    # the test above must be able to fail: the order by bfloat16 products is another one
    import torch

    queries, indexed = planted()
    short = torch.from_numpy(queries).bfloat16() @ torch.from_numpy(indexed).bfloat16().T
    top = torch.topk(short.float(), 10).indices.numpy()
    right = exact.cut(exact.search(queries, indexed, k=10, metric="inner"), 10).rows_QK
    assert any(set(a) != set(b) for a, b in zip(top.tolist(), right.tolist(), strict=True))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_the_bound_holds_and_is_not_idle(precision: Precision) -> None:
    import torch

    rng = np.random.default_rng(1)
    left, right = unit(rng, 200, 96), unit(rng, 300, 96)
    dtype = getattr(torch, precision)
    made = (torch.from_numpy(left).to(dtype) @ torch.from_numpy(right).to(dtype).T).double().numpy()
    error_Q = np.abs(made - left.astype(float) @ right.astype(float).T).max(axis=1)
    _, lost_Q = device._shortened(left, "cpu", precision)
    _, lost_N = device._shortened(right, "cpu", precision)
    rule = device.ranking(device.lengths(right, "inner"), "inner")
    loss = device.Loss(lost_Q, float(lost_N.max()), torch.finfo(dtype).eps / 2)
    bound_Q = device.error_bound(
        device.lengths(left, "inner"), rule, dims=96, metric="inner", loss=loss
    )
    assert (error_Q <= bound_Q).all()
    assert (bound_Q < 0.03).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_roundings_that_all_go_the_same_way(precision: Precision) -> None:
    # the best row loses almost half a step in each component and so does the query there; where the
    # other rows lie both gain as much: by half precision the others win by more than its output
    # alone can be wrong
    import torch

    step = torch.finfo(getattr(torch, precision)).eps
    lose, gain = np.float32(1 + 0.499 * step), np.float32(1 + 0.501 * step)
    query = np.repeat(np.array([[lose, gain]], np.float32), 64, axis=1)
    best, others = query.copy(), np.repeat(query, 5, axis=0)
    best[:, 64:] = 0
    others[:, :64] = 0
    others[:, 64] = 1
    indexed = np.concatenate([others, best])
    found = device.search(query, indexed, k=1, metric="inner", tiles=Tiles(precision=precision))
    same(found, exact.search(query, indexed, k=1, metric="inner"))
    assert found.rows_M.tolist() == [5]


def test_crowded_vectors_fall_back_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    indexed = unit(rng, 1, 32) + np.float32(1e-3) * unit(rng, 2500, 32)
    tried = []
    nominate = Searcher._nominate

    def spy(self: Searcher, block: NDArray[np.float32], k: int, precision: str) -> object:
        tried.append(precision)
        return nominate(self, block, k, precision)

    monkeypatch.setattr(Searcher, "_nominate", spy)
    tiles = Tiles(precision="bfloat16", crowd=100)
    found = device.search(indexed[:3], indexed, k=4, tiles=tiles)
    same(found, exact.search(indexed[:3], indexed, k=4))
    assert tried == ["bfloat16", "float32"]


def test_resident_blocks_answer_twice_alike() -> None:
    queries, indexed = planted()
    tiles = Tiles(precision="float16", resident=2**30, queries=4, cells=1)
    searcher = Searcher(indexed, metric="cosine", tiles=tiles)
    want = exact.search(queries, indexed, k=3)
    same(searcher.search(queries, k=3), want)
    same(searcher.search(queries, k=3), want)


def test_vectors_too_long_for_float16_are_refused() -> None:
    vectors = np.full((2, 2), 1e5, np.float32)
    with pytest.raises(ValueError, match="do not fit into float16"):
        device.search(vectors, vectors, k=1, metric="inner", tiles=Tiles(precision="float16"))


def test_settings_of_torch_are_put_back() -> None:
    import torch

    torch.set_float32_matmul_precision("high")
    try:
        queries, indexed = planted()
        device.search(queries, indexed, k=1, tiles=Tiles())
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no GPU here")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_gpu_gives_the_same_answers(precision: Precision) -> None:
    queries, indexed = planted()
    tiles = Tiles(device="cuda", precision=precision)
    same(device.search(queries, indexed, k=10, tiles=tiles), exact.search(queries, indexed, k=10))


def test_near_by_torch_is_near_by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_cpu(left: NDArray[np.float32], right: NDArray[np.float32], _: str) -> object:
        return device.product(left, right, "cpu")

    queries, indexed = planted()
    want = pairs.near(queries, indexed, minimum=0.9)
    monkeypatch.setattr(pairs, "product", on_cpu)
    assert (pairs.near(queries, indexed, minimum=0.9, device="cuda") == want).all()
    assert want.any()
