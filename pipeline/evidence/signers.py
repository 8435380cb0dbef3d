"""Signers: who may sign bundles, from an `allowed_signers` file that came by another way.

The file is the one that `ssh-keygen -Y verify` reads. What is not understood is refused, because
a line that is read too generously lets somebody in.

Source: OpenSSH, ssh-keygen(1), ALLOWED SIGNERS.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.errors import CaseError
from pipeline.evidence.sshsig import NAMESPACE

_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_KINDS = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
    }
)
_LINE = re.compile(
    r"(?P<who>\S+)\s+(?:(?P<options>(?:[^\s\"]|\"[^\"]*\")+)\s+)??"
    r"(?P<kind>[a-z0-9@.-]+)\s+(?P<key>[A-Za-z0-9+/]+=*)(?:\s.*)?"
)
_OPTION = re.compile(r"(?P<name>[A-Za-z-]+)=\"(?P<value>[^\"]*)\"(?:,|$)")
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One line of the file."""

    principal: str
    """Who: a name or address, or several with commas between."""

    key: bytes
    """Public key, in the encoding of SSH."""

    namespaces: tuple[str, ...] = ("*",)
    """What the key may sign; `*` and `?` stand for anything."""

    after: datetime | None = None
    """The key counts from then on."""

    before: datetime | None = None
    """The key counts until then."""


def line_of(principal: str, public_key: str) -> bytes:
    """Return the line that allows a key to sign bundles.

    Raises:
        CaseError: the principal is not one word of letters, digits and . _ @ + -.
    """
    if not _PRINCIPAL.fullmatch(principal):
        raise CaseError(
            f"signer: {principal!r}: expected one word of letters, digits and . _ @ + -, such as"
            " an address"
        )
    kind, key = public_key.split()[:2]
    return f'{principal} namespaces="{NAMESPACE}" {kind} {key}\n'.encode("ascii")


def read_signers(path: Path) -> tuple[Signer, ...]:
    """Return the signers that a file allows.

    Raises:
        CaseError: it cannot be read, has no line, or has one that is not understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CaseError(f"{path}: cannot be read as a file of signers: {error}") from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(_signer(line.strip(), f"{path}, line {number}"))
    if not found:
        raise CaseError(f"{path}: no signer is in it; expected lines of allowed_signers")
    return tuple(found)


def judge(key: bytes, signers: Sequence[Signer], at: datetime) -> tuple[str | None, str]:
    """Say who signed with a key at a time.

    Returns:
        The principal, or None if it is nobody that the file allows; and why.
    """
    why = "its key is not among the signers that were given"
    for signer in signers:
        if signer.key != key:
            continue
        when = at.strftime("%Y-%m-%d %H:%M:%S UTC")
        if not any(fnmatchcase(NAMESPACE, pattern) for pattern in signer.namespaces):
            why = f"{signer.principal} may sign {', '.join(signer.namespaces)}, not {NAMESPACE}"
        elif signer.after and at < signer.after:
            why = f"the key of {signer.principal} did not count yet on {when}"
        elif signer.before and at > signer.before:
            why = f"the key of {signer.principal} had expired on {when}"
        else:
            return signer.principal, f"{signer.principal}, whose key counted on {when}"
    return None, why


def _signer(line: str, place: str) -> Signer:
    found = _LINE.fullmatch(line)
    if not found or found["kind"] not in _KINDS:
        raise CaseError(
            f"{place}: expected `who [options] kind key`, the kind one of"
            f" {', '.join(sorted(_KINDS))}"
        )
    who, options = found["who"].strip('"'), _options(found["options"] or "", place)
    if "!" in who or "!" in options.get("namespaces", ""):
        raise CaseError(f"{place}: names with ! are not understood; list those that are meant")
    key = b64decode(found["key"])
    if b64encode(key).decode() != found["key"]:
        raise CaseError(f"{place}: the key is damaged")
    return Signer(
        principal=who,
        key=key,
        namespaces=tuple(options.get("namespaces", "*").split(",")),
        after=_time(options.get("valid-after"), place),
        before=_time(options.get("valid-before"), place),
    )


def _options(text: str, place: str) -> dict[str, str]:
    options: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        name = found["name"].lower() if found else text[at:]
        if not found or name not in {"namespaces", "valid-after", "valid-before"}:
            raise CaseError(
                f"{place}: option {name!r} is not understood; known: namespaces, valid-after,"
                ' valid-before, each ="..."'
            )
        options[name] = found["value"]
        at = found.end()
    return options


def _time(text: str | None, place: str) -> datetime | None:
    if text is None:
        return None
    digits = text.removesuffix("Z")
    try:
        found = datetime.strptime(digits, _TIMES[len(digits)]).replace(tzinfo=UTC)
    except (KeyError, ValueError) as error:
        raise CaseError(f"{place}: {text!r}: expected YYYYMMDD or YYYYMMDDHHMMSSZ") from error
    # without Z, ssh-keygen means the clock on the wall of whoever checks
    return found if text != digits else found.replace(tzinfo=None).astimezone(UTC)
