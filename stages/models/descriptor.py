"""Descriptor: an image descriptor in one file of TorchScript, such as SSCD, by explicit consent."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stages.contract import Kit
from stages.models.encode import Encode, in_batches
from stages.models.layout import ModelError, kind_of
from stages.models.runtime import prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """What a descriptor does to an image before it looks; a file of TorchScript does not say.

    The defaults are those that the authors of SSCD recommend for batches: skew to a square of 320
    pixels, with the mean and deviation of ImageNet (facebookresearch/sscd-copy-detection, README,
    "Preprocessing"). A crop would lose what stands at the border, such as a signature.
    """

    size: int = 320
    """Side of the square that the network sees, in pixels; a multiple of 32 for most networks."""

    resize: Literal["skew", "crop"] = "skew"
    """`skew` stretches the image to the square; `crop` fits the shorter side and cuts the rest."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean of red, green and blue in [0, 1], taken away; of ImageNet."""

    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Standard deviation of red, green and blue, divided by; of ImageNet."""

    def __post_init__(self) -> None:
        """Refuse values that no image could pass through.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        if self.size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {self.size}")
        if self.resize not in {"skew", "crop"}:
            raise ValueError(f"resize must be `skew` or `crop`, got {self.resize!r}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")


def open_descriptor(path: Path, preprocess: Preprocess, kit: Kit, *, batch: int) -> Encode:
    """Load a file of TorchScript; whoever calls has the consent to run the code inside.

    Args:
        path: the file, as `resolve` returned it.
        preprocess: what to do to an image first.
        kit: device and threads.
        batch: rows of a batch.

    Returns:
        Encoder whose vectors are not scaled to unit length.

    Raises:
        ModelError: the path is not a file of TorchScript.

    Source: Pizzi et al. 2022, "A Self-Supervised Descriptor for Image Copy Detection",
    arXiv:2202.10261.
    """
    device = prepare(kit)
    network = _loaded(path, device)
    return in_batches(_transform(preprocess), network, batch=batch, device=device)


def open_alone(path: Path, kit: Kit) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load a file of TorchScript for pictures of any size, each seen alone.

    Args:
        path: the file, as `resolve` returned it.
        kit: device and threads.

    Returns:
        Prepared picture f32[C, H, W] -> vector f32[D].

    Raises:
        ModelError: the path is not a file of TorchScript, or gives no vector.
    """
    device = prepare(kit)
    network = _loaded(path, device)

    def describe(picture_CHW: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            vectors_qd = network(torch.from_numpy(picture_CHW)[None].to(device))
        if not isinstance(vectors_qd, torch.Tensor) or vectors_qd.shape[:-1] != (1,):
            raise ModelError(f"{path}: expected a tensor [1, D] of one picture")
        found: NDArray[np.float32] = vectors_qd.float().cpu().numpy()[0]
        return found

    return describe


def _loaded(path: Path, device: Any) -> Any:
    if kind_of(path) != "torchscript":
        raise ModelError(f"{path} is a {kind_of(path)} model; `kind: torchscript` wants a file")
    import torch

    try:
        return torch.jit.load(str(path), map_location=device).eval()
    except RuntimeError as error:
        raise ModelError(f"{path} is not a file of TorchScript: {error}") from error


def _transform(preprocess: Preprocess) -> Any:
    from torchvision import transforms

    side = preprocess.size
    fit = {
        "skew": [transforms.Resize([side, side])],
        "crop": [transforms.Resize(side), transforms.CenterCrop(side)],
    }
    normal = transforms.Normalize(preprocess.mean, preprocess.std)
    return transforms.Compose([*fit[preprocess.resize], transforms.ToTensor(), normal])
