"""Read PDF: the text of the pages, in the order that their programs draw it."""

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from stages.sources.decoding import storable
from stages.sources.fields import text_of
from stages.sources.refused import RefusedError
from stages.text.extracted import Extracted

# pypdf meets damage with whatever its code runs into
_DAMAGE = (
    *(PyPdfError, DependencyError, ValueError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, AssertionError, RecursionError, NotImplementedError, zlib.error),
    *(struct.error, EOFError),
)
_LOCKED = "a password is needed to read this PDF"


def read_pdf(data: bytes) -> Extracted:
    """Return the text of a PDF file, one page after the other.

    Args:
        data: the untouched file.

    Raises:
        RefusedError: `damaged`, `encrypted`, or `no-text` where every page is a picture.
    """
    with _quiet():
        reader = _opened(data)
        num_pages = len(reader.pages)
        texts, wrong = [], []
        for number in range(num_pages):
            try:
                texts.append(storable(reader.pages[number].extract_text()))
            except _DAMAGE as error:
                wrong.append(f"page {number + 1} cannot be read: {_said(error)}")
        said = _stated(reader)
    text = "\n".join(texts)
    if not text.strip():
        found = wrong[0] if wrong else "a scan has to go through text recognition first"
        raise RefusedError("no-text", f"no text on its {num_pages} pages; {found}")
    return Extracted(text, said, tuple(wrong))


def _opened(data: bytes) -> PdfReader:
    try:
        reader = PdfReader(BytesIO(data), strict=False)
        # most encrypted files ask nobody for a password, they only forbid printing
        can_be_read = not reader.is_encrypted or bool(reader.decrypt(""))
        len(reader.pages)
    except FileNotDecryptedError as error:
        raise RefusedError("encrypted", _LOCKED) from error
    except _DAMAGE as error:
        raise RefusedError("damaged", f"not a PDF that can be read: {_said(error)}") from error
    if not can_be_read:
        raise RefusedError("encrypted", _LOCKED)
    return reader


def _stated(reader: PdfReader) -> dict[str, str]:
    try:
        about = reader.metadata
        stated = {} if about is None else {"title": about.title, "author": about.author}
    except _DAMAGE:
        return {}
    return {name: text for name, value in stated.items() if (text := text_of(value)) is not None}


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pypdf from speaking of each oddity of each file on the terminal."""
    log = logging.getLogger("pypdf")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
