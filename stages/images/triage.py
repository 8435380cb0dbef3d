"""Triage: which prompts look memorized from inside the model, so that samples go there first.

A score is a reason to look, never a reason to say anything about a work. Every prompt is asked with
the same noise, so that scores differ by prompt alone, and none of it is noise that a sample is made
of. Methods that want the same number of evaluations are heard in one pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from stages.contract import Kit, MapStage, Out, Rejected, StageError, columns
from stages.methods.table import METHODS
from stages.methods.triage_prediction import Levels, first_step, guidance_of, space_of
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs
from stages.models.files import ModelRef, model_digest, resolve
from stages.models.listener import Heard
from stages.models.signals import Signals, open_signals
from stages.seeds import seed_of
from stages.tables import PROMPTS, SIGNALS

_ATTENTION = {"attention", "end", "mask"}
_HEARD = {"guidance", "velocity", "first_with", "first_without", "sigma_max", *_ATTENTION}
_KNOWN = tuple(
    name
    for name, method in METHODS.items()
    if method.compares == "triage" and set(method.needs.split()) <= _HEARD
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageMethod:
    """One score."""

    name: str = "wen"
    """Name of a method of triage in `stages/methods/table.py` that needs nothing but the prompt."""

    steps: int = 1
    """First evaluations of the network, 1 or more, that count; Wen et al. 2024 take 1 or all. For
    `bright_ending` and `ren_growth` the number of all steps, because both look at the last. Where
    the first inputs are almost pure noise, the noise predicted from them hardly moves, and a mean
    over many steps is one over the others: there the methods named `velocity` see more."""

    seeds: int = 1
    """Noises, 1 or more, over which the mean is taken; 4 in most papers."""

    def __post_init__(self) -> None:
        """Refuse what cannot be asked of a prompt.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        if self.name not in _KNOWN:
            raise ValueError(f"name: expected one of {', '.join(_KNOWN)}, got {self.name!r}")
        for name, value in (("steps", self.steps), ("seeds", self.seeds)):
            if value < 1:
                raise ValueError(f"{name}: expected 1 or more, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageConfig:
    """Knobs of the triage stage: one config is one model."""

    model: ModelRef
    """Generator with guidance: Stable Diffusion 1, 2, XL or 3, or DiT, a folder of diffusers."""

    methods: tuple[TriageMethod, ...] = (TriageMethod(),)
    """Scores; the default costs two network evaluations per prompt."""

    noise_seed: int = 1
    """Seed of the noise, which is the same for every prompt."""

    sampler_steps: int = 50
    """Steps of the trajectory of which `steps` counts the first, 1 or more; 50 as in the papers.
    Its number decides the time of the first evaluation with some schedulers."""

    guidance: float | None = None
    """Guidance scale that the trajectory follows, above 1; none for the default of the class. The
    first evaluation does not depend on it."""

    height: int | None = None
    """Height of the images in pixels; none for the model's own."""

    width: int | None = None
    """Width of the images in pixels; none for the model's own."""

    batch: int = 16
    """Most noises of a prompt asked together, 1 or more; part of the result in its last bits."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the networks; half precision is for GPUs."""

    scheduler: str | None = None
    """Name of a scheduler of diffusers that fits the model; none for the model's own."""

    def __post_init__(self) -> None:
        """Refuse values that no model could take.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        if not self.methods:
            raise ValueError("methods: expected one or more, got none")
        if len(set(self.methods)) < len(self.methods):
            raise ValueError("methods: expected each method, steps and seeds once, got one twice")
        for name, value in (("sampler_steps", self.sampler_steps), ("batch", self.batch)):
            if value < 1:
                raise ValueError(f"{name}: expected 1 or more, got {value}")
        if self.guidance is not None and not 1 < self.guidance < float("inf"):
            raise ValueError(f"guidance: expected a number above 1, got {self.guidance}")


class TriageTools(NamedTuple):
    """An opened model."""

    signals: Signals
    """Asks it from inside."""

    model_id: str
    """Digest of the model's files."""

    config: TriageConfig
    """What to ask."""


def open_triage(config: TriageConfig, kit: Kit) -> TriageTools:
    """Load the model onto this worker's device."""
    knobs = Knobs(
        steps=config.sampler_steps,
        guidance=config.guidance,
        height=config.height,
        width=config.width,
        dtype=config.dtype,
        scheduler=config.scheduler,
    )
    signals = open_signals(resolve(config.model), knobs, kit, variant=config.model.variant)
    return TriageTools(signals, model_digest(config.model), config)


def triage(inputs: Mapping[str, pa.Table], tools: TriageTools) -> Out:
    """Return one row per prompt and method.

    Args:
        inputs: `prompts`: PROMPTS; of each prompt only the row of sample 0 counts.
        tools: the opened model.

    Returns:
        SIGNALS in the order of the prompts and of the methods, without scores that are NaN or
        infinite; these are rejected as `not-finite`.

    Raises:
        StageError: the model wants a class and the prompt has a caption, or the like, or a method
            asks for what the model does not have.
    """
    rows: list[Mapping[str, Any]] = []
    rejected: list[Rejected] = []
    for prompt in inputs["prompts"].to_pylist():
        if prompt["sample"] != 0:
            continue
        for method, value in _scores(prompt, tools):
            row = {
                "model_id": tools.model_id,
                "prompt_id": prompt["prompt_id"],
                "method": method.name,
                "steps": method.steps,
                "seeds": method.seeds,
                "value": value,
                "evaluations": 2 * method.steps * method.seeds,
            }
            if isfinite(value):
                rows.append(row)
            else:
                rejected.append(_not_finite(row))
    return Out(SIGNALS.of_rows(rows), rejected)


def _scores(prompt: Mapping[str, Any], tools: TriageTools) -> Iterator[tuple[TriageMethod, float]]:
    methods = tools.config.methods
    heard: dict[int, Heard] = {}
    for method in methods:
        if method.steps not in heard:
            together = [each for each in methods if each.steps == method.steps]
            heard[method.steps] = _hear(prompt, tools, together)
        named = METHODS[method.name]
        try:
            score = named.load()
            found = _named(heard[method.steps], method.seeds, named.needs.split())
            yield method, float(score(*found))
        except ValueError as error:
            raise StageError(f"triage.methods: {method.name}: {error}") from error


def _hear(prompt: Mapping[str, Any], tools: TriageTools, methods: Sequence[TriageMethod]) -> Heard:
    seeds = max(method.seeds for method in methods)
    needs = {need for method in methods for need in METHODS[method.name].needs.split()}
    given = next((name for name in ("text", "class_label") if prompt[name] is not None), "nothing")
    if given != tools.signals.wants:
        raise StageError(
            f"the model wants {tools.signals.wants}, but prompt {prompt['prompt_id'][:12]} gives"
            f" {given} ({prompt.get(given)!r:.60}): choose other prompts, or another model"
        )
    asks = [
        Ask(
            seed_of(tools.config.noise_seed, "triage", number),
            prompt["text"],
            prompt["class_label"],
        )
        for number in range(seeds)
    ]
    return tools.signals.hear(
        asks,
        evaluations=methods[0].steps,
        batch=min(seeds, tools.config.batch),
        attention=bool(needs & _ATTENTION),
    )


def _named(heard: Heard, seeds: int, needs: Sequence[str]) -> list[Any]:
    """Return what a method takes, in its order, of the first seeds."""
    levels = Levels(*heard.shown)
    pair = heard.with_prompt_TBCHW[:, :seeds], heard.without_TBCHW[:, :seeds]
    found: dict[str, Any] = {}
    if "guidance" in needs:
        found["guidance"] = guidance_of(*pair, levels, space_of(levels))
    if "velocity" in needs:
        found["velocity"] = guidance_of(*pair, levels, "velocity")
    if "sigma_max" in needs:
        names = ("first_with", "first_without", "sigma_max")
        step = first_step(*pair, heard.noisy_TBCHW[:, :seeds], levels)
        found |= dict(zip(names, step, strict=True))
    if heard.maps is not None:
        found["attention"] = heard.maps.attention_TBLK[:, :seeds]
        found["mask"] = heard.maps.ending_Bhw[:seeds]
        found["end"] = int(heard.maps.ends_B[0])
    return [found[need] for need in needs]


def _not_finite(row: Mapping[str, Any]) -> Rejected:
    message = (
        f"{row['method']} of prompt {row['prompt_id'][:12]} is {row['value']}, expected a finite"
        " number; half precision overflows in some models"
    )
    return Rejected(f"{row['prompt_id']} {row['method']}", "not-finite", message)


STAGE = MapStage(
    name="triage",
    reads={"prompts": columns("prompt_id sample text class_label", PROMPTS)},
    writes=SIGNALS,
    config=TriageConfig,
    open=open_triage,
    run=triage,
)
