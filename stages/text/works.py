"""Works: texts out of files, JSON lines and Parquet, with what is said about them.

Every text is decoded once here and its words are counted; its bytes are kept untouched. A long
text becomes several pieces, so that what follows never holds more than a few megabytes of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from indexes.words import split
from stages.contract import FileText, Kit, MapStage, Out, Rejected, whole
from stages.sources.beside import read_folder
from stages.sources.decoding import Decoded, byte_offsets, decode, encoding_of
from stages.sources.places import File, Found, files_of, id_of
from stages.sources.refused import RefusedError, read_never, with_own_keys
from stages.tables import FILES, TEXTS
from stages.text.extracted import Extracted
from stages.text.pieces import Piece, cut
from stages.text.read_rows import read_rows_of_text
from stages.text.sources import FORMATS, TextSource

MAX_JUNK = 0.3
"""Largest share of control characters and undecodable bytes in what is still called text: prose in
a wrong single-byte encoding stays below it, compressed data lies at 0.6."""

_BATCH_BYTES = 16 << 20
_BEGINNING = 64
_CONTROLS = bytes((*range(9), *range(14, 32), 127))

READERS: Mapping[str, Callable[[File], Iterator[Found | Rejected]]] = {
    "folder": read_folder,
    "jsonl": read_rows_of_text,
    "parquet": read_rows_of_text,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextsConfig:
    """Knobs of the works stage."""

    sources: tuple[TextSource, ...] = ()
    """Places with works. Append new ones at the end: the number of a source is part of the id of
    each of its texts."""

    never: FileText | None = None
    """File with one sha256 in hex per line, as `sha256sum` writes them: texts with these bytes are
    rejected as `withheld` and neither stored nor shown. Empty lines and `#` lines are skipped."""

    max_bytes: int = 1 << 28
    """Largest file or line, in bytes, at least 1; larger ones are rejected unread. The default,
    256 MiB, is some forty times the Bible."""

    piece_bytes: int = 8_000_000
    """Longest text, in bytes of UTF-8, that is kept in one piece, at least 1. The default holds
    every common book, and a worker holds several pieces with room to spare."""

    margin_words: int = 512
    """Words around a piece that it holds besides its own, 0 or more: the context in which a passage
    at its edge is compared."""

    dataset: str = ""
    """Name of the set, part of the id of each text: the same file as training and as control text
    is two texts. Left empty, the case fills in the name of its section."""

    def __post_init__(self) -> None:
        for name, least in (("max_bytes", 1), ("piece_bytes", 1), ("margin_words", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected {least} or more, got {getattr(self, name)}")


class WorksTools(NamedTuple):
    """What `works` needs besides its rows."""

    config: TextsConfig
    never: frozenset[str]


class _Text(NamedTuple):
    """A text before its words are counted."""

    about: Mapping[str, Any]
    text: str
    data: bytes
    """The untouched original."""
    utf8: bytes


def open_works(config: TextsConfig, _: Kit) -> WorksTools:
    """Read the list of digests that are never to be stored.

    Raises:
        StageError: the list cannot be read, or a line of it is no sha256.
    """
    return WorksTools(config, read_never(config.never))


def works(inputs: Mapping[str, pa.Table], tools: WorksTools) -> Out:
    """Return the texts of the listed files, in pieces.

    Args:
        inputs: files: FILES.
        tools: config and digests to withhold.

    Returns:
        TEXTS in the order of the files and, within a file, of its rows and pieces. Rejected, by
        place: what cannot be read (`unreadable`, `outside`, `truncated`, `not-json`, `damaged`,
        `encrypted`), has no text (`no-text`, `empty`, `not-text`), is too long (`too-large`),
        withheld (`withheld`) or there twice (`repeated`); also sidecars and pages of a PDF that
        cannot be read (`sidecar`, `page`), whose text is kept.

    Raises:
        StageError: a Parquet file lacks a column, or a metadata file cannot be used.
        OSError: the disk failed; trying again may help.
    """
    tables, rejected = [TEXTS.empty()], list[Rejected]()
    held, size, seen = list[_Text](), 0, set[str]()
    for file in files_of(inputs["files"], tools.config):
        for item in READERS[file.kind](file):
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            try:
                held.append(_read(file, item, tools, rejected))
            except RefusedError as error:
                rejected.append(Rejected(item.place, error.code, str(error)))
                continue
            size += len(held[-1].utf8)
            if size >= _BATCH_BYTES:
                tables.append(_rows(held, tools.config, seen, rejected))
                held, size = [], 0
    tables.append(_rows(held, tools.config, seen, rejected))
    return Out(pa.concat_tables(tables), with_own_keys(rejected))


def _read(file: File, found: Found, tools: WorksTools, rejected: list[Rejected]) -> _Text:
    config = tools.config
    if len(found.data) > config.max_bytes:
        raise RefusedError("too-large", f"{len(found.data)} bytes; the limit is {config.max_bytes}")
    digest = sha256(found.data).hexdigest()
    if digest in tools.never:
        raise RefusedError("withheld", "its digest is on the list of what is never to be stored")
    name = _format_of(file, found.data)
    said: Mapping[str, Any] = {}
    if name in {"html", "pdf"}:
        encoding = config.sources[file.source].encoding
        extracted = _extract(name, found.data, encoding)
        decoded, said = Decoded(extracted.text, ""), extracted.said
        _note(found, extracted, rejected)
    else:
        decoded = decode(found.data, _encoding(file, config, found.data))
    untouched = decoded.encoding == "utf-8" and "\ufffd" not in decoded.text
    utf8 = found.data if untouched else decoded.text.encode()
    _check_text(decoded, utf8)
    about = {
        "text_id": id_of(config.dataset, file.source, file.path, found.member, found.row),
        "place": found.place,
        "sha256": digest,
        "format": name,
        "encoding": decoded.encoding or None,
        **dict.fromkeys(file.columns.layout.fields),
        **said,
        **found.said,
    }
    return _Text(about, decoded.text, found.data, utf8)


def _format_of(file: File, data: bytes) -> str:
    if file.kind != "folder":
        return file.kind
    guess = "pdf" if data.startswith(b"%PDF-") else "txt"
    return FORMATS.get(PurePosixPath(file.path).suffix.lower(), guess)


def _encoding(file: File, config: TextsConfig, data: bytes) -> str:
    if file.kind != "folder":
        return "utf-8"
    return config.sources[file.source].encoding or encoding_of(data)


def _extract(name: str, data: bytes, encoding: str | None) -> Extracted:
    # imported here, as most cases have neither, and starting is fast
    if name == "pdf":
        from stages.text.read_pdf import read_pdf

        return read_pdf(data)
    from stages.text.read_html import read_html

    return read_html(data, encoding)


def _note(found: Found, extracted: Extracted, rejected: list[Rejected]) -> None:
    kept = "the other pages are kept"
    rejected.extend(Rejected(found.place, "page", f"{each}; {kept}") for each in extracted.wrong)


def _check_text(decoded: Decoded, utf8: bytes) -> None:
    num_controls = len(utf8) - len(utf8.translate(None, _CONTROLS))
    num_junk = num_controls + decoded.text.count("\ufffd")
    if num_junk > MAX_JUNK * len(decoded.text):
        share = f"{num_junk} of {len(decoded.text)} characters are no text"
        named = f" in {decoded.encoding}; name its `encoding`" if decoded.encoding else ""
        raise RefusedError("not-text", f"{share}{named}")


def _rows(
    held: list[_Text], config: TextsConfig, seen: set[str], rejected: list[Rejected]
) -> pa.Table:
    if not held:
        return TEXTS.empty()
    rows: list[Mapping[str, Any]] = []
    words = split([text.text for text in held])
    for number, text in enumerate(held):
        place, text_id = text.about["place"], text.about["text_id"]
        starts_N = words.starts_N[words.offsets_T[number] : words.offsets_T[number + 1]]
        if text_id in seen:
            again = "the same place a second time; the first is kept"
            rejected.append(Rejected(place, "repeated", again))
        elif not len(starts_N):
            rejected.append(Rejected(place, "empty", f"no word in its {len(text.data)} bytes"))
        else:
            seen.add(text_id)
            limits = {"size": config.piece_bytes, "margin": config.margin_words}
            pieces = cut(text.utf8, len(text.text), starts_N.astype(np.int64), **limits)
            rows += _pieces(text, pieces, len(starts_N))
    return TEXTS.of_rows(rows)


def _pieces(text: _Text, pieces: list[Piece], num_words: int) -> Iterator[Mapping[str, Any]]:
    chars = [piece.start for piece in pieces]
    encoding = text.about["encoding"]
    # where the first code point stands, behind a mark of byte order, a beginning tells as well
    data = text.data if len(pieces) > 1 else text.data[:_BEGINNING]
    firsts = byte_offsets(data, encoding, chars).tolist() if encoding else [None] * len(pieces)
    for number, (piece, first_byte) in enumerate(zip(pieces, firsts, strict=True)):
        own = number == 0 and text.data != text.utf8
        yield {
            **text.about,
            "piece_id": f"{text.about['text_id']}#{number}",
            "piece": number,
            "num_pieces": len(pieces),
            "first_char": piece.start,
            "first_byte": first_byte,
            "first_word": piece.first_word,
            "own_from": piece.own_from,
            "own_to": piece.own_to,
            "num_words": num_words,
            "samples": piece.samples,
            "text": text.text[piece.start : piece.end],
            "bytes": text.data if own else None,
        }


STAGE = MapStage(
    name="works",
    reads={"files": whole(FILES)},
    writes=TEXTS,
    config=TextsConfig,
    open=open_works,
    run=works,
    version=2,
)
