"""Model files: how a case names a model, where it lies, and the digest of what will be loaded.

Nothing here imports torch: the planner asks for digests before it knows whether anything is to do.
"""

import hashlib
import json
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

from stages.contract import PathText
from stages.models.layout import UNUSED, ModelError, files_to_load, kind_of

__all__ = ["ModelError", "ModelRef", "fingerprint", "model_digest", "resolve"]

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model by local folder or file, or by hub id and revision."""

    path: PathText | None = None
    """Folder or file; relative to the case file."""

    hub: str | None = None
    """Hub id such as `runwayml/stable-diffusion-v1-5`; naming one is the consent to download."""

    revision: str | None = None
    """Commit of the hub id, 40 hexadecimal digits; required with `hub`, because a branch can
    move."""

    variant: str | None = None
    """Middle part of the names of the weights, such as `fp16` in `model.fp16.safetensors`; none
    for plain names, which is what most folders have."""

    torchscript: bool = False
    """Consent to run code inside the file: TorchScript executes what it contains."""

    def __post_init__(self) -> None:
        """Refuse a model without exactly one place.

        Raises:
            ModelError: not exactly one of `path` and `hub`, or a hub id without a commit.
        """
        if (self.path is None) == (self.hub is None):
            raise ModelError(
                "a model needs exactly one of `path` (folder or file) and `hub` (hub id), got"
                f" path={self.path!r}, hub={self.hub!r}"
            )
        if self.hub is None and self.revision is not None:
            raise ModelError("`revision` belongs to `hub`; a local `path` has none")
        if self.hub is not None and not _COMMIT.fullmatch(self.revision or ""):
            raise ModelError(
                f"`revision` of {self.hub} must be a commit of 40 hexadecimal digits, because a"
                f" branch can move; got {self.revision!r}"
            )


def resolve(ref: ModelRef) -> Path:
    """Return where the model lies on this machine; a hub id is fetched if it is not in the cache.

    Args:
        ref: the model; only one with `hub` may use the network, and not under `HF_HUB_OFFLINE=1`.

    Raises:
        ModelError: nothing is there, or a file of TorchScript has no consent.
    """
    path = Path(ref.path) if ref.path is not None else _snapshot(ref)
    if kind_of(path) == "torchscript" and not ref.torchscript:
        raise ModelError(
            f"{path} is a single file: expected a folder with safetensors. TorchScript runs the"
            " code in the file; if it comes from somebody you trust, say `torchscript: true`"
        )
    return path


def fingerprint(ref: ModelRef, *, cache: MutableMapping[str, str] | None = None) -> dict[str, str]:
    """Return the sha256 of every file that loading the model will read.

    Args:
        ref: the model.
        cache: digests of files seen before, by place, size and time of last change; it is filled,
            and may be stored as it is.

    Returns:
        Name within the model -> 64 hexadecimal digits, in order of name.

    Raises:
        ModelError: as `resolve`; weights that are missing or are not safetensors.
    """
    files = files_to_load(resolve(ref), variant=ref.variant)
    known = {} if cache is None else cache
    return {name: _digest(file, known) for name, file in files.items()}


def model_digest(ref: ModelRef, *, cache: MutableMapping[str, str] | None = None) -> str:
    """Return the digest of a model: sha256 over the canonical JSON of its fingerprint.

    It depends on the files alone: not on where they lie, nor on how the case names them.

    Args:
        ref: the model.
        cache: as in `fingerprint`.
    """
    files = fingerprint(ref, cache=cache)
    return hashlib.sha256(_canonical(files)).hexdigest()


def _canonical(files: dict[str, str]) -> bytes:
    return json.dumps(files, sort_keys=True, separators=(",", ":")).encode()


def _digest(file: Path, known: MutableMapping[str, str]) -> str:
    state = file.stat()
    key = f"{file.resolve()}|{state.st_size}|{state.st_mtime_ns}"
    if key not in known:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256")
        known[key] = digest.hexdigest()
    return known[key]


def _snapshot(ref: ModelRef) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import (
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    weights = [f"*.{ref.variant}.safetensors", f"*.{ref.variant}-*.safetensors"]
    wanted = ["*.json", "*.txt", "*.model", *(weights if ref.variant else ["*.safetensors"])]
    # root files are single-file copies of the same model, but not with open_clip and transformers
    roots = ["*.json", "*.txt", "*.model", "open_clip*.safetensors", "model*.safetensors"]
    patterns = [*roots, *(f"*/{each}" for each in wanted)]
    if ref.torchscript:
        patterns = ["*.torchscript*"]
    unwanted = [] if ref.variant else ["*.fp16*.safetensors", "*.bf16*.safetensors", "*.non_ema*"]
    lasting = (RepositoryNotFoundError, RevisionNotFoundError, OfflineModeIsEnabled)
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                str(ref.hub),
                revision=ref.revision,
                allow_patterns=patterns,
                ignore_patterns=[*unwanted, *(f"{name}/*" for name in UNUSED)],
            )
        )
    except (LocalEntryNotFoundError, *lasting) as error:
        raise ModelError(
            f"{ref.hub} at {ref.revision} is neither in the cache nor reachable: {error}"
        ) from error
    return _only_file(folder) if ref.torchscript else folder


def _only_file(folder: Path) -> Path:
    files = [file for file in folder.rglob("*") if file.is_file()]
    if len(files) != 1:
        raise ModelError(f"{folder}: expected one file of TorchScript, got {len(files)}")
    return files[0]
