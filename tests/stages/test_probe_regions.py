"""Planted parts of works: made as asked, found by the run's own steps, and counted honestly."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.case import Case
from pipeline.flow import FLOW
from pipeline.parse import parse
from pipeline.plan import variants
from stages.contract import Kit
from stages.images import compare, plant_regions, probe_regions, score
from stages.images.compare import CompareConfig
from stages.images.edits import noisy
from stages.images.plant_regions import Host, PlantRegionsTools
from stages.images.region_edits import REGION_EDITS, edited_region
from stages.images.scoring import ScoreConfig
from stages.methods.partial import find, matches
from stages.pixels import decode, encode_png
from stages.probing import RegionProbesConfig
from stages.statistics.limits import detection_limit, recall_lower
from stages.statistics.spending import Rule
from stages.tables import COPIES, FINDINGS, GENERATIONS, MATCHES, PROMPTS, SCORES, UNITS, WORKS
from stages.verdicts import flag_regions, recognise_regions
from stages.verdicts.flag_regions import FlagRegionsConfig
from tests.stages.shelf import Shelf
from tests.stages.test_limits import copies, limit, unit
from tests.stages.test_probes import MODEL, PLAIN
from tests.stages.test_score_planted import Pictures, Run, drawing, of

BOTH = RegionProbesConfig(methods=("template", "partial"), works=6)
LAYOUTS = [name for name, edit in REGION_EDITS.items() if edit.method == "template"]
PIECES = [name for name, edit in REGION_EDITS.items() if edit.method == "partial"]
Row = dict[str, Any]


def asked_of(works: Sequence[str], config: RegionProbesConfig = BOTH) -> list[Row]:
    rows = [{"work_id": work, "half": "train", "mixed": False} for work in works]
    table = WORKS.of_rows(rows).select(list(probe_regions.STAGE.reads["works"].names))
    outs = list(probe_regions.STAGE.run({"works": [table]}, config, Kit()))
    return [row for out in outs for row in PROMPTS.check(out.rows).to_pylist()]


# what is asked


def test_a_copy_of_a_layout_is_a_group_and_one_of_a_region_a_single_image() -> None:
    rows = asked_of(["a", "b"])
    assert {row["origin"] for row in rows} == {"planted_template", "planted_partial"}
    sizes = {
        (row["work_id"], row["text"]): sum(other["prompt_id"] == row["prompt_id"] for other in rows)
        for row in rows
    }
    assert sizes == {
        (work, name): 3 if name in LAYOUTS else 1 for work in "ab" for name in REGION_EDITS
    }
    assert len({row["seed"] for row in rows}) == len(rows)
    assert {row["phase"] for row in rows} == {"confirmation"}


def test_only_what_a_case_asks_for_is_copied() -> None:
    alone = RegionProbesConfig(methods=("partial",), works=1)
    assert [row["text"] for row in asked_of(["a", "b"], alone)] == PIECES
    assert asked_of(["a"], RegionProbesConfig(methods=("partial",), works=0)) == []


# the copies


@settings(max_examples=40)
@given(
    st.sampled_from(list(REGION_EDITS)),
    st.tuples(*[st.integers(2, 70)] * 4),
    st.integers(0, 2**62),
)
def test_a_copy_has_the_size_of_what_surrounds_it_and_comes_from_its_seed(
    name: str, sides: tuple[int, ...], seed: int
) -> None:
    rng = np.random.default_rng(0)
    work, other = (rng.integers(0, 256, (*two, 3), np.uint8) for two in (sides[:2], sides[2:]))
    copy = edited_region(name, work, other, seed, None)
    assert copy == edited_region(name, work, other, seed, None)
    assert decode(copy["bytes"]).rgb_HWC.shape == other.shape


def test_a_layout_shows_the_work_around_and_the_other_inside() -> None:
    work, other = drawing(1), drawing(2)
    shown = REGION_EDITS["all but the middle 60 % of each side"].make(work, other, 0)
    inside = np.zeros(shown.shape[:2], bool)
    inside[10:38, 10:38] = True
    assert (shown[inside] == other[inside]).all()
    assert (shown[~inside] == work[~inside]).all()
    lower = REGION_EDITS["all but the lower 40 %"].make(work, other, 0)
    assert (lower[:29] == work[:29]).all()
    assert (lower[29:] == other[29:]).all()


@pytest.mark.parametrize(
    ("name", "side", "mirrored"), list(zip(PIECES, (24, 31, 24), (1, -1, 1), strict=True))
)
def test_a_piece_lies_anywhere_at_its_scale(name: str, side: int, mirrored: int) -> None:
    work, other = drawing(1), drawing(2)
    places, signs = set(), set()
    for seed in range(4):
        shown = REGION_EDITS[name].make(work, other, seed)
        rows, columns = np.nonzero((shown != other).any(axis=2))
        box = (np.ptp(rows) + 1, np.ptp(columns) + 1)
        assert np.abs(np.subtract(box, side)).max() <= 2, "a pixel may be the same by chance"
        places.add((rows.min(), columns.min()))
        (fit,) = find(shown, [work])
        if fit is not None and matches(fit):
            signs.add(np.sign(np.linalg.det(fit.matrix_23[:, :2])))
    assert signs == {mirrored}
    assert len(places) > 1


def test_a_copy_passes_through_the_model_and_gets_noise() -> None:
    copy = edited_region(LAYOUTS[0], drawing(1), drawing(2), 5, lambda rgb_HWC: rgb_HWC // 2)
    made = REGION_EDITS[LAYOUTS[0]].make(drawing(1), drawing(2), 5) // 2
    assert (decode(copy["bytes"]).rgb_HWC == noisy(made, 5)).all()


def test_an_edit_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of all but the middle 60 %"):
        edited_region("upside down", drawing(0), drawing(1), 0, None)


def planted(files: Mapping[str, bytes], hosts: Mapping[str, tuple[str, str | None]]) -> Any:
    """Plant parts of works among pictures, of which prompt and work are known."""
    rows = [
        {"image_id": name, "prompt_id": prompt, "bytes": encode_png(drawing(300 + number))}
        for number, (name, (prompt, _)) in enumerate(hosts.items())
    ]
    tools = PlantRegionsTools(
        images=Pictures(pa.table({"image_id": list(files), "bytes": list(files.values())})),
        made=Pictures(of(GENERATIONS, rows, ["image_id", "prompt_id", "bytes"])),
        hosts=[Host(name, frozenset({work})) for name, (_, work) in hosts.items()],
        model_id="m",
        round_trip=None,
    )
    names = list(plant_regions.STAGE.reads["prompts"].names)
    prompts = PROMPTS.of_rows(asked_of(list(files))).select(names)
    return plant_regions.plant_regions({"prompts": prompts}, tools)


def test_parts_lie_in_pictures_of_other_works_and_those_of_a_group_differ() -> None:
    hosts = {f"h{n}": (f"p{n % 3}", f"w{n % 3}") for n in range(9)}
    out = planted({"w1": encode_png(drawing(1))}, hosts)
    rows = GENERATIONS.check(out.rows).to_pylist()
    assert len(rows) == 3 * len(LAYOUTS) + len(PIECES)
    shown = [decode(row["bytes"]).rgb_HWC[20:28, 20:28].astype(int) for row in rows[:3]]
    others = {n: drawing(300 + n)[20:28, 20:28].astype(int) for n in range(9)}
    nearest = [min(others, key=lambda n: int(np.abs(others[n] - one).sum())) for one in shown]
    assert len(set(nearest)) == 3
    assert not any(n % 3 == 1 for n in nearest), "never its own"


def test_nothing_is_planted_where_the_model_made_nothing_and_broken_works_are_rejected() -> None:
    good, broken = encode_png(drawing(1)), b"\x89PNG\r\n\x1a\n broken"
    assert planted({"a": good}, {}).rows.num_rows == 0
    assert planted({"a": good}, {"h": ("p", "a")}).rows.num_rows == 0
    out = planted({"a": good, "b": broken}, {f"h{n}": (f"p{n}", None) for n in range(4)})
    assert [(row.key, row.code) for row in out.rejected] == [("b", "truncated")]
    assert out.rows.num_rows == 3 * len(LAYOUTS) + len(PIECES)


# from works to copies that are found, by the run's own steps


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Row]:
    """Plant parts of five drawings and of a blank picture in a run, and look for them."""
    run = Run(tmp_path_factory.mktemp("pixels"), ("template", "partial"), blank="t0")
    prompts = asked_of(["t0", "t1", "t2", "t3", "nothing", "c00"])
    stage = plant_regions.STAGE
    tools = PlantRegionsTools(
        images=run.kit.datasets["originals"],
        made=Pictures(of(GENERATIONS, run.made, ["image_id", "bytes"])),
        hosts=[
            Host(row["image_id"], frozenset({row["prompt_id"].removeprefix("p-")}))
            for row in sorted(run.made, key=lambda row: (row["sample"], row["prompt_id"]))
        ],
        model_id="m",
        round_trip=None,
    )
    given_prompts = of(PROMPTS, prompts, stage.reads["prompts"].names)
    images = plant_regions.plant_regions({"prompts": given_prompts}, tools).rows.to_pylist()

    def shown(stage: Any, **more: pa.Table) -> dict[str, pa.Table]:
        roles = {"images": (GENERATIONS, images), "prompts": (PROMPTS, prompts), "neighbors": ()}
        tables = {
            role: of(*roles[role], stage.reads[role].names)
            for role in set(roles) & set(stage.reads) - set(more)
        }
        return tables | {role: rows.select(stage.reads[role].names) for role, rows in more.items()}

    blank = pa.table({name: [] for name in compare.STAGE.reads["neighbors"].names})
    stage = compare.STAGE
    tools = stage.open(CompareConfig(num_others=10, num_nearest=1), run.kit)
    matched = MATCHES.check(stage.run(shown(stage, neighbors=blank), tools).rows)
    stage = score.STAGE
    config = ScoreConfig(methods=("template", "partial"), num_others=10, per_half=1)
    scored = SCORES.check(
        stage.run(shown(stage, matches=matched), stage.open(config, run.kit)).rows
    )
    wanted = {row["prompt_id"]: row["origin"].removeprefix("planted_") for row in prompts}
    assert all(row["method"] == wanted[row["prompt_id"]] for row in scored.to_pylist())
    stage = flag_regions.STAGE
    shelves = {
        "controls": Shelf(run.scores),
        "works": Shelf(of(WORKS, run.images, ["work_id", "half", "mixed"])),
    }
    tools = stage.open(FlagRegionsConfig(), Kit(datasets=shelves))
    flagged = stage.run(shown(stage, matches=matched, scores=scored), tools).rows
    stage = recognise_regions.STAGE
    units = of(UNITS, [{"prompt_ids": ["p"]}], ["prompt_ids"])
    tables = shown(stage, matches=matched, candidates=FINDINGS.check(flagged), units=units)
    (out,) = stage.run({role: [table] for role, table in tables.items()}, BOTH, Kit())
    return {
        (row["method"], row["work_id"], row["edit"]): row
        for row in COPIES.check(out.rows).to_pylist()
    }


def test_every_copy_that_was_asked_for_has_a_row(found: Mapping[tuple[str, str, str], Row]) -> None:
    assert len(found) == 6 * len(REGION_EDITS)
    assert {row["model_id"] for row in found.values()} == {"m"}


def test_layouts_of_works_with_detail_are_recognised_of_either_half(
    found: Mapping[tuple[str, str, str], Row],
) -> None:
    hits = {
        (work, edit): row["hit"]
        for (method, work, edit), row in found.items()
        if method == "template"
    }
    assert all(hit == (work != "t0") for (work, _), hit in hits.items()), hits


def test_most_pieces_are_recognised_and_a_blank_work_never(
    found: Mapping[tuple[str, str, str], Row],
) -> None:
    rows = [(work, row) for (method, work, _), row in found.items() if method == "partial"]
    assert not any(row["hit"] for work, row in rows if work == "t0")
    assert sum(row["hit"] for work, row in rows if work != "t0") >= 10, "of 15"
    assert all(row["score"] > 0 for _, row in rows if row["hit"])


# what counts

LOOKS = [{"prompt_id": "a", "text": LAYOUTS[0], "origin": "planted_template"}] * 3
LOOKS += [{"prompt_id": "b", "text": PIECES[0], "origin": "planted_partial"}]


def recognised(
    candidates: Sequence[Row], *, alike: Mapping[str, float] | None = None, **knobs: Any
) -> dict[str, Row]:
    """Return the copies of work w by method; where prompts name no work, `alike` says how near."""
    stage = recognise_regions.STAGE
    whose = {"model_id": "m", "work_id": "w", "score": 0.1, "best_made_id": "i"}
    likeness = [
        {"made_id": "i", "prompt_id": "b", "work_id": work, "half": "train", "similarity": each}
        for work, each in (alike or {}).items()
    ]
    prompts = [row | {"sample": n, "work_id": "w", "half": "train"} for n, row in enumerate(LOOKS)]
    inputs = {
        "prompts": of(PROMPTS, prompts, stage.reads["prompts"].names),
        "images": of(GENERATIONS, [{"model_id": "m"}], stage.reads["images"].names),
        "matches": of(MATCHES, likeness, stage.reads["matches"].names),
        "candidates": of(
            FINDINGS, [whose | row for row in candidates], stage.reads["candidates"].names
        ),
        "units": of(UNITS, [{"prompt_ids": [] if alike else ["p"]}], ["prompt_ids"]),
    }
    config = RegionProbesConfig(methods=("template", "partial"), **knobs)
    (out,) = stage.run({role: [table] for role, table in inputs.items()}, config, Kit())
    return {row["method"]: row for row in COPIES.check(out.rows).to_pylist()}


@pytest.mark.parametrize(("k", "hit"), [(0, 0), (2, 0), (3, 1)])
def test_a_layout_is_recognised_in_all_images_of_the_copy_or_not_at_all(k: int, hit: int) -> None:
    rows = recognised([{"prompt_id": "a", "method": "template", "k": k}])
    assert (rows["template"]["hit"], rows["template"]["made_id"]) == (hit, "i")
    assert (rows["partial"]["hit"], rows["partial"]["score"]) == (False, None), "never compared"


def test_another_work_or_the_other_method_is_no_recognition() -> None:
    right = {"prompt_id": "b", "method": "partial", "k": 1}
    assert recognised([right])["partial"]["hit"]
    assert not recognised([right | {"work_id": "other"}])["partial"]["hit"]
    assert not recognised([right | {"method": "template"}])["partial"]["hit"]


@pytest.mark.parametrize(
    ("alike", "hit"),
    [
        ({"w": 0.5}, 1),
        ({"w": 0.5, "x": 0.9}, 1),
        ({"w": 0.5, "x": 0.9, "y": 0.8}, 0),
        ({"x": 0.9}, 0),
    ],
)
def test_where_no_prompt_names_a_work_a_descriptor_has_to_lead_to_it(
    alike: Mapping[str, float], hit: int
) -> None:
    rows = [{"prompt_id": "b", "method": "partial", "k": 1}]
    rows += [{"prompt_id": "a", "method": "template", "k": 3}]
    seen = recognised(rows, alike=alike, per_half=2)
    assert seen["partial"]["hit"] == hit
    assert seen["template"]["hit"], "it is looked for in every work"


def test_a_layout_takes_three_seeds_and_so_has_a_higher_limit() -> None:
    rows = [unit("control", 1.0 + n / 1000) for n in range(199)] + [unit("test", 1.5, q=1.0)] * 10
    low = recall_lower(200, 200)
    found = limit(copies(200, method="template"), [row | {"method": "template"} for row in rows])
    assert (found["n"], found["k_star"], found["num_works"]) == (64, 3, 200)
    assert found["pi_95"] == pytest.approx(detection_limit(3, 64, recall=low, sensitivity=low))
    assert "64 seeds, 3 needed" in found["sentence"]
    more = limit(
        copies(200, method="template"), [row | {"method": "template"} for row in rows], min_hits=5
    )
    assert more["k_star"] == 5


@pytest.mark.parametrize("method", ["template", "partial"])
def test_seeds_that_were_spent_on_whole_works_leave_no_limit_for_parts(method: str) -> None:
    score = 10.0 if method == "partial" else 0.5
    rows = [unit("control", score) | {"method": method} for _ in range(199)]
    rows += [unit("test", score, q=1.0) | {"method": method}] * 10
    found = limit(
        copies(200, method=method, score=99.0 if method == "partial" else 0.1),
        rows,
        rule=Rule(looks=(1, 4), p0=0.01, give_up=0.0),
    )
    assert (found["k_star"], found["pi_95"]) == (None, None)
    assert found["sentence"].startswith("no limit: seeds were spent by how works came back whole")


# the flow

STEPS = {step.writes for step in FLOW if step.writes.startswith("probe.region_")}
ASKED = {"score": {"methods": ["pdq", "template", "partial"], "per_half": 3}}


def made_by(case: Case) -> set[str]:
    begins = {step.writes for step in FLOW if step.writes in STEPS and (step.given or step.each)}
    return {step.writes for step in FLOW if step.writes in begins and list(variants(step, case))}


def test_a_case_that_asks_for_no_verdict_on_parts_pays_nothing() -> None:
    models = {"models": {"a": MODEL}}
    only = {"score": {"methods": ["pdq"]}}
    for plain in (PLAIN | models, PLAIN | ASKED, PLAIN | models | only):
        assert made_by(parse(plain, Case)) == set()
    all_of_them = {
        name for name in STEPS if name.split("_")[1] not in {"embeddings", "neighbors", "matches"}
    }
    assert made_by(parse(PLAIN | models | ASKED, Case)) == all_of_them


def test_what_is_planted_comes_from_the_sections_that_say_so() -> None:
    case = parse(
        PLAIN
        | ASKED
        | {"models": {"a": MODEL, "b": MODEL | {"width": 64}, "c": {"model": {"path": "other"}}}}
        | {"probes": {"works": 7, "choice_seed": 2}, "flag": {"min_hits": 4}},
        Case,
    )
    assert case.probe_regions == RegionProbesConfig(
        methods=("template", "partial"), works=7, choice_seed=2, layout_seeds=4, per_half=3
    )
    assert list(case.plant_regions) == ["a", "c"], "each model once"
    assert case.probe_score is not None
    assert case.probe_score.methods == ("template", "partial")
