"""Trains the demo's models from nothing: a small Stable Diffusion and a small CLIP.

    python examples/demo/train.py --corpus CORPUS --out OUT         # OUT/model, OUT/clip

CORPUS is what draw.py wrote; the key in it is not read. Parts can be made one at a time
(`--only vae`, then `--only unet`): each part reads what earlier parts left in OUT. The figures of
the run go to OUT/figures.json. A GPU is used where one answers.
"""

import argparse
import copy
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import contrastive
import diffusers
import draw
import open_clip
import sd
import torch
import words
from corpus import Rows, read, signed
from recipe import Recipe

PARTS = ("vae", "unet", "clip")
"""In the order in which they are made."""


class Log:
    """Losses of one part: printed now and then, summed up at the end."""

    def __init__(self, name: str, steps: int) -> None:
        self._name = name
        self._every = max(1, steps // 50)
        self._steps = steps
        self._start = time.monotonic()
        self._losses: list[float] = []

    def __call__(self, step: int, loss: float) -> None:
        """Take the loss of a step."""
        self._losses.append(loss)
        if step % self._every == self._every - 1:
            recent = self._losses[-self._every :]
            minutes = (time.monotonic() - self._start) / 60
            mean = sum(recent) / len(recent)
            print(f"{self._name} {step + 1}/{self._steps} {mean:.4f} {minutes:.1f} min", flush=True)

    def figures(self) -> dict[str, float]:
        """Mean loss of the first and last twentieth of the steps, and the time."""
        edge = max(1, len(self._losses) // 20)
        return {
            "steps": len(self._losses),
            "loss_first": round(sum(self._losses[:edge]) / edge, 5),
            "loss_last": round(sum(self._losses[-edge:]) / edge, 5),
            "minutes": round((time.monotonic() - self._start) / 60, 2),
        }


def train(corpus: Path, out: Path, recipe: Recipe, parts: Sequence[str] = PARTS) -> dict[str, Any]:
    """Train the models and write them as users open them.

    Args:
        corpus: Folder with train.parquet.
        out: Receives `model` and `clip`, made if missing.
        recipe: Every number of the training.
        parts: Which of `PARTS`; what is left out must already be in `out`.

    Returns:
        The figures, as written to figures.json.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = read(corpus / "train.parquet")
    (out / "model").mkdir(parents=True, exist_ok=True)
    made: dict[str, Any] = {"corpus": rows.digest, "machine": _machine()}
    makers: dict[str, Callable[[Rows, Path, Recipe, str], dict[str, Any]]] = {
        "vae": make_vae,
        "unet": make_unet,
        "clip": make_clip,
    }
    for part in parts:
        torch.manual_seed(recipe.seed)
        made[part] = makers[part](rows, out, recipe, device)
    figures = _old_figures(out) | made | {"recipe": asdict(recipe)}
    figures["weights"] = {
        str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*.safetensors"))
    }
    figures["megabytes"] = round(
        sum(path.stat().st_size for path in out.rglob("*.safetensors")) / 1e6, 2
    )
    text = json.dumps(figures, indent=1) + "\n"
    (out / "figures.json").write_text(text, encoding="utf-8")
    return dict(json.loads(text))


def make_vae(rows: Rows, out: Path, recipe: Recipe, device: str) -> dict[str, Any]:
    """Train the autoencoder on the distinct pictures; write model/vae."""
    log = Log("vae", recipe.vae_steps)
    images_BCHW = signed(rows.pictures_NCHW).to(device)
    vae = sd.train_autoencoder(images_BCHW, recipe, log).cpu()
    vae.half().save_pretrained(out / "model" / "vae")
    return log.figures()


def make_unet(rows: Rows, out: Path, recipe: Recipe, device: str) -> dict[str, Any]:
    """Train text encoder and network on every row; write the whole of model."""
    vae = diffusers.AutoencoderKL.from_pretrained(out / "model" / "vae", dtype=torch.float32).eval()
    vae.register_to_config(_name_or_path="")
    latents_BCHW = sd.encode(vae, signed(rows.pictures_NCHW))
    tokenizer = words.learn(rows.captions, recipe.merges, recipe.caption_tokens)
    tokens_BT = _tokens(tokenizer, rows.captions)
    shown_R = rows.occurrences_R
    tokens_RT = torch.cat([tokens_BT[shown_R], _tokens(tokenizer, [""])])
    log = Log("unet", recipe.unet_steps)
    drawer = sd.new_drawer(tokenizer, latents_BCHW.shape[-1], recipe)
    drawer = sd.Drawer(*(net.to(device) for net in drawer))
    for now in sd.train_drawer(
        latents_BCHW[shown_R].to(device), tokens_RT.to(device), drawer, recipe
    ):
        log(now.step, now.loss)
        if (now.step + 1) % recipe.unet_save == 0 or now.step + 1 == recipe.unet_steps:
            sd.save(out / "model", vae, tokenizer, sd.Drawer(*copy.deepcopy(list(now.averaged))))
    return {**log.figures(), "rows": len(shown_R), "pictures": len(latents_BCHW)}


def make_clip(rows: Rows, out: Path, recipe: Recipe, device: str) -> dict[str, Any]:
    """Train CLIP on works that are in neither half; write clip."""
    captions: list[str] = []
    pictures = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in recipe.clip_seeds:
            draw.draw(Path(scratch), seed)
            for half in ("train", "control"):
                drawn = read(Path(scratch) / f"{half}.parquet")
                captions += drawn.captions
                pictures.append(drawn.pictures_NCHW)
    order = sorted(range(len(captions)), key=lambda row: captions[row].partition(" by ")[2])
    captions = [captions[row] for row in order]
    images_BCHW = signed(torch.cat(pictures)[order]).to(device)
    log = Log("clip", recipe.clip_steps)
    folder = out / "clip"
    model = contrastive.begin(folder, captions, rows.pictures_NCHW.shape[-1], recipe)
    tokens_BT = open_clip.get_tokenizer(f"local-dir:{folder.absolute()}")(captions)
    trained = contrastive.train(model, images_BCHW, tokens_BT.to(device), recipe, log)
    contrastive.save(folder, trained)
    return {**log.figures(), "works": len(captions)}


def _tokens(tokenizer: Any, captions: Sequence[str]) -> Any:
    """Token numbers of captions, all of one length."""
    return tokenizer(
        list(captions), padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids


def _old_figures(out: Path) -> dict[str, Any]:
    """The figures of parts that were made before, if any."""
    path = out / "figures.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _machine() -> dict[str, Any]:
    """What the run ran on, without names."""
    cuda = torch.cuda.is_available()
    return {
        "processors": os.cpu_count(),
        "kind": platform.machine(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "open_clip": open_clip.__version__,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description="Train the demo's Stable Diffusion and CLIP.")
    parser.add_argument("--corpus", type=Path, required=True, help="what draw.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="receives model and clip")
    parser.add_argument("--only", choices=PARTS, action="append", help="parts (default: all)")
    for field in fields(Recipe):
        if field.type is int or field.type is float:
            name = field.name.replace("_", "-")
            parser.add_argument(f"--{name}", type=field.type, metavar=field.type.__name__.upper())
    options = vars(parser.parse_args(arguments))
    chosen = {name: options[name] for name in options if options[name] is not None}
    paths = {name: chosen.pop(name) for name in ("corpus", "out")}
    parts = chosen.pop("only", PARTS)
    figures = train(paths["corpus"], paths["out"], replace(Recipe(), **chosen), parts)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
