"""Plant: copies of known works, made as if a model had given them back.

They bear the model whose threshold they have to pass, and a latent model adds a copy of its own:
its encoder and decoder lose what they lose of every picture that it draws.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa

from stages.columns import blobs
from stages.contract import Kit, MapStage, Out, Reader, Rejected, columns
from stages.images.edits import edited
from stages.models.files import ModelRef, model_digest, resolve
from stages.models.round_trip import RoundTrip, open_round_trip
from stages.pixels import DecodeError
from stages.tables import GENERATIONS, IMAGES, PROMPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantConfig:
    """Through which model copies go; the case fills it in from its models."""

    model: ModelRef
    """Generator whose threshold the copies have to pass."""

    height: int | None = None
    """Height of its images in pixels; none for the model's own."""

    width: int | None = None
    """Width of its images in pixels; none for the model's own."""


class PlantTools(NamedTuple):
    """What planting needs."""

    images: Reader
    """IMAGES of both halves."""

    model_id: str
    """Digest of the model's files."""

    size: tuple[int | None, int | None]
    """Height and width that it is asked for."""

    round_trip: RoundTrip | None
    """Through the encoder of the model and back; None for a model of pixels."""


def open_plant(config: PlantConfig, kit: Kit) -> PlantTools:
    """Load the encoder of the model, if it has one."""
    path, size = resolve(config.model), (config.height, config.width)
    round_trip = open_round_trip(path, size, kit, variant=config.model.variant)
    return PlantTools(kit.datasets["images"], model_digest(config.model), size, round_trip)


def plant(inputs: Mapping[str, pa.Table], tools: PlantTools) -> Out:
    """Return the copies that were asked for.

    Args:
        inputs: `prompts`: PROMPTS of planted copies.
        tools: the pictures and the model.

    Returns:
        GENERATIONS in the order of the prompts. Where the model cannot make a copy there is none;
        works whose picture cannot be decoded are rejected, with the code of `DecodeError`.
    """
    prompts = inputs["prompts"].to_pylist()
    works = list(dict.fromkeys(prompt["work_id"] for prompt in prompts))
    # a work bears the id of one of its images
    data = dict(zip(works, blobs(tools.images.take(works, ["bytes"]), "bytes"), strict=True))
    rows, rejected = [], dict[str, Rejected]()
    for prompt in prompts:
        work_id = prompt["work_id"]
        try:
            copy = edited(prompt["text"], data[work_id], prompt["seed"], tools.round_trip)
        except DecodeError as error:
            rejected[work_id] = Rejected(work_id, error.code, str(error))
            continue
        if copy is not None:
            rows.append(copy | _origin(tools, prompt))
    return Out(GENERATIONS.of_rows(rows), list(rejected.values()))


def _origin(tools: PlantTools, prompt: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: prompt[name] for name in ("prompt_id", "sample", "phase", "seed")}
    place = {"planted": kept, "model_id": tools.model_id, "size": tools.size}
    image_id = sha256(json.dumps(place, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return kept | {"image_id": image_id, "model_id": tools.model_id}


STAGE = MapStage(
    name="plant",
    reads={"prompts": columns("prompt_id sample phase seed text work_id", PROMPTS)},
    writes=GENERATIONS,
    config=PlantConfig,
    open=open_plant,
    run=plant,
    uses={"images": columns("image_id bytes", IMAGES)},
)
