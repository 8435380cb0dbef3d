"""SSHSIG: read and check what `ssh-keygen -Y sign` wrote, without trusting anything around it.

Bytes of a signature can be laid out in one way only here: anything else, such as one more line
break, is refused, so that no byte of the file can change unseen.

Source: OpenSSH, PROTOCOL.sshsig.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any, NamedTuple

NAMESPACE = "evidence-bundle"
"""What a signature is for: one made for mail or for Git says nothing of a bundle."""

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_COLUMNS = 70
_MAGIC = b"SSHSIG"
_HASHES = ("sha256", "sha512")
_FEWEST_BITS = 2048
_CURVES = {
    b"ecdsa-sha2-nistp256": "SHA256",
    b"ecdsa-sha2-nistp384": "SHA384",
    b"ecdsa-sha2-nistp521": "SHA512",
}
_RSA = {b"rsa-sha2-256": "SHA256", b"rsa-sha2-512": "SHA512"}


class SignatureError(ValueError):
    """A signature is not one, or not of these bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a signature file holds."""

    key: bytes
    """Public key of the signer, in the encoding of SSH."""

    namespace: str
    """What it was made for."""

    hash_name: str
    """sha256 or sha512."""

    algorithm: bytes
    """Algorithm of the signature, such as ssh-ed25519."""

    blob: bytes
    """The signature itself."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key, as `ssh-keygen -l` prints it."""
        return fingerprint(self.key)


class _Field(NamedTuple):
    value: bytes
    rest: bytes


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public key, as `ssh-keygen -l` prints it."""
    return "SHA256:" + b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def read(text: bytes) -> Signature:
    """Return what a signature file holds.

    Raises:
        SignatureError: it is not a signature in the one layout that is allowed.
    """
    try:
        lines = text.decode("ascii").split("\n")
        raw = b64decode("".join(lines[1:-2]), validate=True)
    except (ValueError, Base64Error) as error:
        raise SignatureError("is not an SSH signature") from error
    if armored(raw) != text:
        raise SignatureError("is not laid out as ssh-keygen writes a signature")
    if raw[:10] != _MAGIC + b"\0\0\0\1":
        raise SignatureError("is not an SSH signature of version 1")
    key, rest = _field(raw[10:])
    namespace, rest = _field(rest)
    reserved, rest = _field(rest)
    hash_name, rest = _field(rest)
    signature, rest = _field(rest)
    algorithm, inner = _field(signature)
    blob, left = _field(inner)
    if reserved or rest or left or hash_name.decode("latin-1") not in _HASHES:
        raise SignatureError("holds something that an SSH signature does not")
    return Signature(
        key=key,
        namespace=namespace.decode("latin-1"),
        hash_name=hash_name.decode("ascii"),
        algorithm=algorithm,
        blob=blob,
    )


def armored(raw: bytes) -> bytes:
    """Return the text form of a signature, as ssh-keygen writes it."""
    text = b64encode(raw).decode("ascii")
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join([_BEGIN, *lines, _END, ""]).encode("ascii")


def check(signature: Signature, message: bytes) -> None:
    """Check that the key inside a signature signed these bytes, for a bundle.

    Raises:
        SignatureError: it did not, or the key is of a kind that is not supported.
    """
    from cryptography.exceptions import InvalidSignature

    if signature.namespace != NAMESPACE:
        raise SignatureError(
            f"was made for {signature.namespace[:80]!r}, not for {NAMESPACE!r}: it says nothing of"
            " a bundle"
        )
    digest = hashlib.new(signature.hash_name, message).digest()
    parts = (NAMESPACE.encode(), b"", signature.hash_name.encode(), digest)
    signed = _MAGIC + b"".join(len(part).to_bytes(4) + part for part in parts)
    try:
        _check(signature, signed)
    except InvalidSignature as error:
        raise SignatureError("was not made over these bytes") from error


def _check(signature: Signature, signed: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    algorithm, blob, key = signature.algorithm, signature.blob, _key(signature.key)
    kind = _field(signature.key).value
    if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == kind:
        key.verify(blob, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == kind and kind in _CURVES:
        key.verify(_der(blob), signed, ec.ECDSA(getattr(hashes, _CURVES[kind])()))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA and key.key_size >= _FEWEST_BITS:
        key.verify(blob, signed, padding.PKCS1v15(), getattr(hashes, _RSA[algorithm])())
    else:
        raise SignatureError(
            f"was made by a key that is not supported: {kind[:40]!r} with {algorithm[:40]!r};"
            f" use ed25519, ecdsa, or rsa of {_FEWEST_BITS} bits or more"
        )


def _key(raw: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    kind = _field(raw).value
    if kind not in {b"ssh-ed25519", b"ssh-rsa", *_CURVES}:
        return None
    try:
        return load_ssh_public_key(kind + b" " + b64encode(raw))
    except (ValueError, NotImplementedError, UnsupportedAlgorithm) as error:
        raise SignatureError("holds a damaged public key") from error


def _der(blob: bytes) -> bytes:
    """Return an ECDSA signature of SSH in the encoding of X.509."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    first, rest = _field(blob)
    second, rest = _field(rest)
    # a number has one encoding: no zeros before it but the one that keeps it positive
    if rest or any(
        n[:1] >= b"\x80" or (n[:1] == b"\0" and n[1:2] < b"\x80") for n in (first, second)
    ):
        raise SignatureError("holds something that an SSH signature does not")
    return encode_dss_signature(int.from_bytes(first), int.from_bytes(second))


def _field(raw: bytes) -> _Field:
    """Return a string of the SSH encoding, and what comes after it."""
    end = 4 + int.from_bytes(raw[:4])
    if len(raw) < end:
        raise SignatureError("is cut short")
    return _Field(raw[4:end], raw[end:])
