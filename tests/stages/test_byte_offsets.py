import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sources import utf_offsets as module
from stages.sources.decoding import byte_offsets, decode

MARKS = (b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
TRICKY = [
    *("a", "\u00e9", "\u20ac", "\U0001f600", "\ufffd", "\r\n"),
    *(b"\xe2", b"\x82", b"\xf0\x9f", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xff"),
    *(b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xd8\x00", b"\x00\xd8", b"\x00\xdc", b"\x00"),
]
pieces = st.lists(st.sampled_from(TRICKY), max_size=12).map(
    lambda parts: b"".join(p.encode() if isinstance(p, str) else p for p in parts)
)


PLAIN = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
}


def mark_of(raw: bytes) -> bytes:
    # the longest first: a mark of UTF-32 begins with one of UTF-16
    return next((m for m in (*WIDE_MARKS, *MARKS[1:]) if raw.startswith(m)), b"")


@given(st.sampled_from(MARKS + WIDE_MARKS), pieces | st.binary(max_size=24))
def test_each_character_has_its_own_bytes(mark: bytes, rest: bytes) -> None:
    raw = mark + rest
    decoded = decode(raw)
    num = len(decoded.text)
    places = byte_offsets(raw, decoded.encoding, range(num + 1)).tolist()
    assert places[-1] == len(raw)
    assert places[0] == len(mark_of(raw)) or not num
    for char, start, end in zip(decoded.text, places[:-1], places[1:], strict=True):
        part = raw[start:end]
        lost = char == "\ufffd" and len(part) == 1
        assert lost or part.decode(PLAIN.get(mark_of(raw), "utf-8")) == char


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_cutting_into_blocks_changes_nothing(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a\u00e9\u20ac\U0001f600\ufffd" * 9
    raw = "\ufeff".encode(encoding) + text.encode(encoding) + b"\xf0\x9f"
    decoded = decode(raw)
    whole = byte_offsets(raw, decoded.encoding, range(len(decoded.text) + 1))
    for size in (2, 4, 6, 10):
        monkeypatch.setattr(module, "_BLOCK", size)
        cut = byte_offsets(raw, decoded.encoding, range(len(decoded.text) + 1))
        assert cut.tolist() == whole.tolist()


def test_every_byte_that_cannot_be_decoded_is_one_character() -> None:
    assert decode(b"a\xe2\x82z\xff").text == "a\ufffd\ufffdz\ufffd"
    assert decode(b"").text == ""
    assert decode("\ufeffa".encode("utf-16-le") + b"\x00").text == "a\ufffd"
