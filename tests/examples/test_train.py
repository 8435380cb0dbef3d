"""The recipe that made the demo's models runs from nothing, learns, and writes what users open."""

import importlib
import io
import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

DEMO = Path(__file__).parents[2] / "examples" / "demo"
SIDE = 32
TINY = {
    "merges": 20,
    "caption_tokens": 16,
    "vae_channels": (8, 8, 16),
    "vae_latents": 4,
    "vae_steps": 30,
    "vae_batch": 4,
    "text_width": 16,
    "text_layers": 1,
    "unet_channels": (8, 16, 16),
    "unet_steps": 30,
    "unet_batch": 8,
    "unet_save": 20,
    "unet_average": 0.5,
    "clip_features": 16,
    "clip_width": 32,
    "clip_layers": 1,
    "clip_seeds": (5,),
    "clip_steps": 30,
    "clip_batch": 8,
    "sample_steps": 2,
}


def corpus(folder: Path, seed: int = 0) -> Path:
    """Write 12 pictures in both halves' format; the first occurs three times."""
    rng = np.random.default_rng(seed)
    files, captions = [], []
    for number in range(12):
        flat = np.full((SIDE, SIDE, 3), rng.integers(0, 255, size=3), dtype=np.uint8)
        flat[:, : int(rng.integers(4, SIDE - 4))] = rng.integers(0, 255, size=3)
        file = io.BytesIO()
        Image.fromarray(flat).save(file, "PNG")
        files.append(file.getvalue())
        captions.append(f"Plain {'abcdefghijkl'[number]} by Zoë {'One' if number % 2 else 'Two'}")
    order = [0, 0, *range(12)]
    table = pa.table(
        {
            "image": pa.array([files[i] for i in order], pa.large_binary()),
            "caption": [captions[i] for i in order],
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "train.parquet")
    pq.write_table(table, folder / "control.parquet")
    works = [
        {
            "work": f"w{i}",
            "caption": caption,
            "sha256": sha256(file).hexdigest(),
            "half": "train",
            "times": 3 if i == 0 else 1,
            "kind": "single",
            "unit": f"u{i}",
            "near_duplicate_of": None,
        }
        for i, (file, caption) in enumerate(zip(files, captions, strict=True))
    ]
    (folder / "key.json").write_text(json.dumps({"works": works}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def demo() -> Iterator[SimpleNamespace]:
    """The modules of examples/demo, imported as its scripts import each other."""
    sys.path.insert(0, str(DEMO))
    names = ("corpus", "contrastive", "recipe", "sd", "train", "truth", "words")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(DEMO))


@pytest.fixture(scope="module")
def trained(demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything trained for a few steps: (folder, corpus folder, figures, recipe)."""
    folder = tmp_path_factory.mktemp("demo")
    home = corpus(folder / "corpus")
    recipe = demo.recipe.Recipe(**TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo.train.draw, "draw", corpus)
        figures = demo.train.train(home, folder / "out", recipe)
    return folder / "out", home, figures, recipe


@pytest.mark.parametrize("part", ["vae", "unet", "clip"])
def test_each_part_learns(trained: Any, part: str) -> None:
    figures = trained[2][part]
    assert figures["steps"] == 30
    assert figures["loss_last"] < 0.9 * figures["loss_first"]


def test_the_figures_name_every_weight_file(trained: Any) -> None:
    out, home, figures, _ = trained
    assert set(figures["weights"]) == {
        "model/unet/diffusion_pytorch_model.safetensors",
        "model/vae/diffusion_pytorch_model.safetensors",
        "model/text_encoder/model.safetensors",
        "clip/open_clip_model.safetensors",
    }
    for name, digest in figures["weights"].items():
        assert sha256((out / name).read_bytes()).hexdigest() == digest
    assert figures == json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert figures["unet"]["rows"] == 14
    assert figures["unet"]["pictures"] == 12
    assert not [path for path in out.rglob("*") if path.suffix in {".bin", ".pt", ".pth", ".ckpt"}]
    assert home.exists()


def test_the_folder_opens_through_diffusers_and_draws(demo: SimpleNamespace, trained: Any) -> None:
    from diffusers import DiffusionPipeline, StableDiffusionPipeline

    out, _, _, recipe = trained
    opened = DiffusionPipeline.from_pretrained(out / "model")
    assert type(opened) is StableDiffusionPipeline
    assert type(opened.scheduler).__name__ == "DDIMScheduler"
    pipeline = demo.sd.load(out / "model")
    captions = ["Plain a by Zoë Two", "unheard of: 漢字", "Plain a by Zoë Two"]
    made = demo.sd.sample(pipeline, captions, [2**41, 2**41, 2**41], recipe)
    assert made.shape == (3, 3, SIDE, SIDE)
    assert 0 <= made.min() <= made.max() <= 1
    assert (made[0] - made[2]).abs().max() < 1e-4
    assert (made[0] - made[1]).abs().max() > 1e-4


def test_the_folder_opens_through_open_clip(demo: SimpleNamespace, trained: Any) -> None:
    import open_clip
    import torch

    out = trained[0] / "clip"
    model, transform = demo.contrastive.load(out)
    picture = transform(Image.new("RGB", (SIDE, SIDE), "red"))[None]
    tokens = open_clip.get_tokenizer(f"local-dir:{out}")(["Plain a by Zoë One"])
    with torch.inference_mode():
        image_BD, text_BD = model.encode_image(picture), model.encode_text(tokens)
    assert image_BD.shape == text_BD.shape == (1, 16)
    assert image_BD.dtype == torch.float32


@pytest.mark.parametrize("text", ["plain b by zoë two", "ωmega 漢字 !?", "x" * 9, "a-b 'c'"])
def test_any_text_survives_the_learned_vocabulary(demo: SimpleNamespace, text: str) -> None:
    learned = demo.words.learn(["Plain b by Zoë Two", "Plain c by Zoë Two"], 20, 64)
    assert len(learned) <= 512 + 20 + 2
    again = learned.decode(learned(text).input_ids, skip_special_tokens=True)
    assert again.replace(" ", "") == text.replace(" ", "")


def test_the_rule_of_the_truth_table(demo: SimpleNamespace, trained: Any) -> None:
    import torch

    rng = torch.Generator().manual_seed(0)
    works = torch.rand(4, 3, 16, 16, generator=rng)
    near = (works[:1] + 0.05 * torch.rand(1, 3, 16, 16, generator=rng)).clamp(0, 1)
    brighter = works[1:2] * 0.5 + 0.4
    blank = torch.full((1, 3, 16, 16), 0.5)
    made = torch.cat([near, brighter, blank, 1 - works[2:3]])
    likeness = demo.truth.gradients(made) @ demo.truth.gradients(works).T
    counts = demo.truth.judge(likeness, 0, {0: {0}}, {0, 3})
    assert counts == {"hits": 1, "unit_hits": 1, "stray_hits": 1}
    out, home, _, recipe = trained
    table = demo.truth.truth(home, out / "model", recipe, once=3)
    assert len(table["captions"]) == 1 + 3
    assert {row["seeds"] for row in table["captions"]} == {demo.truth.SEEDS}


@pytest.mark.parametrize(("hits", "low", "high"), [(0, 0.0, 0.0457), (64, 0.9543, 1.0)])
def test_exact_bounds(demo: SimpleNamespace, hits: int, low: float, high: float) -> None:
    found = demo.truth.interval(hits, 64)
    assert found == pytest.approx((low, high), abs=1e-4)
