"""Exact search by tiles of a matrix product on CPU or GPU (torch); never holds Q x N scores.

Dimension key: Q queries, N indexed vectors, D dimensions, K neighbours, B rows of a block,
W best of a block, M candidates of all queries together; A and B rows of two blocks.

The device nominates, in float32 or in half the bits; `indexes.exact` scores the candidates again,
so the answers are those of `indexes.exact.search`, bit for bit. The error of half precision is not
guessed: what rounding took from each vector is measured (Cauchy-Schwarz bounds the rest).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.exact import Answers, check, joined, rerank
from indexes.nominate import (
    Candidates,
    Loss,
    Metric,
    Pool,
    Ranking,
    error_bound,
    lengths,
    ranking,
)

_LARGEST_HALF = 3e4
"""Largest product of two lengths that float16 (up to 65504) holds with room to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Where and in what pieces the product is made; none of it changes an answer."""

    device: str = "cpu"
    """torch device."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of the product. On a GPU float16 is several times faster; its margin is an eighth of
    that of bfloat16, so fewer candidates are scored again."""

    queries: int = 1024
    """Queries of a block; on a GPU 16384 keeps reading the index from costing more than it."""

    cells: int = 2**23
    """Scores of a tile: 4 bytes each, three times over while the best are picked."""

    resident: int = 0
    """Bytes of vectors that may stay on the device between searches; 0 loads them each time."""

    crowd: int = 4096
    """Candidates per query above which a block is nominated again in float32: vectors so alike
    that half precision tells them apart too rarely."""


def tiles_for(device: str) -> Tiles:
    """Return pieces that suit a device; those of a GPU want 16 GB, 8 of them for the index."""
    if device == "cpu":
        return Tiles()
    return Tiles(device=device, precision="float16", queries=16384, cells=2**28, resident=2**33)


class _Block(NamedTuple):
    first: int
    vectors_BD: Any
    rule: Ranking
    lost: float


class Searcher:
    """An index on a device."""

    def __init__(self, indexed_ND: NDArray[np.float32], *, metric: Metric, tiles: Tiles) -> None:
        """Keep the vectors at hand, on the device if they fit.

        Args:
            indexed_ND: f32[N, D]; may be memory-mapped.
            metric: as in `indexes.exact.search`.
            tiles: where and in what pieces.
        """
        self._indexed_ND = indexed_ND
        self._metric: Metric = metric
        self._tiles = tiles
        size = indexed_ND.size * (4 if tiles.precision == "float32" else 2)
        self._kept = list(self._blocks(tiles.precision)) if size <= tiles.resident else None

    def search(self, queries_QD: NDArray[np.float32], *, k: int) -> Answers:
        """Return the k best rows of each query and all that tie with the k-th.

        Args:
            queries_QD: f32[Q, D].
            k: neighbours per query, 1 <= k <= N.

        Returns:
            What `indexes.exact.search` returns, bit for bit.

        Raises:
            ValueError: as there; or float16 cannot hold the vectors.
        """
        check(queries_QD, self._indexed_ND, k)
        step = self._tiles.queries
        parts = []
        with _plain_products():
            for first in range(0, len(queries_QD), step):
                block_QD = np.ascontiguousarray(queries_QD[first : first + step])
                found = self._nominate(block_QD, k, self._tiles.precision)
                crowded = len(found.rows_M) > self._tiles.crowd * len(block_QD)
                if crowded and self._tiles.precision != "float32":
                    found = self._nominate(block_QD, k, "float32")
                parts.append(rerank(block_QD, self._indexed_ND, found, k=k, metric=self._metric))
        return joined(parts, step)

    def _blocks(self, precision: str) -> Iterator[_Block]:
        step = max(1024, self._tiles.cells // self._tiles.queries)
        for first in range(0, len(self._indexed_ND), step):
            block_BD = np.ascontiguousarray(self._indexed_ND[first : first + step])
            rule = ranking(lengths(block_BD, self._metric), self._metric)
            vectors_BD, lost_B = _shortened(block_BD, self._tiles.device, precision)
            yield _Block(first, vectors_BD, rule, float(lost_B.max(initial=0)))

    def _nominate(self, block_QD: NDArray[np.float32], k: int, precision: str) -> Candidates:
        import torch

        device = self._tiles.device
        queries_QD, lost_Q = _shortened(block_QD, device, precision)
        lengths_Q = lengths(block_QD, self._metric)
        unit = 0.0 if precision == "float32" else torch.finfo(queries_QD.dtype).eps / 2
        pool = Pool(len(block_QD), k)
        kept = self._kept if precision == self._tiles.precision else None
        for block in kept if kept is not None else self._blocks(precision):
            if precision == "float16":
                _check_half(lengths_Q, block)
            scores_QB = (queries_QD @ block.vectors_BD.T).float()
            scores_QB *= torch.from_numpy(block.rule.factor_B).to(device)
            scores_QB += torch.from_numpy(block.rule.offset_B).to(device)
            loss = Loss(lost_Q, block.lost, unit) if unit else None
            bound_Q = error_bound(
                lengths_Q, block.rule, dims=block_QD.shape[1], metric=self._metric, loss=loss
            )
            top_QW = torch.topk(scores_QB, min(k, scores_QB.shape[1]), dim=1, sorted=False).values
            lowest_Q = torch.from_numpy(pool.lowest(top_QW.cpu().numpy(), bound_Q)).to(device)
            found_M = torch.nonzero(scores_QB >= lowest_Q[:, None], as_tuple=True)
            queries_M, rows_M = (axis.cpu().numpy() for axis in found_M)
            found = Candidates(queries_M, rows_M + block.first)
            pool.add(found, scores_QB[found_M].cpu().numpy(), bound_Q)
        return pool.candidates()


def search(
    queries_QD: NDArray[np.float32],
    indexed_ND: NDArray[np.float32],
    *,
    k: int,
    metric: Metric = "cosine",
    tiles: Tiles,
) -> Answers:
    """Return what `indexes.exact.search` returns, bit for bit, by products on a device."""
    return Searcher(indexed_ND, metric=metric, tiles=tiles).search(queries_QD, k=k)


def product(
    left_AD: NDArray[np.float32], right_BD: NDArray[np.float32], device: str
) -> NDArray[np.float32]:
    """Return the inner products of the rows of two blocks, f32[A, B], made on a device."""
    import torch

    with _plain_products():
        left, right = (torch.tensor(block, device=device) for block in (left_AD, right_BD))
        inner_AB: NDArray[np.float32] = (left @ right.T).cpu().numpy()
        return inner_AB


def _shortened(
    vectors_BD: NDArray[np.float32], device: str, precision: str
) -> tuple[Any, NDArray[np.float64]]:
    import torch

    whole_BD = torch.tensor(vectors_BD, device=device)
    short_BD = whole_BD.to(getattr(torch, precision))
    # a difference to the rounded value is exact in float32; the margin covers the length's own sum
    lost_B = (whole_BD - short_BD.float()).double().norm(dim=1) * 1.001
    return short_BD, lost_B.cpu().numpy()


def _check_half(lengths_Q: NDArray[np.float64], block: _Block) -> None:
    product = float(lengths_Q.max(initial=0)) * block.rule.length
    if not max(product, block.rule.length, float(lengths_Q.max(initial=0))) < _LARGEST_HALF:
        raise ValueError(
            f"vectors of lengths whose product is {product:.3g} do not fit into float16;"
            " use precision bfloat16 or float32"
        )


@contextmanager
def _plain_products() -> Iterator[None]:
    """Switch off products that round where the bound does not know of it, then put them back."""
    import torch

    matmul = torch.backends.cuda.matmul
    names = (
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
        "allow_fp16_accumulation",
    )
    before = {name: getattr(matmul, name) for name in names}
    precision = torch.get_float32_matmul_precision()
    try:
        for name in names:
            setattr(matmul, name, False)
        torch.set_float32_matmul_precision("highest")
        yield
    finally:
        for name, value in before.items():
            setattr(matmul, name, value)
        torch.set_float32_matmul_precision(precision)
