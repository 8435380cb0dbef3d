"""Losses: how well the model denoises the work whose caption a prompt is; a reason to look there.

Apart from triage because it reads images, and because it asks without guidance: one network
evaluation for each noise. Where shadow models are given, each trained on a random part of the same
material, the loss is also compared with theirs (LiRA).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.contract import FileText, Kit, MapStage, Out, Reader, Rejected, StageError, columns
from stages.methods.triage_carlini import MOST_TELLING_TIME, denoising_loss, lira, strong
from stages.methods.triage_prediction import Levels, noise_of
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs
from stages.models.files import ModelRef, model_digest, resolve
from stages.models.signals import Signals, open_signals
from stages.pixels import decode
from stages.seeds import seed_of
from stages.tables import IMAGES, PROMPTS, SIGNALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A model of the same kind, trained by the same recipe on another part of the material."""

    model: ModelRef
    """The model."""

    members: FileText
    """File with the sha256 of every image that it was trained on, one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossesConfig:
    """Knobs of the losses stage: one config is one model."""

    model: ModelRef
    """Generator: Stable Diffusion 1, 2, XL or 3, DiT or DDPM, a folder of diffusers."""

    times: tuple[int, ...] = (MOST_TELLING_TIME,)
    """Times, 0 to 999 of 1,000, over which the mean is taken; 100 as in Carlini et al. 2023, where
    50 to 300 told the most."""

    seeds: int = 4
    """Noises at each time, 1 or more; about 20 in the strong variant."""

    flips: bool = False
    """Whether the mirror image counts too, as in the strong variant; it doubles the cost."""

    shadows: tuple[Shadow, ...] = ()
    """Shadow models for the likelihood ratio; none for the loss alone. An image needs two that were
    trained on it and two that were not, and dozens for a steady answer."""

    noise_seed: int = 1
    """Seed of the noise, which is the same for every prompt and model."""

    batch: int = 16
    """Most noises asked together, 1 or more; part of the result in its last bits."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the networks; half precision is for GPUs."""

    def __post_init__(self) -> None:
        """Refuse values that no model could take.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        if not self.times or min(self.times) < 0:
            raise ValueError(f"times: expected one or more, each 0 or more, got {self.times}")
        for name, value in (("seeds", self.seeds), ("batch", self.batch)):
            if value < 1:
                raise ValueError(f"{name}: expected 1 or more, got {value}")


class LossesTools(NamedTuple):
    """Opened models and images."""

    signals: Signals
    """The model under test."""

    shadows: tuple[Signals, ...]
    """Shadow models."""

    members: tuple[frozenset[str], ...]
    """sha256 of the images that each shadow model was trained on."""

    model_id: str
    """Digest of the files of the model under test."""

    images: Reader
    """IMAGES of both halves."""

    config: LossesConfig
    """What to ask."""


def open_losses(config: LossesConfig, kit: Kit) -> LossesTools:
    """Load the models onto this worker's device.

    Raises:
        StageError: a file of members cannot be read.
    """
    knobs = Knobs(steps=1, dtype=config.dtype)
    refs = [config.model, *(shadow.model for shadow in config.shadows)]
    models = [open_signals(resolve(ref), knobs, kit, variant=ref.variant) for ref in refs]
    members = tuple(_members(shadow) for shadow in config.shadows)
    model_id = model_digest(config.model)
    images = kit.datasets["images"]
    return LossesTools(models[0], tuple(models[1:]), members, model_id, images, config)


def losses(inputs: Mapping[str, pa.Table], tools: LossesTools) -> Out:
    """Return one row per prompt that names a work, and a second where there are shadow models.

    Args:
        inputs: `prompts`: PROMPTS; of each prompt only the row of sample 0 counts.
        tools: the opened models and images.

    Returns:
        SIGNALS in the order of the prompts, `loss` before `lira`. Rejected: scores that are NaN or
        infinite, `not-finite`; works without two shadow models on either side, `few-shadows`.

    Raises:
        StageError: the model wants a class and the prompt has a caption, or the like.
    """
    rows: list[Mapping[str, Any]] = []
    rejected: list[Rejected] = []
    for prompt in inputs["prompts"].to_pylist():
        if prompt["sample"] != 0 or prompt["work_id"] is None:
            continue
        for method, found in _scores(prompt, tools).items():
            key = f"{prompt['prompt_id']} {method}"
            if isinstance(found, str):
                rejected.append(Rejected(key, "few-shadows", found))
            elif isfinite(found):
                rows.append(_row(prompt, method, found, tools))
            else:
                message = f"{method} is {found}, expected a finite number"
                rejected.append(Rejected(key, "not-finite", message))
    return Out(SIGNALS.of_rows(rows), rejected)


def _scores(prompt: Mapping[str, Any], tools: LossesTools) -> dict[str, float | str]:
    """Return scores by method; a text says why there is none."""
    _check_given(prompt, tools.signals)
    (work,) = tools.images.take([prompt["work_id"]], ["sha256", "bytes"]).to_pylist()
    rgb_HWC = decode(work["bytes"]).rgb_HWC
    observed = _loss(tools.signals, rgb_HWC, prompt, tools.config)
    found: dict[str, float | str] = {"loss": observed}
    if tools.shadows and isfinite(observed):
        shadows = [_loss(each, rgb_HWC, prompt, tools.config) for each in tools.shadows]
        members = [work["sha256"] in each for each in tools.members]
        try:
            ratio = lira(np.array([shadows]).T, np.array([members]).T, np.array([observed]))
            found["lira"] = float(ratio[0])
        except ValueError as error:
            found["lira"] = str(error)
    return found


def _loss(
    signals: Signals, rgb_HWC: NDArray[np.uint8], prompt: Mapping[str, Any], config: LossesConfig
) -> float:
    faces = [rgb_HWC, rgb_HWC[:, ::-1]] if config.flips else [rgb_HWC]
    latents_BCHW = np.repeat(signals.latents_of(faces), config.seeds, axis=0)
    asks = [
        Ask(seed_of(config.noise_seed, "losses", number), prompt["text"], prompt["class_label"])
        for _ in faces
        for number in range(config.seeds)
    ]
    found = []
    for time in config.times:
        batch = min(len(asks), config.batch)
        heard, noise_BCHW = signals.probe(asks, latents_BCHW, time, batch=batch)
        said = noise_of(heard.with_prompt_TBCHW, heard.noisy_TBCHW, Levels(*heard.shown))
        losses_B = denoising_loss(noise_BCHW[:, None], said[0][:, None])
        found.append(strong(losses_B.reshape(len(faces), config.seeds).T))
    return float(np.mean(found))


def _row(
    prompt: Mapping[str, Any], method: str, value: float, tools: LossesTools
) -> Mapping[str, Any]:
    config = tools.config
    steps = len(config.times) * (2 if config.flips else 1)
    models = 1 + (len(tools.shadows) if method == "lira" else 0)
    return {
        "model_id": tools.model_id,
        "prompt_id": prompt["prompt_id"],
        "method": method,
        "steps": steps,
        "seeds": config.seeds,
        "value": value,
        "evaluations": steps * config.seeds * models,
    }


def _check_given(prompt: Mapping[str, Any], signals: Signals) -> None:
    given = next((name for name in ("text", "class_label") if prompt[name] is not None), "nothing")
    if given != signals.wants:
        raise StageError(
            f"the model wants {signals.wants}, but prompt {prompt['prompt_id'][:12]} gives {given}"
            f" ({prompt.get(given)!r:.60}): choose other prompts, or another model"
        )


def _members(shadow: Shadow) -> frozenset[str]:
    try:
        lines = Path(shadow.members).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"shadows.members: {shadow.members}: cannot be read: {error}") from error
    if bad := next((line for line in lines if len(line) != len("00") * 32), None):
        raise StageError(
            f"shadows.members: {shadow.members}: expected a sha256 in hex a line, got {bad:.80}"
        )
    return frozenset(lines)


STAGE = MapStage(
    name="losses",
    reads={"prompts": columns("prompt_id sample text class_label work_id", PROMPTS)},
    uses={"images": columns("image_id sha256 bytes", IMAGES)},
    writes=SIGNALS,
    config=LossesConfig,
    open=open_losses,
    run=losses,
)
