"""Zips of bundles: the honest one verifies, hostile ones are refused before anything is written."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.evidence.verify import Trust, verify
from pipeline.evidence.zipped import pack, unpack
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import Tiny, tiny_bundle

MODE = (stat.S_IFREG | 0o644) << 16


def entry(name: str, mode: int = MODE) -> zipfile.ZipInfo:
    about = zipfile.ZipInfo(name)
    about.external_attr = mode
    return about


def refused(home: Path, path: Path) -> list[str]:
    """Unpack, expect nothing to be written anywhere, and return what was said."""
    into = home / "into"
    into.mkdir()
    folder, faults = unpack(path, into)
    assert folder is None
    assert list(into.iterdir()) == []
    assert {one.name for one in home.iterdir()} == {"into", path.name}
    return [f"{name}: {what}" for name, what in faults]


@pytest.fixture(name="tiny", scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny_bundle(tmp_path_factory.mktemp("evidence"))


@needs_tools
def test_honest_zip_is_the_same_each_time_and_verifies(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.zip", "b.zip"):
        pack(tiny.folder, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    (tmp_path / "into").mkdir()
    folder, faults = unpack(tmp_path / "a.zip", tmp_path / "into")
    assert faults == []
    assert folder is not None
    assert verify(folder, tiny.trust).code == 0
    command = tiny.command
    command[1] = str(tmp_path / "a.zip")
    assert main(command) == 0
    assert "INTACT?         yes" in capsys.readouterr().out


@needs_tools
def test_changed_byte_anywhere_in_a_zip_is_noticed_or_changes_nothing(
    tiny: Tiny, tmp_path: Path
) -> None:
    pack(tiny.folder, tmp_path / "a.zip")
    whole = (tmp_path / "a.zip").read_bytes()
    for number, at in enumerate(range(0, len(whole), len(whole) // 100)):
        raw = bytearray(whole)
        raw[at] ^= 0x10
        (tmp_path / "b.zip").write_bytes(raw)
        into = tmp_path / f"into{number}"
        into.mkdir()
        folder, faults = unpack(tmp_path / "b.zip", into)
        assert faults or (folder and verify(folder, Trust()).fingerprint == tiny.sealed.fingerprint)


@pytest.mark.parametrize(
    "name",
    [
        "../slip",
        "EB/../../slip",
        "/etc/slip",
        "EB//slip",
        "EB/a b",
        "EB\\..\\slip",
        "C:/slip",
        "EB/%2e",
    ],
)
def test_zip_slip(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(entry("EB/bagit.txt"), b"x")
        out.writestr(entry(name), b"x")
    assert any("a name starts with" in said for said in refused(tmp_path, path))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_link_or_device(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(entry("EB/bagit.txt", (kind | 0o777) << 16), b"/etc/passwd")
    assert refused(tmp_path, path) == ["EB/bagit.txt: is a link or a device"]


def test_ten_gigabytes_of_zeros(tmp_path: Path) -> None:
    """Made small: the directory says 10 GB, and that is what is looked at first."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("EB/data/zeros", bytes(10 << 20), zipfile.ZIP_DEFLATED, 9)
    size = (10 << 20).to_bytes(4, "little")
    path = tmp_path / "a.zip"
    path.write_bytes(raw.getvalue().replace(size, (0xFFFFFFF0).to_bytes(4, "little")))
    assert any("a zip bomb" in said for said in refused(tmp_path, path))


def test_many_middling_bombs_and_one_that_lies_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for number in range(40):
            out.writestr(f"EB/data/{number}", bytes(1 << 20), zipfile.ZIP_DEFLATED, 9)
    assert any("a zip bomb" in said for said in refused(tmp_path, path))
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("EB/data/zeros", bytes(1 << 24), zipfile.ZIP_DEFLATED, 9)
    lying = tmp_path / "lying"
    lying.mkdir()
    size = (1 << 24).to_bytes(4, "little")
    (lying / "b.zip").write_bytes(raw.getvalue().replace(size, (1000).to_bytes(4, "little")))
    (lying / "into").mkdir()
    folder, faults = unpack(lying / "b.zip", lying / "into")
    assert folder is None
    assert "cannot be unpacked" in faults[0].what
    written = sum(one.stat().st_size for one in (lying / "into").rglob("*") if one.is_file())
    assert written <= 1000


def test_two_of_one_name_two_folders_a_file_alone_and_an_encrypted_one(tmp_path: Path) -> None:
    cases = {
        "is there twice": ["EB/a", "EB/A"],
        "expected one folder": ["EB/a", "EC/a"],
        "is not in the folder": ["a"],
    }
    for number, (said, names) in enumerate(cases.items()):
        home = tmp_path / str(number)
        home.mkdir()
        with zipfile.ZipFile(home / "a.zip", "w") as out:
            for name in names:
                out.writestr(entry(name), b"x")
        assert any(said in each for each in refused(home, home / "a.zip"))
    home = tmp_path / "encrypted"
    home.mkdir()
    with zipfile.ZipFile(home / "a.zip", "w") as out:
        out.writestr(entry("EB/a"), b"x")
    raw = bytearray((home / "a.zip").read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    (home / "a.zip").write_bytes(raw)
    assert "encrypted" in refused(home, home / "a.zip")[0]


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_of_a_bundle(
    tmp_path: Path, raw: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw)
    assert refused(tmp_path, path)
    assert main(["verify", str(path), "--json"]) == 1
    assert '"intact": false' in capsys.readouterr().out
