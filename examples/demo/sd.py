"""A small Stable Diffusion, trained from nothing, in diffusers' own folder format.

The parts are those of Stable Diffusion 1 (AutoencoderKL, CLIPTextModel, UNet2DConditionModel,
DDIMScheduler), only smaller: 64x64 pixels, 16x16x4 latents, a few million weights. The text
encoder is trained together with the network that draws; the autoencoder is trained before.

Legend: B batch, C channels, H height, W width, T tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from recipe import Recipe
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

Report = Callable[[int, float], None]
"""Is told the number of a step and its loss."""


class Drawer(NamedTuple):
    """The two networks that are trained together."""

    text_encoder: Any
    """CLIPTextModel."""
    unet: Any
    """UNet2DConditionModel."""


class Progress(NamedTuple):
    """Where the training of a drawer is."""

    step: int
    """Counted from 0."""
    loss: float
    """Mean squared error of v in this step's batch."""
    averaged: Drawer
    """The weights to use, were the training to end here."""


def train_autoencoder(images_BCHW: Any, recipe: Recipe, report: Report) -> Any:
    """Train the autoencoder on distinct pictures, mirrored or not.

    Args:
        images_BCHW: float32 in -1 to 1, on the device to train on.
        recipe: How long, how wide, how fast.
        report: Told of every step.

    Returns:
        AutoencoderKL with its scaling factor set so that latents have unit variance.
    """
    vae = AutoencoderKL(
        block_out_channels=recipe.vae_channels,
        down_block_types=("DownEncoderBlock2D",) * len(recipe.vae_channels),
        up_block_types=("UpDecoderBlock2D",) * len(recipe.vae_channels),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=recipe.vae_latents,
        sample_size=images_BCHW.shape[-1],
        mid_block_add_attention=False,
    ).to(images_BCHW.device, memory_format=torch.channels_last)
    optimizer, schedule = _optimizer([(vae, recipe.vae_rate)], recipe.vae_steps)
    drawn = _batches(len(images_BCHW), recipe.vae_batch, recipe.seed)
    for step in range(recipe.vae_steps):
        batch_BCHW = images_BCHW[next(drawn)]
        if step % 2:
            batch_BCHW = batch_BCHW.flip(-1)
        batch_BCHW = batch_BCHW.contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(batch_BCHW).latent_dist
        again_BCHW = vae.decode(posterior.sample()).sample
        loss = _difference(again_BCHW, batch_BCHW)
        loss = loss + recipe.vae_kl * posterior.kl().mean() / posterior.mean[0].numel()
        _descend(loss, vae.parameters(), optimizer, schedule)
        report(step, loss.item())
    vae.eval()
    latents_BCHW = encode(vae, images_BCHW, scaled=False)
    vae.register_to_config(scaling_factor=1.0 / latents_BCHW.std().item())
    return vae


def encode(vae: Any, images_BCHW: Any, *, scaled: bool = True) -> Any:
    """The latents of pictures: the mean of the encoder, without noise.

    Args:
        vae: What `train_autoencoder` returned.
        images_BCHW: float32 in -1 to 1.
        scaled: Whether to multiply by the scaling factor, as the drawing network sees them.

    Returns:
        float32[B, 4, H / 4, W / 4] for three levels of channels.
    """
    with torch.inference_mode():
        parts = [vae.encode(part).latent_dist.mean for part in images_BCHW.split(64)]
    latents_BCHW = torch.cat(parts).clone()
    return latents_BCHW * vae.config.scaling_factor if scaled else latents_BCHW


def scheduler() -> DDIMScheduler:
    """The noise schedule, the same for training and sampling."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=True,
    )


def new_drawer(tokenizer: CLIPTokenizer, latent_side: int, recipe: Recipe) -> Drawer:
    """The text encoder and the drawing network with random weights."""
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.text_width,
            intermediate_size=4 * recipe.text_width,
            projection_dim=recipe.text_width,
            num_hidden_layers=recipe.text_layers,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    inner = len(recipe.unet_channels) - 1
    unet = UNet2DConditionModel(
        sample_size=latent_side,
        in_channels=recipe.vae_latents,
        out_channels=recipe.vae_latents,
        block_out_channels=recipe.unet_channels,
        down_block_types=("DownBlock2D",) * inner + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * inner,
        layers_per_block=1,
        cross_attention_dim=recipe.text_width,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    return Drawer(text_encoder, unet)


def train_drawer(
    latents_BCHW: Any, tokens_BT: Any, drawer: Drawer, recipe: Recipe
) -> Iterator[Progress]:
    """Train text encoder and network together to predict v (Salimans and Ho 2022, section 4).

    Args:
        latents_BCHW: Scaled latents, one row per OCCURRENCE of a work, so that repeats count.
        tokens_BT: The captions of the rows; the last row is the empty caption.
        drawer: What `new_drawer` returned, on the device to train on; trained in place.
        recipe: How long and how fast.

    Yields:
        After each step: its number, its loss, and the drawer whose weights are averaged over the
        last steps (always the same one; copy it to keep it).
    """
    device = latents_BCHW.device
    nets = torch.nn.ModuleList(drawer)
    drawer.unet.to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        nets, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.unet_average)
    ).eval()
    noise = scheduler()
    optimizer, schedule = _optimizer(
        [(drawer.unet, recipe.unet_rate), (drawer.text_encoder, recipe.text_rate)],
        recipe.unet_steps,
    )
    dice = torch.Generator().manual_seed(recipe.seed)
    drawn = _batches(len(latents_BCHW), recipe.unet_batch, recipe.seed)
    for step in range(recipe.unet_steps):
        rows_B = next(drawn)
        x_BCHW = latents_BCHW[rows_B]
        eps_BCHW = torch.randn(x_BCHW.shape, generator=dice).to(device)
        times_B = torch.randint(1000, (len(rows_B),), generator=dice).to(device)
        dropped_B = torch.rand(len(rows_B), generator=dice) < recipe.unet_caption_dropout
        rows_B = torch.where(dropped_B, len(tokens_BT) - 1, rows_B)
        words_BTC = drawer.text_encoder(tokens_BT[rows_B]).last_hidden_state
        noisy_BCHW = noise.add_noise(x_BCHW, eps_BCHW, times_B)
        aim_BCHW = noise.get_velocity(x_BCHW, eps_BCHW, times_B)
        noisy_BCHW = noisy_BCHW.contiguous(memory_format=torch.channels_last)
        loss = functional.mse_loss(drawer.unet(noisy_BCHW, times_B, words_BTC).sample, aim_BCHW)
        _descend(loss, nets.parameters(), optimizer, schedule)
        average.update_parameters(nets)
        yield Progress(step, loss.item(), Drawer(*average.module))


def save(folder: Path, vae: Any, tokenizer: CLIPTokenizer, drawer: Drawer) -> None:
    """Write a folder that `DiffusionPipeline.from_pretrained` opens; weights become float16.

    Args:
        folder: Made if missing.
        vae: The autoencoder; left on the CPU in float32.
        tokenizer: The one that the drawer was trained with.
        drawer: Text encoder and network; left on the CPU in float32.
    """
    nets = (vae, drawer.text_encoder, drawer.unet)
    for net in nets:
        net.cpu().half()
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=drawer.text_encoder,
        tokenizer=tokenizer,
        unet=drawer.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    for net in nets:
        net.float()


def load(folder: Path) -> StableDiffusionPipeline:
    """Open the folder as its users do, in float32, without progress bars."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(memory_format=torch.channels_last)
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def sample(
    pipeline: StableDiffusionPipeline, captions: Sequence[str], seeds: Sequence[int], recipe: Recipe
) -> Any:
    """Draw one picture per caption and seed.

    Args:
        pipeline: What `load` returned.
        captions: One per picture.
        seeds: One per picture; the noise is drawn on the CPU.
        recipe: Steps and guidance.

    Returns:
        float32[B, 3, H, W] in 0 to 1, on the CPU.
    """
    with torch.inference_mode():
        kinds = sorted(set(captions))
        known, blank = pipeline.encode_prompt(kinds, pipeline.device, 1, True, [""] * len(kinds))
        places = [kinds.index(caption) for caption in captions]
        made = pipeline(
            prompt_embeds=known[places],
            negative_prompt_embeds=blank[places],
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            num_inference_steps=recipe.sample_steps,
            guidance_scale=recipe.sample_guidance,
            output_type="pt",
        )
    return made.images.cpu().float()


def _difference(again_BCHW: Any, images_BCHW: Any) -> Any:
    """Mean absolute difference of pixels, of steps between neighbours (edges), of 4x4 means.

    Pixels alone leave edges soft; pixels and edges alone leave colours pale.
    """
    gap_BCHW = again_BCHW - images_BCHW
    across = gap_BCHW.diff(dim=-1).abs().mean()
    down = gap_BCHW.diff(dim=-2).abs().mean()
    colour = functional.avg_pool2d(gap_BCHW, 4).abs().mean()
    return gap_BCHW.abs().mean() + 0.5 * (across + down) + colour


def _batches(rows: int, batch: int, seed: int) -> Iterator[Any]:
    """Row numbers, every row once before any row twice."""
    dice = torch.Generator().manual_seed(seed)
    left_B = torch.empty(0, dtype=torch.long)
    while True:
        while len(left_B) < batch:
            left_B = torch.cat([left_B, torch.randperm(rows, generator=dice)])
        yield left_B[:batch]
        left_B = left_B[batch:]


def _optimizer(parts: Sequence[tuple[Any, float]], steps: int) -> tuple[Any, Any]:
    """AdamW with a one-cycle schedule, each part with its own highest rate."""
    groups = [{"params": list(part.parameters()), "lr": rate} for part, rate in parts]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [rate for _, rate in parts], total_steps=steps, pct_start=min(0.1, 100 / steps)
    )
    return optimizer, schedule


def _descend(loss: Any, parameters: Any, optimizer: Any, schedule: Any) -> None:
    """One step downhill."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()
