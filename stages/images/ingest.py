"""Ingest: images out of folders, WebDataset tars and Parquet files, with what is said about them.

Every image is decoded once here, so that what follows meets no image that cannot be decoded; its
bytes are stored untouched.

Dimension key: H height, W width, C = 3 channels (RGB).
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa

from stages.contract import Kit, MapStage, Out, Rejected, whole
from stages.images.hashing import pdq_of
from stages.images.read_parquet import read_parquet
from stages.images.read_tar import read_tar
from stages.images.sources import LAYOUT, IngestConfig
from stages.pixels import DecodeError, decode
from stages.sources.beside import read_folder
from stages.sources.places import File, Found, files_of, id_of
from stages.sources.refused import RefusedError, read_never, with_own_keys
from stages.tables import FILES, IMAGES

_BATCH_ROWS = 256

READERS: Mapping[str, Callable[[File], Iterator[Found | Rejected]]] = {
    "folder": read_folder,
    "webdataset": read_tar,
    "parquet": read_parquet,
}


class IngestTools(NamedTuple):
    """What `ingest` needs besides its rows."""

    config: IngestConfig
    never: frozenset[str]


def open_ingest(config: IngestConfig, _: Kit) -> IngestTools:
    """Read the list of digests that are never to be stored.

    Raises:
        StageError: the list cannot be read, or a line of it is no sha256.
    """
    return IngestTools(config, read_never(config.never))


def ingest(inputs: Mapping[str, pa.Table], tools: IngestTools) -> Out:
    """Return the images of the listed files.

    Args:
        inputs: files: FILES.
        tools: config and digests to withhold.

    Returns:
        IMAGES in the order of the files and, within a file, of its members or rows. Rejected, by
        place: what cannot be read (`unreadable`, `outside`, `truncated`), decoded (the codes of
        `DecodeError`), is withheld (`withheld`) or there twice (`repeated`); also sidecars that
        cannot be read (`sidecar`), whose image is kept.

    Raises:
        StageError: a Parquet file lacks a column, or a metadata file cannot be used.
        OSError: the disk failed; trying again may help.
    """
    batches = [IMAGES.empty()]
    rows: list[Mapping[str, Any]] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    for file in files_of(inputs["files"], tools.config):
        for item in READERS[file.kind](file):
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            try:
                rows.append(_image(file, item, tools, seen))
            except (DecodeError, RefusedError) as error:
                rejected.append(Rejected(item.place, error.code, str(error)))
            if len(rows) >= _BATCH_ROWS:
                batches.append(IMAGES.of_rows(rows))
                rows.clear()
    batches.append(IMAGES.of_rows(rows))
    return Out(pa.concat_tables(batches), with_own_keys(rejected))


def _image(file: File, found: Found, tools: IngestTools, seen: set[str]) -> Mapping[str, Any]:
    config = tools.config
    image_id = id_of(config.dataset, file.source, file.path, found.member, found.row)
    if image_id in seen:
        raise RefusedError("repeated", "the same place a second time; the first is kept")
    if len(found.data) > config.max_bytes:
        raise RefusedError("too-large", f"{len(found.data)} bytes; the limit is {config.max_bytes}")
    digest = sha256(found.data).hexdigest()
    if digest in tools.never:
        raise RefusedError("withheld", "its digest is on the list of what is never to be stored")
    rgb_HWC, name = decode(found.data, max_pixels=config.max_pixels)
    pdq, quality = pdq_of(rgb_HWC)
    seen.add(image_id)
    return dict.fromkeys(LAYOUT.fields) | {
        "image_id": image_id,
        "place": found.place,
        "sha256": digest,
        "format": name,
        "width": rgb_HWC.shape[1],
        "height": rgb_HWC.shape[0],
        "pdq": pdq,
        "pdq_quality": quality,
        **found.said,
        "bytes": found.data,
    }


STAGE = MapStage(
    name="ingest",
    reads={"files": whole(FILES)},
    writes=IMAGES,
    config=IngestConfig,
    open=open_ingest,
    run=ingest,
)
