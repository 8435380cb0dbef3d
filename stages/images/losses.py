"""Losses: how well the model denoises the work whose caption a prompt is; a reason to look there.

Apart from triage because it reads images, and because it asks without guidance: one network
evaluation for each noise. Where shadow models are given, each trained on a random part of the same
material, the loss is also compared with theirs (LiRA). All prompts are asked in one go: a few
shadow models say how losses spread only over all works together.

Dimension key: S shadow models, X prompts, B noises, C channels, H height, W width.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.contract import FileText, FoldStage, Kit, Out, Reader, Rejected, StageError, columns
from stages.methods.triage_carlini import (
    FEW_SHADOWS,
    MOST_TELLING_TIME,
    denoising_loss,
    lira,
    strong,
    too_few,
)
from stages.methods.triage_prediction import Levels, noise_of
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs
from stages.models.files import ModelRef, model_digest, resolve
from stages.models.signals import Signals, open_signals
from stages.pixels import decode
from stages.seeds import seed_of
from stages.tables import IMAGES, PROMPTS, SIGNALS

Row = Mapping[str, Any]


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
    """Generator: Stable Diffusion 1, 2, XL or 3, DiT or DDPM, a folder of diffusers. A DDPM is told
    nothing: the works are those that the prompts name."""

    times: tuple[int, ...] = (MOST_TELLING_TIME,)
    """Times, 0 to 999 of 1,000, over which the mean is taken; 100 as in Carlini et al. 2023, where
    50 to 300 told the most."""

    seeds: int = 4
    """Noises at each time, 1 or more; about 20 in the strong variant."""

    flips: bool = False
    """Whether the mirror image counts too, as in the strong variant; it doubles the cost."""

    shadows: tuple[Shadow, ...] = ()
    """Shadow models for the likelihood ratio; none for the loss alone. An image needs two that were
    trained on it and two that were not. Below 64 in all, spreads are taken over all works."""

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


class Panel(NamedTuple):
    """What models are asked about, and how."""

    asked: Sequence[Row]
    """PROMPTS that name a work, one of each."""

    images: Reader
    """IMAGES of both halves."""

    members: Sequence[frozenset[str]]
    """sha256 of the images that each shadow model was trained on."""

    model_id: str
    """Digest of the files of the model under test."""

    config: LossesConfig
    """How."""


def losses(
    inputs: Mapping[str, Iterable[pa.Table]], config: LossesConfig, kit: Kit
) -> Iterator[Out]:
    """Yield one row per prompt that names a work, and a second where there are shadow models.

    Models are opened one after the other, so that dozens of them need no more room than two.

    Args:
        inputs: `prompts`: PROMPTS; of each prompt only the row of sample 0 counts.
        config: models, and how they are asked.
        kit: IMAGES as `images`, device and threads.

    Yields:
        SIGNALS in the order of the prompts, `loss` before `lira`. Rejected: scores that are NaN or
        infinite, `not-finite`; works without two shadow models on either side, `few-shadows`.

    Raises:
        StageError: a file of members cannot be read, or the model wants a class and the prompt has
            a caption, or the like.
    """
    rows = (row for batch in inputs["prompts"] for row in batch.to_pylist())
    asked = [row for row in rows if row["sample"] == 0 and row["work_id"] is not None]
    members = [_members(shadow) for shadow in config.shadows]
    panel = Panel(asked, kit.datasets["images"], members, model_digest(config.model), config)
    knobs = Knobs(steps=1, dtype=config.dtype)
    refs = [config.model, *(shadow.model for shadow in config.shadows)]
    yield heard(
        (open_signals(resolve(ref), knobs, kit, variant=ref.variant) for ref in refs), panel
    )


def heard(models: Iterable[Signals], panel: Panel) -> Out:
    """Return the scores of works under opened models.

    Args:
        models: the model under test, then its shadow models.
        panel: what they are asked about.

    Source: Carlini et al. 2023, section 5.2; with fewer than `FEW_SHADOWS` shadow models the spread
    of losses is that over all works, after Carlini et al. 2022.
    """
    observed_X, *shadows_SX = (
        [_loss(signals, panel, prompt) for prompt in panel.asked] for signals in models
    )
    ratios = _ratios(np.array(observed_X), np.array(shadows_SX), panel)
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for place, prompt in enumerate(panel.asked):
        scores: dict[str, float | str] = {"loss": observed_X[place]}
        if panel.members:
            scores["lira"] = ratios[place]
        for method, found in scores.items():
            key = f"{prompt['prompt_id']} {method}"
            if isinstance(found, str):
                rejected.append(Rejected(key, "few-shadows", found))
            elif isfinite(found):
                rows.append(_row(prompt, method, found, panel))
            else:
                message = f"{method} is {found}, expected a finite number"
                rejected.append(Rejected(key, "not-finite", message))
    return Out(SIGNALS.of_rows(rows), rejected)


def _ratios(
    observed_X: NDArray[np.float64], shadows_SX: NDArray[np.float64], panel: Panel
) -> list[float | str]:
    """Return the likelihood ratio of each prompt; a text says why there is none."""
    found: list[float | str] = [float("nan")] * len(panel.asked)
    if not panel.members or not panel.asked:
        return found
    ids = [prompt["work_id"] for prompt in panel.asked]
    digests = panel.images.take(ids, ["sha256"])["sha256"].to_pylist()
    member_SX = np.array([[digest in known for digest in digests] for known in panel.members])
    finite_X = np.isfinite(observed_X) & np.isfinite(shadows_SX).all(axis=0)
    kept: list[int] = []
    for place in np.flatnonzero(finite_X).tolist():
        if why := too_few(member_SX[:, place]):
            found[place] = why
        else:
            kept.append(place)
    if kept:
        few = len(panel.members) < FEW_SHADOWS
        scores = lira(shadows_SX[:, kept], member_SX[:, kept], observed_X[kept], pooled=few)
        for place, score in zip(kept, scores.tolist(), strict=True):
            found[place] = score
    return found


def _loss(signals: Signals, panel: Panel, prompt: Row) -> float:
    config = panel.config
    _check_given(prompt, signals)
    # who wants nothing is asked about the work alone, whatever its caption
    given = (prompt["text"], prompt["class_label"]) if signals.wants != "nothing" else (None, None)
    (work,) = panel.images.take([prompt["work_id"]], ["bytes"]).to_pylist()
    rgb_HWC = decode(work["bytes"]).rgb_HWC
    faces = [rgb_HWC, rgb_HWC[:, ::-1]] if config.flips else [rgb_HWC]
    latents_BCHW = np.repeat(signals.latents_of(faces), config.seeds, axis=0)
    asks = [
        Ask(seed_of(config.noise_seed, "losses", number), *given)
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


def _row(prompt: Row, method: str, value: float, panel: Panel) -> Row:
    config = panel.config
    steps = len(config.times) * (2 if config.flips else 1)
    models = 1 + (len(panel.members) if method == "lira" else 0)
    return {
        "model_id": panel.model_id,
        "prompt_id": prompt["prompt_id"],
        "method": method,
        "steps": steps,
        "seeds": config.seeds,
        "value": value,
        "evaluations": steps * config.seeds * models,
    }


def _check_given(prompt: Row, signals: Signals) -> None:
    given = next((name for name in ("text", "class_label") if prompt[name] is not None), "nothing")
    if signals.wants not in {given, "nothing"}:
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


STAGE = FoldStage(
    name="losses",
    reads={"prompts": columns("prompt_id sample text class_label work_id", PROMPTS)},
    uses={"images": columns("image_id sha256 bytes", IMAGES)},
    writes=SIGNALS,
    config=LossesConfig,
    run=losses,
)
