"""Ten thousand random changes of a bundle: each is noticed, each names its path, none crashes."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.evidence.verify import Trust, verify
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import MANIFEST, TAG_MANIFEST, Tiny, rebag, tiny_bundle

pytestmark = needs_tools
MUTATIONS = 10_000
BY_COMMAND = 50
FOLDERS = ("", "data", "data/3_items", "data/3_items/ITEM-000001", "signatures", "timestamps")


class Bench:
    """A bundle that is changed and made whole again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.whole = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.names = sorted(self.whole)
        self.touched: set[str] = set()

    def write(self, path: str, raw: bytes) -> None:
        self.touched.add(path)
        (self.folder / path).write_bytes(raw)

    def remove(self, path: str) -> None:
        self.touched.add(path)
        (self.folder / path).unlink()

    def mend(self) -> None:
        """Undo everything that was touched."""
        for path in self.touched:
            place = self.folder / path
            if place.is_dir() and not place.is_symlink():
                place.rmdir()
            else:
                place.unlink(missing_ok=True)
            if path in self.whole:
                place.write_bytes(self.whole[path])
        self.touched.clear()


def flip(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(bench.names)
    raw = bytearray(bench.whole[path])
    raw[noise.randrange(len(raw))] ^= 1 << noise.randrange(8)
    bench.write(path, bytes(raw))
    return {path}


def insert(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(bench.names)
    raw = bench.whole[path]
    at = noise.randrange(len(raw) + 1)
    more = noise.choice([b"\n", b" ", b"\0", noise.randbytes(noise.randint(1, 40))])
    bench.write(path, raw[:at] + more + raw[at:])
    return {path}


def cut(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(bench.names)
    raw = bench.whole[path]
    at = noise.randrange(len(raw))
    bench.write(path, raw[:at] + raw[at + noise.randint(1, 40) :])
    return {path}


def truncate(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(bench.names)
    bench.write(path, bench.whole[path][: noise.randrange(len(bench.whole[path]))])
    return {path}


def delete(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(bench.names)
    bench.remove(path)
    return {path}


def fresh(noise: random.Random) -> str:
    folder = noise.choice(FOLDERS)
    name = noise.choice(
        ["new.txt", "._x", "x" * 130, "a b", "tsa2.tsr", "allowed_signers2", "\u202e"]
    )
    return f"{folder}/{name}".lstrip("/")


def rename(bench: Bench, noise: random.Random) -> set[str]:
    path, other = noise.choice(bench.names), fresh(noise)
    bench.write(other, bench.whole[path])
    bench.remove(path)
    return {path, shown(other)}


def swap(bench: Bench, noise: random.Random) -> set[str]:
    one, other = noise.sample(bench.names, 2)
    if bench.whole[one] == bench.whole[other]:
        return flip(bench, noise)
    bench.write(one, bench.whole[other])
    bench.write(other, bench.whole[one])
    return {one, other}


def add(bench: Bench, noise: random.Random) -> set[str]:
    path = fresh(noise)
    bench.write(path, noise.randbytes(noise.randint(0, 100)))
    return {shown(path)}


def link(bench: Bench, noise: random.Random) -> set[str]:
    path, target = noise.choice(bench.names), noise.choice(bench.names)
    kind = noise.choice([os.link, os.symlink])
    new = path if noise.random() < 0.5 and path != target else fresh(noise)
    bench.touched |= {new, target}
    (bench.folder / new).unlink(missing_ok=True)
    kind(bench.folder / target, bench.folder / new)
    return {shown(new)}


def dangling(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(bench.names)
    bench.remove(path)
    (bench.folder / path).symlink_to(noise.choice(["/etc/hostname", "nowhere", ".", path[-1]]))
    return {path}


def empty_folder(bench: Bench, noise: random.Random) -> set[str]:
    path = fresh(noise)
    bench.touched.add(path)
    (bench.folder / path).mkdir()
    return {shown(path)}


def fetch(bench: Bench, noise: random.Random) -> set[str]:
    bench.write("fetch.txt", b"https://example.org/x %d data/x\n" % noise.randrange(100))
    return {"fetch.txt"}


def second_algorithm(bench: Bench, noise: random.Random) -> set[str]:
    kind = noise.choice(["md5", "sha1", "sha512", "SHA256"])
    name = f"{noise.choice(['', 'tag'])}manifest-{kind}.txt"
    bench.write(name, bench.whole[MANIFEST])
    return {name}


def strange_path(bench: Bench, noise: random.Random) -> set[str]:
    path = noise.choice(["data/../x", "data/a%0Ab.txt", "../x", "/etc/x", "data//x", "data/./x"])
    if noise.random() < 0.5 and "%" in path:
        bench.write(path, b"x")
        return {path}
    row = f"{noise.randbytes(32).hex()}  {path}\n".encode()
    name = noise.choice([MANIFEST, TAG_MANIFEST, "timestamps/digests-sha256.txt"])
    rows = [*bench.whole[name].splitlines(keepends=True), row]
    bench.write(name, b"".join(noise.choice([rows, sorted(rows, key=lambda one: one[66:])])))
    return {name, path}


def consistent(bench: Bench, noise: random.Random) -> set[str]:
    """Change a file of the payload and write the manifests again."""
    path = noise.choice([name for name in bench.names if name.startswith("data/")])
    bench.write(path, bench.whole[path] + noise.randbytes(3))
    bench.touched |= {MANIFEST, TAG_MANIFEST, "bag-info.txt"}
    rebag(bench.folder)
    return {TAG_MANIFEST}


OPERATIONS: tuple[Callable[[Bench, random.Random], set[str]], ...] = (
    *(flip, insert, cut, truncate, delete, rename, swap, add, link, dangling, empty_folder),
    *(fetch, second_algorithm, strange_path, consistent),
)


def shown(path: str) -> str:
    """Return a path as a fault names it: what is not printable ASCII is escaped."""
    return path if path.isascii() else ascii(path)[1:-1]


@pytest.fixture(name="tiny", scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny_bundle(tmp_path_factory.mktemp("evidence"))


def test_every_random_change_is_named(tiny: Tiny, tmp_path: Path) -> None:
    bench = Bench(Path(shutil.copytree(tiny.folder, tmp_path / "EB")))
    noise, trust = random.Random(20261122), tiny.trust
    missed = []
    for number in range(MUTATIONS):
        operation = OPERATIONS[number % len(OPERATIONS)]
        paths = operation(bench, noise)
        # whether it is intact has nothing to do with whom one trusts
        report = verify(bench.folder, trust if number % 10 == 0 else Trust())
        if report.intact or not paths <= {path for path, _ in report.faults}:
            missed.append((operation.__name__, sorted(paths), report.faults))
        bench.mend()
    assert missed == []
    assert (
        verify(bench.folder, trust).code == 0
    )  # everything was mended: faults were of the changes


def test_a_change_of_one_file_of_the_payload_blames_no_other(tiny: Tiny, tmp_path: Path) -> None:
    bench = Bench(Path(shutil.copytree(tiny.folder, tmp_path / "EB")))
    for path in bench.names:
        if path.startswith("data/"):
            bench.write(path, bench.whole[path] + b"x")
            assert {name for name, _ in verify(bench.folder, tiny.trust).faults} == {path}
            bench.mend()


def test_random_changes_by_the_command(tiny: Tiny, tmp_path: Path) -> None:
    bench = Bench(Path(shutil.copytree(tiny.folder, tmp_path / "EB")))
    noise = random.Random(50)
    command = [sys.executable, "-m", "pipeline.cli", "verify", str(bench.folder), "--json"]
    for number in range(BY_COMMAND):
        paths = OPERATIONS[number % len(OPERATIONS)](bench, noise)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "")
        said = json.loads(done.stdout)
        assert said["intact"] is False
        assert paths <= {fault["path"] for fault in said["faults"]}
        bench.mend()
