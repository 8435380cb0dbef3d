"""CLIP: the image encoder of any open_clip model that lies in a folder."""

from pathlib import Path

from stages.contract import Kit
from stages.models.encode import Encode, in_batches
from stages.models.layout import ModelError, files_to_load, kind_of
from stages.models.runtime import prepare


def open_clip_encoder(path: Path, kit: Kit, *, batch: int) -> Encode:
    """Load an open_clip model in float32, with the preprocessing that its config declares.

    Args:
        path: folder with `open_clip_config.json` and safetensors.
        kit: device and threads.
        batch: rows of a batch.

    Returns:
        Encoder whose vectors are not scaled to unit length.

    Raises:
        ModelError: the folder is not of open_clip, or its weights are not safetensors.

    Source: Radford et al. 2021, arXiv:2103.00020, section 2.3.
    """
    if kind_of(path) != "open_clip":
        raise ModelError(f"{path} is a {kind_of(path)} model; `kind: clip` wants open_clip")
    files_to_load(path)
    import open_clip

    device = prepare(kit)
    model, _, preprocess = open_clip.create_model_and_transforms(
        f"local-dir:{path.absolute()}", device=device
    )
    return in_batches(preprocess, model.eval().encode_image, batch=batch, device=device)
