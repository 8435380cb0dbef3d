"""The verbs verify and stamp: exit codes, JSON, and what they refuse to believe."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.tiny_authority import authority, certificate, needs_tools, served, serving
from tests.pipeline.tiny_bundle import Tiny, make_key, tiny_bundle

pytestmark = needs_tools


@pytest.fixture(name="tiny", scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny_bundle(tmp_path_factory.mktemp("evidence"))


def test_three_answers_and_their_codes(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub")
    (tmp_path / "signers").write_text(f"who {other.read_text()}")
    (tmp_path / "roots.pem").write_bytes(certificate("Other").pem)
    bundle = str(tiny.folder)
    stranger = ["--signers", str(tmp_path / "signers")]
    strangers = ["--tsa-root", str(tmp_path / "roots.pem")]
    expected = {
        (bundle,): (0, None, None),
        tuple(tiny.command[1:]): (0, True, True),
        (bundle, *stranger): (3, False, None),
        (bundle, *strangers): (3, None, False),
        (bundle, *stranger, "--tsa-root", str(tiny.roots_file)): (3, False, True),
    }
    for arguments, (code, signer, time) in expected.items():
        assert main(["verify", *arguments, "--json"]) == code
        said = json.loads(capsys.readouterr().out)
        assert (said["intact"], said["signer"], said["time"]) == (True, signer, time)
        assert said["faults"] == []
        assert said["fingerprint"] == tiny.sealed.fingerprint
    copy = Path(shutil.copytree(tiny.folder, tmp_path / "EB"))
    (copy / "data/1_method/methodology.md").write_text("# Another method\n")
    assert main(["verify", str(copy), *tiny.command[2:]]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("data/1_method/methodology.md: has sha256 ")
    assert out[1] == "INTACT?         NO: 1 file at fault"
    assert out[2].startswith("KNOWN SIGNER?   yes: expert@example.org")
    assert out[3].startswith("TIME ATTESTED?  yes: signed on ")


def test_help_says_what_is_asked_and_what_the_codes_mean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "without --signers and --tsa-root it asks INTACT? alone" in said
    for code in ("0 every question asked is answered yes", "1 not intact", "2 usage", "3 intact"):
        assert code in said


def test_an_intact_bundle_without_trust_says_that_nothing_else_was_asked(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tiny.folder)]) == 0
    out = capsys.readouterr().out
    assert "KNOWN SIGNER?   not asked: give the file of signers that you were sent" in out
    assert "TIME ATTESTED?  not asked: give the roots of the authorities" in out


def test_nothing_inside_a_bundle_may_judge_it(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tiny.folder / "signatures" / "allowed_signers"
    (tmp_path / "link").symlink_to(inside)
    chain = tiny.folder / "timestamps" / "tsa1-chain.pem"
    for option in (
        ["--signers", str(inside)],
        ["--signers", str(tmp_path / "link")],
        ["--tsa-root", str(chain)],
    ):
        assert main(["verify", str(tiny.folder), *option, "--json"]) == 2
        assert "lies inside the bundle" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["absent"],
        ["{folder}", "--signers", "absent"],
        ["{folder}", "--tsa-root", "absent"],
        ["{folder}", "--tsa-root", "{folder}/../allowed_signers"],
        ["{folder}", "--signers", "{folder}/../tsa-root.pem"],
    ],
)
def test_what_cannot_be_asked(tiny: Tiny, arguments: list[str]) -> None:
    assert main(["verify", *(each.format(folder=tiny.folder) for each in arguments)]) == 2


def test_folder_that_is_no_bundle_is_not_intact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path), "--json"]) == 1
    paths = {fault["path"] for fault in json.loads(capsys.readouterr().out)["faults"]}
    assert {"bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"} <= paths


def test_stamp_adds_a_timestamp_and_breaks_no_seal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = tiny_bundle(tmp_path, stamped=False)
    assert main([*tiny.command, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["time_why"] == "UNTIMESTAMPED"
    second = authority(tmp_path / "second", signer=certificate("Second", stamps=True))
    bundle, roots = str(tiny.folder), ["--tsa-root", str(tiny.roots_file)]
    with serving(authority(tmp_path / "rogue")) as rogue, serving(second) as url:
        assert main(["stamp", bundle, "--tsa", rogue, *roots]) == 1
        assert "does not lead to a root that was given" in capsys.readouterr().err
        assert main(["stamp", bundle, "--tsa", url, "--tsa", "http://127.0.0.1:9/", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["stamped"][0]["authority"] == "CN=Second"
    assert "127.0.0.1: cannot be asked" in said["failed"][0]
    assert main([*tiny.command, "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["intact"], said["signer"], said["time"]) == (True, True, False)
    assert said["fingerprint"] == tiny.sealed.fingerprint
    with serving(authority(tmp_path / "third")) as url:
        assert main(["stamp", bundle, "--tsa", url]) == 0
    assert main(["verify", bundle, "--tsa-root", str(tmp_path / "third" / "root.pem")]) == 0


def test_stamp_from_inside_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_bundle(tmp_path)
    monkeypatch.chdir(tiny.folder)
    with serving(authority(tmp_path / "second")) as url:
        assert main(["stamp", ".", "--tsa", url]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(tiny.command) == 0


def test_stamp_refuses_what_is_not_intact_and_what_makes_no_sense(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(tiny.folder, tmp_path / "EB"))
    (copy / "data" / "more").write_text("x")

    def never(_: bytes, __: object) -> bytes:
        raise AssertionError

    with served(never) as url:
        assert main(["stamp", str(copy), "--tsa", url]) == 1
        assert "is not intact, so it is not stamped: data/more" in capsys.readouterr().err
        for wrong in (
            [str(tiny.folder), "--tsa", url, "--timeout", "0"],
            [str(tiny.folder), "--tsa", url, "--timeout", "nan"],
            [str(tiny.folder), *["--tsa", url] * 9],
            [str(tmp_path / "absent"), "--tsa", url],
            [str(tiny.folder), "--tsa", "gopher://x/"],
        ):
            assert main(["stamp", *wrong]) == 2
