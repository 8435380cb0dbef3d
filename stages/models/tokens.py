"""Tokens: how many a tokenizer makes of a piece of text."""

from collections.abc import Callable

from stages.contract import StageError


def open_counter(path: str) -> Callable[[str], int]:
    """Return a function that counts the tokens of a text, without marks for its start and end.

    Args:
        path: a tokenizer.json, as the library `tokenizers` writes it.

    Raises:
        StageError: the file cannot be read as a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the library raises plain exceptions
        raise StageError(
            f"tokenizer: {path} cannot be read as a tokenizer.json: {error}"
        ) from error

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count
