"""How fast the clique step is against a plain double loop: `python -m benchmarks.cliques`.

500 generations of 512x512 in three scenes: nothing alike, a clique of 30, all 500 alike. The plain
loop compares every pair tile by tile in float32, from images converted beforehand; it is timed on
60 of the images and scaled by the number of pairs. (A plain loop in float64, which gives the edges
that ours must equal, takes about twice as long; it is not what we compare our time with.) Each
round times the loop, then the step: `alike` and `largest_clique`, from pixels to clique. Beside the
ratio of times stands that of processor seconds, which a busy machine disturbs less; the step's
threads all count.
Takes about three minutes and 1.5 GB.

Dimension key: N images, H height, W width, C = 3 channels.
"""

import json
import os
import sys
import tracemalloc
from itertools import combinations
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.images.cliques import CliquesConfig
from stages.measures.alike import Graph, alike
from stages.measures.cliques import Clique, largest_clique
from stages.pixels import resize

COUNT, SIDE, SAMPLE, ROUNDS = 500, 512, 60, 5
MAX_DISTANCE = CliquesConfig().max_distance


class Scene(NamedTuple):
    """How many images are alike, and how much faster than the loop we want to be."""

    name: str
    alike: int
    target: float


SCENES = (
    Scene("nothing alike", 0, 100),
    Scene("a clique of 30", 30, 60),
    Scene("all 500 alike", 500, 15),
)


def draw(num_alike: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return u8[N, H, W, C]: large shapes with grain; the copies are every second image first."""
    rng = np.random.default_rng(seed)
    copies = {*range(0, 2 * num_alike, 2)} if num_alike < COUNT else {*range(COUNT)}
    shapes = rng.integers(20, 236, (COUNT, 8, 8, 3), np.uint8)
    images = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    for k in range(COUNT):
        shape = resize(shapes[0 if k in copies else k], SIDE)
        grain = rng.integers(0, 40, shape.shape, np.uint8)
        images[k] = np.clip(shape.astype(np.int16) + grain - 20, 0, 255)
    return images


def plain_loop(images_NHWC: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the edges by a double loop over images with pixels in [0, 1]."""
    tile = SIDE // 4
    linked = np.zeros((len(images_NHWC), len(images_NHWC)), np.bool_)
    for a, b in combinations(range(len(images_NHWC)), 2):
        largest = max(
            np.sqrt(
                np.mean(
                    (
                        images_NHWC[a, top : top + tile, left : left + tile]
                        - images_NHWC[b, top : top + tile, left : left + tile]
                    )
                    ** 2
                )
            )
            for top in range(0, SIDE, tile)
            for left in range(0, SIDE, tile)
        )
        linked[a, b] = linked[b, a] = largest <= MAX_DISTANCE
    return linked


def step(images_NHWC: NDArray[np.uint8]) -> tuple[Graph, Clique]:
    """Return what the stage works out for one prompt."""
    graph = alike(images_NHWC, MAX_DISTANCE)
    return graph, largest_clique(graph, CliquesConfig().max_steps)


def measure() -> list[dict[str, Any]]:
    """Return one row per scene: ratios of the rounds, their median, edges and memory."""
    return [_measure(scene) for scene in SCENES]


def _measure(scene: Scene) -> dict[str, Any]:
    images = draw(scene.alike)
    few = images[:SAMPLE].astype(np.float32) / 255
    scale = COUNT * (COUNT - 1) / (SAMPLE * (SAMPLE - 1))
    step(images[:2])  # imports what it needs
    loops, steps = [], []
    for _ in range(ROUNDS):
        start = _now()
        plain_loop(few)
        between = _now()
        graph, clique = step(images)
        loops.append((between - start) * scale)
        steps.append(_now() - between)
    ratios, cpu_ratios = np.divide(loops, steps).T
    (loop_s, _), (step_s, step_cpu_s) = np.median(loops, axis=0), np.median(steps, axis=0)
    same = plain_loop(images[:SAMPLE].astype(np.float64) / 255)
    return {
        "benchmark": "cliques",
        "scene": scene.name,
        "loop_s": round(loop_s, 2),
        "step_s": round(step_s, 3),
        "step_cpu_s": round(step_cpu_s, 3),
        "ratio": round(median(ratios), 1),
        "cpu_ratio": round(median(cpu_ratios), 1),
        "target": scene.target,
        "ratios": [round(ratio, 1) for ratio in ratios],
        "edges_identical": bool(np.array_equal(graph.linked_NN[:SAMPLE, :SAMPLE], same)),
        "clique_size": len(clique.members),
        "peak_mb": round(_peak_bytes(images) / 1e6),
        "pixels_mb": round(images.nbytes / 1e6),
    }


def _now() -> NDArray[np.float64]:
    """Return the time and the processor time of all threads, in seconds."""
    return np.array([perf_counter(), process_time()])


def _peak_bytes(images: NDArray[np.uint8]) -> int:
    """Return the memory that the step takes beside the pixels; a run of its own: it is slower."""
    tracemalloc.start()
    step(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def main() -> int:
    """Print the table and the same as JSON; return 1 if edges differ or a target is missed."""
    rows = measure()
    print(f"{COUNT} generations of {SIDE}x{SIDE}, {os.cpu_count()} cores, medians of {ROUNDS}")
    heads = ("loop s", "step s", "ratio", "by cpu", "target", "same", "peak MB")
    print(f"{'scene':16}" + "".join(f"{head:>9}" for head in heads))
    for row in rows:
        names = ("loop_s", "step_s", "ratio", "cpu_ratio", "target", "edges_identical", "peak_mb")
        print(f"{row['scene']:16}" + "".join(f"{row[name]!s:>9}" for name in names))
    print(json.dumps(rows))
    return int(not all(row["edges_identical"] and row["ratio"] >= row["target"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
