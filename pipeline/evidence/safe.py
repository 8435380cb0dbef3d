r"""Safe: text as a page, a spreadsheet or a load file may hold it, and what must not leave at all.

Captions, names and messages are hostile, and addresses may carry passwords. What is exact stays in
JSON and Parquet; these are the forms for programs that would obey what they read.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pipeline.errors import RunError

MOST_LETTERS = 250
"""Characters of a field of a load file; the whole stands in item.json and in the text file."""

REMOVED = "?(removed)"
"""Stands for the query of an address: it may hold a key, and nobody can tell which one does."""

_ADDRESS = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)(?:[^/?#\s\"'<>@]*@)*([^?#\s\"'<>]*)([?#][^\s\"'<>]*)?"
)
_FORMULA = frozenset("=+-@\t\r\n\0|%\uff1d\uff0b\uff0d\uff20")
_OBEYED = re.compile(
    # controls but for tab and line ends, surrogates, and what turns the direction of writing
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\u202a-\\u202e\\u2066-\\u2069]"
)
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
_LEAST_SECRET = 8
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----")
_CHUNK = 1 << 20


def without_secrets(text: str) -> str:
    """Return a text whose addresses have neither a user's name and password nor a query.

    >>> without_secrets("see https://ada:pw@example.org/a.png?sig=1 there")
    'see https://example.org/a.png?(removed) there'
    """
    return _ADDRESS.sub(lambda found: found[1] + found[2] + ((found[3] and REMOVED) or ""), text)


def without_places(value: Any) -> Any:
    """Return plain values without secrets, and absolute paths cut down to their last name.

    >>> without_places({"path": "/home/ada/set", "seeds": 3})
    {'path': '(elsewhere)/set', 'seeds': 3}
    """
    if isinstance(value, Mapping):
        return {key: without_places(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(item) for item in value]
    if not isinstance(value, str):
        return value
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(value).is_absolute() or value.startswith("~"):
            return f"(elsewhere)/{kind(value).name}"
    return without_secrets(value)


def visible(text: str) -> str:
    r"""Return a text with a sign for each character that would be obeyed instead of shown.

    >>> ascii(visible("a\x1b\u202eb\n"))
    "'a\\ufffd\\ufffdb\\n'"
    """
    return _OBEYED.sub("\ufffd", text)


def on_one_line(text: str, most: int = MOST_LETTERS) -> str:
    r"""Return a text on one line, cut where it is long.

    >>> on_one_line("a\nb" + "c" * 9, 8)
    'a bcc...'
    """
    head = " ".join(visible(text[: 2 * most]).split())
    whole = len(text) <= 2 * most and len(head) <= most
    return head if whole else head[: most - 3] + "..."


def in_cell(value: Any) -> Any:
    """Return a value for a cell of CSV: text that would be a formula is quoted, numbers are not.

    >>> in_cell("=1+1"), in_cell(" @SUM(A1)"), in_cell(-1.5), in_cell(None)
    ("'=1+1", "' @SUM(A1)", -1.5, '')
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return in_cell(" ".join(str(item) for item in value))
    if not isinstance(value, str):
        return value
    shown = visible(value)
    risky = shown[:1] in _FORMULA or shown.lstrip()[:1] in _FORMULA
    return f"'{shown}" if shown and risky else shown


def in_load_file(text: str) -> str:
    r"""Return a text as a field of a Concordance file, which knows no escape.

    >>> in_load_file("a\x14b\u00fec\r\nd") == "a b c\u00aed"
    True
    """
    if text.isascii() and text.isprintable() and len(text) <= MOST_LETTERS:
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\u00ae")
    plain = visible(lines.replace("\x14", " ").replace("\u00fe", " ")).replace("\t", " ")
    return plain if len(plain) <= MOST_LETTERS else plain[: MOST_LETTERS - 3] + "..."


class Guard:
    """Refuses a file that holds a secret of the environment, or a private key."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        found = os.environ if environment is None else environment
        self.secrets = {
            name: value.encode("utf-8", "surrogateescape")
            for name, value in sorted(found.items())
            if _SECRET_NAME.search(name) and len(value) >= _LEAST_SECRET
        }

    def check(self, path: str, content: bytes | Path) -> None:
        """Refuse a file.

        Args:
            path: where it would lie in the bundle.
            content: its bytes, or the file to copy.

        Raises:
            RunError: it holds a secret; the message names the variable, never its value.
        """
        if isinstance(content, bytes):
            self._check(path, content)
            return
        longest = max([128, *(len(secret) for secret in self.secrets.values())])
        with content.open("rb") as opened:
            tail = b""
            while chunk := opened.read(_CHUNK):
                self._check(path, tail + chunk)
                tail = chunk[-longest:]

    def _check(self, path: str, raw: bytes) -> None:
        for name, secret in self.secrets.items():
            if secret in raw:
                raise RunError(f"{path}: holds the value of {name}; nothing was kept: take it out")
        if _PRIVATE_KEY.search(raw):
            raise RunError(f"{path}: holds a private key; nothing was kept: take it out")
