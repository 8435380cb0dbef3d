"""Model layout: which files of a model will be loaded, and why others never are.

Four kinds of model are known: a folder of diffusers (`model_index.json`), of open_clip
(`open_clip_config.json`) or of transformers (`config.json` with a `model_type`), and a single file
of TorchScript. Only safetensors are weights: they hold numbers and nothing else, while a pickle
(.bin, .pt, .pth, .ckpt) runs code when it is opened. A pickle that lies beside safetensors is left
alone; one that stands alone is refused.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

Kind = Literal["diffusers", "open_clip", "transformers", "torchscript"]

_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_SETTINGS = {".json", ".txt", ".model"}
_WITHOUT_WEIGHTS = ("Tokenizer", "TokenizerFast", "Scheduler", "Processor", "FeatureExtractor")
_LIBRARIES = {"diffusers", "transformers"}
_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")

UNUSED = ("safety_checker", "feature_extractor")
"""Components of Stable Diffusion 1 that are never loaded: they only blacken finished images."""


class ModelError(ValueError):
    """A model cannot be loaded, or must not be; the case must change."""


def kind_of(path: Path) -> Kind:
    """Return what kind of model lies at a path.

    Raises:
        ModelError: nothing is there, or nothing that is known.
    """
    if path.is_file():
        return "torchscript"
    if not path.is_dir():
        raise ModelError(f"no model at {path}: expected a folder, or a file of TorchScript")
    if (path / "model_index.json").is_file():
        return "diffusers"
    if (path / "open_clip_config.json").is_file():
        return "open_clip"
    if (path / "config.json").is_file() and "model_type" in read_json(path / "config.json"):
        return "transformers"
    raise ModelError(
        f"{path} is not a model: it has neither model_index.json (diffusers) nor"
        " open_clip_config.json (open_clip) nor a config.json with a model_type (transformers),"
        f" only {sorted(p.name for p in path.iterdir())[:8]}"
    )


def files_to_load(path: Path, *, variant: str | None = None) -> dict[str, Path]:
    """Return the files that loading the model will read, by their name within it.

    Args:
        path: folder, or a file of TorchScript.
        variant: middle part of the names of the weights, such as `fp16`; `None` for plain names.

    Raises:
        ModelError: weights are missing or are not safetensors, a component comes with its own code,
            or a link leads out of the folder.
    """
    kind = kind_of(path)
    if kind == "torchscript":
        # the name of the file says nothing about the model, so it is not part of its digest
        return {"torchscript": path}
    if kind == "transformers":
        chosen = _component_files(path, variant, needs_weights=True)
    else:
        chosen = _diffusers_files(path, variant) if kind == "diffusers" else _clip_files(path)
    return {_inside(path, file): file for file in sorted(chosen)}


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ModelError: the file is missing, is not JSON or is not an object.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise ModelError(f"{path}: expected a JSON object, got {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _diffusers_files(folder: Path, variant: str | None) -> list[Path]:
    index = folder / "model_index.json"
    files = [index]
    for name, value in read_json(index).items():
        is_component = isinstance(value, list) and len(value) == len(("library", "class"))
        if name.startswith("_") or name in UNUSED or not is_component or value[1] is None:
            continue
        library, class_name = value
        if library not in _LIBRARIES:
            raise ModelError(
                f"{index}: component {name} comes from {library!r}; expected one of"
                f" {sorted(_LIBRARIES)}, because code that comes with a model is never run"
            )
        needs_weights = not str(class_name).endswith(_WITHOUT_WEIGHTS)
        files += _component_files(folder / name, variant, needs_weights=needs_weights)
    return files


def _component_files(folder: Path, variant: str | None, *, needs_weights: bool) -> list[Path]:
    if not folder.is_dir():
        raise ModelError(f"model_index.json names {folder.name}, but {folder} is not a folder")
    files = [file for file in folder.iterdir() if file.is_file()]
    settings = [file for file in files if file.suffix in _SETTINGS]
    return settings + (_weights(folder, files, variant) if needs_weights else [])


def _weights(folder: Path, files: Sequence[Path], variant: str | None) -> list[Path]:
    safe = [file for file in files if file.suffix == ".safetensors"]
    for wanted in (variant, None):
        if chosen := [file for file in safe if _variant_of(file.name) == wanted]:
            return chosen
    if safe:
        found = sorted({str(_variant_of(file.name)) for file in safe})
        raise ModelError(f"{folder} holds only weights of the variants {found}: set `variant`")
    raise _no_weights(folder, files)


def _variant_of(name: str) -> str | None:
    """Return `fp16` for `model.fp16-00001-of-00002.safetensors`, `None` for a plain name."""
    middle = ".".join(name.split(".")[1:-1])
    return re.sub(r"-\d+-of-\d+$", "", middle) or None


def _clip_files(folder: Path) -> list[Path]:
    files = [file for file in folder.iterdir() if file.is_file()]
    settings = [file for file in files if file.suffix in _SETTINGS]
    for name in _CLIP_WEIGHTS:
        if (folder / name).is_file():
            return [*settings, folder / name]
    safe = [file for file in files if file.suffix == ".safetensors"]
    # open_clip prefers some pickles to a safetensors file of another name: leave it no choice
    if len(safe) == 1 and not any(file.suffix in _PICKLES for file in files):
        return [*settings, safe[0]]
    if safe:
        raise ModelError(
            f"{folder}: cannot tell which weights are meant; name them {_CLIP_WEIGHTS[0]}"
        )
    raise _no_weights(folder, files)


def _no_weights(folder: Path, files: Sequence[Path]) -> ModelError:
    if pickles := sorted(file.name for file in files if file.suffix in _PICKLES):
        return ModelError(
            f"{folder}: the weights {pickles} are not safetensors; opening them can run any code,"
            " so they are refused: convert them on a machine that may be lost"
        )
    return ModelError(f"{folder}: no weights; expected a .safetensors file")


def _inside(folder: Path, file: Path) -> str:
    # the cache of the hub keeps the files of a snapshot as links into the folder of its repository
    is_snapshot = folder.parent.name == "snapshots"
    home = (folder.parent.parent if is_snapshot else folder).resolve()
    if not file.resolve().is_relative_to(home):
        raise ModelError(f"{file} is a link that leads out of the model, to {file.resolve()}")
    return file.relative_to(folder).as_posix()
