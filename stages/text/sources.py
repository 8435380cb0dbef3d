"""Sources of texts: what a case may say of works and of outputs, and what their files look like."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pyarrow as pa

from stages.contract import PathText
from stages.sources.decoding import check_encoding
from stages.sources.places import Layout

FORMATS = {
    **dict.fromkeys((".txt", ".text"), "txt"),
    **dict.fromkeys((".md", ".markdown"), "md"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".pdf": "pdf",
}
"""Ending of a file name -> format."""

_PACKED = ("", ".gz", ".zst")
_LINES = (
    *(f".jsonl{packed}" for packed in _PACKED),
    *(f".ndjson{packed}" for packed in _PACKED),
    *(".json.gz", ".json.zst"),  # lines as well, in C4 and its kin
)


def _misfit(kind: Any) -> str:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    fits = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    if any(fit(inner) for fit in (*fits, pa.types.is_large_binary, pa.types.is_null)):
        return ""
    return "expected text"


_PART_BYTES = 16 << 20
"""Less than for images: files are often packed, and a corpus of some books is for all workers."""

_WORKS = Layout(
    noun="text",
    endings={"folder": tuple(FORMATS), "jsonl": _LINES, "parquet": (".parquet",)},
    main="text",
    fields=("title", "author", "date", "licence", "url"),
    usual={
        "text": ("text", "content", "body"),
        "author": ("author", "authors"),
        "date": ("date", "year", "published"),
        "licence": ("licence", "license"),
    },
    misfit=_misfit,
    sidecars={".json": ""},
    part_bytes=_PART_BYTES,
)

_OUTPUTS = Layout(
    noun="output",
    endings={"jsonl": _LINES, "parquet": (".parquet",)},
    main="output",
    fields=(
        *("prompt", "context", "model", "settings", "attempt", "seed"),
        *("failure", "work_id", "half"),
    ),
    usual={
        "output": ("output", "completion", "response", "generation", "text"),
        "prompt": ("prompt", "input"),
        "model": ("model", "model_name"),
        "settings": ("settings", "parameters"),
        "attempt": ("attempt", "sample"),
        "context": ("context", "system"),
        "failure": ("failure", "error", "refusal"),
    },
    misfit=_misfit,
    sidecars={},
    part_bytes=_PART_BYTES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumns:
    """What a source calls our columns: Parquet columns, JSON keys, or heads of a metadata file.

    A name that is not given is looked up under its usual names and may be missing.
    """

    layout: ClassVar[Layout] = _WORKS
    """What files of works look like."""

    text: str | None = None
    """Parquet and JSON lines: the text; usual names `text`, `content`, `body`. metadata.csv or
    metadata.jsonl: column with the file name; usual name `file_name`."""

    title: str | None = None
    """Title of the work; usual name `title`, else what an HTML or PDF file says of itself."""

    author: str | None = None
    """Author as the source writes the name; usual names `author`, `authors`, else as for titles."""

    date: str | None = None
    """Date of the work as stated; usual names `date`, `year`, `published`."""

    licence: str | None = None
    """Licence as the source states it; usual names `licence`, `license`."""

    url: str | None = None
    """Address of the text; usual name `url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """One place with works."""

    path: PathText
    """Folder (searched with its subfolders), single file, or pattern with `*`, `**`, `?` or `[ ]`.
    Files and folders whose names begin with a dot are left out."""

    kind: Literal["auto", "folder", "jsonl", "parquet"] = "auto"
    """`folder`: one work per .txt, .md, .html or .pdf file, with an optional .json of the same name
    beside it, and an optional metadata.csv or metadata.jsonl in its folder or above. `jsonl`: one
    work per line, plain, .gz or .zst. `parquet`: one work per row. `auto` goes by the names of the
    files and asks when they are of several kinds."""

    encoding: str | None = None
    """Encoding of the .txt, .md and .html files, as Python names it. The default goes by the byte
    order mark, then by what HTML declares, and takes the rest for UTF-8."""

    columns: TextColumns = field(default_factory=TextColumns)
    """What the source calls our columns."""

    def __post_init__(self) -> None:
        if self.encoding is not None:
            check_encoding(self.encoding)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumns:
    """What a source of outputs calls our columns.

    A name that is not given is looked up under its usual names and may be missing.
    """

    layout: ClassVar[Layout] = _OUTPUTS
    """What files of outputs look like."""

    output: str | None = None
    """What the model wrote; usual names `output`, `completion`, `response`, `generation`, `text`.
    Null or empty is an attempt that failed."""

    prompt: str | None = None
    """What the model was given; usual names `prompt`, `input`. A list of messages is kept as
    JSON."""

    context: str | None = None
    """Other text that the model was shown; usual names `context`, `system`."""

    model: str | None = None
    """Name of the model; usual names `model`, `model_name`."""

    settings: str | None = None
    """How it was decoded: an object, or text; usual names `settings`, `parameters`."""

    attempt: str | None = None
    """Number of the attempt, 0 or more; usual names `attempt`, `sample`."""

    seed: str | None = None
    """Seed of the sampler; usual name `seed`."""

    failure: str | None = None
    """Why the attempt failed; usual names `failure`, `error`, `refusal`."""

    work_id: str | None = None
    """Work that the prompt was cut from, as this program names it; usual name `work_id`."""

    half: str | None = None
    """Half of that work, `train` or `control`; usual name `half`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSource:
    """One place with outputs of a language model."""

    path: PathText
    """Folder, single file or pattern, as for works."""

    kind: Literal["auto", "jsonl", "parquet"] = "auto"
    """`jsonl`: one attempt per line, plain, .gz or .zst. `parquet`: one attempt per row. `auto`
    goes by the names of the files."""

    columns: OutputColumns = field(default_factory=OutputColumns)
    """What the source calls our columns."""
