"""A small CLIP: an open_clip model, trained with open_clip's own loss, in open_clip's own folder.

It learns from works by the same artists that are in neither half of the corpus (drawn with other
seeds), so that its index treats training works and control works alike. Two losses, both
open_clip's ClipLoss: picture against caption, and picture against the same picture seen slightly
otherwise (SLIP: Mu et al. 2022, section 3), which keeps near-copies close and other works apart.

Legend: B batch, C channels, H height, W width, T tokens, D features.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
import words
from open_clip.loss import ClipLoss
from recipe import Recipe
from safetensors.torch import save_file
from torch.nn import functional

WEIGHTS = "open_clip_model.safetensors"


def begin(folder: Path, captions: Sequence[str], side: int, recipe: Recipe) -> Any:
    """Write the folder's configuration and vocabulary, and open the untrained model from it.

    Args:
        folder: Made if missing.
        captions: The vocabulary is learned from them.
        side: Pixels per side of the pictures.
        recipe: Widths and depths.

    Returns:
        open_clip's CLIP with random weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = words.learn(captions, recipe.merges, recipe.caption_tokens)
    words.save(tokenizer, folder)
    middle = [0.5, 0.5, 0.5]
    config = {
        "model_cfg": {
            "embed_dim": recipe.clip_features,
            "vision_cfg": {
                "image_size": side,
                "patch_size": 8,
                "width": recipe.clip_width,
                "head_width": 32,
                "layers": recipe.clip_layers,
            },
            "text_cfg": {
                "context_length": recipe.caption_tokens,
                "vocab_size": len(tokenizer),
                "hf_tokenizer_name": "in this folder",
                "width": recipe.text_width,
                "heads": 4,
                "layers": recipe.text_layers,
            },
        },
        "preprocess_cfg": {"mean": middle, "std": middle, "interpolation": "bicubic"},
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    torch.manual_seed(recipe.seed)
    return open_clip.create_model(f"local-dir:{folder.absolute()}", load_weights=False)


def train(
    model: Any,
    images_BCHW: Any,
    tokens_BT: Any,
    recipe: Recipe,
    report: Callable[[int, float], None],
) -> Any:
    """Train both towers.

    Args:
        model: What `begin` returned; trained in place.
        images_BCHW: float32 in -1 to 1, sorted by artist, on the device to train on.
        tokens_BT: Their captions.
        recipe: How long, how fast.
        report: Told of every step.

    Returns:
        The model, in its evaluating state.
    """
    device = images_BCHW.device
    model.to(device).train()
    match = ClipLoss()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.clip_rate, weight_decay=0.1, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.clip_rate, total_steps=recipe.clip_steps, pct_start=0.1
    )
    dice = torch.Generator().manual_seed(recipe.seed)
    for step in range(recipe.clip_steps):
        rows_B = _rows(len(images_BCHW), recipe.clip_batch, dice, neighbours=bool(step % 2))
        views_BCHW = torch.cat([varied(images_BCHW[rows_B], dice) for _ in range(2)])
        one_BD, other_BD = model.encode_image(views_BCHW, normalize=True).chunk(2)
        words_BD = model.encode_text(tokens_BT[rows_B], normalize=True)
        scale = model.logit_scale.exp()
        loss = match(one_BD, words_BD, scale) + match(one_BD, other_BD, scale)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        report(step, loss.item())
    return model.eval()


def save(folder: Path, model: Any) -> None:
    """Write the weights as float16 beside the configuration."""
    halves = {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(halves, folder / WEIGHTS, metadata={"format": "pt"})


def load(folder: Path) -> tuple[Any, Callable[[Any], Any]]:
    """Open the folder as its users do.

    Returns:
        The model in float32 and the transform from a picture to its input.
    """
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder.absolute()}")
    return model.eval(), transform


def varied(images_BCHW: Any, dice: torch.Generator) -> Any:
    """The same pictures seen slightly otherwise: shifted, cropped, toned, softened, noisy.

    Args:
        images_BCHW: float32 in -1 to 1.
        dice: Decides how much of each.

    Returns:
        Pictures of the same shape.
    """
    device = images_BCHW.device
    rows = len(images_BCHW)

    def dial(low: float, high: float) -> Any:
        turned_B = torch.rand(rows, generator=dice) * (high - low) + low
        return turned_B.to(device)

    frame = torch.zeros(rows, 2, 3, device=device)
    frame[:, 0, 0], frame[:, 1, 1] = dial(0.86, 1.02), dial(0.86, 1.02)
    frame[:, 0, 2], frame[:, 1, 2] = dial(-0.1, 0.1), dial(-0.1, 0.1)
    grid = functional.affine_grid(frame, list(images_BCHW.shape), align_corners=False)
    seen_BCHW = functional.grid_sample(
        images_BCHW, grid, padding_mode="reflection", align_corners=False
    )
    soft_BCHW = functional.avg_pool2d(seen_BCHW, 3, stride=1, padding=1, count_include_pad=False)
    seen_BCHW = torch.lerp(seen_BCHW, soft_BCHW, dial(0, 0.8)[:, None, None, None])
    seen_BCHW = seen_BCHW * dial(0.8, 1.2)[:, None, None, None]
    seen_BCHW = seen_BCHW + dial(-0.15, 0.15)[:, None, None, None]
    noise_BCHW = torch.randn(seen_BCHW.shape, generator=dice).to(device)
    return seen_BCHW + noise_BCHW * dial(0, 0.08)[:, None, None, None]


def _rows(rows: int, batch: int, dice: torch.Generator, *, neighbours: bool) -> Any:
    """Row numbers: any, or all from one stretch, so that works of one artist must be told apart."""
    if not neighbours:
        return torch.randperm(rows, generator=dice)[:batch]
    stretch = min(rows, 2 * batch)
    start = int(torch.randint(rows - stretch + 1, (1,), generator=dice))
    return start + torch.randperm(stretch, generator=dice)[:batch]
