"""A timestamp authority of one's own: certificates, `openssl ts -reply`, a server on loopback."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MISSING = [name for name in ("ssh-keygen", "openssl") if shutil.which(name) is None]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

YEARS = timedelta(days=3650)
CONFIG = """\
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Maker:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def certificate(
    name: str,
    issuer: Maker | None = None,
    *,
    stamps: bool = False,
    until: datetime | None = None,
) -> Maker:
    """Return a certificate: a root without issuer, of an authority with `stamps`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(until or now + YEARS)
        .add_extension(x509.BasicConstraints(ca=not stamps, path_length=None), critical=True)
    )
    if stamps:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        made = made.add_extension(usage, critical=True)
    return Maker(made.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@dataclass(frozen=True)
class Authority:
    """Answers requests as `openssl ts` does."""

    folder: Path
    root: Maker

    @property
    def root_file(self) -> Path:
        return self.folder / "root.pem"

    def reply(self, request: bytes) -> bytes:
        """Return the response to a request."""
        (self.folder / "q.tsq").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, check=True).stdout


def authority(
    folder: Path,
    *,
    root: Maker | None = None,
    signer: Maker | None = None,
    embedded: tuple[Maker, ...] = (),
    digests: str = "sha256",
) -> Authority:
    """Set up an authority; `embedded` certificates go into its responses beside its own."""
    folder.mkdir(parents=True)
    root = root or certificate("Honest root")
    signer = signer or certificate("Honest authority", root, stamps=True)
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "signer.pem").write_bytes(signer.pem)
    key = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signer.key").write_bytes(key)
    (folder / "serial").write_text("01\n")
    config = CONFIG.format(folder=folder, digests=digests)
    if embedded:
        (folder / "embedded.pem").write_bytes(b"".join(one.pem for one in embedded))
        config += f"certs = {folder}/embedded.pem\n"
    (folder / "tsa.cnf").write_text(config)
    return Authority(folder, root)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


@contextmanager
def served(answer: Callable[[bytes, Callable[[bytes], None]], bytes]) -> Iterator[str]:
    """Serve `answer(request, write)` on loopback and give the address.

    What `answer` writes goes out at once, without a head; what it returns is a whole reply.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            body = answer(request, self.wfile.write)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Say nothing."""

    with _Quiet(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(of: Authority) -> Iterator[str]:
    """Serve an honest authority on loopback and give its address."""
    with served(lambda request, _: of.reply(request)) as url:
        yield url
