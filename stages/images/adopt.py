"""Adopt: images that somebody else generated become generations like our own."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from stages.columns import texts
from stages.contract import MapStage, Out, columns, only_config
from stages.prompt_ids import prompt_id_of
from stages.tables import GENERATIONS, IMAGES

IMPORTED = "imported"
"""Model of every adopted image: nobody can say which files made it."""

_KEPT = ("image_id", "sha256", "format", "width", "height", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptConfig:
    """Adopt has no knobs yet."""


def adopt(inputs: Mapping[str, pa.Table], _: AdoptConfig) -> Out:
    """Return each foreign image as a generation of the caption it came with.

    All of them are judged (`confirmation`): thresholds are set on images whose seeds we chose. The
    number of a sample comes from the image's place, as images of one caption may lie in many parts;
    it is stable, but does not count from 0.

    Args:
        inputs: `images`: IMAGES of the suspect source, B rows; a row without a caption belongs to
            the prompt of nothing.

    Returns:
        GENERATIONS, B rows in the same order, `image_id` and bytes untouched.
    """
    images = inputs["images"]
    rows = images.num_rows
    kept = {name: images[name] for name in _KEPT}
    made = {
        "model_id": [IMPORTED] * rows,
        "prompt_id": [prompt_id_of(text=caption) for caption in images["caption"].to_pylist()],
        "sample": [_sample_of(name) for name in texts(images, "image_id")],
        "phase": ["confirmation"] * rows,
        "seed": [None] * rows,
        "guidance_norms": [None] * rows,
    }
    return Out(GENERATIONS.make(kept | made))


def _sample_of(image_id: str) -> int:
    """Return the first 31 bits of an id, which an int32 holds."""
    return int(image_id[:8], 16) >> 1


STAGE = MapStage(
    name="adopt",
    reads={"images": columns("image_id caption sha256 format width height bytes", IMAGES)},
    writes=GENERATIONS,
    config=AdoptConfig,
    open=only_config,
    run=adopt,
)
