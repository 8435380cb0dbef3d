"""Verify: is a bundle intact, is its signer known, is its time attested? Three questions.

Closed-world: every file is listed by one of the manifests, or has a fixed name beside them; all
else is a fault. Nothing inside the bundle is believed about the bundle: keys and roots come from
outside, and what lies inside is only compared with itself.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate

from pipeline.evidence import manifests, sshsig, stamps
from pipeline.evidence.bag import BAGIT, INFO, OXUM
from pipeline.evidence.instructions import NAME as VERIFY_TXT
from pipeline.evidence.manifests import MANIFEST, TAG_MANIFEST
from pipeline.evidence.names import Fault
from pipeline.evidence.signers import Signer
from pipeline.evidence.signers import judge as judge_signer
from pipeline.evidence.sshsig import Signature
from pipeline.evidence.stamps import DIGESTS, SIGNATURE
from pipeline.evidence.timestamps import CLOCKS_AGREE, Token, clock, judge
from pipeline.evidence.walk import PAYLOAD, Files, read_files

ALLOWED_SIGNERS = "signatures/allowed_signers"
TAGS = frozenset({"bagit.txt", INFO, MANIFEST, VERIFY_TXT, ALLOWED_SIGNERS})
"""What the tag manifest lists: these and nothing else."""


_OTHER = "what it attests is no signature over this tag manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the one who asks knows from elsewhere."""

    signers: tuple[Signer, ...] | None = None
    """Who may sign; None if that is not asked."""

    roots: tuple[Certificate, ...] | None = None
    """Roots of timestamp authorities; None if that is not asked."""

    now: datetime | None = None
    """The time of asking; None for this machine's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What one timestamp says."""

    path: str
    """Path of the response inside the bundle."""

    time: datetime
    """Time that it says, UTC."""

    authority: str
    """Who says it: a name to be believed only if `fault` is None."""

    fault: str | None
    """Why it does not count; None if it leads to a root that was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The three answers."""

    faults: tuple[Fault, ...]
    """Every file at fault, sorted; none if the bundle is intact."""

    fingerprint: str | None
    """sha256 of the tag manifest as it is; None without one."""

    signer: bool | None
    """True: signed by a key that is allowed. None: not asked."""

    signer_why: str
    """Who, or why not."""

    key: str | None
    """Fingerprint of the key that signed; None if nothing was signed."""

    time: bool | None
    """True: an authority that leads to a given root attests the signature. None: not asked."""

    time_why: str
    """When, or why not."""

    attested: tuple[Attested, ...]
    """Each timestamp that could be read."""

    @property
    def intact(self) -> bool:
        """True if nothing is at fault."""
        return not self.faults

    @property
    def code(self) -> int:
        """Exit code: 0 every question asked is answered yes, 1 not intact, 3 another says no."""
        if not self.intact:
            return 1
        return 3 if self.signer is False or self.time is False else 0


def verify(folder: Path, trust: Trust) -> Report:
    """Answer the three questions of one bundle; what is wrong inside it is told, never raised."""
    files = read_files(folder)
    raw = files.kept
    tokens, token_faults = stamps.read_tokens(raw)
    signature, signature_faults = _signature(raw)
    payload = {path for path in files.digests if path.startswith(PAYLOAD)}
    payload_faults = list(_listing(files, MANIFEST, payload))
    faults = {
        *files.faults,
        *signature_faults,
        *payload_faults,
        *_listing(files, TAG_MANIFEST, TAGS),
        *_stamp_listing(files),
        *_strays(raw),
        *([] if payload_faults else _about(files, len(payload))),
        *token_faults,
    }
    now = trust.now or clock()
    stamped = raw.get(SIGNATURE, b"")
    attested = tuple(
        Attested(
            path=path,
            time=token.time,
            authority=token.authority,
            fault=_why_not(token, stamped, trust.roots, now) if signature else _OTHER,
        )
        for path, token in tokens.items()
    )
    at = min((one.time for one in attested if one.fault is None), default=now)
    known, signer_why = _signer(signature, trust, at)
    time, time_why = _time(attested, trust)
    return Report(
        faults=tuple(sorted(faults)),
        fingerprint=files.digests.get(TAG_MANIFEST),
        signer=known,
        signer_why=signer_why,
        key=signature.fingerprint if signature else None,
        time=time,
        time_why=time_why,
        attested=attested,
    )


def _signature(raw: Mapping[str, bytes]) -> tuple[Signature | None, list[Fault]]:
    """Return the signature if it was made over the tag manifest that is there."""
    if SIGNATURE not in raw:
        return None, [Fault(SIGNATURE, "is missing: this was not sealed, or its seal was removed")]
    try:
        found = sshsig.read(raw[SIGNATURE])
    except sshsig.SignatureError as error:
        return None, [Fault(SIGNATURE, str(error))]
    try:
        sshsig.check(found, raw.get(TAG_MANIFEST, b""))
    except sshsig.SignatureError as error:
        # which of the two was changed cannot be told from them alone
        other = Fault(TAG_MANIFEST, "is not what the signature beside it was made over")
        return None, [Fault(SIGNATURE, str(error)), other]
    if b64encode(found.key) not in raw.get(ALLOWED_SIGNERS, b"").split():
        return found, [Fault(SIGNATURE, f"was made by another key than {ALLOWED_SIGNERS} names")]
    return found, []


def _listing(files: Files, name: str, due: AbstractSet[str]) -> Iterator[Fault]:
    """Compare what a manifest lists with what is there, and with what it has to list."""
    listed, faults = manifests.parse(name, files.kept.get(name), files.digests)
    yield from faults
    for path in due:
        if path not in listed:
            yield Fault(path, f"is not listed in {name}")
    for path, digest in listed.items():
        found = files.digests.get(path)
        if found is None:
            yield Fault(path, f"is listed in {name} and is not there")
        elif path not in due:
            yield Fault(path, f"is listed in {name}, which has no business with it")
        elif found != digest:
            yield Fault(path, f"has sha256 {found[:16]}..., {name} says {digest[:16]}...")


def _stamp_listing(files: Files) -> list[Fault]:
    """Compare the digests of timestamps/ with what is there."""
    faults = list(_listing(files, DIGESTS, stamps.expected(files.kept) - {DIGESTS}))
    # nothing signed covers this list, so that which of the two was changed cannot be told
    return [*faults, Fault(DIGESTS, "does not list timestamps/ as it is")] if faults else []


def _strays(raw: Mapping[str, bytes]) -> Iterator[Fault]:
    """Name what lies outside data/ and has no place there."""
    allowed = {TAG_MANIFEST, SIGNATURE, *TAGS, *stamps.expected(raw)}
    for path in raw:
        if path not in allowed:
            yield Fault(path, "has no place in a bundle: it is outside data/ and was not sealed")


def _about(files: Files, count: int) -> Iterator[Fault]:
    """Compare what the bag says of itself with what is there."""
    if files.kept.get("bagit.txt", BAGIT) != BAGIT:
        yield Fault("bagit.txt", "is not that of BagIt 1.0")
    expected = f"{OXUM}: {files.size}.{count}".encode()
    if expected not in files.kept.get(INFO, b"").split(b"\n"):
        yield Fault(INFO, f"expected the line {expected.decode()}")


def _why_not(
    token: Token, data: bytes, roots: Sequence[Certificate] | None, now: datetime
) -> str | None:
    if not roots:
        return "no root was given to judge it by"
    if token.time > now + CLOCKS_AGREE:
        ahead = (token.time - now).total_seconds()
        return f"it is {ahead:.0f} s ahead of this machine's clock: one of the two is wrong"
    return judge(token, data, roots)


def _signer(signature: Signature | None, trust: Trust, at: datetime) -> tuple[bool | None, str]:
    if trust.signers is None:
        return None, "give the file of signers that you were sent: --signers FILE"
    if signature is None:
        return False, "there is no signature over this tag manifest"
    who, why = judge_signer(signature.key, trust.signers, at)
    return who is not None, why


def _time(attested: Sequence[Attested], trust: Trust) -> tuple[bool | None, str]:
    if trust.roots is None and attested:
        return None, "give the roots of the authorities that you know: --tsa-root FILE"
    if not attested:
        return None if trust.roots is None else False, "UNTIMESTAMPED"
    good = [one for one in attested if one.fault is None]
    if not good:
        return False, "; ".join(f"{one.path}: {one.fault}" for one in attested)
    first = min(good, key=lambda one: one.time)
    return (
        True,
        f"signed on {first.time:%Y-%m-%d %H:%M:%S UTC} at the latest, says {first.authority}",
    )
