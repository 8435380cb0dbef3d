"""Read a tar: the samples of a WebDataset as img2dataset writes them, one after the other.

A sample is a run of members whose names agree up to the first dot of the file name, such as
`000000012.jpg`, `000000012.json` and `000000012.txt`. The tar is read once from front to back and
one sample at a time is held in memory. Python's tarfile takes a damaged header in mid-file, and a
file that just stops, for the end of the archive; here both are errors, because images would go
missing in silence.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tarfile import HeaderError, ReadError
from typing import IO, NamedTuple, Self, cast

from stages.contract import Rejected
from stages.images.sources import IMAGE_SUFFIXES
from stages.sources.beside import MAX_SIDECAR_BYTES, from_sidecars
from stages.sources.places import File, Found, place_of, real_path
from stages.sources.refused import RefusedError

_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, zlib.error)
_GZIP = b"\x1f\x8b"
_END: type[HeaderError] = vars(tarfile)["EOFHeaderError"]  # the typing stubs lack it


class _Member(tarfile.TarInfo):
    """A header that is an error, and not an end, when it is damaged or missing."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except _END:
            raise
        except HeaderError as error:
            raise ReadError(
                str(error) if str(error) != "empty header" else "no end mark"
            ) from error


class _Sample(NamedTuple):
    """Members that belong together."""

    key: str
    images: list[tuple[str, bytes]]
    sidecars: dict[str, bytes]
    rejected: list[Rejected]


class _CutError(ValueError):
    """The tar ends before its end mark."""


def read_tar(file: File) -> Iterator[Found | Rejected]:
    """Yield the images of a tar in its order, and a rejection for whatever is lost.

    A tar that is cut short keeps what could be read; one rejection says where it ended.

    Raises:
        OSError: the disk failed; trying again may help.
    """
    place, num_images = place_of(file), 0
    try:
        for sample in _samples(real_path(file.root, file.path), file):
            num_images += len(sample.images) + len(sample.rejected)
            yield from _found(file, sample)
        if not num_images:
            yield Rejected(place, "empty", "no image in this tar; expected members such as 1.jpg")
    except RefusedError as error:
        yield Rejected(place, error.code, str(error))
    except _CutError as error:
        message = f"cut short or damaged: {error}; the {num_images} images before it are kept"
        yield Rejected(place, "truncated", message)


def _samples(real: Path, file: File) -> Iterator[_Sample]:
    sample, damage = _Sample("", [], {}, []), ""
    with real.open("rb") as raw:
        try:
            with tarfile.open(fileobj=_unzipped(raw), mode="r:", tarinfo=_Member) as tar:
                while (member := tar.next()) is not None:
                    vars(tar)["members"].clear()  # else it keeps every header that it has read
                    key = _key_of(member.name)
                    if key != sample.key:
                        yield sample
                        sample = _Sample(key, [], {}, [])
                    _take(file, sample, tar, member)
        except _DAMAGE as error:
            if getattr(error, "errno", None) is not None:
                raise
            damage = str(error)
    yield sample
    if damage:
        raise _CutError(damage)


def _unzipped(raw: IO[bytes]) -> IO[bytes]:
    zipped = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if zipped else raw


def _key_of(member: str) -> str:
    path = PurePosixPath(member)
    return str(path.parent / path.name.partition(".")[0])


def _take(file: File, sample: _Sample, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    # bytes that are not UTF-8 cannot be stored as text
    name = member.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    path = PurePosixPath(name)
    kind = path.name.removeprefix(path.name.partition(".")[0])
    is_image = path.suffix.lower() in IMAGE_SUFFIXES
    if path.name.startswith(".") or member.isdir() or not (is_image or kind in {".json", ".txt"}):
        return
    place = place_of(file, member=name)
    limit = file.max_bytes if is_image else MAX_SIDECAR_BYTES
    if not member.isreg():
        sample.rejected.append(Rejected(place, "unreadable", "a link inside the tar"))
    elif member.size > limit:
        message = f"{member.size} bytes; the limit is {limit}"
        sample.rejected.append(Rejected(place, "too-large", message))
    else:
        data = cast("IO[bytes]", tar.extractfile(member)).read()
        if is_image:
            sample.images.append((name, data))
        else:
            sample.sidecars[kind] = data


def _found(file: File, sample: _Sample) -> Iterator[Found | Rejected]:
    yield from sample.rejected
    said, wrong = from_sidecars(sample.sidecars, file.columns)
    if wrong:
        yield Rejected(place_of(file, member=f"{sample.key}.json"), "sidecar", wrong)
    for name, data in sample.images:
        yield Found(place_of(file, member=name), name, 0, data, said)
