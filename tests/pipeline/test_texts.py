"""The text half from files to findings: planted copies are found, and nothing is searched twice."""

import json
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from indexes.words import normal, split
from pipeline.cli import main
from pipeline.datasets import open_dataset
from pipeline.project import open_store
from stages.tables import CHANCES, FINDINGS, MATCHES, OUTPUTS, SPANS, TEXTS
from tests.pipeline.portraits import compare

DICE = random.Random(5)
VOCABULARY = [
    "".join(DICE.choice("bcdfglmnprst") + DICE.choice("aeiou\u00e9\u00fc") for _ in range(3))
    for _ in range(1500)
]
CASE = """
name: texts
setting: randomised
train_texts: {sources: [{path: train}]}
control_texts: {sources: [{path: control.jsonl}]}
outputs: {sources: [{path: outputs}]}
cluster: {kind: inline, threads: 1}
"""


def prose(words: int, dice: random.Random = DICE) -> list[str]:
    return [dice.choice(VOCABULARY) for _ in range(words)]


def edited(words: list[str], every: int) -> list[str]:
    return ["other" if i % every == every - 1 else word for i, word in enumerate(words)]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def attempt(prompt: str, number: int, text: str | None, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "attempt": number, "model": "tested", "output": text, **more}


WORKS = [prose(500) for _ in range(12)]
CONTROLS = [prose(500) for _ in range(12)]
COPIES: Mapping[str, tuple[int, list[str]]] = {
    "verbatim": (0, WORKS[0][50:110]),
    "edited": (1, edited(WORKS[1][100:260], 8)),
    "reordered": (2, WORKS[2][300:350] + WORKS[2][40:90]),
}


def build(folder: Path) -> Path:
    # dice of its own: what is built does not depend on which tests ran before
    dice = random.Random(6)
    (folder / "train").mkdir(parents=True)
    for number, words in enumerate(WORKS):
        text = "\n".join(" ".join(words[i : i + 9]) for i in range(0, len(words), 9))
        if number == 0:
            text = "\ufeff" + text.upper()
        (folder / "train" / f"{number:02d}.txt").write_text(text, encoding="utf-8")
        about = {"title": f"Work {number}", "author": f"Author {number % 3}"}
        (folder / "train" / f"{number:02d}.json").write_text(json.dumps(about))
    rows = [{"text": " ".join(words), "author": "Nobody"} for words in CONTROLS]
    write_lines(folder / "control.jsonl", rows)
    made = []
    for name, (_, copied) in COPIES.items():
        for number in range(4):
            inside = copied if number % 2 == 0 else []
            text = " ".join([*prose(30, dice), *inside, *prose(30, dice)])
            made.append(attempt(name, number, text))
    made.append(attempt("refused", 0, None, failure="I cannot do that"))
    echoed = " ".join(WORKS[5][10:70])
    made.append(attempt(f"Repeat after me: {echoed}", 0, echoed))
    write_lines(folder / "outputs" / "first.jsonl", made)
    (folder / "case.yaml").write_text(CASE)
    return folder / "case.yaml"


def rows_of(case: Path, table: Any, *names: str) -> list[dict[str, Any]]:
    _, store = open_store(case)
    found: list[dict[str, Any]] = (
        open_dataset(store, table, *names).read(table.schema.names).to_pylist()
    )
    return found


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = build(tmp_path_factory.mktemp("texts") / "case")
    assert main(["run", str(path)]) == 0
    return path


@pytest.fixture
def copy(case: Path, tmp_path: Path) -> Path:
    shutil.copytree(case.parent, tmp_path / "case")
    return tmp_path / "case" / "case.yaml"


def ran(path: Path, capfd: pytest.CaptureFixture[str]) -> dict[str, int]:
    capfd.readouterr()
    assert main(["run", str(path), "--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    return {step["dataset"]: step["ran"] for step in json.loads(line)["steps"]}


def found(path: Path) -> set[tuple[str, str, str]]:
    """Return (prompt, verdict, title) of every finding of a work."""
    prompts = {row["prompt_id"]: row["prompt"] for row in rows_of(path, OUTPUTS, "made.outputs")}
    titles = {row["text_id"]: row["title"] for row in rows_of(path, TEXTS, "train.texts")}
    return {
        (prompts[row["prompt_id"]], row["verdict"], titles[row["work_id"]])
        for row in rows_of(path, FINDINGS, "made.text_findings")
        if row["verdict"] in ("verbatim_text", "near_text")
    }


def test_planted_copies_are_found_and_nothing_else(case: Path) -> None:
    expected = {(name, "near_text", f"Work {work}") for name, (work, _) in COPIES.items()}
    expected |= {
        (name, "verbatim_text", f"Work {COPIES[name][0]}") for name in ("verbatim", "reordered")
    }
    # two passages of 50 words in another order are no block of 60
    expected -= {("reordered", "near_text", "Work 2")}
    assert found(case) == expected


def test_k_counts_attempts_and_failures_are_kept(case: Path) -> None:
    findings = rows_of(case, FINDINGS, "made.text_findings")
    hits = [row for row in findings if row["verdict"] == "verbatim_text"]
    assert {(row["k"], row["n"]) for row in hits} == {(2, 4)}
    (failed,) = (row for row in rows_of(case, OUTPUTS, "made.outputs") if row["failure"])
    judged = [row for row in findings if row["prompt_id"] == failed["prompt_id"]]
    assert {(row["verdict"], row["k"], row["n"]) for row in judged} == {("none", 0, 1)}


def test_what_stood_in_the_prompt_is_shown_and_not_counted(case: Path) -> None:
    prompt = next(
        row["output_id"]
        for row in rows_of(case, OUTPUTS, "made.outputs")
        if (row["prompt"] or "").startswith("Repeat")
    )
    (match,) = (
        row for row in rows_of(case, MATCHES, "made.text_matches") if row["made_id"] == prompt
    )
    assert (match["run_words"], match["words_8"], match["echoed_words"]) == (0, 0, 60)
    spans = [row for row in rows_of(case, SPANS, "made.spans") if row["output_id"] == prompt]
    assert [(row["echoed_words"], row["tags"]) for row in spans] == [(60, "echoed")]


def slices(case: Path) -> Iterator[tuple[dict[str, Any], str, str, bytes, bytes]]:
    """Yield each span with its raw text and its raw bytes on both sides."""
    outputs = {row["output_id"]: row["text"] for row in rows_of(case, OUTPUTS, "made.outputs")}
    texts = {row["text_id"]: row for row in rows_of(case, TEXTS, "train.texts", "control.texts")}
    for span in rows_of(case, SPANS, "made.spans"):
        text = texts[span["text_id"]]
        raw = text["bytes"] or text["text"].encode()
        made = outputs[span["output_id"]]
        yield (
            span,
            made[span["output_start"] : span["output_end"]],
            text["text"][span["text_start"] : span["text_end"]],
            made.encode()[span["output_start_byte"] : span["output_end_byte"]],
            raw[span["text_start_byte"] : span["text_end_byte"]],
        )


def test_offsets_point_at_the_characters_and_bytes_of_both_raw_texts(case: Path) -> None:
    def forms(text: str) -> list[str]:
        words = split([text])
        places = zip(words.starts_N.tolist(), words.ends_N.tolist(), strict=True)
        return [normal(text[start:end]) for start, end in places]

    seen = 0
    for span, made, text, made_bytes, text_bytes in slices(case):
        assert (made_bytes.decode(), text_bytes.decode()) == (made, text)
        if span["kind"] == "verbatim":
            assert forms(made) == forms(text)
            assert len(forms(made)) == span["words"]
        else:
            assert len(forms(text)) == span["words"] + len(json.loads(span["edits"]))
        seen += 1
    assert seen >= 2 * (1 + 1 + 2)


def test_reordered_passages_are_marked(case: Path) -> None:
    work = {row["text_id"]: row["title"] for row in rows_of(case, TEXTS, "train.texts")}
    spans = [r for r in rows_of(case, SPANS, "made.spans") if work.get(r["text_id"]) == "Work 2"]
    assert sorted(row["in_order"] for row in spans) == [False, False, True, True]


def test_chance_is_measured_on_the_controls(case: Path) -> None:
    chances = rows_of(case, CHANCES, "input.chances")
    assert chances[0]["num_blocks"] == 6
    assert chances[0]["corpus_words"] == 6000
    assert next(row["num_events"] for row in chances if row["words"] >= 8) == 0


def test_second_run_does_nothing(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = ran(copy, capfd)
    assert {name for name, tasks in done.items() if tasks} <= {
        "train.texts",
        "control.texts",
        "made.imported",
    }, "only new times of change"


def test_new_outputs_are_searched_alone(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    parts = len(open_store(copy)[1].current("made.runs"))
    text = " ".join([*prose(20), *WORKS[7][200:250], *prose(20)])
    write_lines(copy.parent / "outputs" / "second.jsonl", [attempt("later", 0, text)])
    assert ran(copy, capfd)["made.runs"] == parts
    assert ("later", "verbatim_text", "Work 7") in found(copy)


def test_pieces_change_nothing(case: Path, copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    copy.write_text(copy.read_text().replace("{path: train}]", "{path: train}], piece_bytes: 900"))
    assert ran(copy, capfd)["train.texts"] >= 1
    pieces = rows_of(copy, TEXTS, "train.texts")
    assert len(pieces) > 2 * len(WORKS)
    assert rows_of(copy, SPANS, "made.spans") == rows_of(case, SPANS, "made.spans")
    assert rows_of(copy, MATCHES, "made.text_matches") == rows_of(
        case, MATCHES, "made.text_matches"
    )


def test_output_of_a_stage_changes_only_with_its_version(case: Path) -> None:
    compare(open_store(case)[1], Path(__file__).with_name("golden_texts.json"))
