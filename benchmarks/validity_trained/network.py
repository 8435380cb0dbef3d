"""A small diffusion model with captions: trained from nothing in a minute or two of one core.

The parts are the demo's, only smaller: a UNet of diffusers that predicts v (Salimans and Ho 2022),
DDIM with the demo's noise schedule, and a caption of words. In place of an autoencoder, squares of
4x4 pixels are folded into channels, which loses nothing. A GPU is used where one answers.

Legend: R rows of the training set, U units, B pictures of a batch, C channels, H height, W width,
T words of a caption, D numbers.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks.validity_trained.plan import Plan
from benchmarks.validity_trained.pool import Pool

FOLD = 4
"""Pixels of a side that are folded into channels: the demo's autoencoder folds as many."""


class Drawer(torch.nn.Module):
    """Draws from the words of a caption."""

    def __init__(self, vocabulary: int, plan: Plan) -> None:
        super().__init__()
        levels, inside = len(plan.channels), 3 * FOLD * FOLD
        width = 4 * plan.channels[0]
        self.words = torch.nn.Embedding(vocabulary, plan.words)
        self.caption = torch.nn.Sequential(
            torch.nn.Linear(3 * plan.words, width), torch.nn.SiLU(), torch.nn.Linear(width, width)
        )
        self.unet = UNet2DModel(
            sample_size=plan.side // FOLD,
            in_channels=inside,
            out_channels=inside,
            block_out_channels=plan.channels,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            layers_per_block=1,
            norm_num_groups=8,
            class_embed_type="identity",
            add_attention=False,
        )

    def forward(self, noisy_BCHW: Any, times_B: Any, words_BT: Any) -> Any:
        """Predict v for noisy pictures at times, told the captions."""
        told_BD = self.caption(self.words(words_BT).flatten(1))
        return self.unet(noisy_BCHW, times_B, class_labels=told_BD).sample


class Trained(NamedTuple):
    """A model and how its training went."""

    drawer: Drawer
    """In evaluation mode, on the device that trained it."""

    parameters: int
    """Its weights, counted."""

    losses: tuple[float, float]
    """Mean squared error of v over the first and the last twentieth of the steps."""


def train(pool: Pool, rows_R: NDArray[np.int64], plan: Plan, seed: int) -> Trained:
    """Train one model from nothing.

    Args:
        pool: Pictures and captions; words of held-out captions are known too.
        rows_R: A work per OCCURRENCE in the training set, so that repeats count.
        plan: Sizes and steps.
        seed: Of weights, batches and noise.

    Returns:
        The trained model.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    drawer = Drawer(pool.vocabulary, plan).to(device, memory_format=torch.channels_last)
    images = folded(pool.pixels_WHWC[rows_R]).to(device)
    words = torch.from_numpy(pool.words_WT[rows_R]).to(device)
    noise = scheduler()
    optimizer = torch.optim.AdamW(drawer.parameters(), plan.rate, betas=(0.9, 0.99), fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=plan.steps, pct_start=0.1
    )
    losses = []
    for _ in range(plan.steps):
        rows_B = torch.randint(len(images), (plan.batch,), device=device)
        clean_BCHW, times_B = images[rows_B], torch.randint(1000, (plan.batch,), device=device)
        eps_BCHW = torch.randn_like(clean_BCHW)
        noisy_BCHW = noise.add_noise(clean_BCHW, eps_BCHW, times_B)
        wanted_BCHW = noise.get_velocity(clean_BCHW, eps_BCHW, times_B)
        loss = functional.mse_loss(drawer(noisy_BCHW, times_B, words[rows_B]), wanted_BCHW)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(drawer.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        losses.append(float(loss.detach()))
    edge = max(1, plan.steps // 20)
    return Trained(
        drawer=drawer.eval(),
        parameters=sum(weight.numel() for weight in drawer.parameters()),
        losses=(float(np.mean(losses[:edge])), float(np.mean(losses[-edge:]))),
    )


def sample(drawer: Drawer, words_UT: NDArray[np.int64], plan: Plan, seed: int) -> NDArray[np.uint8]:
    """Ask for pictures.

    Args:
        drawer: A trained model.
        words_UT: One caption per unit.
        plan: Pictures per unit, and steps.
        seed: Of the noise, drawn on the CPU.

    Returns:
        uint8[units, pictures of each, side, side, 3].
    """
    device = next(drawer.parameters()).device
    dice = torch.Generator().manual_seed(seed)
    side, inside = plan.side // FOLD, 3 * FOLD * FOLD
    words = torch.from_numpy(words_UT).repeat_interleave(plan.generations, dim=0)
    steps = scheduler()
    steps.set_timesteps(plan.denoising)
    made = []
    for words_BT in words.split(4 * plan.batch):
        x_BCHW = torch.randn((len(words_BT), inside, side, side), generator=dice).to(device)
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            for time in steps.timesteps:
                v_BCHW = drawer(x_BCHW, time.to(device), words_BT.to(device))
                x_BCHW = steps.step(v_BCHW, time, x_BCHW).prev_sample
        made.append(unfolded(x_BCHW))
    return np.concatenate(made).reshape(len(words_UT), -1, plan.side, plan.side, 3)


def scheduler() -> DDIMScheduler:
    """Return the demo's noise schedule, the same for training and sampling."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def folded(pixels_BHWC: NDArray[np.uint8]) -> Any:
    """Pictures as the network sees them: float32[B, 48, H / 4, W / 4] in -1 to 1."""
    pixels_BCHW = torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).permute(0, 3, 1, 2)
    images = functional.pixel_unshuffle(pixels_BCHW.float() / 127.5 - 1, FOLD)
    return images.contiguous(memory_format=torch.channels_last)


def unfolded(images_BCHW: Any) -> NDArray[np.uint8]:
    """Undo `folded`, rounded and cut to what a picture can hold."""
    pixels_BCHW = functional.pixel_shuffle(images_BCHW.cpu(), FOLD)
    scaled = ((pixels_BCHW + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())
