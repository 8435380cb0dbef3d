"""Looking a text up in the index of a case gives what the stages find without one."""

import io
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from indexes.folder import seal
from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.tables import OUTPUTS, RUNS, SPANS

ROOT = Path(__file__).parents[2]
DICE = random.Random(11)
VOCABULARY = [
    "".join(DICE.choice("bcdfglmnprst") + DICE.choice("aeiou\u00e9\u00fc") for _ in range(3))
    for _ in range(900)
]
CASE = """
name: texts
setting: randomised
train_texts: {sources: [{path: train}], piece_bytes: 1500}
control_texts: {sources: [{path: control.jsonl}]}
outputs: {sources: [{path: outputs.jsonl}]}
text_index: {}
cluster: {kind: inline, threads: 1}
"""


def prose(words: int) -> list[str]:
    return [DICE.choice(VOCABULARY) for _ in range(words)]


def edited(words: list[str], every: int) -> list[str]:
    return ["other" if i % every == every - 1 else word for i, word in enumerate(words)]


WORKS = [prose(700) for _ in range(8)]
OUTPUTS_MADE = [
    [*prose(40), *WORKS[0][50:110], *prose(30), *WORKS[3][600:], *prose(9)],
    [*prose(20), *edited(WORKS[1][100:260], 8), *WORKS[1][10:40]],
    [*WORKS[2][300:350], *prose(5), *WORKS[2][40:90], *WORKS[0][8:13]],
    prose(200),
]


def build(folder: Path) -> Path:
    (folder / "train").mkdir(parents=True)
    for number, words in enumerate(WORKS):
        text = "\n".join(" ".join(words[i : i + 9]) for i in range(0, len(words), 9))
        (folder / "train" / f"{number}.txt").write_text(text.upper() if number == 2 else text)
        about = {"title": f"Work {number}", "author": f"Author {number % 3}"}
        (folder / "train" / f"{number}.json").write_text(json.dumps(about))
    # the control half holds an edition of work 0
    controls = [WORKS[0][:690] + prose(5), *(prose(300) for _ in range(6))]
    lines = [json.dumps({"text": " ".join(words), "author": "Nobody"}) for words in controls]
    (folder / "control.jsonl").write_text("\n".join(lines))
    rows = [
        {"prompt": "p", "attempt": number, "model": "m", "output": " ".join(words)}
        for number, words in enumerate(OUTPUTS_MADE)
    ]
    (folder / "outputs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "case.yaml").write_text(CASE)
    return folder / "case.yaml"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = build(tmp_path_factory.mktemp("find") / "case")
    assert main(["run", str(path)]) == 0
    return path


@pytest.fixture
def copy(case: Path, tmp_path: Path) -> Path:
    shutil.copytree(case.parent, tmp_path / "case")
    return tmp_path / "case" / "case.yaml"


def rows_of(case: Path, table: Any, name: str) -> list[dict[str, Any]]:
    store = open_store(case)[1]
    found: list[dict[str, Any]] = (
        open_dataset(store, table, name).read(table.schema.names).to_pylist()
    )
    return found


def asked(
    case: Path, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["find-text", "-", str(case), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_same_runs_and_passages_as_the_stages_that_have_no_index(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, spans = rows_of(case, RUNS, "made.runs"), rows_of(case, SPANS, "made.spans")
    seen = 0
    for output in rows_of(case, OUTPUTS, "made.outputs"):
        found = asked(case, output["text"], capsys, monkeypatch)
        mine = {(text["text_id"], *run.values()) for text in found["texts"] for run in text["runs"]}
        names = ("text_id", "output_word", "text_word", "words")
        own = [row for row in runs if row["output_id"] == output["output_id"]]
        assert mine == {tuple(row[name] for name in names) for row in own}
        shown = {
            (
                text["text_id"],
                *(p[name] for name in ("kind", "words", "in_order", "level")),
                *(p[side][end] for side in ("output", "text") for end in ("start", "end")),
                p["text"]["word"],
                len(p["edits"]),
            )
            for text in found["texts"]
            for p in text["passages"]
        }
        columns = "text_id kind words in_order level output_start output_end text_start text_end"
        own = [row for row in spans if row["output_id"] == output["output_id"]]
        assert shown == {
            (
                *(row[name] for name in [*columns.split(), "text_word"]),
                len(json.loads(row["edits"])),
            )
            for row in own
        }
        seen += len(mine)
    assert seen > 10


def test_works_are_named_with_their_words_and_places(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(OUTPUTS_MADE[0])
    found = asked(case, text, capsys, monkeypatch)
    assert (found["words"], found["texts_searched"]) == (len(OUTPUTS_MADE[0]), 15)
    rows = [(t["title"], t["half"], t["words"], t["longest_run_words"]) for t in found["texts"]]
    assert sorted(rows, key=str) == [
        ("Work 0", "train", 60, 60),
        ("Work 3", "train", 100, 100),
        (None, "control", 60, 60),
    ]
    assert found["texts"][0]["title"] == "Work 3"
    assert len({t["work_id"] for t in found["texts"]}) == 2
    (passage,) = found["texts"][0]["passages"]
    assert passage["text"]["word"] == 600
    assert passage["text"]["text"].split() == WORKS[3][600:]
    assert passage["output"]["text"] == " ".join(WORKS[3][600:])
    part = text[passage["output"]["start"] : passage["output"]["end"]]
    assert part == passage["output"]["text"]


def test_a_person_sees_the_work_the_place_and_what_differs(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "output.txt"
    file.write_text(" ".join([*OUTPUTS_MADE[0], *edited(WORKS[1][100:260], 8)]))
    assert main(["find-text", str(file), str(case)]) == 0
    text = capsys.readouterr().out
    assert "passages of them stand in 3 works of the 15 texts of the case" in text
    assert "Work 1, Author 1 (training text)" in text
    assert "other texts of this work that hold words of it: 1" in text
    assert "(86% of the way)" in text
    assert f"[-{WORKS[1][107]}-] {{+other+}}" in text
    assert "verbatim, 100 words" in text


def test_nothing_found_is_said(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output.txt").write_text("\x1b[31mnothing of this")
    assert main(["find-text", str(tmp_path / "output.txt"), str(case)]) == 0
    text = capsys.readouterr().out
    assert "3 words; no passage of them stands in the 15 texts" in text
    assert "\x1b" not in text


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], *, code: int) -> str:
    assert main(["find-text", *arguments]) == code
    return capsys.readouterr().err


def test_a_case_without_an_index_and_one_not_made_yet(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output.txt").write_text("some words")
    arguments = [str(tmp_path / "output.txt"), str(copy)]
    assert main(["find-text", *arguments]) == 0
    shutil.rmtree(copy.parent / "run")
    assert "not made yet; `palimpsest run" in refused(arguments, capsys, code=1)
    copy.write_text(CASE.replace("text_index: {}\n", ""))
    assert "write `text_index: {}` into it" in refused(arguments, capsys, code=2)
    missing = refused([str(tmp_path / "absent"), str(copy)], capsys, code=2)
    assert "expected a file of text that can be read: No such file" in missing


def test_an_index_made_by_other_rules(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output.txt").write_text("some words")
    (folder,) = (copy.parent / "run" / "data" / "input.text_index").iterdir()
    (folder / "meta.json").unlink()
    seal(folder, kind="postings", facts={"schemes": ["words-0", "grams-0"]})
    said = refused([str(tmp_path / "output.txt"), str(copy)], capsys, code=1)
    assert "was made by ['words-0', 'grams-0']" in said
    (folder / "marks.npy").unlink()
    said = refused([str(tmp_path / "output.txt"), str(copy)], capsys, code=1)
    assert "marks.npy is missing" in said


def test_looking_up_loads_neither_torch_nor_a_cluster(case: Path, tmp_path: Path) -> None:
    (tmp_path / "output.txt").write_text(" ".join(OUTPUTS_MADE[0]))
    code = (
        "import sys; from pipeline.cli import main\n"
        f"assert main(['find-text', {str(tmp_path / 'output.txt')!r}, {str(case)!r}]) == 0\n"
        "print([m for m in ('torch', 'distributed', 'dask', 'faiss', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_only_a_case_that_asks_for_an_index_gets_one(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy.write_text(CASE.replace("text_index: {}\n", ""))
    shutil.rmtree(copy.parent / "run")
    capsys.readouterr()
    assert main(["run", str(copy), "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [s["tasks"] for s in steps if s["dataset"] == "input.text_index"] == [0]
    assert not (copy.parent / "run" / "data" / "input.text_index").exists()
