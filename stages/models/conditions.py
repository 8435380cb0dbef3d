"""Conditions: what each class of pipeline is told about an image, in its own keywords.

The embedding of a caption is computed alone, so that it does not depend on other captions, and once
for all its seeds; that of the empty caption once per model.

Dimension key: B rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal, NamedTuple

from stages.models.layout import ModelError

Wants = Literal["text", "class_label", "nothing"]

_NULL_CLASS = 1000
_NUM_CAPTIONS = 64


class Ask(NamedTuple):
    """One image to draw."""

    seed: int
    """Seed of its noise, 0..2**63-1."""

    text: str | None = None
    """Caption, for a model that wants text."""

    class_label: int | None = None
    """Class, for a model that wants one."""


class Door(NamedTuple):
    """How one class of pipeline is asked."""

    wants: Wants
    """What it is told besides the noise."""

    network: str
    """Component that predicts the noise."""

    embeddings: tuple[str, ...] = ()
    """Keywords for the values that its `encode_prompt` returns, in that order."""


_PLAIN = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = (*_PLAIN, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

DOORS: Mapping[str, Door] = {
    "StableDiffusionPipeline": Door("text", "unet", _PLAIN),
    "StableDiffusionXLPipeline": Door("text", "unet", _POOLED),
    "StableDiffusion3Pipeline": Door("text", "transformer", _POOLED),
    "FluxPipeline": Door("text", "transformer", ("prompt_embeds", "pooled_prompt_embeds")),
    "DiTPipeline": Door("class_label", "transformer"),
    "DDPMPipeline": Door("nothing", "unet"),
}
"""Class of pipeline -> how it is asked; Stable Diffusion 1 and 2 are one class."""


@dataclass(slots=True)
class Conditions:
    """Turns what is asked into the keywords of a pipeline."""

    pipe: Any
    """Pipeline of diffusers."""

    door: Door
    """How it is asked."""

    guided: bool
    """True if the network is asked without the prompt too."""

    _captions: dict[str, dict[str, Any]] = field(default_factory=dict)
    _without: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse guidance where the pipeline would read past the end of the table of classes.

        Raises:
            ModelError: a guided DiT has no class 1000, which its pipeline takes for `no class`.
        """
        if self.door.wants == "class_label" and self.guided and self.num_classes != _NULL_CLASS:
            raise ModelError(
                f"a DiTPipeline guides with class {_NULL_CLASS} as `no class`, but this model has"
                f" {self.num_classes} classes: set `guidance: 1`"
            )

    @property
    def num_classes(self) -> int:
        """Number of classes of a model that wants one."""
        return int(self.pipe.transformer.config.num_embeds_ada_norm)

    def of(self, asks: Sequence[Ask]) -> dict[str, Any]:
        """Return the keywords for a batch of B rows.

        Raises:
            ModelError: the model has no such class.
        """
        if self.door.wants == "nothing":
            return {"batch_size": len(asks)}
        if self.door.wants == "class_label":
            return {"class_labels": [self._class_of(ask) for ask in asks]}
        import torch

        rows = [self._embed(ask.text or "") for ask in asks]
        found = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        for name, value in self._embed_nothing().items():
            found[name] = value.expand(len(asks), *value.shape[1:])
        return found

    def _class_of(self, ask: Ask) -> int:
        # past the end of a table of embeddings a GPU stops the whole process, not the call
        if ask.class_label is None or not 0 <= ask.class_label < self.num_classes:
            raise ModelError(f"class {ask.class_label}: the model has 0..{self.num_classes - 1}")
        return ask.class_label

    def _embed(self, text: str) -> dict[str, Any]:
        if text not in self._captions:
            if len(self._captions) == _NUM_CAPTIONS:
                del self._captions[next(iter(self._captions))]
            self._captions[text] = self._encode(text, guided=False)
        return self._captions[text]

    def _embed_nothing(self) -> dict[str, Any]:
        if self._without is None:
            both = self._encode("", guided=True) if self.guided else {}
            self._without = {k: v for k, v in both.items() if k.startswith("negative")}
        return self._without

    def _encode(self, text: str, *, guided: bool) -> dict[str, Any]:
        known = {
            "prompt": text,
            "prompt_2": None,
            "prompt_3": None,
            "device": self.pipe.device,
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": guided,
        }
        accepted = signature(self.pipe.encode_prompt).parameters
        values = self.pipe.encode_prompt(**{k: v for k, v in known.items() if k in accepted})
        named = zip(self.door.embeddings, values, strict=False)
        return {name: value for name, value in named if value is not None}
