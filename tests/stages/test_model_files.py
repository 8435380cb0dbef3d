import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from stages.models.files import ModelError, ModelRef, fingerprint, model_digest, resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def index(**more: list[str | None]) -> str:
    components = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "image_encoder": [None, None],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    }
    return json.dumps(components | more)


def diffusers_folder(folder: Path, *weights: str) -> Path:
    files = {
        "model_index.json": index(),
        "unet/config.json": "{}",
        "scheduler/scheduler_config.json": "{}",
    }
    return write(folder, files | {f"unet/{name}": name for name in weights})


def clip_folder(folder: Path, *weights: str) -> Path:
    return write(folder, {"open_clip_config.json": "{}"} | {name: name for name in weights})


def ref(path: Path, *, torchscript: bool = False, variant: str | None = None) -> ModelRef:
    return ModelRef(path=str(path), torchscript=torchscript, variant=variant)


# how a model is named


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "exactly one of `path`"),
        ({"path": "a", "hub": "b/c", "revision": COMMIT}, "exactly one of `path`"),
        ({"hub": "b/c"}, "must be a commit of 40 hexadecimal digits"),
        ({"hub": "b/c", "revision": "main"}, "a branch can move; got 'main'"),
        ({"path": "a", "revision": COMMIT}, "belongs to `hub`"),
    ],
)
def test_a_model_has_exactly_one_place(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        ModelRef(**fields)


# what is loaded, and its digest


def test_the_fingerprint_holds_the_sha256_of_what_will_be_loaded_and_of_nothing_else(
    tmp_path: Path,
) -> None:
    folder = diffusers_folder(tmp_path, "diffusion_pytorch_model.safetensors")
    write(
        folder,
        {
            "README.md": "never read",
            "all-in-one.safetensors": "never read",
            "unet/diffusion_pytorch_model.bin": "never read",
            "unet/diffusion_pytorch_model.fp16.safetensors": "never read",
            "safety_checker/model.safetensors": "never read",
        },
    )
    found = fingerprint(ref(folder))
    assert list(found) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    ]
    assert found["unet/config.json"] == sha256(b"{}").hexdigest()


def test_the_digest_does_not_depend_on_the_place_but_on_every_loaded_byte(tmp_path: Path) -> None:
    one = diffusers_folder(tmp_path / "one", "diffusion_pytorch_model.safetensors")
    two = diffusers_folder(tmp_path / "deep" / "two", "diffusion_pytorch_model.safetensors")
    assert model_digest(ref(one)) == model_digest(ref(two))
    (two / "unet" / "config.json").write_text("{ }")
    assert model_digest(ref(one)) != model_digest(ref(two))


def test_the_same_bytes_under_another_name_are_another_model(tmp_path: Path) -> None:
    one = diffusers_folder(tmp_path / "one", "a.safetensors")
    two = diffusers_folder(tmp_path / "two", "a.safetensors")
    (two / "unet" / "a.safetensors").rename(two / "unet" / "b.safetensors")
    assert model_digest(ref(one)) != model_digest(ref(two))


def test_shards_are_all_loaded(tmp_path: Path) -> None:
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    found = fingerprint(ref(diffusers_folder(tmp_path, *shards)))
    assert {f"unet/{name}" for name in shards} <= set(found)


def test_a_variant_is_chosen_by_name_and_falls_back_to_plain_weights(tmp_path: Path) -> None:
    both = diffusers_folder(tmp_path / "both", "m.safetensors", "m.fp16.safetensors")
    assert "unet/m.fp16.safetensors" in fingerprint(ref(both, variant="fp16"))
    assert "unet/m.safetensors" not in fingerprint(ref(both, variant="fp16"))
    plain = diffusers_folder(tmp_path / "plain", "m.safetensors")
    assert "unet/m.safetensors" in fingerprint(ref(plain, variant="fp16"))
    half = diffusers_folder(tmp_path / "half", "m.fp16-00001-of-00001.safetensors")
    with pytest.raises(ModelError, match=r"only weights of the variants \['fp16'\]: set `variant`"):
        fingerprint(ref(half))


def test_the_cache_spares_reading_until_a_file_changes(tmp_path: Path) -> None:
    folder = clip_folder(tmp_path, "open_clip_model.safetensors")
    cache: dict[str, str] = {}
    before = model_digest(ref(folder), cache=cache)
    assert len(cache) == 2
    planted = dict.fromkeys(cache, "0" * 64)
    assert model_digest(ref(folder), cache=planted) != before, "the cache was not asked"
    (folder / "open_clip_model.safetensors").write_text("other, longer weights")
    assert model_digest(ref(folder), cache=cache) != before


def test_a_renamed_torchscript_file_is_the_same_model(tmp_path: Path) -> None:
    write(tmp_path, {"a.pt": "code", "b.torchscript": "code"})
    names = ("a.pt", "b.torchscript")
    digests = {model_digest(ref(tmp_path / name, torchscript=True)) for name in names}
    assert len(digests) == 1


# what is refused


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model at"):
        resolve(ref(tmp_path / "nowhere"))


def test_a_folder_that_is_no_model_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"neither model_index.json .* only \['holiday.jpg'\]"):
        resolve(ref(write(tmp_path, {"holiday.jpg": ""})))


@pytest.mark.parametrize("make", [diffusers_folder, clip_folder])
def test_a_folder_without_weights_is_refused(tmp_path: Path, make: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"no weights; expected a .safetensors file"):
        fingerprint(ref(make(tmp_path)))


@pytest.mark.parametrize("make", [diffusers_folder, clip_folder])
@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt"])
def test_pickles_alone_are_refused(tmp_path: Path, make: Callable[..., Path], suffix: str) -> None:
    with pytest.raises(ModelError, match="are not safetensors; opening them can run any code"):
        fingerprint(ref(make(tmp_path, f"model{suffix}")))


def test_open_clip_is_left_no_choice_of_a_pickle(tmp_path: Path) -> None:
    named = clip_folder(
        tmp_path / "named", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
    )
    assert "open_clip_model.safetensors" in fingerprint(ref(named))
    # open_clip itself would open the pickle here
    other = clip_folder(tmp_path / "other", "model.safetensors", "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"name them open_clip_model\.safetensors"):
        fingerprint(ref(other))


def test_a_single_file_needs_consent(tmp_path: Path) -> None:
    write(tmp_path, {"sscd.torchscript.pt": "code"})
    with pytest.raises(ModelError, match="say `torchscript: true`"):
        resolve(ref(tmp_path / "sscd.torchscript.pt"))
    assert resolve(ref(tmp_path / "sscd.torchscript.pt", torchscript=True)).is_file()


def test_a_component_with_its_own_code_is_refused(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path, "m.safetensors")
    (folder / "model_index.json").write_text(index(unet=["my_unet", "MyUNet"]))
    with pytest.raises(ModelError, match="code that comes with a model is never run"):
        fingerprint(ref(folder))


def test_a_component_that_is_named_but_missing_is_refused(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path, "m.safetensors")
    (folder / "model_index.json").write_text(index(vae=["diffusers", "AutoencoderKL"]))
    with pytest.raises(ModelError, match="names vae, but"):
        fingerprint(ref(folder))


@pytest.mark.parametrize("text", ["", "[]", '{"unet": [', "\x00"])
def test_a_broken_index_is_refused(tmp_path: Path, text: str) -> None:
    folder = diffusers_folder(tmp_path, "m.safetensors")
    (folder / "model_index.json").write_text(text)
    with pytest.raises(ModelError, match="expected a JSON object"):
        fingerprint(ref(folder))


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "model", "m.safetensors")
    secret = write(tmp_path, {"secret.json": "{}"}) / "secret.json"
    (folder / "unet" / "linked.json").symlink_to(secret)
    with pytest.raises(ModelError, match="a link that leads out of the model"):
        fingerprint(ref(folder))


# the hub


def fake_hub(cache: Path) -> Path:
    """Lay a model out as the hub's cache does: links into a folder of blobs."""
    snapshot = cache / "models--a--b" / "snapshots" / COMMIT
    diffusers_folder(cache / "plain", "m.safetensors")
    blobs = cache / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    for number, file in enumerate(sorted((cache / "plain").rglob("*.*"))):
        blob = file.rename(blobs / str(number))
        link = snapshot / file.relative_to(cache / "plain")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return snapshot


def test_a_hub_model_is_resolved_to_its_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def snapshot_download(hub: str, **options: object) -> str:
        asked.update({"hub": hub} | options)
        return str(fake_hub(tmp_path))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    named = ModelRef(hub="a/b", revision=COMMIT)
    digest = model_digest(named)
    assert (asked["hub"], asked["revision"]) == ("a/b", COMMIT)
    copy = diffusers_folder(tmp_path / "copy", "m.safetensors")
    assert digest == model_digest(ref(copy)), "the same files from the hub and from a folder"


def test_a_hub_model_that_cannot_be_had_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ModelError, match="neither in the cache nor reachable: no network"):
        resolve(ModelRef(hub="a/b", revision=COMMIT))


def test_a_local_model_never_touches_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object, **__: object) -> str:
        raise AssertionError

    monkeypatch.setattr("huggingface_hub.snapshot_download", touched)
    assert model_digest(ref(clip_folder(tmp_path, "open_clip_model.safetensors")))
