"""Signatures and signers: our reading and that of ssh-keygen are the same, yes and no."""

import base64
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import CaseError
from pipeline.evidence import sshsig
from pipeline.evidence.seal import SealOptions, public_key, seal_bundle, sign
from pipeline.evidence.signers import judge, line_of, read_signers
from pipeline.evidence.sshsig import NAMESPACE, SignatureError, armored, check
from pipeline.evidence.verify import Trust, verify
from tests.pipeline.tiny_authority import needs_tools
from tests.pipeline.tiny_bundle import WHO, facts, make_key, payload

pytestmark = needs_tools
MESSAGE = b"0" * 64 + b"  bag-info.txt\n"
KINDS = ("ed25519", "ecdsa", "rsa")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(name="keys", scope="module")
def some_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("keys")
    return {kind: make_key(home / kind, kind) for kind in KINDS}


def ssh_keygen_says(home: Path, line: bytes, signature: bytes, at: datetime = NOW) -> bool:
    (home / "allowed").write_bytes(line)
    (home / "signature").write_bytes(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", WHO, "-n", NAMESPACE]
    command += ["-s", "signature", "-O", f"verify-time={at:%Y%m%d%H%M%SZ}"]
    done = subprocess.run(command, cwd=home, input=MESSAGE, capture_output=True, check=False)
    return done.returncode == 0


def we_say(home: Path, line: bytes, signature: bytes, at: datetime = NOW) -> bool:
    (home / "allowed").write_bytes(line)
    try:
        found = sshsig.read(signature)
        check(found, MESSAGE)
    except SignatureError:
        return False
    return judge(found.key, read_signers(home / "allowed"), at)[0] is not None


@pytest.mark.parametrize("kind", KINDS)
def test_both_take_every_kind_of_key_and_refuse_another_message(
    keys: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    signature = sign(keys[kind], MESSAGE)
    line = line_of(WHO, public_key(keys[kind]))
    assert we_say(tmp_path, line, signature)
    assert ssh_keygen_says(tmp_path, line, signature)
    other = sign(keys[kind], MESSAGE + b"x")
    assert not we_say(tmp_path, line, other)
    assert not ssh_keygen_says(tmp_path, line, other)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", keys[kind]], capture_output=True, text=True, check=True
    )
    assert sshsig.read(signature).fingerprint in shown.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_bit_anywhere_in_a_signature_is_refused(keys: dict[str, Path], kind: str) -> None:
    lines = sign(keys[kind], MESSAGE).decode().splitlines()[1:-1]
    raw = bytearray(base64.b64decode("".join(lines)))
    for at in range(len(raw)):
        raw[at] ^= 1 << at % 8
        with pytest.raises(SignatureError):
            check(sshsig.read(armored(bytes(raw))), MESSAGE)
        raw[at] ^= 1 << at % 8
    check(sshsig.read(armored(bytes(raw))), MESSAGE)


def later(days: int) -> str:
    return f"{NOW + timedelta(days=days):%Y%m%d%H%M%SZ}"


@pytest.mark.parametrize(
    ("options", "good"),
    [
        ("", True),
        (f'namespaces="{NAMESPACE}"', True),
        (f'namespaces="git,{NAMESPACE}"', True),
        ('namespaces="evidence-*"', True),
        ('namespaces="git"', False),
        (f'valid-before="{later(1)}"', True),
        (f'valid-before="{later(0)}"', True),
        (f'valid-before="{later(-1)}"', False),
        (f'valid-after="{later(-1)}"', True),
        (f'valid-after="{later(1)}"', False),
        (f'VALID-AFTER="{later(-1)}",valid-before="{later(1)}",namespaces="*"', True),
        (f'valid-after="{later(-2)}",valid-before="{later(-1)}"', False),
    ],
)
def test_both_read_options_alike(
    keys: dict[str, Path], tmp_path: Path, options: str, *, good: bool
) -> None:
    signature = sign(keys["ed25519"], MESSAGE)
    kind, key = public_key(keys["ed25519"]).split()[:2]
    line = f"# who may sign\n\n{WHO} {options} {kind} {key} a comment\n".encode()
    assert we_say(tmp_path, line, signature) is good
    assert ssh_keygen_says(tmp_path, line, signature) is good


def test_a_clock_an_hour_off_decides_by_the_time_that_is_given(
    keys: dict[str, Path], tmp_path: Path
) -> None:
    signature = sign(keys["ed25519"], MESSAGE)
    kind, key = public_key(keys["ed25519"]).split()[:2]
    line = f'{WHO} valid-before="{later(0)}" {kind} {key}\n'.encode()
    for hours, good in ((-1, True), (1, False)):
        at = NOW + timedelta(hours=hours)
        assert we_say(tmp_path, line, signature, at) is good
        assert ssh_keygen_says(tmp_path, line, signature, at) is good


def test_another_namespace_is_refused_by_both(keys: dict[str, Path], tmp_path: Path) -> None:
    key = keys["ed25519"]
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", "git"]
    signature = subprocess.run(command, input=MESSAGE, capture_output=True, check=True).stdout
    line = f"{WHO} {public_key(key)}".encode()
    assert not we_say(tmp_path, line, signature)
    assert not ssh_keygen_says(tmp_path, line, signature)
    with pytest.raises(SignatureError, match="was made for 'git', not for 'evidence-bundle'"):
        check(sshsig.read(signature), MESSAGE)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no signer is in it"),
        ("somebody\n", "line 1: expected `who"),
        ('{who} cert-authority="x" {key}', "option 'cert-authority' is not understood"),
        ("{who} cert-authority {key}", "option 'cert-authority' is not understood"),
        ('{who} namespaces="*",surprise="x" {key}', "option 'surprise'"),
        ('{who} namespaces="!git,*" {key}', "names with ! are not understood"),
        ('{who} valid-after="tomorrow" {key}', "'tomorrow': expected YYYYMMDD"),
        ("{who} ssh-dss AAAA", "the kind one of"),
    ],
)
def test_a_line_that_is_not_understood_lets_nobody_in(
    keys: dict[str, Path], tmp_path: Path, line: str, said: str
) -> None:
    text = line.format(who=WHO, key=public_key(keys["ed25519"]).strip())
    (tmp_path / "allowed").write_text(text)
    with pytest.raises(CaseError, match=said):
        read_signers(tmp_path / "allowed")


def test_wrong_and_expired_key_leave_a_bundle_intact_and_its_signer_unknown(
    keys: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "EB"
    options = SealOptions(key=keys["ecdsa"], principal=WHO)
    sealed = seal_bundle(folder, payload(), facts(), options)
    signers = read_signers(folder / "signatures" / "allowed_signers")
    assert sealed.key == verify(folder, Trust()).key
    assert verify(folder, Trust(signers=signers)).code == 0
    (tmp_path / "other").write_bytes(line_of(WHO, public_key(keys["rsa"])))
    report = verify(folder, Trust(signers=read_signers(tmp_path / "other")))
    assert (report.intact, report.signer, report.code) == (True, False, 3)
    assert "not among the signers" in report.signer_why
    expired = tuple(replace(one, before=NOW) for one in signers)
    report = verify(folder, Trust(signers=expired, now=NOW + timedelta(hours=1)))
    assert (report.intact, report.signer, report.code) == (True, False, 3)
    assert "had expired on 2026-11-22 13:00:00 UTC" in report.signer_why
    assert verify(folder, Trust(signers=expired, now=NOW)).signer is True


@pytest.mark.parametrize(
    ("key", "principal", "said"),
    [
        ("absent", WHO, "ssh-keygen cannot use this key: .*No such file"),
        ("garbage", WHO, "ssh-keygen cannot use this key"),
        ("ed25519", "Ada Expert", "expected one word"),
        ("ed25519", '*" ssh-rsa', "expected one word"),
    ],
)
def test_what_cannot_sign_says_why_and_leaves_nothing(
    keys: dict[str, Path], tmp_path: Path, key: str, principal: str, said: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "garbage").write_text("not a key")
    options = SealOptions(key=keys.get(key, tmp_path / key), principal=principal)
    with pytest.raises(CaseError, match=said):
        seal_bundle(home / "EB", payload(), facts(), options)
    assert list(home.iterdir()) == []


def test_key_without_its_public_file_and_machine_without_openssh(
    keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "alone"
    alone.write_bytes(keys["ed25519"].read_bytes())
    alone.chmod(0o600)
    assert public_key(alone).split()[:2] == public_key(keys["ed25519"]).split()[:2]

    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr("shutil.which", nothing)
    with pytest.raises(CaseError, match="install OpenSSH"):
        sign(alone, MESSAGE)
