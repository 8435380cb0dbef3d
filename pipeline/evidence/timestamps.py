"""Timestamps: ask an authority when a signature existed, and judge what it answered.

A response is judged by roots that came by another way; certificates inside it may fill a chain,
and never end one. Versions of rfc3161-client before 1.0.9 let them end one, so any authority could
name itself.

Source: RFC 3161; RFC 5816.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from pipeline.errors import CaseError, RunError
from pipeline.evidence.asking import AskError, post
from pipeline.evidence.der import sorted_certificates

CLOCKS_AGREE = timedelta(minutes=5)
"""The clock of an authority and of this machine may differ by this much."""

_STRANGE = (
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
    *(UnsupportedAlgorithm, CryptographyDeprecationWarning),
    *(TypeError, LookupError, OverflowError),
)
"""What certificates raise beside ValueError."""

_SHA256 = "2.16.840.1.101.3.4.2.1"


class TimestampError(RunError):
    """An authority did not give a timestamp that holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a response says."""

    time: datetime
    """When the authority saw the signature, UTC."""

    imprint: bytes
    """Digest that it saw."""

    nonce: int | None
    """Number of the request that it answers."""

    serial: int
    """Its number at the authority."""

    authority: str
    """Subject of the certificate that signed it, or what the response calls its maker."""

    chain: bytes
    """Certificates inside the response, as PEM."""

    response: TimeStampResponse
    """The response, for the verifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One request and its answer, as they are stored."""

    request: bytes
    """TimeStampReq, DER."""

    response: bytes
    """TimeStampResp as it came, DER."""

    token: Token
    """What the response says."""


def ask(url: str, data: bytes, timeout: float, roots: Sequence[x509.Certificate] = ()) -> Stamp:
    """Ask an authority for a timestamp over some bytes, and check what comes back.

    Args:
        url: address of the authority, http or https.
        data: the bytes; only their sha256 leaves this machine.
        timeout: seconds until the answer must be here, all of it.
        roots: certificates that the answer has to lead to; none to check the rest alone.

    Raises:
        TimestampError: no answer, or one that does not hold; the message says which.
    """
    asked = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
    try:
        raw = post(url, asked.as_bytes(), timeout)
    except AskError as error:
        raise TimestampError(f"{error}; nothing was stamped") from error
    who = urlsplit(url).hostname
    try:
        token = read(raw)
    except ValueError as error:
        raise TimestampError(f"{who}: answered something that is no timestamp: {error}") from error
    if token.nonce != asked.nonce:
        raise TimestampError(f"{who}: answered another request than ours; its timestamp is refused")
    fault = fault_of(token, data) or (judge(token, data, roots) if roots else None)
    if fault:
        raise TimestampError(f"{who}: its timestamp is refused: {fault}")
    if fault := fault_of_clock(token, clock()):
        raise TimestampError(f"{who}: its timestamp is refused: {fault}")
    return Stamp(request=asked.as_bytes(), response=raw, token=token)


def ask_all(
    urls: Sequence[str], data: bytes, timeout: float, roots: Sequence[x509.Certificate]
) -> tuple[list[Stamp], list[str]]:
    """Ask several authorities; return the timestamps that came, and in words those that did not."""
    stamps, failed = [], []
    for url in urls:
        try:
            stamps.append(ask(url, data, timeout, roots))
        except TimestampError as error:
            failed.append(str(error))
    return stamps, failed


def clock() -> datetime:
    """Return the time of this machine, which attests nothing."""
    return datetime.now(UTC)


def fault_of_clock(token: Token, now: datetime) -> str | None:
    """Say how far this machine's clock is from the authority's, if that is too far."""
    ahead = token.time - now
    if abs(ahead) <= CLOCKS_AGREE:
        return None
    return (
        f"the authority says {token.time:%Y-%m-%d %H:%M:%S} UTC, this machine"
        f" {now:%Y-%m-%d %H:%M:%S} UTC, {abs(ahead.total_seconds()):.0f} s apart: set the clock, or"
        " ask another authority"
    )


def read(raw: bytes) -> Token:
    """Return what a response says.

    Raises:
        ValueError: it is not a response that grants a timestamp.
    """
    try:
        # certificates that the library only warns of, it will refuse one day
        with warnings.catch_warnings(action="error", category=CryptographyDeprecationWarning):
            return _read(raw)
    except _STRANGE as error:
        raise ValueError(f"a certificate inside cannot be read: {error}") from error


def _read(raw: bytes) -> Token:
    response = decode_timestamp_response(sorted_certificates(raw))
    if response.status != 0:
        words = "; ".join(response.status_string)
        raise ValueError(f"status {response.status} instead of 0 (granted) {words}".strip())
    info: Any = response.tst_info
    found = [x509.load_der_x509_certificate(each) for each in response.signed_data.certificates]
    signers = {(one.issuer, one.serial_number) for one in response.signed_data.signer_infos}
    makers = [one for one in found if (one.issuer, one.serial_number) in signers]
    if len(signers) != 1 or len(makers) != 1:
        raise ValueError("expected one signer, with its certificate inside")
    if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
        raise ValueError("its digest is not a sha256")
    chain = sorted(found, key=lambda one: (one is not makers[0], one.public_bytes(Encoding.DER)))
    return Token(
        time=info.gen_time.astimezone(UTC),
        imprint=info.message_imprint.message,
        nonce=info.nonce,
        serial=info.serial_number,
        authority=makers[0].subject.rfc4514_string(),
        chain=b"".join(one.public_bytes(Encoding.PEM) for one in chain),
        response=response,
    )


def fault_of(token: Token, data: bytes) -> str | None:
    """Say why a token is not one of these bytes, or return None."""
    seen = sha256(data).digest()
    if token.imprint == seen:
        return None
    found, ours = token.imprint.hex(), seen.hex()
    return f"it attests something else: sha256 {found[:16]}..., ours {ours[:16]}..."


def judge(token: Token, data: bytes, roots: Sequence[x509.Certificate]) -> str | None:
    """Say why a token does not attest these bytes by one of the roots, or return None.

    Chains are checked for the time of the token, so that it holds after its certificates expire.
    """
    try:
        VerifierBuilder(roots=list(roots)).build().verify_message(token.response, data)
    except (VerificationError, ValueError, *_STRANGE) as error:
        return f"{token.authority}: does not lead to a root that was given: {_short(error)}"
    return None


def read_roots(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    """Return the certificates of PEM files.

    Raises:
        CaseError: a file cannot be read, or has no certificate.
    """
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CaseError(f"{path}: expected certificates in PEM form: {error}") from error
    return tuple(found)


def _short(error: Exception) -> str:
    """Return the reason that OpenSSL gives, without the place in its code."""
    return str(error).rsplit("Verify error:", maxsplit=1)[-1].rstrip('" }])')[:200]
