"""CIFAR-10: plants duplicates, trains a DDPM, runs the case, and marks it.

    python -m benchmarks.cifar10 PARQUET OUT [--seed 1] [--steps 4000] [--samples 1024]

The Parquet file has one encoded photograph per row in the column `jpeg` (or `--image-column`). A
coin sends equally many photographs to the training set and to the controls; some of the training
ones are repeated. The model is a pixel-space DDPM of diffusers (Ho et al. 2020), trained from
nothing on the training set, on a GPU where there is one. The case asks it for images without a
prompt. Printed: planted works found, others flagged, control works that the same rule passes.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel

from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.pixels import decode
from stages.tables import FINDINGS, MATCHES, THRESHOLDS, WORKS

CLIP = Path(__file__).parents[2] / "examples" / "demo" / "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every number of the experiment."""

    seed: int = 1
    """Of the coin, the weights, the batches and the noise."""

    per_half: int = 5000
    """Photographs in the training set, and as many controls."""

    planted: int = 16
    """Training photographs that are repeated."""

    copies: int = 256
    """Times that each of them stands in the training set."""

    steps: int = 4000
    """Training steps."""

    batch: int = 32
    """Rows per step."""

    rate: float = 1e-3
    """Highest learning rate of the one-cycle schedule."""

    channels: tuple[int, ...] = (32, 64, 96)
    """Width of the network per level."""

    samples: int = 1024
    """Images asked of the model; a quarter of them sets the threshold."""

    denoising: int = 25
    """DDIM steps of each."""


def split(parquet: Path, column: str, plan: Plan, out: Path) -> list[str]:
    """Write train.parquet and control.parquet; return the sha256 of the planted photographs."""
    table = pq.read_table(parquet, columns=[column])
    if table.num_rows < 2 * plan.per_half:
        raise SystemExit(f"{parquet}: {table.num_rows} rows; {2 * plan.per_half} are needed")
    dice = np.random.default_rng(plan.seed)
    rows = dice.permutation(table.num_rows)[: 2 * plan.per_half]
    train, control = rows[: plan.per_half], rows[plan.per_half :]
    planted = train[: plan.planted]
    repeated = dice.permutation(np.concatenate([train, *[planted] * (plan.copies - 1)]))
    for name, chosen in (("train", repeated), ("control", control)):
        images = table[column].take(pa.array(chosen))
        pq.write_table(pa.table({"image": images}), out / f"{name}.parquet", row_group_size=512)
    return [sha256(data.as_py()).hexdigest() for data in table[column].take(pa.array(planted))]


def train(images: Path, plan: Plan, out: Path) -> dict[str, Any]:
    """Train the DDPM and save it in diffusers' folder format; return losses and seconds."""
    torch.manual_seed(plan.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bytes_B = pq.read_table(images)["image"].to_pylist()
    pixels = torch.from_numpy(np.stack([decode(data).rgb_HWC for data in bytes_B]))
    pixels = (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).to(device)
    model = UNet2DModel(
        sample_size=pixels.shape[-1],
        block_out_channels=plan.channels,
        layers_per_block=2,
        down_block_types=("DownBlock2D",) * (len(plan.channels) - 1) + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * (len(plan.channels) - 1),
        norm_num_groups=16,
    ).to(device, memory_format=torch.channels_last)
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=True
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.rate, total_steps=plan.steps)
    losses, began = [], time.perf_counter()
    for step in range(plan.steps):
        clean = pixels[torch.randint(len(pixels), (plan.batch,), device=device)]
        noise = torch.randn_like(clean)
        when = torch.randint(1000, (plan.batch,), device=device)
        noisy = scheduler.add_noise(clean, noise, when)
        wanted = scheduler.get_velocity(clean, noise, when)
        loss = torch.nn.functional.mse_loss(model(noisy, when).sample, wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        losses.append(float(loss.detach()))
        if step % 100 == 0:
            print(f"step {step} loss {np.mean(losses[-100:]):.4f}", flush=True)
    seconds = time.perf_counter() - began
    sampler = DDIMScheduler.from_config(scheduler.config)
    DDPMPipeline(unet=model.eval().cpu(), scheduler=sampler).save_pretrained(out)
    size = sum(weight.numel() for weight in model.parameters())
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.machine(),
        "parameters": size,
        "first_loss": round(float(np.mean(losses[:50])), 4),
        "last_loss": round(float(np.mean(losses[-50:])), 4),
        "seconds": round(seconds),
    }


def write_case(out: Path, plan: Plan) -> Path:
    """Write the case beside its data."""
    case = {
        "name": "cifar10",
        "setting": "randomised",
        "train": {"sources": [{"path": "train.parquet"}]},
        "control": {"sources": [{"path": "control.parquet"}]},
        "models": {"ddpm": {"model": {"path": "model"}, "steps": plan.denoising, "batch": 32}},
        "embed": {"model": {"path": str(CLIP)}},
        "index_pixels": {"side": 32},
        "prompts": {
            "run_seed": plan.seed,
            "nothing": True,
            "seeds": plan.samples,
            "discovery": plan.samples // 4,
            "block": 64,
            "duplicated": 0,
            "random_control": 0,
        },
        # nothing is asked by name: every work is a unit, and 16 of some 5,000 need this level
        "units": {"of": "works"},
        "assess": {"q": 0.1},
    }
    path = out / "cifar10.yaml"
    path.write_text(yaml.safe_dump(case, sort_keys=False))
    return path


def mark(case: Path, planted: Sequence[str]) -> dict[str, Any]:
    """Return works found of those planted, and what the same rule does to the controls."""
    _, store = open_store(case)
    works = open_dataset(store, WORKS, "input.works").read(["work_id", "sha256"]).to_pylist()
    planted_works = {row["work_id"] for row in works if row["sha256"] in set(planted)}
    findings = open_dataset(store, FINDINGS, "made.findings").read(["work_id", "verdict"])
    found = {row["work_id"] for row in findings.to_pylist() if row["verdict"] == "verbatim"}
    names = ["work_id", "half", "phase", "adaptive_ratio", "best"]
    matches = open_dataset(store, MATCHES, "made.matches").read(names).to_pylist()
    bounds = open_dataset(store, THRESHOLDS, "made.thresholds").read(["threshold"]).to_pylist()
    below = [
        row
        for row in matches
        if row["best"]
        and row["phase"] == "confirmation"
        and row["adaptive_ratio"] is not None
        and row["adaptive_ratio"] < bounds[0]["threshold"]
    ]
    controls = {row["work_id"] for row in below if row["half"] == "control"}
    return {
        "planted": len(planted_works),
        "found": len(found & planted_works),
        "other_works_flagged": len(found - planted_works),
        "control_works_below_threshold": len(controls),
        "generations_below_threshold": len(below),
        "threshold": round(bounds[0]["threshold"], 4),
    }


def main() -> int:
    """Run the experiment and print its figures as one JSON object."""
    options = argparse.ArgumentParser(description="Find planted photographs of CIFAR-10.")
    options.add_argument("parquet", type=Path)
    options.add_argument("out", type=Path)
    options.add_argument("--image-column", default="jpeg")
    for name in ("seed", "steps", "samples", "planted", "copies", "per_half", "denoising"):
        default = getattr(Plan(), name)
        options.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    asked = vars(options.parse_args())
    parquet, out, column = asked.pop("parquet"), asked.pop("out"), asked.pop("image_column")
    plan = Plan(**asked)
    out.mkdir(parents=True, exist_ok=True)
    planted = split(parquet, column, plan, out)
    if not (out / "model" / "model_index.json").exists():
        figures = train(out / "train.parquet", plan, out / "model")
        (out / "training.json").write_text(json.dumps(figures))
    case = write_case(out, plan)
    command = [sys.executable, "-m", "pipeline.cli", "run", str(case), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    training = json.loads((out / "training.json").read_text())
    ran = {"run_seconds": json.loads(done.stdout)["seconds"], "cores": len(os.sched_getaffinity(0))}
    print(json.dumps({**asdict(plan), "training": training, **ran, **mark(case, planted)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
