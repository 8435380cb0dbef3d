"""Stamps: the folder timestamps/ of a bundle, which may grow after sealing.

    timestamps/README.txt            UNTIMESTAMPED, or what each timestamp says
    timestamps/digests-sha256.txt    every other file of the folder
    timestamps/tsa1.tsq tsa1.tsr tsa1-chain.pem    request, whole response, certificates inside it

The folder is outside the signed tag manifest, so that a timestamp breaks no seal. It is replaced
as a whole. Everything in it but the responses can be made again from the responses, and is
compared with that.
"""

import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from pipeline.evidence import manifests
from pipeline.evidence.bag import write_through
from pipeline.evidence.names import Fault, shown
from pipeline.evidence.timestamps import Stamp, Token, fault_of, read

FOLDER = "timestamps"
README = f"{FOLDER}/README.txt"
DIGESTS = f"{FOLDER}/digests-sha256.txt"
SIGNATURE = f"signatures/{manifests.TAG_MANIFEST}.sshsig"
"""What is stamped: a signature that existed then was made then, whatever became of its key."""

MOST = 9
"""Timestamps of one bundle."""

UNTIMESTAMPED = b"""UNTIMESTAMPED

No authority has attested when this bundle was signed. A timestamp can be added at any time, without
breaking the seal; what it attests is that the signature existed when it was added.
"""

_RESPONSE = re.compile(rf"{FOLDER}/(tsa[1-{MOST}])\.tsr")


def first_files() -> dict[str, bytes]:
    """Return the files of the folder of a bundle that nobody has stamped."""
    return _with_digests({README: UNTIMESTAMPED})


def add(folder: Path, stamps: Sequence[Stamp]) -> list[str]:
    """Add timestamps to a bundle that is intact, and return the paths of their responses.

    The new folder is written beside the bundle and takes the place of the old one.
    """
    kept = {
        f"{FOLDER}/{path.name}": path.read_bytes()
        for path in (folder / FOLDER).iterdir()
        if path.name.startswith("tsa")
    }
    responses = {path: raw for path, raw in kept.items() if _RESPONSE.fullmatch(path)}
    added = []
    for number, stamp in enumerate(stamps, start=len(responses) + 1):
        place = f"{FOLDER}/tsa{number}"
        added.append(f"{place}.tsr")
        responses[f"{place}.tsr"] = stamp.response
        kept |= {
            f"{place}.tsr": stamp.response,
            f"{place}.tsq": stamp.request,
            f"{place}-chain.pem": stamp.token.chain,
        }
    tokens = {path: read(raw) for path, raw in sorted(responses.items())}
    _replace(folder, _with_digests({**kept, README: _readme(tokens)}))
    return added


def read_tokens(files: Mapping[str, bytes]) -> tuple[dict[str, Token], list[Fault]]:
    """Return what each response of a bundle says, and what is wrong with the folder.

    Args:
        files: path -> content of the files of the bundle that are not under data/.
    """
    tokens: dict[str, Token] = {}
    faults: list[Fault] = []
    responses = [path for path in sorted(files) if _RESPONSE.fullmatch(path)]
    for number, path in enumerate(responses, start=1):
        if path != f"{FOLDER}/tsa{number}.tsr":
            faults.append(Fault(path, f"expected tsa{number}: timestamps are numbered from 1"))
        try:
            tokens[path] = token = read(files[path])
        except ValueError as error:
            faults.append(Fault(path, f"is no timestamp: {shown(str(error)[:200])}"))
            continue
        if fault := fault_of(token, files.get(SIGNATURE, b"")):
            faults.append(Fault(path, fault))
        faults += _beside(path.removesuffix(".tsr"), token, files)
    made = _readme(tokens) if tokens else UNTIMESTAMPED
    if len(tokens) == len(responses) and files.get(README, made) != made:
        faults.append(Fault(README, "is not what the timestamps beside it call for"))
    return tokens, faults


def _beside(place: str, token: Token, files: Mapping[str, bytes]) -> Iterator[Fault]:
    """Compare the files beside a response with what it calls for."""
    request, chain = f"{place}.tsq", f"{place}-chain.pem"
    if not _asks(files.get(request, b""), token):
        yield Fault(request, "is not the request that the response answers")
    if files.get(chain) != token.chain:
        yield Fault(chain, "is not made of the certificates of the response")


def _asks(request: bytes, token: Token) -> bool:
    """Say whether a request has the digest and the number of a response."""
    nonce = token.nonce or 0
    as_der = nonce.to_bytes(nonce.bit_length() // 8 + 1, signed=True)
    return token.imprint in request and as_der in request


def expected(there: Mapping[str, object]) -> set[str]:
    """Return the files that the folder must have, going by its responses."""
    names = [found[1] for path in there if (found := _RESPONSE.fullmatch(path))]
    parts = (".tsr", ".tsq", "-chain.pem")
    return {README, DIGESTS, *(f"{FOLDER}/{name}{part}" for name in names for part in parts)}


def _readme(tokens: Mapping[str, Token]) -> bytes:
    lines = ["TIMESTAMPED", "", "Each timestamp attests that the signature existed then.", ""]
    for path, token in tokens.items():
        name = Path(path).stem
        lines += [
            f"{name} authority {token.authority}",
            f"{name} time {token.time:%Y-%m-%dT%H:%M:%SZ}",
            f"{name} epoch {int(token.time.timestamp())}",
            f"{name} serial {token.serial}",
            "",
        ]
    lines += [
        "To check one, in the folder above this one, with ../tsa-root.pem from elsewhere:",
        "",
    ]
    for path, token in tokens.items():
        lines.append(
            f"    openssl ts -verify -data {SIGNATURE} -in {path} -CAfile ../tsa-root.pem"
            f" -attime {int(token.time.timestamp())}"
        )
    return ("\n".join(lines) + "\n").encode("utf-8")


def _with_digests(files: Mapping[str, bytes]) -> dict[str, bytes]:
    digests = {path: sha256(raw).hexdigest() for path, raw in files.items()}
    return {**files, DIGESTS: manifests.as_lines(digests)}


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put these files in the place of the folder, all of them or none."""
    mark = uuid.uuid4().hex[:8]
    draft, old = (folder.with_name(f".{folder.name}.{word}-{mark}") for word in ("draft", "old"))
    place = folder / FOLDER
    try:
        for path, raw in files.items():
            write_through(draft / path, raw)
        place.rename(old)
        try:
            (draft / FOLDER).rename(place)
        except OSError:
            old.rename(place)
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
