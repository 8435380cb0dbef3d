"""Making: how the generation of an item was made, as the records of the run have it.

What is written down here is all that `palimpsest reproduce` goes by: what was asked, with which
seed and settings, in batches of which shape, on what, and the tolerance, stated before anybody
tries. It comes from records alone, so it is the same whoever builds the bundle.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import rounds
from pipeline.evidence.material import Material, Row, batches
from pipeline.store import Part, Record
from stages.images.sample import image_id_of
from stages.text.write import output_id_of
from stages.verdicts.trials import foreign

TOLERANCE: Mapping[str, int] = {"float32": 8, "float16": 32, "bfloat16": 32}
"""Largest difference of a pixel, in levels of 256, at which a generation made elsewhere is still
the same one, by arithmetic. Another device or library rounds otherwise, and each step goes on from
what the one before rounded. Images of the demo's model, 50 steps, differ in no level with other
threads and in 1 with other convolutions of the same processor; no GPU was measured. A generation of
another seed differs in 100 levels and more. Half precision rounds thousands of times coarser:
bfloat16 lies up to 36 levels from float32 there."""

IMPORTED = "imported: somebody else made it, and nobody here knows how; it cannot be made again"
NOT_RECORDED = (
    "the run did not write down how it was made; an older version of this program made it"
)

_ASKED = (
    *("prompt_id", "sample", "phase", "seed", "text", "suffix", "class_label"),
    *("work_id", "half", "origin"),
)
_IMAGES = dict.fromkeys(rounds.SAMPLED, "image_id")
_TEXTS = {"made.written": "output_id"}

Ids = Callable[[str, Mapping[str, Any], Mapping[str, Any]], str]


class Making:
    """How generations were made."""

    def __init__(self, material: Material) -> None:
        self.material = material

    def of(self, finding: Row) -> dict[str, Any]:
        """Return how the generation of a finding was made, as JSON values."""
        if foreign(finding["model_id"]):
            return {"recorded": False, "why": IMPORTED}
        return self._known.get(finding["best_made_id"], {"recorded": False, "why": NOT_RECORDED})

    @cached_property
    def _known(self) -> Mapping[str, dict[str, Any]]:
        rows = [row for row in self.material.items if not foreign(row["model_id"])]
        wanted = {row["best_made_id"] for row in rows}
        prompts = {row["prompt_id"] for row in rows}
        asked = dict(self._asked(prompts))
        found = {}
        for made_id, place, row in self._places(wanted, prompts):
            ask = asked.get((row["prompt_id"], row["sample"]))
            told = None if ask is None else self._told(made_id, place, ask)
            if told is not None:
                found[made_id] = told
        return found

    def _asked(self, prompts: set[str]) -> Iterator[tuple[tuple[str, int], Row]]:
        reader = self.material.readers["prompts"]
        for table in batches(reader, _ASKED, {"prompt_id": prompts}):
            for row in table.to_pylist():
                yield (row["prompt_id"], row["sample"]), row

    def _places(
        self, wanted: set[str], prompts: set[str]
    ) -> Iterator[tuple[str, tuple[Record, Part, int], Row]]:
        """Yield each wanted generation with the record, part and row that it stands in."""
        store = self.material.store
        values = pa.array(sorted(wanted), pa.large_string())
        for dataset, name in (_IMAGES | _TEXTS).items():
            for record in store.current(dataset):
                for part in record.parts:
                    if prompts.isdisjoint(part.groups.get("prompt_id", prompts)):
                        continue
                    table = store.read(part, [name, "prompt_id", "sample"])
                    held = pc.is_in(table[name], value_set=values)
                    for number in pc.indices_nonzero(held).to_pylist():
                        row = table.slice(number, 1).to_pylist()[0]
                        yield row[name], (record, part, number), row

    def _told(
        self, made_id: str, place: tuple[Record, Part, int], ask: Row
    ) -> dict[str, Any] | None:
        record, part, number = place
        case, facts = self.material.project.case, record.facts
        is_text = record.dataset in _TEXTS
        entries: Mapping[str, Any] = case.writers if is_text else case.models
        config = entries.get(facts.get("variant", ""))
        if config is None:
            return None
        model_id = self.material.project.models[config.model]
        settings = {name: value for name, value in asdict(config).items() if name != "model"}
        id_of: Ids = output_id_of if is_text else image_id_of
        # the id is a digest of model, settings, prompt and seed: a case that was changed since says
        # something else, and is not believed
        if id_of(model_id, settings, ask) != made_id:
            return None
        return {
            "recorded": True,
            "stage": facts.get("stage"),
            "stage_version": facts.get("version"),
            "made_id": made_id,
            "model_id": model_id,
            "weights": config.model.variant,
            "settings": settings,
            "asked": dict(ask),
            "part": {"name": part.name, "row": number, "rows": part.rows},
            "device": facts.get("device"),
            "threads": facts.get("threads"),
            "environment": facts.get("environment"),
            "tolerance_levels": None if is_text else TOLERANCE[settings["dtype"]],
        }
