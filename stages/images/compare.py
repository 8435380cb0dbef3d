"""Compare: measures each generation, pixel by pixel, against the works that may be in it.

Dimension key: Q generations, R stored squares, N of them indexed and sorted by work, W works,
D = S * S * C values of a square of side S with C = 3 channels.

Every generation is measured against every indexed image: exact, at the size of the pixel index.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from stages.contract import Artefact, Kit, MapStage, Out, Rejected, columns
from stages.images.squares import Squares, open_squares
from stages.measures.distances import (
    Bytes,
    Floats,
    root_mean,
    squared_differences,
    tiled_l2_to_each,
)
from stages.measures.nearest import adaptive_ratios, nearest_of_each, nearest_of_each_kind
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode, resize
from stages.tables import GENERATIONS, MATCHES, NEIGHBORS, PROMPTS

# Distances of one block of generations to the index: at most 256 MB.
_BLOCK_VALUES = 2**25


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    """How a generation is compared; the defaults are those of Carlini et al. 2023, section 5.1."""

    num_others: int = 50
    """Nearest other works whose mean distance is the scale of the adaptive ratio; from 1."""

    alpha: float = 0.5
    """Factor on that mean; a ratio below 1 counts as a copy."""

    num_nearest: int = 3
    """Works nominated for being the nearest in pixel space, from 1; so many of the training half,
    of the control half and of the works in both, so that the nearest control is always known."""

    def __post_init__(self) -> None:
        if self.num_others < 1:
            raise ValueError(f"num_others: expected at least 1, got {self.num_others}")
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"alpha: expected a number above 0, got {self.alpha}")
        if self.num_nearest < 1:
            raise ValueError(f"num_nearest: expected at least 1, got {self.num_nearest}")


class Tools(NamedTuple):
    """The knobs and the opened pixel index."""

    config: CompareConfig
    pixels: Squares


class Question(NamedTuple):
    """One generation and the works that its descriptor and its caption name."""

    row: Mapping[str, Any]
    similarity: Mapping[str, float]
    captions: frozenset[str]


def open_compare(config: CompareConfig, kit: Kit) -> Tools:
    """Open the pixel index."""
    return Tools(config, open_squares(kit.folders["pixels"]))


def compare(inputs: Mapping[str, pa.Table], tools: Tools) -> Out:
    """Return the works that may have come back in each generation, with their distances.

    Args:
        inputs: `images`, GENERATIONS; `neighbors`, NEIGHBORS; `prompts`, PROMPTS; all rows of
            whole prompts.
        tools: the pixel index.

    Returns:
        MATCHES in order of the generations, nearest work first. `via` joins the reasons with "+".
        `half` and `neighbor_id` are those of the work's nearest image. Rejected are generations
        that do not decode, and generations that name works without a row in the pixel index;
        these keep their other matches.

    Source: Carlini et al. 2023, section 5.1.
    """
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    questions = list(_questions(inputs))
    block = max(1, _BLOCK_VALUES // max(1, len(tools.pixels.squares_RD)))
    for start in range(0, len(questions), block):
        asked, squares_QD = _decoded(questions[start : start + block], tools, rejected)
        sums_QN = squared_differences(squares_QD, tools.pixels.squares_RD)[:, tools.pixels.row_N]
        for question, square_D, sums_N in zip(asked, squares_QD, sums_QN, strict=True):
            rows.extend(_matches(question, square_D, sums_N, tools))
            if missing := {*question.similarity, *question.captions} - tools.pixels.works.keys():
                message = f"works without pixels: {', '.join(sorted(missing))}"
                rejected.append(Rejected(question.row["image_id"], "missing-work", message))
    return Out(MATCHES.of_rows(rows), rejected)


def _questions(inputs: Mapping[str, pa.Table]) -> Iterator[Question]:
    similarity: dict[str, dict[str, float]] = {}
    for row in inputs["neighbors"].to_pylist():
        works = similarity.setdefault(row["image_id"], {})
        works[row["work_id"]] = max(row["similarity"], works.get(row["work_id"], -np.inf))
    captions: dict[str, set[str]] = {}
    for row in inputs["prompts"].to_pylist():
        if row["work_id"] is not None:
            captions.setdefault(row["prompt_id"], set()).add(row["work_id"])
    for row in inputs["images"].to_pylist():
        named = frozenset(captions.get(row["prompt_id"], ()))
        yield Question(row, similarity.get(row["image_id"], {}), named)


def _decoded(
    questions: Sequence[Question], tools: Tools, rejected: list[Rejected]
) -> tuple[list[Question], Bytes]:
    kept: list[Question] = []
    squares_QD = np.empty((len(questions), tools.pixels.squares_RD.shape[1]), np.uint8)
    for question in questions:
        try:
            rgb_HWC = decode(question.row["bytes"], max_pixels=MAX_PIXELS_EVER).rgb_HWC
            squares_QD[len(kept)] = resize(rgb_HWC, tools.pixels.side).ravel()
        except DecodeError as error:
            rejected.append(Rejected(question.row["image_id"], error.code, str(error)))
        else:
            kept.append(question)
    return kept, squares_QD[: len(kept)]


def _matches(
    question: Question, square_D: Bytes, sums_N: Floats, tools: Tools
) -> Iterator[dict[str, Any]]:
    config = tools.config
    l2_W = root_mean(nearest_of_each(sums_N, tools.pixels.starts_W), len(square_D))
    named = {
        "descriptor": {
            tools.pixels.works[name] for name in question.similarity if name in tools.pixels.works
        },
        "pixels": set(
            nearest_of_each_kind(l2_W, tools.pixels.kinds_W, config.num_nearest).tolist()
        ),
        "caption": {
            tools.pixels.works[name] for name in question.captions if name in tools.pixels.works
        },
    }
    works = sorted(set().union(*named.values()), key=lambda work: (l2_W[work], work))
    ratios = adaptive_ratios(l2_W, works, num_others=config.num_others, alpha=config.alpha)
    # float32 as in the table, so that "best" means what a reader of the table sees
    ratio_f32 = [None if ratio is None else float(np.float32(ratio)) for ratio in ratios]
    best = min((ratio for ratio in ratio_f32 if ratio is not None), default=None)
    nearest = [tools.pixels.nearest_image(sums_N, work) for work in works]
    shape = (tools.pixels.side, tools.pixels.side, 3)
    others = tools.pixels.squares_RD[tools.pixels.row_N[nearest]].reshape(-1, *shape)
    tiled = tiled_l2_to_each(square_D.reshape(shape), others)
    work_ids = list(tools.pixels.works)
    asked = ("model_id", "prompt_id", "sample", "phase")
    for place, work in enumerate(works):
        yield {name: question.row[name] for name in asked} | {
            "made_id": question.row["image_id"],
            "work_id": work_ids[work],
            "half": tools.pixels.halves[nearest[place]],
            "neighbor_id": tools.pixels.image_ids[nearest[place]],
            "via": "+".join(reason for reason, found in named.items() if work in found),
            "similarity": question.similarity.get(work_ids[work]),
            "l2": l2_W[work],
            "tiled_l2": tiled[place],
            "adaptive_ratio": ratio_f32[place],
            "best": best is not None and ratio_f32[place] == best,
        }


STAGE = MapStage(
    name="compare",
    reads={
        "images": columns("image_id model_id prompt_id sample phase bytes", GENERATIONS),
        "neighbors": columns("image_id work_id similarity", NEIGHBORS),
        "prompts": columns("prompt_id work_id", PROMPTS),
    },
    writes=MATCHES,
    config=CompareConfig,
    open=open_compare,
    run=compare,
    uses={"pixels": Artefact("pixels")},
    per=("prompt_id",),
)
