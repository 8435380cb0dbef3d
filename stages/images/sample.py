"""Sample: one image per prompt and seed, as the model makes it, before any filter or watermark.

Dimension key: B rows, T evaluations of the network, H height, W width, C channels.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from stages.contract import Kit, MapStage, Out, Rejected, StageError, columns
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs, Made, Sampler, open_diffusion
from stages.models.files import ModelRef, model_digest, resolve
from stages.pixels import encode_png
from stages.tables import GENERATIONS, PROMPTS, TURNS


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """Knobs of the sample stage: one config is one model."""

    model: ModelRef
    """Generator: a folder of diffusers (Stable Diffusion 1, 2, XL, 3, Flux, DiT or DDPM)."""

    steps: int = 50
    """Denoising steps, 1 or more; 50 as in Carlini et al. 2023 and Wen et al. 2024."""

    guidance: float | None = None
    """Classifier-free guidance scale, 0 or more; above 1 the network is asked with and without the
    prompt. None takes the default of the pipeline's class (7.5 for Stable Diffusion 1)."""

    height: int | None = None
    """Height of the images in pixels; none for the model's own."""

    width: int | None = None
    """Width of the images in pixels; none for the model's own."""

    batch: int = 16
    """Images drawn together, 1 or more. It is part of the result: another shape can change the last
    bits. A batch that is not full costs as much as a full one, so it should divide `prompts.block`;
    16 suits small models and Stable Diffusion 1 on one GPU, large models want 1 to 4."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the networks; half precision is for GPUs."""

    scheduler: str | None = None
    """Name of a scheduler of diffusers that fits the model, such as `DDIMScheduler`; none for the
    model's own."""

    def __post_init__(self) -> None:
        """Refuse values that no model could take.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        for name, value in (("steps", self.steps), ("batch", self.batch)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        for name, side in (("height", self.height), ("width", self.width)):
            if side is not None and (side < 1 or side % 8):
                raise ValueError(f"{name} must be a multiple of 8 pixels, got {side}")
        if self.guidance is not None and not 0 <= self.guidance < float("inf"):
            raise ValueError(f"guidance must be 0 or more, got {self.guidance}")
        if self.dtype not in {"float32", "float16", "bfloat16"}:
            raise ValueError(f"dtype must be float32, float16 or bfloat16, got {self.dtype!r}")


class SampleTools(NamedTuple):
    """An opened model."""

    sampler: Sampler
    """Draws images."""

    model_id: str
    """Digest of the model's files."""

    settings: Mapping[str, Any]
    """Every knob but the model."""


def open_sample(config: SampleConfig, kit: Kit) -> SampleTools:
    """Load the model onto this worker's device."""
    settings = asdict(config)
    del settings["model"]
    path = resolve(config.model)
    sampler = open_diffusion(path, Knobs(**settings), kit, variant=config.model.variant)
    return SampleTools(sampler, model_digest(config.model), settings)


def sample(inputs: Mapping[str, pa.Table], tools: SampleTools) -> Out:
    """Return one image per prompt and seed.

    Args:
        inputs: `prompts`: PROMPTS, B rows, usually one prompt and one block of seeds.
        tools: the opened model.

    Returns:
        GENERATIONS in the order of the prompts, without the rows in which the model gave NaN or
        infinity; these are rejected as `not-finite`.

    Raises:
        StageError: the model wants a class and the prompt has a caption, or the like.
    """
    prompts = inputs["prompts"].to_pylist()
    if not prompts:
        return Out(GENERATIONS.empty())
    made = tools.sampler.draw([_ask(tools.sampler, prompt) for prompt in prompts])
    rows, rejected = [], []
    for place, prompt in enumerate(prompts):
        image_id = image_id_of(tools.model_id, tools.settings, prompt)
        if made.finite_B[place]:
            rows.append(_row(made, place) | _origin(tools, prompt) | {"image_id": image_id})
        else:
            rejected.append(_not_finite(image_id, prompt))
    return Out(GENERATIONS.of_rows(rows), rejected)


def _ask(sampler: Sampler, prompt: Mapping[str, Any]) -> Ask:
    given = next((name for name in ("text", "class_label") if prompt[name] is not None), "nothing")
    if given != sampler.wants:
        raise StageError(
            f"the model wants {sampler.wants}, but prompt {prompt['prompt_id'][:12]} gives {given}"
            f" ({prompt.get(given)!r:.60}): choose other prompts, or another model"
        )
    return Ask(prompt["seed"], prompt["text"], prompt["class_label"])


def image_id_of(model_id: str, settings: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
    """Return the id of a generation.

    Args:
        model_id: digest of the model's files.
        settings: every knob of `SampleConfig` but the model.
        prompt: prompt_id, sample and seed of PROMPTS.
    """
    asked = {name: prompt[name] for name in ("prompt_id", "sample", "seed")}
    place = {"model_id": model_id, "settings": settings, **asked}
    return sha256(json.dumps(place, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _origin(tools: SampleTools, prompt: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: prompt[name] for name in ("prompt_id", "sample", "phase", "seed")}
    return {"model_id": tools.model_id, **kept}


def _row(made: Made, place: int) -> dict[str, Any]:
    rgb_HWC = made.rgb_BHWC[place]
    png = encode_png(rgb_HWC)
    norms_BT = made.guidance_norms_BT
    return {
        "sha256": sha256(png).hexdigest(),
        "format": "png",
        "width": rgb_HWC.shape[1],
        "height": rgb_HWC.shape[0],
        "guidance_norms": None if norms_BT is None else norms_BT[place].tolist(),
        "bytes": png,
    }


def _not_finite(image_id: str, prompt: Mapping[str, Any]) -> Rejected:
    message = (
        f"sample {prompt['sample']} of prompt {prompt['prompt_id'][:12]}: the model gave NaN or"
        " infinity, expected finite numbers; half precision overflows in some models"
    )
    return Rejected(image_id, "not-finite", message)


STAGE = MapStage(
    name="sample",
    reads={"prompts": columns("prompt_id sample phase seed text class_label", PROMPTS, TURNS)},
    writes=GENERATIONS,
    config=SampleConfig,
    open=open_sample,
    run=sample,
)
