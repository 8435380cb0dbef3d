"""Plant regions: parts of known works in pictures that the model made of other works.

The other pictures are the run's own, so that the parts lie among what this model draws. Those of
one copy of a layout come from different prompts where there are as many.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.columns import blobs
from stages.contract import Kit, MapStage, Out, Reader, Rejected, columns
from stages.images.edits import Rgb
from stages.images.region_edits import edited_region
from stages.models.files import ModelRef, model_digest, resolve
from stages.models.round_trip import RoundTrip, open_round_trip
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode
from stages.tables import GENERATIONS, IMAGES, PROMPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantRegionsConfig:
    """Through which model copies go; the case fills it in from its models."""

    model: ModelRef
    """Generator whose pictures surround the parts."""

    height: int | None = None
    """Height of its images in pixels; none for the model's own."""

    width: int | None = None
    """Width of its images in pixels; none for the model's own."""


class Host(NamedTuple):
    """A picture that the model made."""

    image_id: str
    works: frozenset[str | None]
    """Works that its prompt comes from; None where it names none."""


class PlantRegionsTools(NamedTuple):
    """What planting needs."""

    images: Reader
    """IMAGES of both halves."""

    made: Reader
    """GENERATIONS of the run."""

    hosts: Sequence[Host]
    """Pictures of this model, one of each prompt before the second of any."""

    model_id: str
    """Digest of the model's files."""

    round_trip: RoundTrip | None
    """Through the encoder of the model and back; None for a model of pixels."""


def open_plant_regions(config: PlantRegionsConfig, kit: Kit) -> PlantRegionsTools:
    """Load the encoder of the model, if it has one, and list what the model made."""
    model_id, made = model_digest(config.model), kit.datasets["made"]
    path, size = resolve(config.model), (config.height, config.width)
    round_trip = open_round_trip(path, size, kit, variant=config.model.variant)
    works: dict[str, set[str | None]] = defaultdict(set)
    for row in kit.datasets["prompts"].read(["prompt_id", "work_id"]).to_pylist():
        works[row["prompt_id"]].add(row["work_id"])
    rows = made.read(["image_id", "model_id", "prompt_id", "sample"])
    mine = rows.filter(pc.equal(rows["model_id"], model_id)).to_pylist()
    mine.sort(key=lambda row: (row["sample"], row["prompt_id"], row["image_id"]))
    hosts = [Host(row["image_id"], frozenset(works[row["prompt_id"]])) for row in mine]
    return PlantRegionsTools(kit.datasets["images"], made, hosts, model_id, round_trip)


def plant_regions(inputs: Mapping[str, pa.Table], tools: PlantRegionsTools) -> Out:
    """Return the copies that were asked for; none of a model that made nothing of other works.

    Args:
        inputs: `prompts`: PROMPTS of planted copies.
        tools: the pictures and the model.

    Returns:
        GENERATIONS in the order of the prompts. Works whose picture cannot be decoded are rejected,
        with the code of `DecodeError`.
    """
    prompts = [
        (prompt, host)
        for prompt in inputs["prompts"].to_pylist()
        if (host := _host(prompt, tools.hosts)) is not None
    ]
    works = _shelf(tools.images, [prompt["work_id"] for prompt, _ in prompts])
    others = _shelf(tools.made, [host.image_id for _, host in prompts])
    rows, rejected = [], dict[str, Rejected]()
    for prompt, host in prompts:
        work_id, asked = prompt["work_id"], (prompt["text"], prompt["seed"])
        try:
            pair = _seen(works[work_id]), _seen(others[host.image_id])
        except DecodeError as error:
            rejected[work_id] = Rejected(work_id, error.code, str(error))
            continue
        copy = edited_region(asked[0], *pair, asked[1], tools.round_trip)
        rows.append(copy | _origin(tools, prompt))
    return Out(GENERATIONS.of_rows(rows), list(rejected.values()))


def _host(prompt: Mapping[str, Any], hosts: Sequence[Host]) -> Host | None:
    """Return the picture that surrounds a part: images of one copy have one each, in a row."""
    start = int(prompt["prompt_id"][:15], 16)
    turned = (hosts[(start + place) % len(hosts)] for place in range(len(hosts)))
    others = (host for host in turned if prompt["work_id"] not in host.works)
    return next(islice(others, prompt["sample"], None), None)


def _shelf(reader: Reader, ids: Sequence[str]) -> dict[str, bytes]:
    # a work bears the id of one of its images
    wanted = list(dict.fromkeys(ids))
    return dict(zip(wanted, blobs(reader.take(wanted, ["bytes"]), "bytes"), strict=True))


def _seen(data: bytes) -> Rgb:
    return decode(data, max_pixels=MAX_PIXELS_EVER).rgb_HWC


def _origin(tools: PlantRegionsTools, prompt: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: prompt[name] for name in ("prompt_id", "sample", "phase", "seed")}
    place = {"planted_part": kept, "model_id": tools.model_id}
    image_id = sha256(json.dumps(place, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return kept | {"image_id": image_id, "model_id": tools.model_id}


STAGE = MapStage(
    name="plant_regions",
    reads={"prompts": columns("prompt_id sample phase seed text work_id", PROMPTS)},
    writes=GENERATIONS,
    config=PlantRegionsConfig,
    open=open_plant_regions,
    run=plant_regions,
    uses={
        "images": columns("image_id bytes", IMAGES),
        "made": columns("image_id model_id prompt_id sample bytes", GENERATIONS),
        "prompts": columns("prompt_id work_id", PROMPTS),
    },
)
