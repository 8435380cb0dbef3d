"""Tamper matrix: eleven ways to change a bundle, what verify says, and what stock tools say.

The lines of stock tools are those that VERIFY.txt prints, run as they stand there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.cli import main
from pipeline.evidence.seal import sign
from pipeline.evidence.verify import verify
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import (
    MANIFEST,
    SIGNATURE,
    TAG_MANIFEST,
    Tiny,
    make_key,
    rebag,
    tiny_bundle,
)

pytestmark = needs_tools
PICTURE = "data/3_items/ITEM-000002/generated.native.png"


@pytest.fixture(name="clean", scope="module")
def a_clean_bundle(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny_bundle(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(name="tiny")
def a_copy(clean: Tiny, tmp_path: Path) -> Tiny:
    """Copy everything, so that it can be changed."""
    home = tmp_path / "home"
    shutil.copytree(clean.folder.parent, home)
    sealed = type(clean.sealed)(
        folder=home / clean.folder.name,
        fingerprint=clean.sealed.fingerprint,
        key=clean.sealed.key,
        stamps=clean.sealed.stamps,
        failed=(),
    )
    return Tiny(sealed, home / "key", home / "allowed_signers", home / "tsa-root.pem")


class Said(NamedTuple):
    line: str
    code: int
    out: str


def stock(tiny: Tiny) -> dict[str, Said]:
    """Run the lines of VERIFY.txt as they stand there; the file is read before the tampering."""
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    said = {}
    for name, line in COMMANDS.items():
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tiny.folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        said[name] = Said(line, done.returncode, done.stdout + done.stderr)
    return said


NAMES = (
    *("fingerprint", "tags", "manifest", "stamps", "bagit", "world", "links"),
    *("signer", "time", "custody"),
)
COMMANDS: dict[str, str] = {}


@pytest.fixture(autouse=True)
def the_lines_as_printed(clean: Tiny) -> None:
    text = (clean.folder / "VERIFY.txt").read_text()
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    COMMANDS.update(zip(NAMES, lines, strict=True))


def test_clean_bundle_says_yes_three_times_and_stock_tools_agree(tiny: Tiny) -> None:
    report = verify(tiny.folder, tiny.trust)
    assert (report.faults, report.signer, report.time, report.code) == ((), True, True, 0)
    assert report.fingerprint == tiny.sealed.fingerprint
    said = stock(tiny)
    assert {name: each.code for name, each in said.items()} == dict.fromkeys(NAMES, 0)
    assert said["fingerprint"].out.split()[0] == tiny.sealed.fingerprint
    assert not any(said[name].out for name in ("tags", "manifest", "stamps", "links"))
    assert "is valid" in said["bagit"].out
    assert sorted(said["world"].out.split()) == sorted(
        [SIGNATURE, TAG_MANIFEST, "timestamps/digests-sha256.txt"]
    )
    assert said["signer"].out.startswith('Good "evidence-bundle" signature for expert@example.org')
    assert "Verification: OK" in said["time"].out
    last = (tiny.folder / "data" / "7_custody" / "custody.jsonl").read_bytes().split(b"\n")[-2]
    assert said["custody"].out.split() == [sha256(last).hexdigest()]


def test_lines_beside_the_timestamps_work_as_printed(tiny: Tiny) -> None:
    text = (tiny.folder / "timestamps" / "README.txt").read_text()
    (line,) = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    done = subprocess.run(line.split(), cwd=tiny.folder, capture_output=True, check=False)
    assert done.returncode == 0


def named(tiny: Tiny) -> set[str]:
    report = verify(tiny.folder, tiny.trust)
    assert not report.intact
    assert report.code == 1
    return {path for path, _ in report.faults}


def notice(tiny: Tiny) -> set[str]:
    """Return which stock lines notice: they fail, or print what they should not."""
    said = stock(tiny)
    loud = {name for name in ("links",) if said[name].out}
    if len(said["world"].out.split()) != 3:
        loud.add("world")
    if said["fingerprint"].out.split()[:1] != [tiny.sealed.fingerprint]:
        loud.add("fingerprint")
    return loud | {name for name in NAMES if said[name].code}


def test_flipped_byte_of_the_payload(tiny: Tiny) -> None:
    raw = bytearray((tiny.folder / PICTURE).read_bytes())
    raw[1000] ^= 1
    (tiny.folder / PICTURE).write_bytes(raw)
    assert named(tiny) == {PICTURE}
    assert notice(tiny) == {"manifest", "bagit"}


def test_added_file_of_the_payload(tiny: Tiny) -> None:
    (tiny.folder / "data/3_items/ITEM-000009.png").write_bytes(b"new")
    assert named(tiny) == {"data/3_items/ITEM-000009.png"}
    assert notice(tiny) == {"bagit", "world"}


def test_deleted_file_of_the_payload(tiny: Tiny) -> None:
    (tiny.folder / PICTURE).unlink()
    assert named(tiny) == {PICTURE}
    assert notice(tiny) == {"manifest", "bagit", "world"}


def test_edited_bag_info(tiny: Tiny) -> None:
    info = tiny.folder / "bag-info.txt"
    info.write_text(info.read_text().replace("2026-11-22", "2026-11-21"))
    assert named(tiny) == {"bag-info.txt"}
    assert notice(tiny) == {"tags", "bagit"}


def test_added_file_outside_the_payload(tiny: Tiny) -> None:
    (tiny.folder / "README_FIRST.html").write_text("<p>Believe me.</p>")
    assert named(tiny) == {"README_FIRST.html"}
    assert notice(tiny) == {"world"}


def test_deleted_tag_manifest(tiny: Tiny) -> None:
    (tiny.folder / TAG_MANIFEST).unlink()
    assert {TAG_MANIFEST, SIGNATURE} <= named(tiny)
    assert {"tags", "signer", "fingerprint"} <= notice(tiny)


def test_added_fetch_txt(tiny: Tiny) -> None:
    (tiny.folder / "fetch.txt").write_text("https://example.org/x 1 data/x\n")
    assert named(tiny) == {"fetch.txt"}
    assert "world" in notice(tiny)


def test_added_empty_folder(tiny: Tiny) -> None:
    (tiny.folder / "data" / "empty").mkdir()
    assert named(tiny) == {"data/empty"}
    assert notice(tiny) == {"links"}


def test_rewritten_consistently(tiny: Tiny) -> None:
    (tiny.folder / PICTURE).write_bytes(b"another picture")
    rebag(tiny.folder)
    assert named(tiny) == {TAG_MANIFEST, SIGNATURE}
    assert notice(tiny) == {"fingerprint", "signer"}
    report = verify(tiny.folder, tiny.trust)
    assert (report.signer, report.time) == (False, False)  # the signature is of another bag
    assert "no signature over this tag manifest" in report.time_why


def test_signed_again_with_another_key(tiny: Tiny, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    raw = sign(other, (tiny.folder / TAG_MANIFEST).read_bytes())
    (tiny.folder / SIGNATURE).write_bytes(raw)
    assert named(tiny) == {SIGNATURE, "timestamps/tsa1.tsr"}
    assert notice(tiny) == {"signer", "time"}
    assert verify(tiny.folder, tiny.trust).signer is False


def test_clean_row_is_the_only_one_that_nobody_notices(tiny: Tiny) -> None:
    assert notice(tiny) == set()


@pytest.mark.parametrize("name", ["manifest-md5.txt", "tagmanifest-sha512.txt"])
def test_second_algorithm(tiny: Tiny, name: str) -> None:
    (tiny.folder / name).write_text("")
    assert named(tiny) == {name}


def test_manifest_that_lists_a_file_of_another_room(tiny: Tiny) -> None:
    path = tiny.folder / MANIFEST
    path.write_text(path.read_text() + f"{'0' * 64}  signatures/allowed_signers\n")
    assert {MANIFEST, "signatures/allowed_signers"} <= named(tiny)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b"\n",
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.replace(b"-----END", b"\n-----END"),
        lambda raw: b"\n" + raw,
        lambda raw: raw.rstrip(b"\n"),
    ],
)
def test_signature_laid_out_in_another_way(tiny: Tiny, change: Callable[[bytes], bytes]) -> None:
    path = tiny.folder / SIGNATURE
    path.write_bytes(change(path.read_bytes()))
    assert SIGNATURE in named(tiny)


def test_things_that_are_no_files_and_names_that_are_no_names(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tiny.folder / "data" / "pipe")
    os.link(tiny.folder / PICTURE, tiny.folder.parent / "a second name outside")
    (tiny.folder / "signatures" / "there").symlink_to("/")
    deep = tiny.folder / "data"
    for _ in range(40):
        deep /= "deeper"
        deep.mkdir()
    (tiny.folder / "data" / os.fsdecode(b"\xff\x1b[2J\n")).touch()
    assert main(["verify", str(tiny.folder), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    paths = {fault["path"]: fault["what"] for fault in said["faults"]}
    assert paths["data/pipe"] == "is neither a file nor a folder"
    assert "hard link" in paths[PICTURE]
    assert paths["signatures/there"] == "is a link"
    assert paths["data/\\udcff\\x1b[2J\\n"].startswith("a name starts with")
    assert [what for path, what in paths.items() if path.startswith("data/deeper")] == [
        "the path has 123 characters; at most 120 are allowed"
    ]
    assert len(paths) == 5
    assert main(["verify", str(tiny.folder)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_a_manifest_without_end_is_not_read(tiny: Tiny) -> None:
    with (tiny.folder / MANIFEST).open("r+b") as out:
        out.truncate(10 << 30)  # sparse: 10 GB of zeros on no disk
    assert MANIFEST in named(tiny)


def test_timestamps_taken_away_or_of_another_bundle(tiny: Tiny, clean: Tiny) -> None:
    shutil.rmtree(tiny.folder / "timestamps")
    assert "timestamps/README.txt" in named(tiny)
    shutil.copytree(clean.folder / "timestamps", tiny.folder / "timestamps")
    (tiny.folder / "timestamps" / "tsa1.tsq").unlink()
    assert "timestamps/tsa1.tsq" in named(tiny)


def test_readme_of_timestamps_cannot_say_another_time(tiny: Tiny) -> None:
    """Not even with its digest made again: it is compared with the responses."""
    from pipeline.evidence.manifests import as_lines
    from pipeline.evidence.walk import read_files

    path = tiny.folder / "timestamps" / "README.txt"
    path.write_text(path.read_text().replace("tsa1 epoch 1", "tsa1 epoch 0 -CAfile x 1"))
    digests = read_files(tiny.folder).digests
    own = {name: sha for name, sha in digests.items() if name.startswith("timestamps/")}
    del own["timestamps/digests-sha256.txt"]
    (tiny.folder / "timestamps" / "digests-sha256.txt").write_bytes(as_lines(own))
    assert named(tiny) == {"timestamps/README.txt"}
    assert "time" in notice(
        tiny
    )  # the epoch is one word for the shell, so nothing can be slipped in
