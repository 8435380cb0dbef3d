"""The demo's model, asked caption by caption: which of its images give back the caption's own work.

Dimension key: B images, N works, U captions, D gradient numbers.

The rule is that of the demo's truth table: the correlation of the gradients (differences of
neighbouring pixels) with the own work is at least 0.6, and higher than with every other work.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.contract import Kit
from stages.images.triage import TriageConfig, TriageMethod, open_triage, triage
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs, Sampler, open_diffusion
from stages.models.files import ModelRef
from stages.pixels import decode
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import PROMPTS

Floats = NDArray[np.float64]

DEMO = Path(__file__).parents[2] / "examples" / "demo"
GUIDANCE = 2.5
STEPS = 8
BATCH = 16
LIKENESS = 0.6
RUN_SEED = 7


class Work(NamedTuple):
    """One caption and what would be its own work coming back."""

    caption: str
    half: str
    own: frozenset[int]
    """Rows of the gradients that count as the work: itself and its near-duplicates."""


def works_of(corpus: Path) -> tuple[list[Work], NDArray[np.float32]]:
    """Return one work per caption, in the order of the key, and the gradients of all works.

    Args:
        corpus: folder that `examples/demo/draw.py` wrote.
    """
    key = json.loads((corpus / "key.json").read_text("utf-8"))["works"]
    files: dict[str, bytes] = {}
    for half in ("train", "control"):
        table = pq.read_table(corpus / f"{half}.parquet", columns=["image"])
        files |= {sha256(image).hexdigest(): image for image in table["image"].to_pylist()}
    rgb_NHWC = np.stack([decode(files[work["sha256"]]).rgb_HWC for work in key])
    found: dict[str, Work] = {}
    for place, work in enumerate(key):
        same = [
            other
            for other, its in enumerate(key)
            if work["kind"] == "near_duplicate" and its["unit"] == work["unit"]
        ]
        own = frozenset([place, *same])
        if not work["near_duplicate_of"]:
            found.setdefault(work["caption"], Work(work["caption"], work["half"], own))
    return list(found.values()), gradients(rgb_NHWC)


def gradients(rgb_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return unit vectors of the differences of slightly softened images, across and down."""
    x_NHWC = rgb_NHWC.astype(np.float32) / 255
    soft = (x_NHWC[:, 1:, 1:] + x_NHWC[:, 1:, :-1] + x_NHWC[:, :-1, 1:] + x_NHWC[:, :-1, :-1]) / 4
    flat = [np.diff(soft, axis=axis).reshape(len(soft), -1) for axis in (2, 1)]
    both_ND = np.concatenate(flat, axis=1)
    length_N = np.linalg.norm(both_ND, axis=1, keepdims=True)
    return np.asarray(both_ND / np.maximum(length_N, 1e-12), np.float32)


class DemoModel:
    """The model, and the works that may come back."""

    def __init__(self, corpus: Path, model: Path = DEMO / "model") -> None:
        self.works, self._gradients_ND = works_of(corpus)
        self._model = model
        self._samplers: dict[int, Sampler] = {}

    def hits(self, places: Sequence[int], samples: Sequence[int], steps: int) -> list[bool]:
        """Return for each caption and number of its sample whether its own work came back.

        Args:
            places: works, by their number.
            samples: number of the sample within its caption, as many.
            steps: denoising steps.
        """
        asks = [
            Ask(self._seed(place, sample), self.works[place].caption)
            for place, sample in zip(places, samples, strict=True)
        ]
        if not asks:
            return []
        found: list[bool] = []
        for start in range(0, len(asks), BATCH):
            made = self._sampler(steps).draw(asks[start : start + BATCH])
            likeness_BN = gradients(made.rgb_BHWC) @ self._gradients_ND.T
            nearest_B = likeness_BN.argmax(axis=1)
            for place, row, nearest in zip(places[start:], likeness_BN, nearest_B, strict=False):
                is_own = int(nearest) in self.works[place].own
                found.append(bool(is_own and row[nearest] >= LIKENESS))
        return found

    def triage(self, places: Sequence[int]) -> Floats:
        """Return the noise-prediction magnitude (Wen et al. 2024) at the first step, one seed."""
        config = TriageConfig(
            model=ModelRef(path=str(self._model)),
            methods=(TriageMethod(name="wen"),),
            sampler_steps=STEPS,
            guidance=GUIDANCE,
        )
        ids = {prompt_id_of(text=self.works[place].caption): place for place in places}
        rows: list[Mapping[str, Any]] = [
            {
                "prompt_id": prompt_id,
                "sample": 0,
                "phase": "discovery",
                "block": 0,
                "seed": 0,
                "text": self.works[place].caption,
                "origin": "file",
            }
            for prompt_id, place in ids.items()
        ]
        asked = PROMPTS.of_rows(rows).select(["prompt_id", "sample", "text", "class_label"])
        told = triage({"prompts": asked}, open_triage(config, Kit())).rows.to_pylist()
        value = {ids[row["prompt_id"]]: row["value"] for row in told}
        return np.array([value[place] for place in places])

    def _seed(self, place: int, sample: int) -> int:
        return seed_of(RUN_SEED, prompt_id_of(text=self.works[place].caption), sample)

    def _sampler(self, steps: int) -> Sampler:
        if steps not in self._samplers:
            knobs = Knobs(steps=steps, guidance=GUIDANCE, batch=BATCH)
            self._samplers[steps] = open_diffusion(self._model, knobs, Kit())
        return self._samplers[steps]
