"""Diffusion: one door to every image generator that diffusers can load.

A network that guides is asked twice at each step, with the prompt and without, in one doubled
batch. The norm of the difference of its two answers is recorded on the way (Wen et al. 2024). It is
a difference of what the network predicts: noise, velocity or flow, whatever it was trained for.

Noise is drawn on the CPU from the generator of each row, and every batch has the same shape, so
that the bytes of a row depend neither on its neighbours nor on the order of the rows.

Dimension key: B rows, T evaluations of the network, C channels, H height, W width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.contract import Kit
from stages.models.conditions import DOORS, Ask, Conditions, Wants
from stages.models.layout import UNUSED, ModelError, files_to_load, read_json
from stages.models.recorder import Recorder
from stages.models.runtime import prepare, quiet

_SHARED_NOISE = {"DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler"}
_RGB = 3


class Made(NamedTuple):
    """What a sampler drew, in the order asked."""

    rgb_BHWC: NDArray[np.uint8]
    """Pixels; those of a row that is not finite mean nothing."""

    guidance_norms_BT: NDArray[np.float32] | None
    """Norm of the guidance at each evaluation; `None` without an unconditional branch."""

    finite_B: NDArray[np.bool_]
    """False for a row in which the network or the decoder gave NaN or infinity."""


class Sampler(Protocol):
    """Draws images."""

    @property
    def wants(self) -> Wants:
        """What it has to be told besides the seed."""
        ...

    def draw(self, asks: Sequence[Ask]) -> Made:
        """Return the images asked for, B rows in the same order; at least one."""
        ...


class Knobs(NamedTuple):
    """What decides the image besides model, prompt and seed; `SampleConfig` explains each."""

    steps: int
    guidance: float | None = None
    height: int | None = None
    width: int | None = None
    batch: int = 8
    dtype: str = "float32"
    scheduler: str | None = None


def open_diffusion(path: Path, knobs: Knobs, kit: Kit, *, variant: str | None = None) -> Sampler:
    """Load a pipeline from a local folder onto the device of this worker.

    Args:
        path: folder with `model_index.json`.
        knobs: how to draw.
        kit: device and threads.
        variant: middle part of the names of the weights, such as `fp16`.

    Raises:
        ModelError: no safetensors, a class of pipeline that is not known, or a knob that this model
            does not have.
    """
    files_to_load(path, variant=variant)
    index = read_json(path / "model_index.json")
    class_name = str(index.get("_class_name"))
    if class_name not in DOORS:
        raise ModelError(f"{path} is a {class_name!r}; expected one of {', '.join(DOORS)}")
    device = prepare(kit)
    quiet()
    pipe = _load(path, index, knobs, variant).to(device)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = _scheduler(pipe, knobs.scheduler or type(pipe.scheduler).__name__)
    options = _options(pipe, knobs)
    guided = options.get("guidance_scale", 0) > 1
    return _Pipeline(pipe, Conditions(pipe, DOORS[class_name], guided), options, knobs.batch)


def _load(path: Path, index: Mapping[str, Any], knobs: Knobs, variant: str | None) -> Any:
    import torch
    from diffusers import DiffusionPipeline

    unused: dict[str, Any] = {name: None for name in UNUSED if name in index}
    if "safety_checker" in index:
        unused["requires_safety_checker"] = False
    pipe = DiffusionPipeline.from_pretrained(
        path,
        dtype=getattr(torch, knobs.dtype),
        variant=variant,
        use_safetensors=True,
        local_files_only=True,
        **unused,
    )
    if hasattr(pipe, "watermark"):
        # SDXL marks its images wherever a certain package happens to be installed
        pipe.watermark = None
    for name in ("unet", "transformer", "vae"):
        if hasattr(pipe, name):
            # the layout in which convolutions are fastest: on a CPU they take a fifth less time
            getattr(pipe, name).to(memory_format=torch.channels_last)
    return pipe


def _scheduler(pipe: Any, name: str) -> Any:
    if name in _SHARED_NOISE:
        raise ModelError(
            f"{name} draws the noise of a batch together; choose a scheduler whose noise comes from"
            " the seed of each row, such as DDIMScheduler"
        )
    if name == type(pipe.scheduler).__name__:
        return pipe.scheduler
    known = {each.__name__: each for each in pipe.scheduler.compatibles}
    if name not in known:
        raise ModelError(f"scheduler {name!r} does not fit this model; choose of {sorted(known)}")
    return known[name].from_config(pipe.scheduler.config)


def _options(pipe: Any, knobs: Knobs) -> dict[str, Any]:
    """Return the keywords that are the same in every call, with this class's own guidance."""
    accepted = signature(pipe.__call__).parameters
    chosen = {"guidance_scale": knobs.guidance, "height": knobs.height, "width": knobs.width}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    for name, value in chosen.items():
        if name not in accepted:
            knob = name.removesuffix("_scale")
            raise ModelError(
                f"`{knob}: {value}`: a {type(pipe).__name__} has no {knob}; leave it out"
            )
    if "guidance_scale" in accepted:
        chosen.setdefault("guidance_scale", accepted["guidance_scale"].default)
    return {**chosen, "num_inference_steps": knobs.steps, "output_type": "pt", "return_dict": False}


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """An opened pipeline of diffusers."""

    pipe: Any
    conditions: Conditions
    options: Mapping[str, Any]
    batch: int

    @property
    def wants(self) -> Wants:
        return self.conditions.door.wants

    def draw(self, asks: Sequence[Ask]) -> Made:
        starts = range(0, len(asks), self.batch)
        parts = [self._draw_batch(asks[start : start + self.batch]) for start in starts]
        norms = [part.guidance_norms_BT for part in parts if part.guidance_norms_BT is not None]
        return Made(
            np.concatenate([part.rgb_BHWC for part in parts]),
            np.concatenate(norms) if norms else None,
            np.concatenate([part.finite_B for part in parts]),
        )

    def _draw_batch(self, asks: Sequence[Ask]) -> Made:
        import torch

        num_rows = len(asks)
        padded = [*asks, *[asks[-1]] * (self.batch - num_rows)]
        generators = [torch.Generator("cpu").manual_seed(ask.seed) for ask in padded]
        self._seed_steps(generators)
        recorder = Recorder(self.batch)
        network = getattr(self.pipe, self.conditions.door.network)
        vae = getattr(self.pipe, "vae", None)
        # no_grad and not inference_mode, in which SDXL could not lift its decoder to float32
        with torch.no_grad(), recorder.listen(network, vae and vae.decoder):
            told = {**self.options, **self.conditions.of(padded)}
            rgb_BHWC = _pixels(self.pipe(**told, generator=generators)[0])
        norms_BT = recorder.guidance_norms()
        return Made(
            rgb_BHWC[:num_rows],
            None if norms_BT is None else norms_BT[:num_rows],
            recorder.finite()[:num_rows],
        )

    def _seed_steps(self, generators: Sequence[Any]) -> None:
        """Let the noise that some schedulers add at each step come from the rows too.

        SD3, Flux and DiT do not hand their generators on to the scheduler. The doubled batch of a
        guided DiT needs one for each half; it keeps the first half only.
        """
        step = type(self.pipe.scheduler).step
        if "generator" not in signature(step).parameters:
            return
        is_doubled = self.wants == "class_label" and self.conditions.guided
        rows = [*generators, *generators] if is_doubled else list(generators)
        self.pipe.scheduler.step = partial(step, self.pipe.scheduler, generator=rows)


def _pixels(images_BCHW: Any) -> NDArray[np.uint8]:
    import torch

    if images_BCHW.shape[1] == 1:
        images_BCHW = images_BCHW.expand(-1, _RGB, -1, -1)
    if images_BCHW.shape[1] != _RGB:
        raise ModelError(f"the model draws {images_BCHW.shape[1]} channels, expected 1 or {_RGB}")
    whole_BCHW = (images_BCHW.float().nan_to_num() * 255).round().to(torch.uint8)
    rgb_BHWC: NDArray[np.uint8] = whole_BCHW.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return rgb_BHWC
