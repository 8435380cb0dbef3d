"""Judging a generation that was made again: the same bytes, the same within a tolerance, or not.

A tolerance is for what was made on something else: the tolerance was sealed with the item, and
without a difference in device, library or threads there is none. Texts have none at all: a token
that is drawn otherwise changes all that follows.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pipeline.environment import environment
from stages.contract import Kit
from stages.text.write import STAGE as WRITE

_LEVELS = 256
_PACKAGES = ("torch", "diffusers", "transformers", "tokenizers", "numpy", "pillow")
_MACHINE = ("cpu", "libc", "nvidia_driver")
_TORCH = ("version", "cuda", "cudnn", "gpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a bundle has of one item."""

    name: str
    """Such as ITEM-000001."""

    making: Mapping[str, Any]
    """How its generation was made."""

    native: bytes
    """The generation, untouched."""

    environment: Mapping[str, Any] | None
    """What it was made with; None if the bundle does not say."""


def judge(sealed: Sealed, made: bytes | None, unlike: list[str]) -> dict[str, Any]:
    """Return whether a generation is the one that was sealed.

    Args:
        sealed: the item.
        made: what came now; None if nothing did.
        unlike: what is not as it was then: only that can explain a difference.
    """
    found: dict[str, Any] = {
        "item": sealed.name,
        "verdict": "not",
        "tolerance_levels": sealed.making["tolerance_levels"] if unlike else 0,
        "unlike": unlike,
        "made_id": sealed.making["made_id"],
    }
    if made == sealed.native:
        return {**found, "verdict": "identical", "largest_difference": 0}
    if made is None:
        return {
            **found,
            "largest_difference": None,
            "why": "the model gave nothing that can be read",
        }
    if sealed.making["stage"] == WRITE.name:
        same = next(
            (
                n
                for n, pair in enumerate(zip(made, sealed.native, strict=False))
                if len({*pair}) > 1
            ),
            min(len(made), len(sealed.native)),
        )
        why = f"the first {same} of {len(sealed.native)} bytes agree, then it goes on otherwise"
        return {**found, "tolerance_levels": 0, "largest_difference": None, "why": why}
    return found | _compared(sealed.native, made, found["tolerance_levels"])


def _compared(native: bytes, made: bytes, tolerance: int) -> dict[str, Any]:
    then, now = (
        np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"), np.int16) for raw in (native, made)
    )
    if then.shape != now.shape:
        return {"largest_difference": None, "why": f"{now.shape} pixels, recorded {then.shape}"}
    apart = np.abs(then - now)
    largest = int(apart.max())
    return {
        "verdict": "within" if largest <= tolerance else "not",
        "largest_difference": largest,
        "different_pixels": int(apart.any(axis=-1).sum()),
        "pixels": int(then.shape[0] * then.shape[1]),
    }


def unlike_now(sealed: Sealed, kit: Kit) -> Iterator[str]:
    """Yield what is not as it was when the generation was made; to be asked after making it again.

    Args:
        sealed: the item.
        kit: device and threads of now.
    """
    making, here = sealed.making, environment()
    pairs = [("device", making["device"], kit.device), ("threads", making["threads"], kit.threads)]
    then = sealed.environment
    if then is None:
        yield "environment: not recorded"
    else:
        pairs += [(name, then.get(name), here.get(name)) for name in _MACHINE]
        packages = then.get("packages") or {}
        pairs += [(name, packages.get(name), here["packages"].get(name)) for name in _PACKAGES]
        before, now = then.get("torch") or {}, here["torch"] or {}
        pairs += [(f"torch {name}", before.get(name), now.get(name)) for name in _TORCH]
    for name, recorded, found in pairs:
        if recorded != found:
            yield f"{name}: {recorded} then, {found} here"


def as_text(found: Mapping[str, Any]) -> str:
    """Return a judgement for a person."""
    name, unlike = found["item"], found["unlike"]
    lines = [f"not as it was then: {'; '.join(unlike) or 'nothing that is recorded'}"]
    if found["verdict"] == "identical":
        return "\n".join([f"{name}: identical, byte for byte", *lines])
    largest, tolerance = found["largest_difference"], found["tolerance_levels"]
    if "why" in found:
        said = f"{name}: NOT reproduced: {found['why']}"
    else:
        verdict = (
            "identical within the tolerance" if found["verdict"] == "within" else "NOT reproduced"
        )
        said = (
            f"{name}: {verdict}: pixels differ by up to {largest} of {_LEVELS} levels, in"
            f" {found['different_pixels']} of {found['pixels']} places; tolerance {tolerance}"
        )
    return "\n".join([said, *lines])
