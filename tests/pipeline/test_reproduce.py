"""Reproducing: the generation of an item comes again from what its bundle recorded.

The run is planted, the generations in it are real ones of networks with random weights.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.environment import note_environment
from pipeline.evidence.bundling import make
from pipeline.evidence.making import TOLERANCE, Making
from pipeline.evidence.material import open_material
from pipeline.evidence.reproduce import make_again, read_item
from pipeline.evidence.reproduce_judge import Sealed, as_text, judge, unlike_now
from pipeline.evidence.seal import SealOptions
from pipeline.project import Project
from pipeline.store import Record
from stages.contract import Kit, Table
from stages.images.sample import STAGE as SAMPLE
from stages.images.sample import SampleConfig
from stages.models.files import ModelRef, model_digest
from stages.tables import FINDINGS, GENERATIONS, OUTPUTS, PROMPTS
from stages.text.write import STAGE as WRITE
from stages.text.write import WriteConfig
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import WHO, make_key
from tests.pipeline.tiny_run import imported, options, planted
from tests.stages import tiny_models, tiny_writers

SEEDS = 3
KIT = Kit(device="cpu", threads=1)

pytestmark = needs_tools


@dataclass(frozen=True)
class Home:
    """A sealed bundle, its run and the models."""

    project: Project
    bundle: Path
    model: Path
    writer: Path


def _put(project: Project, table: Table, name: str, rows: Sequence[Any], variant: str = "") -> None:
    """Let a dataset of a planted run be other rows, made here and now."""
    store = project.store
    place = store.root / "data" / name / "real-1"
    part = store.write_part(table, "real", table.of_rows(rows), place=place)
    facts = {"stage": "sample" if table is GENERATIONS else "write", "version": 1}
    facts |= {"device": "cpu", "threads": 1, "variant": variant, "seconds": {}}
    facts |= {"environment": note_environment(store.root)}
    record = Record(
        dataset=name,
        task="real",
        identity=sha256(b"real" + name.encode()).hexdigest(),
        parts=(part,),
        facts=facts,
    )
    assert store.commit(record)
    store.publish(name, [record])


def _asked(number: int, sample: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(PROMPTS.schema.names)
    row |= {"prompt_id": f"p{number}", "sample": sample, "seed": 1000 * number + sample}
    row |= {"phase": "confirmation", "block": 0, "text": f"picture {number}", "suffix": " and on"}
    return row | {"work_id": f"{number:064x}", "half": "train", "origin": "random"}


def _made(stage: Any, config: Any, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    table = PROMPTS.of_rows(rows).select(list(stage.reads["prompts"].names))
    found: list[dict[str, Any]] = stage.run(
        {"prompts": table}, stage.open(config, KIT)
    ).rows.to_pylist()
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = tmp_path_factory.mktemp("reproduce")
    paths = tiny_models.save("sd1", home / "sd"), tiny_writers.save("gpt2", home / "gpt2")
    refs = [ModelRef(path=str(path)) for path in paths]
    pen = WriteConfig(model=refs[1], new_tokens=12, prompt_tokens=8, suffix_tokens=4, batch=2)
    brush = SampleConfig(model=refs[0], steps=2, guidance=2.0, batch=2)
    project = planted(home / "case", items=2, words=("a", "b"), lost=0)
    digests = {ref: model_digest(ref) for ref in refs}
    case = replace(project.case, models={"brush": brush}, writers={"pen": pen})
    project = replace(project, case=case, models={**project.models, **digests})

    asked = [_asked(number, sample) for number in range(2) for sample in range(SEEDS)]
    made = _made(SAMPLE, brush, asked)
    written = _made(WRITE, replace(pen, greedy=True), asked)
    _put(project, PROMPTS, "made.prompts", asked)
    _put(project, GENERATIONS, "made.sampled", made, "brush")
    _put(project, OUTPUTS, "made.written", written, "pen")
    (findings,) = project.store.current("made.findings")
    rows = project.store.read(findings.parts[0], list(FINDINGS.schema.names)).to_pylist()
    for number, row in enumerate(rows):
        mine = made[number * SEEDS + 1]
        row |= {"best_made_id": mine["image_id"], "model_id": mine["model_id"]}
    _put(project, FINDINGS, "made.findings", rows)
    imported(project, "a foreign caption")
    seal = SealOptions(key=make_key(home / "key"), principal=WHO)
    sealed, many = make(project, home / "EB-1", options(), (seal, None))
    assert many == 3
    return Home(project, sealed.folder, *paths)


def command(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capfd.readouterr()
    code = main(["reproduce", *words, "--json"])
    return code, json.loads(capfd.readouterr().out.splitlines()[-1])


def number_of(home: Home, verdict: str) -> str:
    """Return the number of the first item with a verdict."""
    for path in sorted((home.bundle / "data" / "3_items").glob("*/item.json")):
        if json.loads(path.read_bytes())["finding"]["verdict"] == verdict:
            return path.parent.name
    raise AssertionError(verdict)


def test_the_same_bytes_come_again(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    item = number_of(home, "verbatim")
    code, found = command(capfd, str(home.bundle), "--item", item, "--model", str(home.model))
    assert (code, found["verdict"], found["unlike"]) == (0, "identical", [])
    assert found["tolerance_levels"] == 0, "nothing is unlike, so nothing is tolerated"
    short = str(int(item[-6:]))
    case = home.bundle.parent / "other.yaml"
    case.write_text("name: x\nembed: {model: {path: sd}}\nmodels: {any: {model: {path: sd}}}\n")
    code, found = command(capfd, str(home.bundle), "--item", short, "--case", str(case))
    assert (code, found["item"]) == (0, item)


def test_what_is_unlike_is_named_and_has_the_sealed_tolerance(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    item = number_of(home, "verbatim")
    words = [str(home.bundle), "--item", item, "--model", str(home.model)]
    code, found = command(capfd, *words, "--threads", "2")
    assert code == 0
    assert found["verdict"] in {"identical", "within"}
    assert found["unlike"] == ["threads: 1 then, 2 here", "torch threads: 1 then, 2 here"] or (
        found["unlike"][0] == "threads: 1 then, 2 here"
    )
    assert found["tolerance_levels"] == TOLERANCE["float32"]


def test_every_row_of_a_batch_comes_again_at_its_place(home: Home) -> None:
    material = open_material(home.project)
    (record,) = home.project.store.current("made.sampled")
    rows = home.project.store.read(record.parts[0], list(GENERATIONS.schema.names)).to_pylist()
    findings = [
        {"best_made_id": r["image_id"], "model_id": r["model_id"], "prompt_id": r["prompt_id"]}
        for r in rows
    ]
    vars(material)["items"] = findings
    making = Making(material)
    for number, (row, finding) in enumerate(zip(rows, findings, strict=True)):
        told = making.of(finding)
        assert (told["part"]["row"], told["settings"]["batch"]) == (number, 2)
        sealed = Sealed(name="x", making=told, native=row["bytes"], environment=None)
        assert make_again(sealed, ModelRef(path=str(home.model)), KIT) == row["bytes"]


def test_a_text_comes_again_or_not_at_all(home: Home) -> None:
    material, store = open_material(home.project), home.project.store
    entries = home.project.case.writers
    greedy = replace(entries["pen"], greedy=True)
    case = replace(home.project.case, writers={"pen": greedy})
    material = replace(material, project=replace(home.project, case=case))
    (record,) = store.current("made.written")
    rows = store.read(record.parts[0], list(OUTPUTS.schema.names)).to_pylist()
    assert rows[0]["seed"] is None
    vars(material)["items"] = [
        {"best_made_id": r["output_id"], "model_id": r["model_id"], "prompt_id": r["prompt_id"]}
        for r in rows
    ]
    making = Making(material)
    for row, finding in zip(rows, material.items, strict=True):
        told = making.of(finding)
        sealed = Sealed(name="x", making=told, native=row["text"].encode(), environment=None)
        made = make_again(sealed, ModelRef(path=str(home.writer)), KIT)
        assert judge(sealed, made, [])["verdict"] == "identical"
        other = judge(sealed, b"\xff" + row["text"].encode(), ["device: cuda then, cpu here"])
        assert (other["verdict"], other["tolerance_levels"]) == ("not", 0)
        assert "the first 0 of" in as_text(other)


def test_a_case_that_was_changed_since_is_not_believed(home: Home) -> None:
    case = home.project.case
    brush = replace(case.models["brush"], steps=3)
    changed = replace(home.project, case=replace(case, models={"brush": brush}))
    material = open_material(changed)
    row = next(row for row in material.items if row["verdict"] == "verbatim")
    assert not Making(material).of(row)["recorded"]
    assert asdict(case.models["brush"])["steps"] == 2


@pytest.mark.parametrize(
    ("apart", "unlike", "verdict"),
    [
        (0, (), "identical"),
        (3, (), "not"),
        (3, ("torch: 1 then, 2 here",), "within"),
        (8, ("device: cuda then, cpu here",), "within"),
        (9, ("device: cuda then, cpu here",), "not"),
    ],
)
def test_largest_difference_decides_and_only_where_something_is_unlike(
    home: Home, apart: int, unlike: tuple[str, ...], verdict: str
) -> None:
    sealed = read_item(home.bundle, number_of(home, "verbatim"))
    rgb = np.asarray(Image.open(BytesIO(sealed.native))).copy()
    rgb[0, 0, 0] = rgb[0, 0, 0] + apart if rgb[0, 0, 0] < 128 else rgb[0, 0, 0] - apart
    out = BytesIO()
    Image.fromarray(rgb).save(out, "png")
    made = out.getvalue() if apart else sealed.native
    found = judge(sealed, made, list(unlike))
    assert (found["verdict"], found["largest_difference"]) == (verdict, apart)
    assert str(apart) in as_text(found) or not apart


def test_other_sizes_and_nothing_at_all_are_not_the_same(home: Home) -> None:
    sealed = read_item(home.bundle, number_of(home, "verbatim"))
    out = BytesIO()
    Image.new("RGB", (3, 3)).save(out, "png")
    for made in (out.getvalue(), None):
        found = judge(sealed, made, ["device: cuda then, cpu here"])
        assert (found["verdict"], found["largest_difference"]) == ("not", None)
        assert "NOT reproduced" in as_text(found)


def test_what_was_made_with_other_libraries_is_named(home: Home) -> None:
    sealed = read_item(home.bundle, number_of(home, "verbatim"))
    assert sealed.environment is not None
    packages = {**sealed.environment["packages"], "diffusers": "0.0.1"}
    met = {**sealed.environment, "packages": packages, "cpu": "another"}
    found = list(unlike_now(replace(sealed, environment=met), KIT))
    assert [each.partition(":")[0] for each in found if "torch" not in each] == ["cpu", "diffusers"]
    assert list(unlike_now(replace(sealed, environment=None), KIT)) == ["environment: not recorded"]


def test_imported_generations_cannot_be_made_again(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    item = number_of(home, "partial")
    code, found = command(capfd, str(home.bundle), "--item", item, "--model", str(home.model))
    assert (code, found["verdict"]) == (1, "cannot be reproduced")
    assert "somebody else made it" in found["why"][0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--item", "1"], "name the folder with --model"),
        (["--item", "1", "--model", "WRITER"], "another model makes something else"),
        (["--item", "1", "--model", "missing"], "cannot be read"),
        (["--item", "1", "--model", "MODEL", "--device", "cuda:99"], "cannot be made here"),
        (["--item", "1", "--model", "MODEL", "--threads", "-1"], "expected 1 or more"),
        (["--item", "9", "--model", "MODEL"], "has 3 items"),
        (["--item", "../1", "--model", "MODEL"], "expected a number"),
    ],
)
def test_what_cannot_be_asked_is_said(
    home: Home, more: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    places = {"WRITER": str(home.writer), "MODEL": str(home.model)}
    assert main(["reproduce", str(home.bundle), *(places.get(word, word) for word in more)]) == 2
    assert message in capfd.readouterr().err


def test_a_bundle_that_was_changed_is_refused(
    home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    twin = tmp_path / "EB-1"
    shutil.copytree(home.bundle, twin)
    item = next(iter((twin / "data" / "3_items").glob("*/item.json")))
    item.write_bytes(item.read_bytes().replace(b'"steps": 2', b'"steps": 1'))
    assert main(["reproduce", str(twin), "--item", "1", "--model", str(home.model)]) == 1
    assert "is not intact" in capfd.readouterr().err
    assert main(["reproduce", str(tmp_path / "x"), "--item", "1"]) == 2
