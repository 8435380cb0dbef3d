"""A sealed bundle of three items, and what its receiver has from elsewhere."""

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.evidence.bag import Facts
from pipeline.evidence.seal import Sealed, SealOptions, seal_bundle
from pipeline.evidence.signers import Signer, read_signers
from pipeline.evidence.timestamps import read_roots
from pipeline.evidence.verify import Trust
from tests.pipeline.tiny_authority import authority, serving

WHO = "expert@example.org"
TAG_MANIFEST = "tagmanifest-sha256.txt"
MANIFEST = "manifest-sha256.txt"
SIGNATURE = "signatures/tagmanifest-sha256.txt.sshsig"


@dataclass(frozen=True)
class Tiny:
    """The bundle and what lies beside it."""

    sealed: Sealed
    key: Path
    signers_file: Path
    roots_file: Path

    @property
    def folder(self) -> Path:
        return self.sealed.folder

    @property
    def signers(self) -> tuple[Signer, ...]:
        return read_signers(self.signers_file)

    @property
    def trust(self) -> Trust:
        return Trust(signers=self.signers, roots=read_roots([self.roots_file]))

    @property
    def command(self) -> list[str]:
        """Arguments of a `verify` that asks everything."""
        known = ["--signers", str(self.signers_file), "--tsa-root", str(self.roots_file)]
        return ["verify", str(self.folder), *known]


def facts(identifier: str = "EB-tiny-1") -> Facts:
    return Facts(
        identifier=identifier, group="tiny", date="2026-11-22", software="palimpsest 0.1.0"
    )


def payload() -> Iterator[tuple[str, bytes]]:
    """Yield the files of three items."""
    noise = random.Random(1)
    yield "1_method/methodology.md", b"# Method\n"
    yield "1_method/error_rates.json", b'{"false_discovery": 0.05}\n'
    for number in range(1, 4):
        folder = f"3_items/ITEM-{number:06}"
        yield f"{folder}/item.json", json.dumps({"item": number, "verdict": "found"}).encode()
        yield f"{folder}/generated.native.png", noise.randbytes(3000)
        yield f"{folder}/reference.native.png", noise.randbytes(2000)
    yield "4_negatives/denominators.json", b'{"tries": 500}\n'
    first = json.dumps({"prev": "0" * 64, "seq": 1}, separators=(",", ":")).encode()
    after = {"prev": sha256(first).hexdigest(), "seq": 2}
    last = json.dumps(after, separators=(",", ":")).encode()
    yield "7_custody/custody.jsonl", first + b"\n" + last + b"\n"


def make_key(path: Path, kind: str = "ed25519") -> Path:
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def tiny_bundle(home: Path, *, stamped: bool = True) -> Tiny:
    """Seal a bundle in a folder of its own, with one timestamp."""
    key = make_key(home / "key")
    honest = authority(home / "authority")
    folder = home / "EB-tiny-1"
    with serving(honest) as url:
        urls = (url,) if stamped else ()
        options = SealOptions(key=key, principal=WHO, authorities=urls, timeout_s=60)
        sealed = seal_bundle(folder, payload(), facts(), options)
    signers = home / "allowed_signers"
    signers.write_bytes((folder / "signatures" / "allowed_signers").read_bytes())
    # the names that VERIFY.txt uses
    roots = home / "tsa-root.pem"
    roots.write_bytes(honest.root.pem)
    return Tiny(sealed, key, signers, roots)


def rebag(folder: Path) -> None:
    """Write both manifests again, as somebody would who changed the rest."""
    tags = [line[66:] for line in (folder / TAG_MANIFEST).read_text().splitlines()]
    files = [path for path in sorted(folder.glob("data/**/*")) if path.is_file()]
    listed = [path.relative_to(folder).as_posix() for path in files]
    oxum = f"Payload-Oxum: {sum(path.stat().st_size for path in files)}.{len(files)}"
    info = folder / "bag-info.txt"
    lines = [oxum if line.startswith("Payload") else line for line in info.read_text().splitlines()]
    info.write_text("\n".join(lines) + "\n")
    for name, paths in ((MANIFEST, listed), (TAG_MANIFEST, tags)):
        rows = [f"{sha256((folder / path).read_bytes()).hexdigest()}  {path}\n" for path in paths]
        (folder / name).write_text("".join(rows))
