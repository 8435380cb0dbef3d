"""Bags: the same bytes in any order, whole or not there, and valid for the bagit of others."""

import errno
import io
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.errors import CaseError, DiskFullError
from pipeline.evidence.bag import SealError, drafted, write_bag
from pipeline.evidence.manifests import parse
from pipeline.evidence.names import fault_of_path
from tests.pipeline.tiny_bundle import facts, payload


def made(folder: Path, files: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> Path:
    with drafted(folder) as draft:
        write_bag(draft, files, facts(), {"VERIFY.txt": b"how\n"})
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_bag_is_the_same_in_any_order_and_valid_for_bagit(tmp_path: Path) -> None:
    one = made(tmp_path / "one", payload())
    two = made(tmp_path / "two", list(payload())[::-1])
    assert content(one) == content(two)
    command = [sys.executable, "-m", "bagit", "--validate", str(one)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    rows = (one / "manifest-sha256.txt").read_text().splitlines()
    assert rows == sorted(rows, key=lambda row: row[66:])
    digest = sha256(dict(payload())["3_items/ITEM-000001/item.json"]).hexdigest()
    assert f"{digest}  data/3_items/ITEM-000001/item.json" in rows
    size = sum(len(raw) for _, raw in payload())
    assert (one / "bag-info.txt").read_text() == (
        "External-Identifier: EB-tiny-1\n"
        "Bag-Group-Identifier: tiny\n"
        "Bagging-Date: 2026-11-22\n"
        "Bag-Software-Agent: palimpsest 0.1.0\n"
        f"Payload-Oxum: {size}.{len(list(payload()))}\n"
    )


def test_fingerprint_names_the_bag_and_the_next_bag_names_it(tmp_path: Path) -> None:
    with drafted(tmp_path / "one") as draft:
        fingerprint = write_bag(draft, payload(), facts(), {})
    tag_manifest = (tmp_path / "one" / "tagmanifest-sha256.txt").read_bytes()
    assert fingerprint == sha256(tag_manifest).hexdigest()
    after = replace(facts("EB-tiny-2"), previous=fingerprint, more=(("Contact-Name", "Ada Łuk"),))
    with drafted(tmp_path / "two") as draft:
        write_bag(draft, payload(), after, {})
    text = (tmp_path / "two" / "bag-info.txt").read_text(encoding="utf-8")
    assert f"Previous-Bundle-SHA256: {fingerprint}\nContact-Name: Ada Łuk\n" in text


def test_files_come_from_bytes_paths_and_open_files_alike(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    with drafted(tmp_path / "bag") as draft, (tmp_path / "source").open("rb") as opened:
        files = [("a", b"x" * 3_000_000), ("b", tmp_path / "source"), ("c", opened)]
        write_bag(draft, files, facts(), {})
    found = {(tmp_path / "bag" / "data" / name).read_bytes() for name in "abc"}
    assert found == {b"x" * 3_000_000}


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../b", "/etc/x", "a//b", "", ".", ".hidden", "-rf", "a b", "a%20b", "a\nb"),
        *("é.png", "a\\b", "a.", "con", "AUX.txt", "x/nul", "a:b", "x" * 121, "a/" * 59 + "bbb"),
    ],
)
def test_names_that_no_bundle_holds(tmp_path: Path, name: str) -> None:
    with pytest.raises(SealError, match="cannot stand in a bundle"):
        made(tmp_path / "bag", [("good", b""), (name, b"")])
    assert list(tmp_path.iterdir()) == []


def test_names_that_a_bundle_holds() -> None:
    for name in ("a", "A-b_c.d", "console.txt", "x" * 120, "0/1/2", "_", "com.txt", "nul1"):
        assert fault_of_path(name) is None


@pytest.mark.parametrize("names", [("a", "a"), ("Page.html", "page.html")])
def test_two_files_of_one_name_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(SealError, match="given twice"):
        made(tmp_path / "bag", [(name, b"") for name in names])


def test_nothing_to_seal_and_facts_of_two_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="nothing was given"):
        made(tmp_path / "bag", [])
    for bad in ("two\nlines", " blank", "", "\u202etxt"):
        with pytest.raises(SealError, match="one line"), drafted(tmp_path / "bag") as draft:
            write_bag(draft, payload(), replace(facts(), group=bad), {})
    with pytest.raises(SealError, match="one line"), drafted(tmp_path / "bag") as draft:
        write_bag(draft, payload(), replace(facts(), more=(("A: b", "c"),)), {})
    with pytest.raises(SealError, match="64 hex digits"), drafted(tmp_path / "bag") as draft:
        write_bag(draft, payload(), replace(facts(), previous="EB-tiny-0"), {})
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(CaseError, match="exists already"):
        made(tmp_path / "bag", payload())
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(CaseError, match="exists already"):
        made(tmp_path / "link", payload())


class Filling(io.BytesIO):
    """A file at whose middle the disk is full."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().read(min(size or 0, 10))


def test_full_disk_halfway_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    files = [("a", b"x"), ("b", Filling(b"y" * 100))]
    with pytest.raises(DiskFullError, match="no room is left"), drafted(tmp_path / "bag") as draft:
        write_bag(draft, files, facts(), {})
    assert list(tmp_path.iterdir()) == []


def test_limit_of_the_file_system_is_told_as_no_room(tmp_path: Path) -> None:
    code = (
        "import sys, resource, signal; from pathlib import Path\n"
        "from pipeline.errors import DiskFullError\n"
        "from pipeline.evidence.bag import drafted, write_bag\n"
        "from tests.pipeline.tiny_bundle import facts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    with drafted(Path(sys.argv[1])) as draft:\n"
        "        write_bag(draft, [('a', b'x'), ('b', b'x' * 200_000)], facts(), {})\n"
        "except DiskFullError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "bag")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "no room is left on the disk; nothing was kept" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_source_that_cannot_be_read_and_interruption_leave_nothing(tmp_path: Path) -> None:
    def stopped() -> Iterator[tuple[str, bytes]]:
        yield "a", b"x"
        raise KeyboardInterrupt

    with pytest.raises(SealError, match="absent"), drafted(tmp_path / "bag") as draft:
        write_bag(draft, [("a", tmp_path / "absent")], facts(), {})
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "bag", stopped())
    assert list(tmp_path.iterdir()) == []


SHA = "a" * 64


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (f"{SHA}  a\n{SHA}  b\n", 0),
        ("", 0),
        (f"{SHA}  b\n{SHA}  a\n", 1),
        (f"{SHA}  a\n{SHA}  a\n", 1),
        (f"{SHA}  a", 1),
        (f"{SHA}  a\n\n", 1),
        (f"{SHA} *a\n", 1),
        (f"{SHA}   a\n", 1),
        (f"{SHA.upper()}  a\n", 1),
        (f"{SHA[1:]}  a\n", 1),
        (f"{SHA}  a\r\n", 1),
        (f"{SHA}  a b\n", 1),
        (f"{SHA}  a\x0bb\n", 1),
        (f"{SHA}  ../a\n", 2),
        (f"{SHA}  a%0Ab\n", 2),
        (f"\ufeff{SHA}  a\n", 1),
        (f"\\{SHA}  a\n", 1),
    ],
)
def test_manifest_is_read_strictly(text: str, faults: int) -> None:
    listed = parse("m", text.encode())
    assert len(listed.faults) == faults
    assert faults or list(listed.digests) == [row[66:] for row in text.splitlines()]
