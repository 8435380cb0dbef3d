"""Contents of a bundle: untouched natives, every attempt, the same bytes for whoever builds it.

The run is planted: words are hostile, and addresses and the environment hold secrets.
"""

import csv
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import RunError, StoreError
from pipeline.evidence.bates import open_register
from pipeline.evidence.bundling import make
from pipeline.evidence.contents import contents
from pipeline.evidence.image_items import ImageItems
from pipeline.evidence.material import open_material
from pipeline.evidence.safe import Guard, in_cell, without_places, without_secrets
from pipeline.evidence.seal import SealOptions
from pipeline.evidence.tables_out import EXPORTS
from pipeline.evidence.verify import Trust, verify
from pipeline.project import Project
from stages.tables import FINDINGS
from tests.pipeline.test_report import Page
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import WHO, make_key
from tests.pipeline.tiny_run import (
    CANARY,
    HOSTILE,
    OVERRIDE,
    SEEDS,
    imported,
    made_id,
    options,
    planted,
)

ITEM = "3_items/ITEM-000001"


def built(project: Project, home: Path) -> Path:
    """Write everything that a bundle would hold into a folder."""
    out, scratch = home / "data", home / "scratch"
    scratch.mkdir(parents=True)
    register = open_register(project.store.root, options().numbering)
    for name, content in contents(open_material(project), register, options(), scratch):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists(), name
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture(scope="module")
def project(home: Path) -> Project:
    return planted(home / "case")


@pytest.fixture(scope="module")
def data(project: Project, home: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALIMPSEST_API_TOKEN", f"{CANARY}-env")
        patch.setenv("PALIMPSEST_PLAIN", CANARY)
        yield built(project, home / "first")


def files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_the_same_run_gives_the_same_bytes_elsewhere(
    project: Project, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o077)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    time.tzset()
    monkeypatch.chdir(tmp_path)
    try:
        again = built(project, tmp_path / "else where")
    finally:
        os.umask(before)
    monkeypatch.undo()
    time.tzset()
    one, other = files(data), files(again)
    assert list(one) == list(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_natives_are_untouched_and_their_digests_are_told(data: Path, project: Project) -> None:
    shown = read_json(data / ITEM / "item.json")
    number = int(shown["finding"]["work_id"], 16)
    material = open_material(project)
    for role, file in (("images", "reference"), ("generations", "generated")):
        image_id = shown[file]["image_id"]
        (native,) = (data / ITEM).glob(f"{file}.native.*")
        stored = material.readers[role].take([image_id], ["bytes"])["bytes"][0].as_py()
        assert native.read_bytes() == stored
        assert shown[file]["file_sha256"] == sha256(stored).hexdigest() == shown[file]["sha256"]
    assert shown["generated"]["image_id"] == made_id(number, 1)
    assert shown["occurrences_of_the_work"] is None  # the planted run credits nobody
    assert (data / ITEM / "prompt.txt").read_bytes().decode() == HOSTILE[number % 3]
    assert shown["prompt"]["text"] == HOSTILE[number % 3]


def test_each_item_has_pictures_of_both_and_a_page(data: Path) -> None:
    names = {path.name for path in (data / ITEM).iterdir()}
    assert {"page.html", "item.json", "attempts.json", "prompt.txt"} <= names
    for name in ("side_by_side", "overlay", "difference", "reference.view", "generated.view"):
        with Image.open(data / ITEM / f"{name}.jpg") as picture:
            assert picture.format == "JPEG"
            assert not picture.getexif()
    # what came back is the work itself, so nothing differs: the difference is white
    number = int(read_json(data / ITEM / "item.json")["finding"]["work_id"], 16)
    if number % 2 == 0:
        with Image.open(data / ITEM / "difference.jpg") as picture:
            assert min(low for low, _ in picture.getextrema()) == 255


def test_every_attempt_stands_behind_an_item(data: Path) -> None:
    tried = read_json(data / ITEM / "attempts.json")
    assert [row["sample"] for row in tried["attempts"]] == list(range(SEEDS))
    assert tried["made"] == 4
    matched = [row["sample"] for row in tried["attempts"] if row["match"]]
    assert matched == [1]
    assert tried["attempts"][1]["match"]["adaptive_ratio"] == 0.25
    assert tried["attempts"][1]["seed"] == 2**63 + 1


def test_negatives_hold_what_was_not_found_and_all_that_was_tried(data: Path) -> None:
    lost = read_json(data / "4_negatives" / "not_found.json")
    assert [row["verdict"] for row in lost] == ["none"] * 3
    assert len(read_json(data / "4_negatives" / "attempts_images.json")) == 6 * SEEDS
    assert len(read_json(data / "4_negatives" / "units.json")) == 6
    counts = read_json(data / "4_negatives" / "denominators.json")
    assert counts["attempts_images"] == {"confirmation": 18, "discovery": 6}
    assert counts["findings"] == {"none": 3, "verbatim": 3}
    assert (counts["prompts"], counts["asked_for"], counts["rejected"]) == (6, 24, 1)


def test_parquet_and_json_are_exact_and_csv_is_safe(data: Path) -> None:
    folder = data / "6_tables"
    exact = pq.read_table(folder / "findings.parquet")
    assert exact.schema.equals(FINDINGS.schema, check_metadata=True)
    assert exact.to_pylist() == read_json(folder / "findings.json")
    reasons = {row["reason"] for row in exact.to_pylist()}
    assert reasons == {words[:60] for words in HOSTILE}
    with (folder / "findings.csv").open(encoding="utf-8-sig", newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\0")]
    assert not any(OVERRIDE in cell or "\x14" in cell for cell in cells)
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    columns = read_json(folder / "columns.json")
    assert set(columns) == {export.place for export in EXPORTS}
    assert all(each["rule"] == "summary (FRE 1006)" for each in columns.values())


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1", "'=1"),
        ("  +1", "'  +1"),
        ("-1", "'-1"),
        (-1, -1),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\x00x", "'\ufffdx"),
        ("\uff1d1", "'\uff1d1"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_cells_that_begin_like_formulas(cell: object, safe: object) -> None:
    found = in_cell(cell)
    assert found == safe or (cell == "\x00x" and found == "\ufffdx")


def test_no_secret_enters(data: Path) -> None:
    found = files(data)
    assert [name for name, raw in found.items() if CANARY.encode() in raw] == []
    for name in found:
        if name.endswith(".parquet"):
            assert CANARY not in str(pq.read_table(data / name).to_pylist()), name
    known = read_json(data / ITEM / "item.json")["reference"]
    assert known["url"].startswith("https://example.org/")
    assert known["url"].endswith(".png?(removed)")
    lost = read_json(data / "4_negatives" / "rejected.json")
    assert lost[0]["message"] == "GET https://example.org/a?(removed) failed"


def test_a_secret_of_the_environment_stops_the_bundle(tmp_path: Path) -> None:
    guard = Guard({"HF_TOKEN": "abcdefghijkl", "HOME": "/home/ada", "SHORT_TOKEN": "abc"})
    guard.check("a", b"/home/ada abc")
    with pytest.raises(RunError, match="HF_TOKEN") as stopped:
        guard.check("a", b"xx abcdefghijkl")
    assert "abcdefghijkl" not in str(stopped.value)
    # astride two reads
    large = tmp_path / "large"
    large.write_bytes(b" " * ((1 << 20) - 5) + b"abcdefghijkl")
    with pytest.raises(RunError):
        guard.check("b", large)
    with pytest.raises(RunError, match="private key"):
        guard.check("c", b"-----BEGIN OPENSSH PRIVATE KEY-----")


def test_addresses_and_paths() -> None:
    assert without_secrets("s3://k:s@b/c#d e") == "s3://b/c?(removed) e"
    assert without_secrets("http://u:p@q@h/x") == "http://h/x"
    assert without_secrets("a@b.org http://h/x@y") == "a@b.org http://h/x@y"
    long = "a" * 100_000 + "://" * 30_000
    assert without_secrets(long) == long
    assert without_places(["C:\\Users\\ada\\x", "~/y", "rel/z"]) == [
        "(elsewhere)/x",
        "(elsewhere)/y",
        "rel/z",
    ]


def test_pages_show_hostile_words_and_obey_none(data: Path) -> None:
    pages = [*data.glob("3_items/*/page.html"), data / "index.html"]
    assert len(pages) == 4
    for path in pages:
        html = path.read_text(encoding="utf-8")
        page = Page(html)
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "iframe", "object", "link", "base", "form"}
        assert OVERRIDE not in html
        assert "\x14" not in html
        links = [said.get("href") or said.get("src") for _, said in page.tags]
        assert not [link for link in links if link and (":" in link or link.startswith("/"))]
        assert not [name for _, said in page.tags for name in said if name.startswith("on")]
        policy = [said["content"] for _, said in page.tags if said.get("http-equiv")]
        assert policy[0] is not None
        assert policy[0].startswith("default-src 'none'; img-src 'self'")
        assert len(html) < 60_000
    assert any("<script>alert" in Page(path.read_text("utf-8")).text for path in pages)


def test_provenance_names_what_ran_and_no_place_of_this_machine(
    data: Path, project: Project
) -> None:
    run = read_json(data / "2_provenance" / "run.json")
    assert (run["began"], run["ended"]) == ("2026-09-21T14:13:20Z", "2026-09-21T14:15:00Z")
    assert read_json(data / "2_provenance" / "environment.json")["devices"] == ["cpu"]
    models = read_json(data / "2_provenance" / "models.json")
    assert models["under_test"][0]["model_id"] == "d" * 64
    assert read_json(data / "2_provenance" / "case.json") == {
        "sha256_of_the_case_file": sha256(project.path.read_bytes()).hexdigest()
    }
    listed = read_json(data / "2_provenance" / "datasets.json")["made.sampled"][0]["parts"][0]
    (record,) = project.store.current("made.sampled")
    assert [f["sha256"] for f in listed["files"]] == [f.sha256 for f in record.parts[0].files]


def test_templates_are_filled_in_and_not_signed(data: Path) -> None:
    for rule in ("13", "14"):
        text = (data / "10_templates" / f"FRE_902_{rule}.template.md").read_text()
        assert text.count("TEMPLATE") == 1
        assert 'the case "planted"' in " ".join(text.split())
        assert "[signature of a human; never filled in by a program]" in text
    copied = (data / "10_templates" / "FRE_902_14.template.md").read_text()
    assert "(6 files)" in copied
    rules = read_json(data / "10_templates" / "exhibit_type.json")
    assert "107" in rules["3_items/*/difference.jpg"]
    assert "1006" in rules["6_tables/"]
    assert (data / "9_redaction" / "redaction_log.csv").read_text().startswith("item,document")


def test_crate_describes_a_run_whose_parts_are_there(data: Path) -> None:
    graph = {each["@id"]: each for each in read_json(data / "ro-crate-metadata.json")["@graph"]}
    for part in graph["./"]["hasPart"]:
        assert part["@id"] in graph
        assert (data / part["@id"]).exists()
    assert graph["./"]["datePublished"] == "2026-09-21T14:15:00Z"
    assert graph["#run"]["endTime"] == "2026-09-21T14:15:00+00:00"
    # every entity that another one names is described, as both profiles demand
    named = re.findall(r'{"@id": "([^"]+)"}', json.dumps(list(graph.values())))
    assert set(named) - set(graph) == {"https://w3id.org/ro/crate/1.1"}


def test_a_native_that_is_not_what_was_recorded_is_not_sealed(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=1)
    (blobs,) = (project.store.root / "data" / "made.sampled").glob("*.blobs.parquet")
    raw = bytearray(blobs.read_bytes())
    at = raw.index(b"IDAT", raw.index(b"IDAT") + 1)
    raw[at + 6] ^= 1
    blobs.write_bytes(bytes(raw))
    with pytest.raises(StoreError, match="palimpsest check"):
        built(project, tmp_path / "out")


def test_a_run_without_an_end_is_not_sealed(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=1)
    (project.store.root / "datasets" / "made.artists.json").unlink()
    with pytest.raises(RunError, match="not finished"):
        open_material(project)


def test_a_run_without_findings_makes_a_bundle_of_negatives(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=1)
    material = open_material(replace(project))
    vars(material)["items"] = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    register = open_register(project.store.root, options().numbering)
    names = [name for name, _ in contents(material, register, options(), scratch)]
    assert not [name for name in names if name.startswith("3_items")]
    assert "8_production/VOL001/DATA/PAL.dat" in names
    assert "4_negatives/not_found.csv" in names


def test_native_that_no_decoder_opens_is_kept_and_said(project: Project) -> None:
    images = ImageItems(open_material(project))
    row = images.material.items[0]
    (pair,) = images.pairs([row])
    item = images.item("ITEM-000009", replace(pair, generated_raw=b"no picture"))
    assert item.files["generated.native.png"] == b"no picture"
    assert {name for name in item.files if name.endswith(".jpg")} == {"reference.view.jpg"}
    assert [document.picture is None for document in item.documents] == [True, False, True]
    assert "cannot be decoded" in Page(item.files["page.html"].decode()).text


def test_an_item_says_how_the_model_was_asked_and_how_often_the_work_is_there(
    project: Project,
) -> None:
    material = open_material(project)
    row = material.items[0]
    vars(material)["occurrences"] = {row["work_id"]: 17}
    images = ImageItems(material)
    (pair,) = images.pairs([row])
    made = {**pair.making, "settings": {"steps": 50, "guidance": None, "scheduler": "<b>x"}}
    item = images.item("ITEM-000001", replace(pair, making=made))
    assert json.loads(item.files["item.json"])["occurrences_of_the_work"] == 17
    text = " ".join(Page(item.files["page.html"].decode()).text.split())
    assert "occurrences of the work 17" in text
    assert "steps 50 scheduler <b>x" in text


def test_imported_image_shows_its_caption_and_where_it_lies(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=1)
    imported(project, "a foreign caption")
    data = built(project, tmp_path)
    shown = read_json(data / "3_items" / "ITEM-000002" / "item.json")
    assert shown["prompt"]["text"] == "a foreign caption"
    assert shown["placed"] == {"box": [1, 2, 3, 4]}
    assert shown["generated"]["seed"] is None
    assert read_json(data / "3_items" / "ITEM-000002" / "attempts.json")["made"] == 1
    assert read_json(data / ITEM / "item.json")["placed"] is None


@needs_tools
def test_sealed_bundle_is_intact_and_keeps_its_numbers(tmp_path: Path) -> None:
    project = planted(tmp_path / "case", items=2)
    seal = SealOptions(key=make_key(tmp_path / "key"), principal=WHO)
    sealed, many = make(project, tmp_path / "EB-1", options(), (seal, None))
    assert many == 2
    assert verify(sealed.folder, Trust()).faults == ()
    again, _ = make(project, tmp_path / "EB-2", options(), (seal, None))
    one, other = files(sealed.folder / "data"), files(again.folder / "data")
    assert list(one) == list(other)
    unlike = {name for name in one if one[name] != other[name]}
    assert unlike == {f"7_custody/custody.{kind}" for kind in ("csv", "json", "jsonl")}
    assert sealed.fingerprint in (again.folder / "bag-info.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("EB-1", "EB-2", "case", "key", "key.pub"),
    ]


@needs_tools
def test_a_failure_halfway_leaves_nothing_and_gives_no_number_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = planted(tmp_path / "case", items=2)
    monkeypatch.setenv("A_SECRET_WORD", "verbatim")
    seal = SealOptions(key=make_key(tmp_path / "key"), principal=WHO)
    with pytest.raises(RunError, match="A_SECRET_WORD"):
        make(project, tmp_path / "EB-1", options(), (seal, None))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "key", "key.pub"]
    assert not (project.store.root / "bates").exists()
