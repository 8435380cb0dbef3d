"""Names that a bundle may hold, and what is at fault with others.

Letters, digits, dot, underscore and hyphen: nothing that a manifest would have to escape, that a
shell would read as something else, or that Windows cannot store. BagIt tools disagree about
percent signs, so a bundle has none.
"""

import re
from typing import NamedTuple

LONGEST = 120
"""Characters of a path inside a bundle; with a folder before it, it stays under 260 of Windows."""

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_FIRST_OF_DEVICE = frozenset("cpanlCPANL")


class Fault(NamedTuple):
    """One thing that is not as it was sealed."""

    path: str
    """Path inside the bundle, with `/`; what is not printable ASCII is escaped."""

    what: str
    """What was found, and what was expected."""


def fault_of_name(name: str) -> str | None:
    """Say why a name of a file or folder may not stand in a bundle, or return None.

    >>> fault_of_name("side_by_side.png")
    >>> fault_of_name("..")
    'a name starts with a letter, digit or _, and is made of A-Z a-z 0-9 . _ - alone'
    """
    if not _NAME.fullmatch(name):
        return "a name starts with a letter, digit or _, and is made of A-Z a-z 0-9 . _ - alone"
    if name[0] in _FIRST_OF_DEVICE and _DEVICE.fullmatch(name):
        return "Windows keeps this name for a device"
    return None


def fault_of_path(path: str) -> str | None:
    """Say why a path may not stand in a bundle, or return None."""
    if len(path) > LONGEST:
        return f"the path has {len(path)} characters; at most {LONGEST} are allowed"
    for name in path.split("/"):
        if fault := fault_of_name(name):
            return fault
    return None


def shown(path: str) -> str:
    r"""Return a path that can be printed: what is not printable ASCII is escaped.

    >>> print(shown("data/a\nb"))
    data/a\nb
    """
    return path if path.isascii() and path.isprintable() else ascii(path)[1:-1]
