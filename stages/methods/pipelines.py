"""Pipelines: what has to be done to a picture before a copy descriptor looks, by name.

"SSCD similarity" in public code means several things that cannot be compared: each of these
pipelines gives other vectors for the same picture. A crop also loses what stands at the border,
such as a signature. Vectors carry the name of their pipeline, and `descriptor` refuses a mixture.

Dimension key: H height, W width, C = 3 channels.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Pipeline(NamedTuple):
    """One way of preparing a picture."""

    resize: Literal["short", "skew"]
    """`short` scales the shorter side to `size`; `skew` stretches both sides to it."""

    size: int
    """Pixels after resizing."""

    crop: int | None
    """Side of the square cut from the middle, pixels; None keeps everything."""

    normal: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Mean and deviation of red, green and blue in [0, 1]."""

    model: str
    """Weights of SSCD that the pipeline is used with."""

    source: str
    """Repository and file."""


PIPELINES: dict[str, Pipeline] = {
    "sscd_short": Pipeline("short", 288, None, IMAGENET, "disc_mixup", "SSCD README, first advice"),
    "sscd_skew": Pipeline("skew", 320, None, IMAGENET, "disc_mixup", "SSCD README; NeMo metrics"),
    "dcr": Pipeline("short", 256, 224, HALVES, "disc_large", "DCR diff_retrieval; Wen optim_utils"),
    "dcr_search": Pipeline("short", 256, 224, IMAGENET, "disc_mixup", "DCR embedding_search"),
    "membench": Pipeline("skew", 288, None, IMAGENET, "disc_large", "MemBench"),
}


def prepare(rgb_HWC: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """Return what the network is shown, f32[C, H, W], as torchvision makes it of a Pillow image.

    Args:
        rgb_HWC: u8[H, W, C].
        name: a name of `PIPELINES`.

    Raises:
        ValueError: there is no pipeline of that name.

    >>> prepare(np.zeros((40, 80, 3), np.uint8), "sscd_short").shape
    (3, 288, 576)
    """
    pipeline = pipeline_of(name)
    height, width = rgb_HWC.shape[:2]
    scale = pipeline.size / min(height, width)
    sides = (pipeline.size, pipeline.size)
    if pipeline.resize == "short":
        # torchvision cuts the fraction of the longer side off
        sides = (max(int(width * scale), pipeline.size), max(int(height * scale), pipeline.size))
    image = Image.fromarray(rgb_HWC).resize(sides, Image.Resampling.BILINEAR)
    pixels_HWC = _middle(np.asarray(image, np.float32) / np.float32(255), pipeline.crop)
    mean, deviation = (np.array(values, np.float32) for values in pipeline.normal)
    return np.ascontiguousarray(((pixels_HWC - mean) / deviation).transpose(2, 0, 1))


def pipeline_of(name: str) -> Pipeline:
    """Return the pipeline of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in PIPELINES:
        raise ValueError(f"no pipeline is called {name!r}; expected one of {', '.join(PIPELINES)}")
    return PIPELINES[name]


def _middle(pixels_HWC: NDArray[np.float32], crop: int | None) -> NDArray[np.float32]:
    if crop is None:
        return pixels_HWC
    # round, not floor, as torchvision does
    top, left = (round((side - crop) / 2) for side in pixels_HWC.shape[:2])
    return pixels_HWC[top : top + crop, left : left + crop]
