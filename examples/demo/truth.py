"""Which works the trained model really memorized, decided by a rule that the pipeline lacks.

    python examples/demo/truth.py CORPUS MODEL OUT      # OUT/truth.json

Captions are drawn with seeds that no run of the pipeline uses. A picture is a HIT of a work when
the correlation of their gradients (differences of neighbouring pixels, per colour) is at least
`THRESHOLD`, and is higher than with every other training or control work; only the work's own
near-duplicate is not held against it. The pipeline compares CLIP vectors and pixel distances;
neither is used here.

Legend: B pictures, W works, C channels, H height, W width, D gradient numbers.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sd
import torch
from corpus import find, read_key
from recipe import Recipe
from scipy.stats import beta

SEEDS = 64
"""Per caption: 0 hits then bound the rate below 4.6 %."""
FIRST_SEED = 2**41
"""Far from every seed that the pipeline derives for the demo's runs."""
ONCE = 240
"""Works that occur once and are looked at, spread evenly over all of them."""
BATCH = 64
"""Pictures drawn together."""
THRESHOLD = 0.6
"""Least correlation of gradients: works that come back reach 0.6 to 0.99; pictures that share no
more than a frame with a work reach 0.57 (looked at in pairs)."""


def gradients(images_BCHW: Any) -> Any:
    """Unit vectors of the slightly softened pictures' differences, across and down.

    Args:
        images_BCHW: float32 in 0 to 1.

    Returns:
        float32[B, D]: the product of two of them is a correlation, 1 for equal pictures.
    """
    soft_BCHW = torch.nn.functional.avg_pool2d(images_BCHW, 2, stride=1)
    across_BD = soft_BCHW.diff(dim=-1).flatten(1)
    down_BD = soft_BCHW.diff(dim=-2).flatten(1)
    return torch.nn.functional.normalize(torch.cat([across_BD, down_BD], dim=1), dim=1)


def interval(hits: int, seeds: int) -> tuple[float, float]:
    """One-sided exact 95 % bounds of a rate, below and above (Clopper and Pearson 1934).

    >>> [round(bound, 3) for bound in interval(0, 64)]
    [0.0, 0.046]
    """
    low = float(beta.ppf(0.05, hits, seeds - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.95, hits + 1, seeds - hits)) if hits < seeds else 1.0
    return low, high


def chosen(works: Sequence[dict[str, Any]], once: int = ONCE) -> list[dict[str, Any]]:
    """The training works whose captions are drawn: the repeated ones, near-duplicates, some others.

    Args:
        works: From the key.
        once: Single works that occur once, at most, evenly spread.

    Returns:
        Works in the order of the key; of two with one caption, the first.
    """
    firsts = [work for work in works if work["half"] == "train" and not work["near_duplicate_of"]]
    rest = [work for work in firsts if work["kind"] == "single" and work["times"] == 1]
    kept = {rest[i * len(rest) // once]["work"] for i in range(once)} if rest else set()
    return [
        work
        for work in firsts
        if work["times"] > 1 or work["kind"] == "near_duplicate" or work["work"] in kept
    ]


def judge(
    likeness_BW: Any, place: int, twins: dict[int, set[int]], unit: set[int]
) -> dict[str, int]:
    """Count what came back among the pictures of one caption.

    Args:
        likeness_BW: Correlations of the pictures with all works.
        place: Row of the work whose caption it is.
        twins: Per work, itself and its near-duplicates.
        unit: Rows of the works that hang together with it (family or near-duplicates).

    Returns:
        `hits` of the work itself; `unit_hits` of any work of its unit; `stray_hits` of others.
    """
    strength_B, nearest_B = likeness_BW.max(dim=1)
    passed = nearest_B[strength_B >= THRESHOLD].tolist()
    return {
        "hits": sum(row in twins[place] for row in passed),
        "unit_hits": sum(row in unit for row in passed),
        "stray_hits": sum(row not in unit for row in passed),
    }


def truth(corpus: Path, model: Path, recipe: Recipe, once: int = ONCE) -> dict[str, Any]:
    """Draw and judge.

    Args:
        corpus: What draw.py wrote.
        model: What train.py wrote.
        recipe: Steps and guidance of the sampling.
        once: How many works that occur once.

    Returns:
        The rule, the settings, and one row per caption.
    """
    works = read_key(corpus)
    works_WD = gradients(find(corpus, works).float() / 255)
    units, twins = _groups(works)
    pipeline = sd.load(model)
    rows = []
    for work in chosen(works, once):
        made = []
        for start in range(0, SEEDS, BATCH):
            seeds = [FIRST_SEED + seed for seed in range(start, min(SEEDS, start + BATCH))]
            made.append(sd.sample(pipeline, [work["caption"]] * len(seeds), seeds, recipe))
        place = works.index(work)
        counts = judge(gradients(torch.cat(made)) @ works_WD.T, place, twins, units[work["unit"]])
        low, high = interval(counts["hits"], SEEDS)
        rows.append(
            {
                "work": work["work"],
                "caption": work["caption"],
                "times": work["times"],
                "kind": work["kind"],
                "seeds": SEEDS,
                **counts,
                "rate": round(counts["hits"] / SEEDS, 4),
                "low": round(low, 4),
                "high": round(high, 4),
            }
        )
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    settings = {name: value for name, value in asdict(recipe).items() if name.startswith("sample_")}
    return {
        "rule": f"gradient correlation >= {THRESHOLD} and nearest of {len(works)} works",
        "first_seed": FIRST_SEED,
        "batch": BATCH,
        **settings,
        "summary": summary(rows),
        "captions": rows,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many captions came back, by how often the work occurs."""
    counts: Counter[str] = Counter()
    for row in rows:
        name = f"{row['kind']} x{row['times']}"
        counts[f"{name}: captions"] += 1
        counts[f"{name}: work in at least 30 % of seeds"] += row["rate"] >= 0.3
        counts[f"{name}: work in no seed"] += row["hits"] == 0
    return dict(sorted(counts.items()))


def _groups(
    works: Sequence[dict[str, Any]],
) -> tuple[dict[str, set[int]], dict[int, set[int]]]:
    """Rows per unit, and per work the rows that count as the work itself."""
    units: dict[str, set[int]] = {}
    for place, work in enumerate(works):
        units.setdefault(work["unit"], set()).add(place)
    twins = {
        place: units[work["unit"]] if work["kind"] == "near_duplicate" else {place}
        for place, work in enumerate(works)
    }
    return units, twins


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the truth table from the command line."""
    parser = argparse.ArgumentParser(description="Count what the demo's model gives back.")
    parser.add_argument("corpus", type=Path, help="what draw.py wrote")
    parser.add_argument("model", type=Path, help="the Stable Diffusion that train.py wrote")
    parser.add_argument("out", type=Path, help="folder for truth.json")
    parser.add_argument(
        "--once", type=int, default=ONCE, help="works that occur once (%(default)s)"
    )
    options = parser.parse_args(arguments)
    table = truth(options.corpus, options.model, Recipe(), options.once)
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    (options.out / "truth.json").write_text(text, encoding="utf-8")
    print(json.dumps(table["summary"], indent=1))


if __name__ == "__main__":
    main()
