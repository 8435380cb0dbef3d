"""DER: put the certificates of a timestamp in order, so that a strict reader takes it.

DER sorts a SET, and several authorities send theirs unsorted. Certificates are not under the
signature of a timestamp, and sorting changes no length: what is read is what came, in order. The
stored response stays as it came.

Source: ITU-T X.690, sections 8.1 and 11.6; RFC 5652, section 5.1.
"""

from collections.abc import Iterator
from typing import NamedTuple

_CERTIFICATES = 0xA0
_WHOLE = 2
"""Items of a response that grants: status and token."""


class _Item(NamedTuple):
    tag: int
    start: int
    body: int
    end: int


def sorted_certificates(raw: bytes) -> bytes:
    """Return a TimeStampResp with its certificates in the order of DER.

    What is not a response is returned as it is: saying so is the reader's work.
    """
    try:
        place = _certificates(raw)
        if place is None:
            return raw
        found = sorted(raw[one.start : one.end] for one in _items(raw, place.body, place.end))
    except (IndexError, ValueError):
        return raw
    return raw[: place.body] + b"".join(found) + raw[place.end :]


def _certificates(raw: bytes) -> _Item | None:
    """Return where the certificates are: response, token, [0], signed data, [0]."""
    response, *_ = _items(raw, 0, len(raw))
    inside = list(_items(raw, response.body, response.end))
    if len(inside) < _WHOLE:
        return None
    token = list(_items(raw, inside[1].body, inside[1].end))
    signed, *_ = _items(raw, token[1].body, token[1].end)
    for item in list(_items(raw, signed.body, signed.end))[3:]:
        if item.tag == _CERTIFICATES:
            return item
    return None


def _items(raw: bytes, at: int, end: int) -> Iterator[_Item]:
    """Yield the items one after the other between two places."""
    while at < end:
        size, body = raw[at + 1], at + 2
        if size & 0x80:
            long = size & 0x7F
            size, body = int.from_bytes(raw[body : body + long]), body + long
        if body + size > end:
            raise ValueError("cut short")
        yield _Item(raw[at], at, body, body + size)
        at = body + size
