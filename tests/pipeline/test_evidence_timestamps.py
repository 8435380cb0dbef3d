"""Timestamps: honest, rubbish, hanging, lying and rogue authorities; openssl as second opinion."""

import random
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.errors import CaseError
from pipeline.evidence import stamps, timestamps
from pipeline.evidence.der import sorted_certificates
from pipeline.evidence.seal import SealOptions, seal_bundle
from pipeline.evidence.signers import read_signers
from pipeline.evidence.timestamps import TimestampError, ask, judge, read, read_roots
from pipeline.evidence.verify import Trust, verify
from tests.pipeline.tiny_authority import (
    Authority,
    authority,
    certificate,
    needs_tools,
    served,
    serving,
)
from tests.pipeline.tiny_bundle import WHO, facts, make_key, payload, tiny_bundle

pytestmark = needs_tools
DATA = b"a signature"
PATIENCE = 60.0


@pytest.fixture(name="honest", scope="module")
def an_honest_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tsa") / "honest")


def openssl_says(home: Path, response: bytes, root: Path, at: int | None = None) -> bool:
    (home / "data").write_bytes(DATA)
    (home / "r.tsr").write_bytes(response)
    command = ["openssl", "ts", "-verify", "-data", "data", "-in", "r.tsr", "-CAfile", str(root)]
    command += ["-attime", str(at)] if at is not None else []
    done = subprocess.run(command, cwd=home, capture_output=True, check=False)
    return done.returncode == 0


def test_honest_authority_is_taken_by_both(honest: Authority, tmp_path: Path) -> None:
    roots = read_roots([honest.root_file])
    with serving(honest) as url:
        stamp = ask(url, DATA, PATIENCE, roots)
    token = stamp.token
    assert token.imprint == sha256(DATA).digest()
    assert abs(token.time - datetime.now(UTC)) < timedelta(minutes=5)
    assert token.authority == "CN=Honest authority"
    assert judge(token, DATA, roots) is None
    assert openssl_says(tmp_path, stamp.response, honest.root_file)
    (tmp_path / "q.tsq").write_bytes(stamp.request)
    command = ["openssl", "ts", "-verify", "-queryfile", "q.tsq", "-in", "r.tsr"]
    command += ["-CAfile", str(honest.root_file)]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)


def forged_hash(honest: Authority, request: bytes) -> bytes:
    """Answer with the number of the request and the digest of something else."""
    return honest.reply(request.replace(sha256(DATA).digest(), sha256(b"else").digest()))


def forged_number(honest: Authority, request: bytes) -> bytes:
    end = request[:-4]
    return honest.reply(end + bytes([request[-4] ^ 1]) + request[-3:])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: b"", "answered something that is no timestamp"),
        (lambda *_: b"<html>busy</html>", "answered something that is no timestamp"),
        (lambda *_: bytes(5000), "answered something that is no timestamp"),
        (lambda honest, request: honest.reply(request)[:-9], "is no timestamp"),
        (lambda *_: bytes(2 << 20), "answered status 200 and 1048577 bytes"),
        (forged_hash, "it attests something else: sha256 [0-9a-f]{16}"),
        (forged_number, "answered another request than ours"),
    ],
)
def test_rubbish_and_lies_are_refused(
    honest: Authority, answer: Callable[[Authority, bytes], bytes], said: str
) -> None:
    with (
        served(lambda request, _: answer(honest, request)) as url,
        pytest.raises(TimestampError, match=said),
    ):
        ask(url, DATA, PATIENCE)


def test_refusal_of_an_authority_is_told(tmp_path: Path) -> None:
    picky = authority(tmp_path / "picky", digests="sha512")
    with serving(picky) as url, pytest.raises(TimestampError, match="status 2 instead of 0"):
        ask(url, DATA, PATIENCE)


def hang(_: bytes, __: Callable[[bytes], None]) -> bytes:
    time.sleep(3)
    return b""


def drip(_: bytes, write: Callable[[bytes], None]) -> bytes:
    """Send a byte at a time, so that no single read ever waits for long."""
    write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(30):
        write(b"x")
        time.sleep(0.1)
    return b""


def drip_head(_: bytes, write: Callable[[bytes], None]) -> bytes:
    write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(30):
        write(b"x")
        time.sleep(0.1)
    return b""


@pytest.mark.parametrize("answer", [hang, drip, drip_head])
def test_waiting_has_an_end(answer: Callable[[bytes, Callable[[bytes], None]], bytes]) -> None:
    with served(answer) as url, pytest.raises(TimestampError, match=r"no answer in 0\.5 s"):
        ask(url, DATA, 0.5)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("http://127.0.0.1:9/", TimestampError, r"127\.0\.0\.1: cannot be asked"),
        ("http://who:secret@127.0.0.1:9/key", TimestampError, r"^127\.0\.0\.1: cannot be asked"),
        ("ftp://127.0.0.1/", CaseError, "expected http://HOST/PATH"),
        ("file:///etc/passwd", CaseError, "expected http://HOST/PATH"),
        ("http://[bad", CaseError, "expected http://HOST/PATH"),
    ],
)
def test_address_that_leads_nowhere(url: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        ask(url, DATA, 2)
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)


def test_name_and_password_of_an_address_go_to_the_authority_alone() -> None:
    from pipeline.evidence.asking import _connection

    _, path, headers = _connection("https://who:a%20b@tsa.example/x?y=1", 1)
    assert path == "/x?y=1"
    assert headers == {"Authorization": "Basic d2hvOmEgYg=="}


@pytest.mark.parametrize("order", [0, 1])
def test_rogue_that_brings_its_own_root_is_refused(
    honest: Authority, tmp_path: Path, order: int
) -> None:
    """rfc3161-client before 1.0.9 took a root that came inside the response."""
    roots = read_roots([honest.root_file])
    root = certificate("Honest root")  # the same name, another key
    more = (root, certificate("Another"))
    embedded = (more[order], more[1 - order])
    rogue = authority(
        tmp_path / "rogue",
        root=root,
        signer=certificate("Honest authority", root, stamps=True),
        embedded=embedded,
    )
    alone = authority(tmp_path / "alone", signer=certificate("Honest authority", stamps=True))
    for each in (rogue, alone):
        with serving(each) as url:
            stamp = ask(url, DATA, PATIENCE)
            assert "does not lead to a root" in (judge(stamp.token, DATA, roots) or "")
            with pytest.raises(TimestampError, match="does not lead to a root that was given"):
                ask(url, DATA, PATIENCE, roots)
        assert not openssl_says(tmp_path, stamp.response, honest.root_file)
    assert judge(read(rogue.reply(stamp.request)), DATA, [root.certificate]) is None


def test_chain_inside_a_response_is_used_in_any_order(honest: Authority, tmp_path: Path) -> None:
    """Several authorities send their certificates unsorted, which DER does not allow."""
    root = certificate("Root")
    middle = certificate("Middle", root)
    signer = certificate("Long name of an authority", middle, stamps=True)
    for number, embedded in enumerate([(middle, root), (root, middle)]):
        long = authority(tmp_path / str(number), root=root, signer=signer, embedded=embedded)
        with serving(long) as url:
            stamp = ask(url, DATA, PATIENCE, [root.certificate])
        assert stamp.token.chain.count(b"BEGIN CERTIFICATE") == 3
        assert stamp.token.chain.startswith(signer.pem)
        assert openssl_says(tmp_path, stamp.response, long.root_file)
        assert judge(stamp.token, DATA, read_roots([honest.root_file])) is not None


def test_sorting_certificates_leaves_everything_else_alone(honest: Authority) -> None:
    with serving(honest) as url:
        response = ask(url, DATA, PATIENCE).response
    assert sorted_certificates(response) == response
    for size in range(len(response)):
        assert sorted_certificates(response[:size]) == response[:size]


def test_no_changed_response_crashes_or_attests_another_time(honest: Authority) -> None:
    roots = read_roots([honest.root_file])
    with serving(honest) as url:
        good = ask(url, DATA, PATIENCE)
    noise, read_well = random.Random(5), 0
    for _ in range(3000):
        raw = bytearray(good.response)
        for _ in range(noise.choice([1, 1, 2, 8])):
            raw[noise.randrange(len(raw))] = noise.randrange(256)
        try:
            token = read(bytes(raw))
        except ValueError:
            continue
        read_well += 1
        if judge(token, DATA, roots) is None:
            assert (token.time, token.imprint) == (good.token.time, good.token.imprint)
    assert read_well > 300  # the rest of the loop was tried


def test_another_root_and_another_message_are_refused(honest: Authority) -> None:
    with serving(honest) as url:
        stamp = ask(url, DATA, PATIENCE)
    other = certificate("Other root")
    fault = judge(stamp.token, DATA, [other.certificate])
    assert fault is not None
    assert "CN=Honest authority" in fault
    assert judge(stamp.token, b"other data", read_roots([honest.root_file])) is not None


def test_timestamp_outlives_its_certificate(honest: Authority, tmp_path: Path) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    signer = certificate("Short", honest.root, stamps=True, until=end)
    short = authority(tmp_path / "short", root=honest.root, signer=signer)
    with serving(short) as url:
        stamp = ask(url, DATA, PATIENCE)
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds() + 1.1))
    at = int(stamp.token.time.timestamp())
    assert judge(stamp.token, DATA, read_roots([honest.root_file])) is None
    assert openssl_says(tmp_path, stamp.response, honest.root_file, at)
    assert not openssl_says(tmp_path, stamp.response, honest.root_file)


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock_an_hour_off_is_named_and_nothing_is_stamped(
    honest: Authority, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    wrong = datetime.now(UTC) + timedelta(hours=hours)
    monkeypatch.setattr(timestamps, "clock", lambda: wrong)
    with (
        serving(honest) as url,
        pytest.raises(TimestampError, match=r"(3600|3599|3[56]\d\d) s apart"),
    ):
        ask(url, DATA, PATIENCE)


def test_time_ahead_of_the_clock_of_who_verifies_is_not_taken(tmp_path: Path) -> None:
    tiny = tiny_bundle(tmp_path)
    now = datetime.now(UTC)
    trust = tiny.trust
    for hours, attested in ((-1, False), (0, True), (1, True)):
        early = Trust(signers=trust.signers, roots=trust.roots, now=now + timedelta(hours=hours))
        report = verify(tiny.folder, early)
        assert (report.intact, report.time) == (True, attested)
    report = verify(tiny.folder, Trust(roots=trust.roots, now=now - timedelta(hours=1)))
    assert "ahead of this machine's clock" in report.time_why
    other = certificate("Other root").certificate
    report = verify(tiny.folder, Trust(roots=(other,)))
    assert (report.intact, report.time, report.code) == (True, False, 3)
    assert "does not lead to a root that was given" in report.time_why


def test_key_that_expired_after_the_attested_time_still_counts(tmp_path: Path) -> None:
    tiny = tiny_bundle(tmp_path)
    line = tiny.signers_file.read_text()
    end = datetime.now(UTC) + timedelta(hours=1)
    dated = line.replace(" ssh-", f',valid-before="{end:%Y%m%d%H%M%SZ}" ssh-', 1)
    tiny.signers_file.write_text(dated)
    after = end + timedelta(days=400)
    assert verify(tiny.folder, Trust(signers=tiny.signers, now=after)).signer is False
    trust = Trust(signers=tiny.signers, roots=tiny.trust.roots, now=after)
    assert verify(tiny.folder, trust).code == 0


def test_sealed_without_network_says_so_and_is_stamped_later(
    honest: Authority, tmp_path: Path
) -> None:
    key, folder = make_key(tmp_path / "key"), tmp_path / "EB"
    options = SealOptions(key=key, principal=WHO, authorities=("http://127.0.0.1:9/",))
    sealed = seal_bundle(folder, payload(), facts(), options)
    assert sealed.stamps == ()
    assert "127.0.0.1: cannot be asked" in sealed.failed[0]
    assert (folder / stamps.README).read_text().startswith("UNTIMESTAMPED")
    trust = Trust(
        signers=read_signers(folder / "signatures/allowed_signers"),
        roots=read_roots([honest.root_file]),
    )
    report = verify(folder, trust)
    assert (report.intact, report.time, report.time_why, report.code) == (
        True,
        False,
        "UNTIMESTAMPED",
        3,
    )
    other = authority(tmp_path / "second", signer=certificate("Second", stamps=True))
    signature = (folder / stamps.SIGNATURE).read_bytes()
    for number, each in enumerate((honest, other), start=1):
        with serving(each) as url:
            assert stamps.add(folder, [ask(url, signature, PATIENCE)]) == [
                f"timestamps/tsa{number}.tsr"
            ]
        report = verify(folder, trust)
        assert (report.faults, report.code, len(report.attested)) == ((), 0, number)
        assert report.fingerprint == sealed.fingerprint
    assert [one.fault is None for one in report.attested] == [True, False]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_stamping_that_fails_halfway_leaves_the_bundle_as_it_was(
    honest: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = tiny_bundle(tmp_path, stamped=False)
    signature = (tiny.folder / stamps.SIGNATURE).read_bytes()
    with serving(honest) as url:
        stamp = ask(url, signature, PATIENCE)
    written = stamps.write_through

    def full(path: Path, raw: bytes) -> None:
        if path.name.endswith(".tsr"):
            raise OSError(28, "No space left on device")
        written(path, raw)

    monkeypatch.setattr(stamps, "write_through", full)
    with pytest.raises(OSError, match="No space left"):
        stamps.add(tiny.folder, [stamp])
    assert verify(tiny.folder, Trust(signers=tiny.signers)).code == 0
    assert [path.name for path in tiny.folder.parent.iterdir() if path.name[0] == "."] == []
