"""Cliques: finds the largest group of look-alikes among the generations of one prompt.

A group says that the model has little to offer for this prompt. It does not say that a training
image came back: a flag, a logo or an empty page passes too.

Dimension key: N generations of one prompt and model, H height, W width, C = 3 channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.contract import MapStage, Out, Rejected, columns, only_config
from stages.measures.alike import alike
from stages.measures.cliques import largest_clique
from stages.measures.distances import GRID
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode, resize
from stages.tables import CLIQUES, GENERATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class CliquesConfig:
    """When two generations are alike, and how long to look."""

    max_distance: float = 0.15
    """Largest tiled l2 of two generations that are alike, pixels in [0, 1]. Carlini et al. 2023 do
    not give theirs; 0.15 is their distance of a copy. It was looked at on small images: of 1.1
    million pairs of different CIFAR-10 photographs (32x32 pixels) 3 lie within 0.15, 362 within
    0.2. Larger images average over more pixels in each tile and bear a smaller value, such as 0.1
    at 512x512; a small or blurry model that copies loosely needs a larger one."""

    max_side: int = 512
    """Generations of one prompt are compared as they are if they have one size and no side is
    longer than this. Otherwise all of them are stretched to a square: of their longest side, but
    at most of this. Bounds the memory: 500 generations of 512x512 are 393 MB. Pixels, from 4."""

    max_steps: int = 2_000_000
    """Nodes that the search for the largest clique may colour before it is cut short (about 3 s);
    only graphs that are nearly, but not quite, complete cost so much."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_distance <= 1:
            raise ValueError(f"max_distance: expected 0 to 1, got {self.max_distance}")
        if self.max_side < GRID:
            raise ValueError(f"max_side: expected at least {GRID} pixels, got {self.max_side}")
        if self.max_steps < 1:
            raise ValueError(f"max_steps: expected at least 1, got {self.max_steps}")


class Group(NamedTuple):
    """The generations of one prompt and model that could be decoded."""

    rows: list[dict[str, Any]]
    pixels_NHWC: NDArray[np.uint8]


def cliques(inputs: Mapping[str, pa.Table], config: CliquesConfig) -> Out:
    """Return the largest clique of each prompt and model, one row per generation.

    Args:
        inputs: `images`, GENERATIONS of whole prompts.
        config: the knobs.

    Returns:
        CLIQUES in order of prompt, model and image_id; generations that do not decode are
        rejected and are no part of the graph.

    Source: Carlini et al. 2023, section 4.2; with true cliques, not connected components.
    """
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    for members in _groups(inputs["images"]):
        group = _decoded(members, config.max_side, rejected)
        if group.rows:
            rows.extend(_rows(group, config))
    return Out(CLIQUES.of_rows(rows), rejected)


def _groups(images: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """Return the rows of each prompt and model in order of image_id, which breaks ties."""
    names = ("prompt_id", "model_id", "image_id")
    images = images.sort_by([(name, "ascending") for name in names])
    keys = list(zip(images["prompt_id"].to_pylist(), images["model_id"].to_pylist(), strict=True))
    start = 0
    for end in range(1, len(keys) + 1):
        if end == len(keys) or keys[end] != keys[start]:
            yield images.slice(start, end - start).to_pylist()
            start = end


def _decoded(rows: Sequence[dict[str, Any]], max_side: int, rejected: list[Rejected]) -> Group:
    height, width = _size(rows, max_side)
    pixels_NHWC = np.empty((len(rows), height, width, 3), np.uint8)
    kept: list[dict[str, Any]] = []
    for row in rows:
        try:
            rgb_HWC = decode(row["bytes"], max_pixels=MAX_PIXELS_EVER).rgb_HWC
            if rgb_HWC.shape[:2] != (height, width):
                rgb_HWC = resize(rgb_HWC, max(height, width))
            pixels_NHWC[len(kept)] = rgb_HWC
        except DecodeError as error:
            rejected.append(Rejected(row["image_id"], error.code, str(error)))
        else:
            kept.append(row)
    return Group(kept, pixels_NHWC[: len(kept)])


def _size(rows: Sequence[dict[str, Any]], max_side: int) -> tuple[int, int]:
    """Return the height and width at which the generations are compared."""
    sizes = {(row["height"], row["width"]) for row in rows}
    longest = max(max(size) for size in sizes)
    shortest = min(min(size) for size in sizes)
    if len(sizes) == 1 and longest <= max_side and shortest >= GRID:
        return sizes.pop()
    side = min(max(longest, GRID), max_side)
    return side, side


def _rows(group: Group, config: CliquesConfig) -> Iterator[dict[str, Any]]:
    graph = alike(group.pixels_NHWC, config.max_distance)
    clique = largest_clique(graph, config.max_steps)
    degree_N = graph.linked_NN.sum(axis=1)
    for node, row in enumerate(group.rows):
        yield {
            "image_id": row["image_id"],
            "model_id": row["model_id"],
            "prompt_id": row["prompt_id"],
            "sample": row["sample"],
            "degree": int(degree_N[node]),
            "clique_size": len(clique.members),
            "in_clique": node in clique.members,
            "clique_distance": clique.mean_distance,
            "complete": clique.complete,
        }


STAGE = MapStage(
    name="cliques",
    reads={"images": columns("image_id model_id prompt_id sample width height bytes", GENERATIONS)},
    writes=CLIQUES,
    config=CliquesConfig,
    open=only_config,
    run=cliques,
    per=("prompt_id",),
)
