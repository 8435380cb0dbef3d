"""Method: how findings come about, what they do not show, and how often the method errs.

The words stand in `pipeline/templates/bundle_*.md`; numbers come from the run, and the error rates
where the truth is known from the extract that travels with the program.
"""

from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pyarrow.compute as pc

from pipeline import registration
from pipeline.datasets import open_dataset
from pipeline.evidence.items import as_json
from pipeline.evidence.material import Material
from pipeline.evidence.tables_out import rejected
from pipeline.report_proof import PLACE
from pipeline.report_standing import STANDING_READS, StandingSummary, collect_standing
from pipeline.tombstones import counts_of, read_tombstones

MANUALS = ("methodology.md", "limitations.md", "glossary.md")


def standing_of(material: Material) -> StandingSummary:
    """Return how the units of a run stand against the controls."""
    store, case = material.store, material.project.case
    readers = {
        role: open_dataset(store, table, *names) for role, (table, names) in STANDING_READS.items()
    }
    registered = registration.read(store)
    departed = registration.departures(registered, material.project) if registered else ()
    return collect_standing(readers, case.assess.q, registered, departed)


def method(material: Material, standing: StandingSummary) -> dict[str, bytes]:
    """Return the files of 1_method, by name."""
    folder = files("pipeline").joinpath("templates")
    out = {name: folder.joinpath(f"bundle_{name}").read_bytes() for name in MANUALS}
    out["thresholds.json"] = as_json(_thresholds(material))
    out["error_rates.json"] = as_json(error_rates(standing))
    extract = files("pipeline").joinpath(*PLACE)
    if extract.is_file():
        out["validation_report.json"] = extract.read_bytes()
    registered = registration.path_of(material.store)
    if registered.exists():
        out["registration.json"] = registered.read_bytes()
    out["departures.json"] = as_json(
        {
            "registered": standing.registered is not None,
            "digest": standing.registered["digest"] if standing.registered else None,
            "not_as_registered": list(standing.departures),
            "means": "what depends on a departure is exploratory",
        }
    )
    return out


def _thresholds(material: Material) -> dict[str, Any]:
    case = material.project.case
    return {
        "false_discovery_rate": case.assess.q,
        "least_rate": case.assess.min_rate,
        "least_hits_images": case.flag.min_hits,
        "least_hits_texts": case.judge_texts.min_hits,
        "least_words_of_a_run": case.judge_texts.min_words,
        "least_words_of_a_block": case.judge_texts.min_near_words,
        "of_each_model": "6_tables/thresholds.json",
        "of_each_finding": "item.json, finding.threshold",
    }


def error_rates(standing: StandingSummary) -> dict[str, Any]:
    """Return what is known of the error rates of one run, and of the method."""
    return {
        "rule": "summary (FRE 1006)",
        "level": standing.q,
        "lists": [
            {
                "model_id": one.model_id,
                "method": one.method,
                "verdicts_rest_on_it": one.primary,
                "test_units": one.units,
                "control_units": one.controls,
                "stand_out": one.standing_out,
                "false_among_them_on_average_over_runs": one.expected_false,
                "fewest_that_can_stand_out": one.fewest,
                "controls_that_a_single_one_would_need": one.for_one,
                "in_no_test": dict(sorted(one.excluded.items())),
                "detection_limit": dict(one.limit) if one.limit else None,
            }
            for one in standing.lists
        ],
        "told_apart_without_the_model": [dict(row) for row in standing.blind],
        "leanings": [dict(row) for row in standing.leanings],
        "where_the_truth_is_known": "validation_report.json: measured on planted and trained truth",
    }


def denominators(material: Material) -> dict[str, Any]:
    """Return what was tried, and what came of it, in numbers."""
    readers, store = material.readers, material.store
    verdicts = Counter(
        readers["findings"].read(["verdict"])["verdict"].to_pylist(),
    )
    return {
        "rule": "summary (FRE 1006)",
        "attempts_images": _counts(readers["generations"], "phase"),
        "attempts_texts": _counts(readers["outputs"], "phase"),
        "failed_attempts_texts": _failed(readers["outputs"]),
        "prompts": len(pc.unique(readers["prompts"].read(["prompt_id"])["prompt_id"])),
        "asked_for": readers["prompts"].read(["sample"]).num_rows,
        "findings": dict(sorted(verdicts.items())),
        "items": len(material.items),
        "units": _counts(readers["units"], "label"),
        "images_of_works": readers["images"].read(["image_id"]).num_rows,
        "texts_of_works": readers["works"].read(["text_id"]).num_rows,
        "rejected": sum(table.num_rows for table in rejected(store)),
        "erased_on_request": counts_of(read_tombstones(store.root)),
    }


def _counts(reader: Any, name: str) -> dict[str, int]:
    values = pc.value_counts(reader.read([name])[name]).to_pylist()
    return dict(sorted((each["values"], each["counts"]) for each in values))


def _failed(reader: Any) -> int:
    column = reader.read(["failure"])["failure"]
    return len(column) - int(column.null_count)


def shown(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return denominators as lines for a page."""
    return [
        (name.replace("_", " "), _words(value)) for name, value in found.items() if name != "rule"
    ]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{many} {name}" for name, many in value.items()) or "0"
    return str(value)
