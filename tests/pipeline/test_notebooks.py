"""Notebooks: they walk through any finished case, and every figure is said in words."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from pipeline.store import Record, Store
from stages.contract import Kit, Table
from stages.methods.table import METHODS
from stages.tables import (
    ARTISTS,
    ASSESSMENTS,
    BLIND,
    COPIES,
    LEANINGS,
    LIMITS,
    PROMPTS,
    SIGNALS,
    UNITS,
)
from stages.verdicts.blindfold import BlindConfig, asked, seats, told_apart
from stages.verdicts.limits import LimitsConfig, limits
from stages.verdicts.sentences import none_closer
from stages.verdicts.standing import AssessConfig, Close, Level, Measure, Roll, standing

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
WALKED = ("calibration", "methods")
ANY_RUN = "any-run"
"""Tag of cells that say the same of any run: the validity report, the known divergences."""

TRUTH = json.loads((ROOT / "examples" / "demo" / "truth.json").read_text())["captions"]
LEVEL = 0.1
SEEDS = 12
CASE = f"""
name: tiny
setting: randomised
embed: {{model: {{path: clip}}}}
assess: {{q: {LEVEL}}}
"""

Row = dict[str, Any]


def blank(table: Table, **known: Any) -> Row:
    return dict.fromkeys(table.schema.names) | known


def shelve(store: Store, name: str, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Publish rows as a finished dataset."""
    place = store.root / "data" / name / "part-0"
    part = store.write_part(table, "part", table.of_rows(rows), place=place)
    record = Record(dataset=name, task="task", identity="0" * 64, parts=(part,))
    store.commit(record)
    store.publish(name, [record])


def prompt(number: int, kind: str, text: str, *, control: bool) -> Row:
    said = {"prompt_id": f"{kind}-p{number}", "sample": 0, "phase": "confirmation", "block": 0}
    half = "control" if control else "train"
    return blank(PROMPTS, **said, seed=1, text=text, half=half, origin="random")


def unit(number: int, kind: str, *, control: bool) -> Row:
    label = "control" if control else "test"
    ids = {"work_id": f"{kind}-w{number}", "unit_id": f"{kind}-w{number}", "rank": f"{number:03d}"}
    return ids | {"label": label, "prompt_ids": [f"{kind}-p{number}"]}


class Half:
    """The images or the texts of a run: works that came back, others, and control works."""

    def __init__(self, kind: str, sizes: tuple[int, int, int]) -> None:
        self.kind, self.sizes = kind, sizes
        backs = [row["caption"] for row in TRUTH if row["rate"] >= 0.5]
        nevers = [row["caption"] for row in TRUTH if row["rate"] == 0]
        copied, others, controls = sizes
        texts = backs[:copied] + nevers[: others + controls]
        is_control = [place >= copied + others for place in range(len(texts))]
        both = list(zip(texts, is_control, strict=True))
        self.prompts = [prompt(n, kind, text, control=c) for n, (text, c) in enumerate(both)]
        self.units = [unit(n, kind, control=c) for n, (_, c) in enumerate(both)]

    def assessments(self, measures: Sequence[Measure], *, matched: bool = True) -> list[Row]:
        """Judge the units by the product's own lines; the first works lie close."""
        dice = np.random.default_rng(0)
        closest: dict[tuple[str, str], dict[str, Close]] = {}
        for measure in measures:
            found = closest.setdefault((self.kind, measure.method), {})
            for number, row in enumerate(self.units if matched else []):
                far = (0.3 if number < self.sizes[0] else 2.0) + 0.2 * dice.random()
                score = 1 / far if measure.larger else far
                if dice.random() < 0.9:
                    work = row["work_id"]
                    found[row["unit_id"]] = Close(self.kind, f"m{number}", work, work, score)
        config = AssessConfig(q=LEVEL, setting="randomised")
        roll = Roll([UNITS.of_rows(self.units)], config)
        counts = {self.kind: Counter({row["prompt_id"]: SEEDS for row in self.prompts})}
        return list(standing(roll, counts, closest, measures, Level(config, {})))

    def blind(self) -> list[Row]:
        seated = seats([UNITS.of_rows(self.units)])
        said, owners = asked([PROMPTS.of_rows(self.prompts)], seated)
        return told_apart(f"{self.kind} captions", said, owners, BlindConfig(), {})

    def limits(self, assessments: Sequence[Row], method: str, works: int) -> list[Row]:
        """Return the detection limit, by the product's own lines, of copies all recognised."""
        who = {"model_id": self.kind, "method": method, "half": "train", "made_id": None}
        best = 90.0 if method.endswith("_words") else 0.01
        copies = [
            who | {"work_id": f"w{number}", "edit": edit, "score": best, "hit": True}
            for number in range(works)
            for edit in ("crop", "noise")
        ]
        shelves = {
            "copies": [COPIES.of_rows(copies)],
            "assessments": [ASSESSMENTS.of_rows(assessments)],
            "blind": [BLIND.empty()],
        }
        config = LimitsConfig(q=LEVEL, setting="randomised")
        return [row for out in limits(shelves, config, Kit()) for row in out.rows.to_pylist()]


IMAGES = (
    Measure("adaptive_ratio", larger=False, primary=True),
    Measure("clip", larger=True, primary=False),
)
WORDS = (Measure("verbatim_words", larger=True, primary=True),)


def publish(store: Store, prefix: str, half: Half, rows: Sequence[Row]) -> None:
    prompts = "made.openings" if prefix else "made.prompts"
    shelve(store, prompts, PROMPTS, half.prompts)
    shelve(store, f"made.{prefix}units", UNITS, half.units)
    shelve(store, f"made.{prefix}assessments", ASSESSMENTS, rows)
    shelve(store, f"made.{prefix}blind", BLIND, half.blind())


def whole(folder: Path) -> tuple[Path, list[Row], list[Row]]:
    """Make a run of images and texts, and return case, assessments and limits of the images."""
    store = Store(folder / "run")
    images, texts = Half("image", (12, 18, 36)), Half("text", (8, 4, 30))
    rows, words = images.assessments(IMAGES), texts.assessments(WORDS)
    publish(store, "", images, rows)
    publish(store, "text_", texts, words)
    bounds = images.limits(rows, "adaptive_ratio", 100)
    shelve(store, "made.limits", LIMITS, bounds)
    shelve(store, "made.text_limits", LIMITS, texts.limits(words, "verbatim_words", 10))
    lean = blank(LEANINGS, model_id="image", votes_train=20, votes=24, across=0, within=0)
    shelve(
        store, "made.leanings", LEANINGS, [lean | {"num_train": 30, "num_control": 36, "p": 1e-4}]
    )
    tested = [row for row in rows if row["method"] == "adaptive_ratio" and row["p"] is not None]
    by = {"half": "train", "image_id": "i", "num_images": 1, "verdict": "none", "k": 0, "n": SEEDS}
    artists = [
        blank(ARTISTS, model_id="image", work_id=row["unit_id"], artist=f"Artist {place % 3}", **by)
        | {"artist_units": 10, "artist_q": (0.02, 0.04, 1.0)[place % 3], "q": row["q"]}
        for place, row in enumerate(tested)
    ]
    shelve(store, "made.artists", ARTISTS, artists)
    dice = np.random.default_rng(1)
    asked_for = {"model_id": "image", "method": "wen", "steps": 1, "seeds": 4, "evaluations": 8}
    signals = [
        asked_for | {"prompt_id": row["prompt_id"], "value": (number < 12) + dice.random()}
        for number, row in enumerate(images.prompts)
    ]
    shelve(store, "made.signals", SIGNALS, signals)
    (folder / "case.yaml").write_text(CASE)
    return folder / "case.yaml", rows, bounds


def poor(folder: Path) -> Path:
    """Make a run with one control, nothing that matched and nothing planted."""
    store, half = Store(folder / "run"), Half("image", (1, 1, 1))
    publish(store, "", half, half.assessments(IMAGES, matched=False))
    (folder / "case.yaml").write_text(CASE)
    return folder / "case.yaml"


def cells_of(case: Path, run: str, *, skip: str = "") -> list[Any]:
    """Return the cells of both notebooks, to be run on one case."""
    turn = f"import os\nos.environ['PALIMPSEST_CASE'] = {str(case)!r}"
    cells = [nbformat.v4.new_code_cell(turn, id=f"{run}-case")]
    for name in WALKED:
        book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        kept = [cell for cell in book.cells if skip not in cell.metadata.get("tags", [])]
        for cell in kept:
            cell.id = f"{run}-{cell.id}"
        cells += kept
    return cells


class Walked(NamedTuple):
    """Code cells after a walk through a whole run and a poor one, and what the whole one holds."""

    whole: dict[str, list[Any]]
    poor: dict[str, list[Any]]
    rows: list[Row]
    bounds: list[Row]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """Walk through both runs in one kernel: starting one takes longer than most cells."""
    case, rows, bounds = whole(tmp_path_factory.mktemp("whole"))
    lean = poor(tmp_path_factory.mktemp("poor"))
    cells = [*cells_of(case, "whole"), *cells_of(lean, "poor", skip=ANY_RUN)]
    book = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        place = {"metadata": {"path": str(NOTEBOOKS)}}
        NotebookClient(book, timeout=120, resources=place).execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    by_run = [
        {name: [cell for cell in code if cell.id.startswith(f"{run}-{name}-")] for name in WALKED}
        for run in ("whole", "poor")
    ]
    return Walked(by_run[0], by_run[1], rows, bounds)


def figures(cells: Sequence[Any]) -> int:
    outputs = [out for cell in cells for out in cell.outputs]
    return sum("image/png" in out.get("data", {}) for out in outputs)


def words(cells: Sequence[Any]) -> str:
    outputs = [out for cell in cells for out in cell.outputs]
    return "\n".join(out.get("data", {}).get("text/markdown", "") for out in outputs)


def test_notebooks_draw_a_whole_run_and_say_its_numbers(walked: Walked) -> None:
    cells, rows, bounds = walked.whole, walked.rows, walked.bounds
    assert {name: figures(cells[name]) for name in WALKED} == {"calibration": 10, "methods": 11}
    said = {name: words(cells[name]) for name in WALKED}

    tested = [row for row in rows if row["method"] == "adaptive_ratio" and row["p"] is not None]
    out = sum(row["q"] <= LEVEL for row in tested)
    first = min(tested, key=lambda row: (row["p"], row["unit_id"]))
    assert 10 <= out < len(tested)
    assert f"{out} of {len(tested)} test units stand out" in said["calibration"]
    assert none_closer(first | {"num_control_units": first["num_controls"]}) in said["calibration"]
    assert bounds[0]["pi_95"] is not None
    assert bounds[0]["sentence"] in said["calibration"]
    assert "no limit: copies of 10 works were planted" in said["calibration"]

    assert all(f"| `{name}` |" in said["methods"] for name in METHODS)
    assert "30 test and 36 control units" in said["methods"]
    assert "beside a classifier that sees the captions alone" in said["methods"]


def test_run_without_matches_is_drawn_as_far_as_it_goes(walked: Walked) -> None:
    cells = walked.poor
    assert {name: figures(cells[name]) for name in WALKED} == {"calibration": 6, "methods": 1}
    assert "No curve without a baseline" in words(cells["methods"])
    assert "No signals were recorded" in words(cells["methods"])
    assert "not tested" in words(cells["calibration"])


def test_no_figure_is_without_words(walked: Walked) -> None:
    drawn = [
        cell
        for run in (walked.whole, walked.poor)
        for name in WALKED
        for cell in run[name]
        if figures([cell])
    ]
    assert len(drawn) > 20
    for cell in drawn:
        kinds = ["image/png" in out.data for out in cell.outputs]
        assert kinds[-1] is False, cell.source
        assert cell.outputs[-1].data["text/markdown"].startswith("*"), cell.source


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
