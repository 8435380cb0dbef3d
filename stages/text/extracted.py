"""Extracted: the text that was taken out of a file of another format."""

from typing import NamedTuple


class Extracted(NamedTuple):
    """What a file of another format holds."""

    text: str

    said: dict[str, str]
    """Title and author, where the file states them."""

    wrong: tuple[str, ...] = ()
    """What could not be read."""
