"""Sampling: the sample stage against a plain loop, and against other batch sizes.

`python -m benchmarks.sampling`. Everything is timed side by side in one process, round after round,
so that a machine that is busy with something else slows all candidates alike; the figures are
ratios of medians. Beside the ratio of times stands that of processor seconds, which a busy machine
disturbs less; the threads of all candidates count. Takes about two minutes on two free cores.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages.contract import Kit
from stages.images.sample import SampleConfig, SampleTools, open_sample, sample
from stages.models.files import ModelRef
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import PROMPTS

DEMO = Path(__file__).parents[1] / "examples" / "demo" / "model"
CAPTION = "a red sunset over the sea"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is timed."""

    model: Path = DEMO
    """Folder of a pipeline with captions."""

    steps: int = 8
    """Denoising steps, as in the demo."""

    guidance: float = 2.5
    """Guidance scale, as in the demo."""

    seeds: int = 16
    """Images of the one caption, as in the demo: a part as the planner cuts it."""

    batches: tuple[int, ...] = (4, 8, 16, 32)
    """Batch sizes of the sweep."""

    rounds: int = 5
    """Times that each candidate runs; one more comes first and does not count."""

    threads: int = 2
    """Threads of torch, the same for all."""


def measure(plan: Plan) -> dict[str, Any]:
    """Return seconds per image of each candidate, and the two ratios that are promised.

    Returns:
        For the clock (`wall`) and the processor (`cpu`): `seconds_per_image` of each candidate;
        `speedup`, plain loop over the stage with its default batch, of which 1.4 is wanted;
        `share_of_best`, best batch of the sweep over the default one, of which 0.9 is wanted.
    """
    default = SampleConfig(model=ModelRef(path=str(plan.model))).batch
    config = SampleConfig(
        model=ModelRef(path=str(plan.model)), steps=plan.steps, guidance=plan.guidance
    )
    kit = Kit(threads=plan.threads)
    prompts = _prompts(plan.seeds)
    candidates: dict[str, Callable[[], int]] = {"loop": _loop(plan, prompts)}
    for batch in sorted({*plan.batches, default}):
        tools = open_sample(replace(config, batch=batch), kit)
        candidates[str(batch)] = _stage(prompts, tools)
    taken = _time(candidates, plan.rounds)
    return {"default_batch": default, "model": plan.model.name} | {
        clock: _ratios(seconds, str(default)) for clock, seconds in taken.items()
    }


def _ratios(seconds: Mapping[str, float], default: str) -> dict[str, Any]:
    best = min((name for name in seconds if name != "loop"), key=lambda name: seconds[name])
    return {
        "seconds_per_image": seconds,
        "best_batch": int(best),
        "speedup": seconds["loop"] / seconds[default],
        "share_of_best": seconds[best] / seconds[default],
    }


def _prompts(seeds: int) -> pa.Table:
    rows = [
        {
            "prompt_id": prompt_id_of(text=CAPTION),
            "sample": number,
            "phase": "confirmation",
            "block": 0,
            "seed": seed_of(1, prompt_id_of(text=CAPTION), number),
            "text": CAPTION,
            "origin": "file",
        }
        for number in range(seeds)
    ]
    return PROMPTS.of_rows(rows)


def _loop(plan: Plan, prompts: pa.Table) -> Callable[[], int]:
    """Return what a person would write first: one call per seed, every image saved as PNG."""
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(plan.model, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    # a quarter of the seeds is enough to know the time of one
    rows = prompts.to_pylist()[:: max(1, plan.seeds // 4)]

    def run() -> int:
        for row in rows:
            image = pipe(
                row["text"],
                num_inference_steps=plan.steps,
                guidance_scale=plan.guidance,
                generator=torch.Generator().manual_seed(row["seed"]),
            ).images[0]
            image.save(BytesIO(), "PNG", compress_level=1)
        return len(rows)

    return run


def _stage(prompts: pa.Table, tools: SampleTools) -> Callable[[], int]:
    return lambda: sample({"prompts": prompts}, tools).rows.num_rows


def _time(candidates: Mapping[str, Callable[[], int]], rounds: int) -> dict[str, dict[str, float]]:
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    taken: dict[str, dict[str, list[float]]] = {
        clock: {name: [] for name in candidates} for clock in clocks
    }
    for _ in range(rounds + 1):
        for name, run in candidates.items():
            starts = {clock: now() for clock, now in clocks.items()}
            num_images = run()
            for clock, now in clocks.items():
                taken[clock][name].append((now() - starts[clock]) / num_images)
    return {
        clock: {name: statistics.median(times[1:]) for name, times in each.items()}
        for clock, each in taken.items()
    }


def main() -> None:
    """Print the table and, as the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO, help="folder of a diffusers pipeline")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    chosen = parser.parse_args()
    plan = Plan(model=chosen.model, threads=chosen.threads, rounds=chosen.rounds)
    found = measure(plan)
    wall, cpu = found["wall"], found["cpu"]
    print("batch  ms per image  processor ms per image")
    for name, seconds in wall["seconds_per_image"].items():
        cpu_seconds = cpu["seconds_per_image"][name]
        print(f"{name:>5}  {1000 * seconds:12.1f}  {1000 * cpu_seconds:22.1f}")
    for clock, each in (("clock", wall), ("processor", cpu)):
        print(
            f"by the {clock}: {each['speedup']:.2f} times a plain loop (1.4 is wanted),"
            f" {each['share_of_best']:.2f} of the best batch, {each['best_batch']} (0.9 is wanted)"
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
