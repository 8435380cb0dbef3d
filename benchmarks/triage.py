"""Triage: does a look inside the model tell which captions it memorized?

`python -m benchmarks.triage`, or `python -m benchmarks.triage --corpus demo/corpus` after
`make demo`, for the denoising loss too. The demo's truth table says which captions give their work
back. Beside every score stands the blind baseline: naive Bayes on the characters of the captions,
which never sees the model (five folds, captions that share 0.8 of their words in one fold). Takes
about three minutes of one core.

Positives are captions whose own work comes back in 30 % of the seeds or more, negatives those that
give no trained work back in any of 64; the few between are left out and counted. Both were
trained on, and most positives were repeated 16 or 64 times, so this is not a test of membership;
and nearly all of them come back in every seed, so it says little of works that rarely do.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.contract import Kit
from stages.images.triage import TriageConfig, TriageMethod, TriageTools, open_triage, triage
from stages.methods.table import METHODS
from stages.methods.triage_carlini import loss
from stages.methods.triage_prediction import Levels, noise_of
from stages.models.conditions import Ask
from stages.models.files import ModelRef
from stages.pixels import decode
from stages.prompt_ids import prompt_id_of
from stages.statistics.blindness import Auc, Sides, auc, blind_scores, paired_difference
from stages.tables import PROMPTS

DEMO = Path(__file__).parents[1] / "examples" / "demo"
STEPS = 8
GUIDANCE = 2.5
LEAST_RATE = 0.3
ALIKE = 0.8
SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured."""

    model: Path = DEMO / "model"
    """Folder of the demo's model."""

    truth: Path = DEMO / "truth.json"
    """Which captions give their work back."""

    corpus: Path | None = None
    """Folder with train.parquet, for the denoising loss; none to leave it out."""

    seeds: tuple[int, ...] = (1, 4)
    """Noises per caption where one evaluation is heard; one where all are."""

    times: tuple[int, ...] = (50, 100, 300)
    """Times of the denoising loss, of 1,000."""

    every: int = 1
    """Every how many captions are looked at; more is faster."""


class Captions(NamedTuple):
    """The captions that count."""

    text_N: Sequence[str]
    positive_N: NDArray[np.bool_]
    left_out: int


class Line(NamedTuple):
    """One line of the table."""

    name: str
    steps: int
    seeds: int
    evaluations: int
    auc: Auc
    above_blind: Auc
    distance: float


def read_captions(plan: Plan) -> Captions:
    """Return the captions with a clear truth."""
    rows = json.loads(plan.truth.read_text("utf-8"))["captions"][:: plan.every]
    is_positive = [row["rate"] >= LEAST_RATE for row in rows]
    is_clear = [
        positive or not (row["hits"] or row["unit_hits"] or row["stray_hits"])
        for row, positive in zip(rows, is_positive, strict=True)
    ]
    kept = [
        (row["caption"], positive)
        for row, positive, clear in zip(rows, is_positive, is_clear, strict=True)
        if clear
    ]
    positive_N = np.array([positive for _, positive in kept])
    return Captions([text for text, _ in kept], positive_N, len(rows) - len(kept))


def groups(text_N: Sequence[str]) -> NDArray[np.int64]:
    """Return the group of each caption; captions that share 0.8 of their words share one."""
    words = [set(text.casefold().split()) for text in text_N]
    group_N = np.arange(len(text_N))
    for later, own in enumerate(words):
        for earlier in range(later):
            if len(own & words[earlier]) >= ALIKE * len(own | words[earlier]):
                group_N[group_N == group_N[later]] = group_N[earlier]
    return group_N


def scores(plan: Plan, tools: TriageTools, captions: Captions) -> dict[tuple[str, int, int], Any]:
    """Return the score of every caption by method, steps and seeds, and its evaluations."""
    rows = [
        {
            "prompt_id": prompt_id_of(text=text),
            "sample": 0,
            "phase": "discovery",
            "block": 0,
            "seed": 0,
            "text": text,
            "origin": "file",
        }
        for text in captions.text_N
    ]
    names = triage_columns()
    found = triage({"prompts": PROMPTS.of_rows(rows).select(names)}, tools).rows.to_pylist()
    values: dict[tuple[str, int, int], Any] = {}
    for row in found:
        key = row["method"], row["steps"], row["seeds"]
        values.setdefault(key, ([], row["evaluations"]))[0].append(row["value"])
    return values | (losses(plan, tools, captions) if plan.corpus else {})


def triage_columns() -> list[str]:
    """Return the columns of the prompts that the stage reads."""
    return ["prompt_id", "sample", "text", "class_label"]


def losses(plan: Plan, tools: TriageTools, captions: Captions) -> dict[tuple[str, int, int], Any]:
    """Return the denoising loss of the work of every caption at each time."""
    table = pq.read_table((plan.corpus or Path()) / "train.parquet", columns=["image", "caption"])
    pictures = dict(zip(table["caption"].to_pylist(), table["image"].to_pylist(), strict=True))
    values: dict[tuple[str, int, int], Any] = {}
    for text in captions.text_N:
        latent = tools.signals.latents_of([decode(pictures[text]).rgb_HWC])
        for time in plan.times:
            heard, noise = tools.signals.probe([Ask(SEED, text)], latent, time)
            said = noise_of(heard.with_prompt_TBCHW, heard.noisy_TBCHW, Levels(*heard.shown))
            key = f"loss at {time}", 1, 1
            values.setdefault(key, ([], 1))[0].append(loss(noise[None], said))
    return values


def line(
    key: tuple[str, int, int], value_N: NDArray[np.float64], blind_N: Any, sides: Sides
) -> Line:
    """Return a line of the table; the score is turned so that larger is suspect."""
    method = METHODS[key[0].split(" at ")[0]]
    score_N = value_N if method.closer == "larger" else -value_N
    above = paired_difference(score_N, blind_N, sides, SEED)
    return Line(*key, 0, auc(score_N, sides, SEED), above, distance(score_N, sides))


def distance(score_N: NDArray[np.float64], sides: Sides) -> float:
    """Return d': how many standard deviations apart the means of the two sides are."""
    positive_N = np.asarray(sides.is_test_N, bool)
    high, low = score_N[positive_N], score_N[~positive_N]
    return float((high.mean() - low.mean()) / np.sqrt((high.var() + low.var()) / 2))


def methods(plan: Plan) -> tuple[TriageMethod, ...]:
    """Return what is asked, at the first step and on the whole way."""
    first = [
        TriageMethod(name=name, seeds=seeds)
        for name in ("wen", "one_step", "ren_layer")
        for seeds in plan.seeds
    ]
    names = ("wen", "wen_velocity", "ren_growth", "bright_ending", "bright_ending_velocity")
    return (*first, *(TriageMethod(name=name, steps=STEPS) for name in names))


def measure(plan: Plan) -> tuple[Captions, Auc, list[Line]]:
    """Return the captions, the blind baseline, and a line per score, best first."""
    captions = read_captions(plan)
    config = TriageConfig(
        model=ModelRef(path=str(plan.model)),
        methods=methods(plan),
        sampler_steps=STEPS,
        guidance=GUIDANCE,
    )
    sides = Sides(captions.positive_N, groups(captions.text_N))
    blind_N = blind_scores(captions.text_N, sides, SEED)
    lines = []
    for key, (values, evaluations) in scores(plan, open_triage(config, Kit()), captions).items():
        found = line(key, np.array(values), blind_N, sides)
        lines.append(found._replace(evaluations=evaluations))
    lines.sort(key=lambda each: -each.auc.value)
    return captions, auc(blind_N, sides, SEED), lines


def main() -> None:
    """Print the table and, as the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="folder with train.parquet, for the loss")
    parser.add_argument("--every", type=int, default=1, help="every how many captions")
    chosen = parser.parse_args()
    captions, blind, lines = measure(Plan(corpus=chosen.corpus, every=chosen.every))
    num = int(captions.positive_N.sum())
    print(
        f"{num} captions give their work back in {LEAST_RATE:.0%} of the seeds or more,"
        f" {len(captions.text_N) - num} give nothing back; {captions.left_out} between are left out"
    )
    print(f"{'score':22} steps seeds evaluations  AUC [95 %]            AUC - blind [95 %]      d'")
    print(f"{'blind':22} {'':>5} {'':>5} {0:>11}  {_shown(blind)}")
    for each in lines:
        place = f"{each.name:22} {each.steps:>5} {each.seeds:>5} {each.evaluations:>11}"
        print(f"{place}  {_shown(each.auc)}  {_shown(each.above_blind)}  {each.distance:5.2f}")
    print(json.dumps({"blind": blind, "lines": [each._asdict() for each in lines]}))


def _shown(found: Auc) -> str:
    return f"{found.value:6.3f} [{found.low:6.3f}, {found.high:6.3f}]"


if __name__ == "__main__":
    main()
