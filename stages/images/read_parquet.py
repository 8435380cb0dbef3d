"""Read Parquet: one image per row, as bytes or as {bytes, path}, from a run of row groups."""

from collections.abc import Iterator

from stages.contract import Rejected
from stages.sources.fields import pick
from stages.sources.parquet import read_rows
from stages.sources.places import File, Found, place_of


def read_parquet(file: File) -> Iterator[Found | Rejected]:
    """Yield the images of a run of row groups in their order, and a rejection for each that fails.

    Raises:
        StageError: a column is missing.
        OSError: the disk failed; trying again may help.
    """
    image = getattr(file.columns, file.columns.layout.main) or file.columns.layout.main
    for row in read_rows(file):
        if isinstance(row, Rejected):
            yield row
            continue
        data = row.values.pop(image)
        data = data.get("bytes") if isinstance(data, dict) else data
        said = pick(row.values, file.columns)
        yield Found(place_of(file, row=row.number), "", row.number, data or b"", said)
