"""Decoding: bytes to text and back to the byte that a character came from.

A byte that cannot be decoded is one U+FFFD, whatever the encoding: so nothing is lost in silence,
and every character of a text has its place in the untouched bytes.
"""

import codecs
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.sources.utf_offsets import utf_offsets

_MARK = "palimpsest-mark"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLAIN = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_STEP = 4096


def _mark(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error(_MARK, _mark)


class Decoded(NamedTuple):
    """A text and how its bytes were read."""

    text: str
    encoding: str
    """As Python names it; `utf-8-sig` and `utf-16` begin with a byte order mark, which is no part
    of the text."""


def check_encoding(name: str) -> None:
    """Check that a config names an encoding of text.

    Raises:
        ValueError: names the field and what was found.
    """
    try:
        b"\0\0\0\0".decode(name, "replace")  # Python looks at no name for no bytes
        codecs.getincrementaldecoder(name)
    except LookupError as error:
        raise ValueError(f"encoding: expected one that Python knows, got {name!r}") from error


def encoding_of(data: bytes) -> str:
    r"""Return the encoding that the byte order mark says, or UTF-8.

    >>> encoding_of(b"\xff\xfea\x00"), encoding_of(b"a")
    ('utf-16', 'utf-8')
    """
    return next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")


def decode(data: bytes, encoding: str | None = None) -> Decoded:
    r"""Return bytes as text.

    Args:
        data: the untouched bytes.
        encoding: as Python names it; None goes by the byte order mark, else UTF-8.

    >>> decode(b"caf\xe9 \xe2\x82").text == "caf\ufffd \ufffd\ufffd"
    True
    """
    name = codecs.lookup(encoding).name if encoding else encoding_of(data)
    text = data.decode(name, _MARK)
    # UTF-8 cannot say a lone surrogate, other encodings can
    return Decoded(text if name in {"utf-8", "utf-8-sig"} else storable(text), name)


def storable(text: str) -> str:
    """Return a text whose lone surrogates, which no encoding can hold, are U+FFFD each."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_encoding(data: bytes, encoding: str) -> str:
    r"""Return the encoding of the bytes behind the byte order mark.

    >>> plain_encoding(b"\xfe\xff\x00a", "utf-16"), plain_encoding(b"a", "latin-1")
    ('utf-16-be', 'latin-1')
    """
    return _PLAIN.get(_mark_of(data, encoding), encoding)


def _mark_of(data: bytes, encoding: str) -> bytes:
    return next((bom for bom, name in _BOMS if name == encoding and data.startswith(bom)), b"")


def byte_offsets(data: bytes, encoding: str, chars: ArrayLike) -> NDArray[np.int64]:
    """Return where characters of a decoded text begin in its bytes.

    Args:
        data: the untouched bytes.
        encoding: as `decode` returned it.
        chars: code points of the text, 0 to its length, in any order and shape.

    Returns:
        One offset per code point, in bytes; the length of a text gives the end of its last one.
    """
    chars_K = np.asarray(chars, np.int64)
    mark = _mark_of(data, encoding)
    plain = plain_encoding(data, encoding)
    if plain in _PLAIN.values():
        return utf_offsets(data, plain, len(mark), chars_K)
    # any other encoding: decoded once more, piece by piece
    walk = _Walk(data, encoding)
    sorted_U, place_K = np.unique(chars_K, return_inverse=True)
    found_U = np.array([walk.to(char) for char in sorted_U.tolist()], np.int64)
    return found_U[place_K].reshape(chars_K.shape)


class _Walk:
    """A decoder that goes forward through some bytes and knows where its characters began."""

    def __init__(self, data: bytes, encoding: str) -> None:
        self._data = data
        self._decoder = codecs.getincrementaldecoder(encoding)(_MARK)
        self._at = self._chars = self._done = 0  # bytes fed, characters that came out, their bytes
        self._from_char = self._from_byte = 0
        marks = (len(bom) for bom, name in _BOMS if name == encoding and data.startswith(bom))
        self._feed(next(marks, 0))

    def to(self, char: int) -> int:
        """Return the byte at which a code point begins; none before it may be asked for later."""
        while self._chars < char and self._leap(char):
            pass
        while self._chars < char and self._at < len(self._data):
            self._feed(1)
        if char >= self._chars:
            return self._done
        # several came at once: marks, of one byte each, and what comes after them
        return self._from_byte + char - self._from_char

    def _leap(self, char: int) -> bool:
        state = self._decoder.getstate()
        more = len(self._decoder.decode(self._data[self._at : self._at + _STEP]))
        if self._at + _STEP >= len(self._data) or self._chars + more > char:
            self._decoder.setstate(state)
            return False
        self._at, self._chars = self._at + _STEP, self._chars + more
        self._note()
        return True

    def _feed(self, size: int) -> None:
        piece = self._data[self._at : self._at + size]
        self._at += size
        more = len(self._decoder.decode(piece, self._at == len(self._data)))
        if more:
            self._from_char, self._from_byte = self._chars, self._done
        self._chars += more
        self._note()

    def _note(self) -> None:
        # the first of a decoder's state is the bytes that it has not made up its mind about
        self._done = self._at - len(self._decoder.getstate()[0])
