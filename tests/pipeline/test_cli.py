import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.case import load
from pipeline.cli import VERBS, main
from pipeline.errors import CaseError
from pipeline.starter import starter_case

MODEL = "embed: {model: {path: clip}}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "case.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae: x\n" + MODEL, r"nmae: unknown key; the nearest valid key is 'name'"),
        ("name: x\n", r"embed: missing"),
        ("name: 3\n" + MODEL, r"name: expected text, found 3 \(a whole number\)"),
        ("name: x\nname: y\n" + MODEL, r"key 'name' is given twice, line 2"),
        (
            "name: x\nsetting: random\n" + MODEL,
            r"setting: .* nearest is 'randomised'",
        ),
        ("name: x\nmax_rejected: 2\n" + MODEL, r"max_rejected: expected a share in \[0, 1\]"),
        ("name: x\nprompts: {seeds: many}\n" + MODEL, r"prompts.seeds: expected a whole number"),
        ("name: x\nprompts: {seeds: true}\n" + MODEL, r"prompts.seeds: expected a whole number"),
        ("name: x\nprompts: {seeds: 4, discovery: 9}\n" + MODEL, r"prompts.discovery: "),
        ("name: x\nflag: {min_hits: 0}\n" + MODEL, r"^flag.min_hits: expected 1 or more, got 0"),
        ("name: x\ncliques: {max_distance: .nan}\n" + MODEL, r"cliques.max_distance: .*finite"),
        ("name: x\ntrain: {sources: here}\n" + MODEL, r"train.sources: expected a list"),
        ("name: x\nembed: {model: {}}\n", r"embed.model.*exactly one of `path`"),
        ("name: x\nembed: {model: {hub: a/b, revision: main}}\n", r"commit of 40 hex"),
        ("- a\n- b\n", r"case: expected keys and values"),
        ("name: [\n", r"cannot be read as a case"),
    ],
)
def test_wrong_case_names_key_found_and_expected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CaseError, match=said):
        load(written(tmp_path, text))


def test_case_error_exits_with_2_and_json_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "nmae: x\n" + MODEL)
    assert main(["show", str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == 2
    assert "nmae" in json.loads(err)["message"]


def test_missing_model_and_empty_folder_are_case_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "name: x\n" + MODEL)
    assert main(["show", str(path)]) == 2
    assert "clip" in capsys.readouterr().err
    (tmp_path / "train").mkdir()
    text = f"name: x\ntrain: {{sources: [{{path: train}}]}}\n{MODEL}"
    (tmp_path / "clip").mkdir()
    assert main(["show", str(written(tmp_path, text))]) == 2


def test_unsafe_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "open_clip_config.json").write_text("{}")
    (tmp_path / "clip" / "open_clip_pytorch_model.bin").write_bytes(b"pickle")
    assert main(["run", str(written(tmp_path, "name: x\n" + MODEL))]) == 2
    assert "safetensors" in capsys.readouterr().err


def test_init_writes_a_case_that_says_every_knob_and_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    assert main(["init", str(path)]) == 0
    assert load(path).name == "mine"
    text = path.read_text()
    for knob in ("run_seed", "min_hits", "max_distance", "setting", "guidance", "never"):
        assert f"{knob}:" in text
    assert main(["init", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_starter_quotes_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(starter_case("yes: no"))
    assert load(path).name == "yes: no"
    assert yaml.safe_load(path.read_text())["setting"] == "matched"


def test_case_left_out_needs_exactly_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 2
    assert "found none" in capsys.readouterr().err
    (tmp_path / "a.yaml").touch()
    (tmp_path / "b.yml").touch()
    assert main(["status"]) == 2
    assert "a.yaml, b.yml" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_has_its_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert VERBS[verb][1] in capsys.readouterr().out


def test_usage_error_exits_with_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "fly"], capture_output=True, check=False
    )
    assert done.returncode == 2


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    """`palimpsest show | head -1` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pipeline.cli", "init", str(tmp_path / "case.yaml")]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
