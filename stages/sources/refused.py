"""Refused: what of a source is not taken, and why."""

import re
from collections.abc import Iterable
from pathlib import Path

from stages.contract import Rejected, StageError

_SHA256 = re.compile(r"[0-9a-f]{64}")


class RefusedError(ValueError):
    """Something in a source cannot be used, for a reason that trying again would not mend.

    Attributes:
        code: one word for the reason.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_never(path: str | None) -> frozenset[str]:
    """Return the digests that are never to be stored.

    Args:
        path: file with one sha256 in hex per line; empty lines and `#` lines are skipped.

    Raises:
        StageError: the list cannot be read, or a line of it is no sha256.
    """
    if path is None:
        return frozenset()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"never: {path} cannot be read: {error}") from error
    digests = set()
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            digest = line.split()[0].lower()
            if not _SHA256.fullmatch(digest):
                expected = "expected a sha256 of 64 hex digits"
                raise StageError(f"never: {path}, line {number}: {expected}, got {digest!r}")
            digests.add(digest)
    return frozenset(digests)


def with_own_keys(rejected: Iterable[Rejected]) -> list[Rejected]:
    """Return rejections with one key each: a place may fail more than once.

    >>> [row.key for row in with_own_keys([Rejected("0:a", "x", ""), Rejected("0:a", "y", "")])]
    ['0:a', '0:a (2)']
    """
    out, times = [], dict[str, int]()
    for item in rejected:
        times[item.key] = times.get(item.key, 0) + 1
        again = times[item.key] > 1
        out.append(item._replace(key=f"{item.key} ({times[item.key]})") if again else item)
    return out
