"""Flag: planted truth, what kills a candidate, and that no caption is ever lost.

A world is drawn by hypothesis: captions, generations of two phases, and their distance to a few
works. `calibrate` sets its thresholds, as in a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit
from stages.statistics.intervals import clopper_pearson, confidence_sequence
from stages.tables import CLIQUES, FINDINGS, GENERATIONS, MATCHES, PROMPTS, THRESHOLDS, WORKS
from stages.verdicts import calibrate
from stages.verdicts.flag import STAGE, FlagConfig
from tests.stages.shelf import Shelf

TABLES = {"prompts": PROMPTS, "images": GENERATIONS, "cliques": CLIQUES, "matches": MATCHES}
WORK_HALVES = {"t1": "train", "t2": "train", "c1": "control", "c2": "control"}


@dataclass
class World:
    """Rows of one small run."""

    halves: Mapping[str, str] = field(default_factory=lambda: dict(WORK_HALVES))
    mixed: frozenset[str] = frozenset()
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in TABLES}
    )

    def ask(self, prompt: str, own: str | None, phases: str = "ddcc") -> "World":
        for sample, phase in enumerate(phases):
            row = {"prompt_id": prompt, "sample": sample, "phase": PHASES[phase], "block": 0}
            row |= {"seed": 1, "text": prompt, "class_label": None, "work_id": own}
            half = self.halves[own] if own else None
            self.rows["prompts"].append(row | {"half": half, "origin": "file"})
        return self

    def make(
        self,
        prompt: str,
        phases: str,
        ratios: Mapping[str, Sequence[float | None]],
        *,
        model: str = "m",
        clique: int = 1,
    ) -> "World":
        """Add a generation per letter of `phases`, with its ratio to each work."""
        for sample, phase in enumerate(phases):
            ids = {"image_id": f"{model}-{prompt}-{sample}", "model_id": model}
            ids |= {"prompt_id": prompt, "sample": sample}
            seen = {"phase": PHASES[phase]}
            blank = {"seed": None, "sha256": "0", "format": "png", "width": 8, "height": 8}
            self.rows["images"].append(ids | seen | blank | {"guidance_norms": None, "bytes": b"x"})
            agrees = {"degree": 0, "clique_size": clique, "in_clique": sample < clique}
            self.rows["cliques"].append(ids | agrees | {"clique_distance": None, "complete": True})
            here = {work: values[sample] for work, values in ratios.items()}
            least = min((r for r in here.values() if r is not None), default=None)
            for work, ratio in here.items():
                named = {"work_id": work, "half": self.halves[work], "neighbor_id": f"{work}-image"}
                measured = {"via": "pixels", "similarity": None, "l2": 0.1, "tiled_l2": 0.1}
                near = {"adaptive_ratio": ratio, "best": ratio is not None and ratio == least}
                match = ids | {"made_id": ids["image_id"]}
                self.rows["matches"].append(match | seen | named | measured | near)
        return self

    def works(self) -> pa.Table:
        counts = dict.fromkeys(("num_exact", "num_near", "num_pdq", "num_clip"), 1)
        rows = [
            {
                "image_id": f"{w}-image",
                "half": h,
                "work_id": w,
                "sha256": w,
                "mixed": w in self.mixed,
            }
            for w, h in self.halves.items()
        ]
        return WORKS.of_rows([row | counts for row in rows])

    def tables(self, only: set[str] | None = None) -> dict[str, pa.Table]:
        out = {}
        for role, table in TABLES.items():
            keep = [r for r in self.rows[role] if only is None or r["prompt_id"] in only]
            out[role] = table.of_rows(keep).select(list(STAGE.reads[role].names))
        return out

    def thresholds(self) -> pa.Table:
        batches = {
            "matches": [MATCHES.of_rows(self.rows["matches"])],
            "works": [self.works()],
            "prompts": [PROMPTS.of_rows(self.rows["prompts"])],
        }
        (out,) = calibrate.STAGE.run(batches, calibrate.CalibrateConfig(), Kit())
        return THRESHOLDS.check(out.rows)

    def judge(self, cuts: Sequence[set[str]] | None = None, **knobs: Any) -> list[dict[str, Any]]:
        shelves = {"thresholds": Shelf(self.thresholds()), "works": Shelf(self.works())}
        tools = STAGE.open(FlagConfig(**knobs), Kit(datasets=shelves))
        parts = [self.tables(cut) for cut in cuts] if cuts else [self.tables()]
        rows = pa.concat_tables([STAGE.run(part, tools).rows for part in parts])
        return FINDINGS.check(rows).to_pylist()


PHASES = {"d": "discovery", "c": "confirmation"}
FAR = [1.5, 1.5, 1.5, 1.5]


def verdicts(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str | None], str]:
    return {(row["prompt_id"], row["work_id"]): row["verdict"] for row in rows}


def planted(**halves: str) -> World:
    """Return a world in which caption p gives t1 back in 1 of 2 confirmation images."""
    world = World(halves={**WORK_HALVES, **halves}).ask("p", "t1").ask("q", "c1")
    world.make("p", "ddcc", {"t1": [0.3, 1.2, 0.25, 1.2], "t2": FAR, "c1": FAR})
    return world.make("q", "ddcc", {"t2": FAR, "c1": [1.25, 1.3, 1.25, 1.25]})


def test_planted_copy_is_verbatim() -> None:
    rows = planted().judge()
    assert verdicts(rows) == {
        ("p", "t1"): "verbatim",
        ("q", "c1"): "none",
        ("q", None): "none",
    }
    (row,) = [row for row in rows if row["verdict"] == "verbatim"]
    assert (row["k"], row["n"], row["score"], row["threshold"]) == (1, 2, 0.25, 1.0)
    assert (row["k_low"], row["k_high"]) == clopper_pearson(1, 2)
    assert (row["best_made_id"], row["neighbor_id"]) == ("m-p-2", "t1-image")
    assert row["own_caption"] is True
    assert (row["num_controls"], row["control_best"]) == (2, 1.25)
    assert row["reason"] == "1 of 2 images gave the work back"
    assert row["p"] is None


def test_a_match_on_the_threshold_is_no_match() -> None:
    # 0.7 has no exact float32: comparing in float64 would call the two sides different
    world = World().ask("p", "t1").ask("q", "c1")
    world.make("p", "ddcc", {"t1": [1.5, 1.5, 0.7, 0.7]})
    world.make("q", "ddcc", {"c1": [0.7, 1.5, 1.5, 1.5]})
    rows = {(row["prompt_id"], row["work_id"]): row for row in world.judge()}
    assert rows["p", "t1"]["threshold"] == np.float32(0.7)
    assert rows["p", "t1"]["k"] == 0
    assert rows["p", "t1"]["verdict"] == "none"


def test_controls_set_the_threshold_and_are_never_findings() -> None:
    swapped = planted(t1="control", t2="control", c1="train", c2="train").judge()
    assert all(row["verdict"] != "verbatim" for row in swapped)
    control = next(row for row in swapped if row["work_id"] == "t1")
    assert control["reason"].startswith("a control work, ")
    straight = {(row["prompt_id"], row["work_id"]): row["n"] for row in planted().judge()}
    assert straight.keys() <= {(row["prompt_id"], row["work_id"]) for row in swapped}


def test_mixed_work_never_flags() -> None:
    world = planted()
    world.mixed = frozenset({"t1"})
    rows = {row["work_id"]: row for row in world.judge() if row["prompt_id"] == "p"}
    assert rows["t1"]["verdict"] == "none"
    assert "both halves" in rows["t1"]["reason"]
    assert rows[None]["k"] == 0


def test_discovery_alone_is_no_finding() -> None:
    world = World().ask("p", "t1")
    world.make("p", "ddcc", {"t1": [0.1, 0.1, 1.5, 1.5]})
    row = world.judge()[0]
    assert (row["verdict"], row["k"], row["n"]) == ("none", 0, 2)


def test_work_first_seen_in_the_judged_seeds_has_no_interval() -> None:
    world = World().ask("p", None).ask("q", "t1")
    world.make("p", "ddcc", {"t1": [1.5, 1.5, 0.2, 1.5], "t2": [0.3, 1.5, 1.5, 0.3]})
    world.make("q", "ddcc", {"t1": FAR})
    rows = {row["work_id"]: row for row in world.judge() if row["prompt_id"] == "p"}
    assert rows["t1"]["verdict"] == rows["t2"]["verdict"] == "verbatim"
    assert rows["t1"]["k_low"] is None
    assert "no interval" in rows["t1"]["reason"]
    assert rows["t2"]["k_low"] == clopper_pearson(1, 2).low
    assert rows["t2"]["own_caption"] is False


def test_only_the_closest_work_counts_and_ties_count_for_both() -> None:
    world = World().ask("p", "t1")
    world.make("p", "cccc", {"t1": [0.5, 0.4, 0.6, 0.3], "t2": [0.5, 0.6, 0.2, 1.5]})
    rows = {row["work_id"]: row for row in world.judge()}
    assert (rows["t1"]["k"], rows["t2"]["k"]) == (3, 2)
    assert rows["t1"]["score"] == np.float32(0.3)


def test_the_score_is_that_of_a_hit() -> None:
    world = World().ask("p", "t1")
    world.make("p", "cc", {"t1": [0.3, 0.4], "t2": [0.2, 1.5]})
    row = next(row for row in world.judge() if row["work_id"] == "t1")
    assert (row["k"], row["score"], row["best_made_id"]) == (1, np.float32(0.4), "m-p-1")


def test_a_control_given_back_is_no_hit_of_the_caption() -> None:
    world = World().ask("p", "c1").make("p", "cc", {"c1": [0.3, 1.5], "t1": [1.5, 1.5]})
    rows = {row["work_id"]: row for row in world.judge()}
    assert (rows["c1"]["k"], rows[None]["k"]) == (1, 0)


def test_min_hits_is_asked_for() -> None:
    rows = {row["work_id"]: row for row in planted().judge(min_hits=2)}
    assert rows["t1"]["verdict"] == "none"
    assert "2 are needed" in rows["t1"]["reason"]


@pytest.mark.parametrize(("clique", "verdict"), [(4, "low_diversity"), (3, "none")])
def test_seeds_that_agree_with_no_work_are_low_diversity(clique: int, verdict: str) -> None:
    world = World().ask("p", "t1").make("p", "ddcc", {"t1": FAR}, clique=clique)
    rows = {row["work_id"]: row for row in world.judge()}
    assert rows["t1"]["verdict"] == "none"
    assert rows[None]["verdict"] == verdict
    assert rows[None]["clique_size"] == clique


def test_verbatim_goes_before_low_diversity() -> None:
    world = World().ask("p", "t1").make("p", "ddcc", {"t1": [0.1] * 4}, clique=4)
    assert verdicts(world.judge()) == {("p", "t1"): "verbatim"}


def test_caption_without_images_is_not_examined() -> None:
    world = planted().ask("lost", "t2")
    rows = [row for row in world.judge() if row["prompt_id"] == "lost"]
    assert {row["work_id"]: row["verdict"] for row in rows} == {
        "t2": "not_examined",
        None: "not_examined",
    }
    assert all(row["n"] == 0 and row["k_low"] is None for row in rows)
    assert "2 of 2 planned confirmation images missing" in rows[0]["reason"]


def test_nothing_made_at_all_keeps_every_caption() -> None:
    rows = World().ask("p", "t1").ask("q", None).judge()
    assert {row["prompt_id"] for row in rows} == {"p", "q"}
    assert {row["model_id"] for row in rows} == {"unknown"}
    assert {row["verdict"] for row in rows} == {"not_examined"}


def test_images_without_a_ratio_are_not_examined() -> None:
    rows = World().ask("p", "t1").make("p", "ddcc", {"t1": [None] * 4}).judge()
    assert {row["verdict"] for row in rows} == {"not_examined"}
    assert {row["model_id"] for row in rows} == {"m"}


def test_lost_images_are_named() -> None:
    world = World().ask("p", "t1", "ddcccc").make("p", "ddccc", {"t1": [1.5] * 5})
    assert "1 of 4 planned confirmation images missing" in world.judge()[0]["reason"]


def test_a_caption_that_was_given_up_says_so_and_is_not_called_missing() -> None:
    world = planted().ask("dull", "t2", "ddddcc").make("dull", "dd", {"t2": [1.5] * 2})
    rows = {row["work_id"]: row for row in world.judge(design="sequential") if row["n"] == 0}
    assert set(rows) == {"t2", None}
    assert {row["verdict"] for row in rows.values()} == {"not_examined"}
    for row in rows.values():
        assert row["reason"].endswith(
            "given up after 2 seeds that were looks, by the futility rule: its other images were"
            " not made, on purpose"
        )
    # in the fixed design nobody gives up, and a caption with no image at all was never looked at
    assert (
        "2 of 2 planned confirmation images missing"
        in {row["work_id"]: row["reason"] for row in world.judge() if row["prompt_id"] == "dull"}[
            "t2"
        ]
    )
    lost = planted().ask("lost", "t2").judge(design="sequential")
    assert [row for row in lost if "missing" in row["reason"]]
    assert not [row for row in lost if "given up" in row["reason"]]


def test_imported_images_show_existence_only() -> None:
    world = planted().make("theirs", "cc", {"t2": [0.2, 1.5]}, model="imported")
    rows = [row for row in world.judge() if row["model_id"] == "imported"]
    assert verdicts(rows) == {("theirs", "t2"): "verbatim"}
    (row,) = rows
    assert (row["k"], row["n"], row["k_low"], row["k_high"]) == (1, 2, None, None)
    assert "existence only" in row["reason"]


def test_imports_of_a_known_caption_leave_the_sampled_ones_alone() -> None:
    world = planted().make("p", "c", {"t1": [0.2]}, model="imported")
    rows = {(row["model_id"], row["work_id"]): row for row in world.judge()}
    assert (rows["m", "t1"]["n"], rows["imported", "t1"]["n"]) == (2, 1)
    assert rows["imported", "t1"]["own_caption"] is True
    assert ("imported", "c1") not in rows


@pytest.mark.parametrize(
    ("knob", "value"),
    [("min_hits", 0), ("min_clique", 1), ("min_clique_share", 0.0), ("min_clique_share", 1.5)],
)
def test_impossible_rules_are_refused(knob: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"flag\.{knob}: expected .*, got {value}"):
        FlagConfig(**{knob: value})


ratio = st.one_of(st.none(), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.3]))
image = st.tuples(st.sampled_from("dc"), st.tuples(ratio, ratio, ratio, ratio))
captions = st.lists(
    st.tuples(st.sampled_from([None, *WORK_HALVES]), st.lists(image, max_size=5)),
    min_size=1,
    max_size=4,
)

# each example runs two stages over real tables: fewer of them keep the suite quick
few = settings(max_examples=25)


def drawn(spec: Sequence[Any], halves: Mapping[str, str] = WORK_HALVES) -> World:
    world = World(halves=halves)
    for number, (own, images) in enumerate(spec):
        phases = "".join(phase for phase, _ in images)
        columns = [list(column) for column in zip(*(r for _, r in images), strict=True)]
        world.ask(f"p{number}", own, phases or "dc")
        world.make(f"p{number}", phases, dict(zip(WORK_HALVES, columns, strict=False)))
    return world


@few
@given(captions)
def test_no_caption_is_lost_and_the_counts_add_up(spec: Sequence[Any]) -> None:
    world = drawn(spec)
    rows = world.judge()
    asked = {row["prompt_id"] for row in world.rows["prompts"]}
    assert {row["prompt_id"] for row in rows} == asked
    models = {row["model_id"] for row in rows}
    once = {(row["model_id"], row["prompt_id"]): row["n"] for row in rows}
    examined = {
        row["made_id"]
        for row in world.rows["matches"]
        if row["phase"] == "confirmation" and row["adaptive_ratio"] is not None
    }
    assert models <= {"m", "unknown"}
    assert sum(once.values()) == len(examined)
    for row in rows:
        assert 0 <= row["k"] <= row["n"]
        assert row["n"] == once[row["model_id"], row["prompt_id"]]
        assert (row["verdict"] == "not_examined") == (row["n"] == 0)
        if row["verdict"] == "verbatim":
            assert row["half"] == "train"
            assert row["score"] < row["threshold"]


@few
@given(captions)
def test_each_caption_has_its_own_row_or_a_verbatim_work(spec: Sequence[Any]) -> None:
    by_prompt: dict[str, list[Any]] = {}
    for row in drawn(spec).judge():
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    for rows in by_prompt.values():
        found = any(row["verdict"] == "verbatim" for row in rows)
        assert found != any(row["work_id"] is None for row in rows)


@few
@given(captions)
def test_cutting_between_captions_changes_nothing(spec: Sequence[Any]) -> None:
    world = drawn(spec)
    cuts = [{f"p{number}"} for number in range(len(spec))]
    assert world.judge(cuts) == world.judge()


@few
@given(captions)
def test_swapping_the_labels_never_flags_what_is_now_a_control(spec: Sequence[Any]) -> None:
    other = {"train": "control", "control": "train"}
    swapped = {work: other[half] for work, half in WORK_HALVES.items()}
    for halves in (WORK_HALVES, swapped):
        rows = drawn(spec, halves).judge()
        assert all(halves[r["work_id"]] == "train" for r in rows if r["verdict"] == "verbatim")


def test_where_looking_chose_n_the_interval_is_a_confidence_sequence() -> None:
    (row,) = [row for row in planted().judge(design="sequential") if row["verdict"] == "verbatim"]
    assert (row["k_low"], row["k_high"]) == confidence_sequence(1, 2)
    assert row["k_low"] < clopper_pearson(1, 2).low
