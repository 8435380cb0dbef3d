"""Sources of images: what a case may say of them, and what their files look like."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pyarrow as pa

from stages.contract import FileText, PathText
from stages.pixels import MAX_PIXELS, MAX_PIXELS_EVER, MIN_SIDE
from stages.sources.places import Layout

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".tif", ".tiff", ".bmp"),
    *(".avif", ".heic", ".heif", ".jxl", ".jp2", ".psd", ".svg", ".eps", ".ico", ".ppm"),
)
"""File names that promise an image; the second line is not opened, but rejected with a reason."""


def _misfit(kind: Any) -> str:
    is_struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    inner = kind.field("bytes").type if is_struct else kind
    fits = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_null)
    if any(fit(inner) for fit in fits):
        return ""
    return "expected binary, or a struct with binary `bytes`"


LAYOUT = Layout(
    noun="image",
    endings={
        "folder": IMAGE_SUFFIXES,
        "webdataset": (".tar", ".tar.gz", ".tgz"),
        "parquet": (".parquet",),
    },
    main="image",
    fields=("caption", "title", "artist", "year", "licence", "url"),
    usual={"caption": ("caption", "text", "TEXT"), "licence": ("licence", "license")},
    misfit=_misfit,
    sidecars={".json": "", ".txt": "caption"},
    part_bytes=64 << 20,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumns:
    """What a source calls our columns: Parquet columns, JSON keys, or heads of a metadata file.

    A name that is not given is looked up under its usual names and may be missing.
    """

    layout: ClassVar[Layout] = LAYOUT
    """What files of images look like."""

    image: str | None = None
    """Parquet: column with the image, as bytes or as {bytes, path}; usual name `image`.
    metadata.csv or metadata.jsonl: column with the file name; usual name `file_name`."""

    caption: str | None = None
    """Caption; usual names `caption`, `text`, `TEXT`. A .txt beside an image is its caption too."""

    title: str | None = None
    """Title of the work; usual name `title`."""

    artist: str | None = None
    """Artist as the source writes the name; usual name `artist`."""

    year: str | None = None
    """Year of the work: a number, text of digits, or a date; usual name `year`."""

    licence: str | None = None
    """Licence as the source states it; usual names `licence`, `license`."""

    url: str | None = None
    """Address of the image; usual name `url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place with images."""

    path: PathText
    """Folder (searched with its subfolders), single file, or pattern with `*`, `**`, `?` or `[ ]`.
    Files and folders whose names begin with a dot are left out."""

    kind: Literal["auto", "folder", "webdataset", "parquet"] = "auto"
    """`folder`: image files, each with an optional .json and .txt of the same name beside it, and
    an optional metadata.csv or metadata.jsonl in its folder or above. `webdataset`: tars as
    img2dataset writes them. `parquet`: one image per row. `auto` goes by the names of the files
    and asks when they are of several kinds."""

    columns: SourceColumns = field(default_factory=SourceColumns)
    """What the source calls our columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """Knobs of the ingest stage."""

    sources: tuple[Source, ...] = ()
    """Places with images. Append new ones at the end: the number of a source is part of the id of
    each of its images."""

    never: FileText | None = None
    """File with one sha256 in hex per line, as `sha256sum` writes them: images with these bytes are
    rejected as `withheld` and neither stored nor shown. Empty lines and `#` lines are skipped."""

    max_pixels: int = MAX_PIXELS
    """Largest image, in pixels, 4 to 178,956,970; larger ones are rejected from their header. The
    default is Pillow's own guard against decompression bombs."""

    max_bytes: int = 1 << 28
    """Largest image file, in bytes, at least 1; larger ones are rejected unread. The default,
    256 MiB, is the largest part of a dataset."""

    dataset: str = ""
    """Name of the set, part of the id of each image: the same file as training and as control
    image is two images. Left empty, the case fills in the name of its section."""

    def __post_init__(self) -> None:
        if not MIN_SIDE**2 <= self.max_pixels <= MAX_PIXELS_EVER:
            raise ValueError(f"max_pixels: expected 4 to {MAX_PIXELS_EVER}, got {self.max_pixels}")
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes: expected 1 or more bytes, got {self.max_bytes}")
