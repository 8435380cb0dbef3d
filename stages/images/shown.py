"""Shown: works and generations as the methods want them: pixels, hashes, vectors.

Dimension key: K pictures, H height, W width, C = 3 channels, D dimensions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.contract import Reader
from stages.images.hashing import pdq_of
from stages.measures.distances import Bytes
from stages.methods.descriptor import Vectors
from stages.methods.pdq import Hashes
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode

SIDE = 256
"""Pixels of the squares that methods of whole pictures compare: Webster's."""

_PICTURES_KEPT = 256
_VECTORS_KEPT = 100_000

Describe = Callable[[Bytes], NDArray[np.float32]]
"""Picture u8[H, W, C] -> f32[D]."""


class Originals:
    """Pictures of works, decoded; the last few are kept."""

    def __init__(self, reader: Reader) -> None:
        """Look up IMAGES of both halves."""
        self._reader = reader
        self._kept: dict[str, Bytes | None] = {}

    def of(self, image_ids: Iterable[str]) -> dict[str, Bytes]:
        """Return the pictures that can be decoded, by id."""
        wanted = list(dict.fromkeys(image_ids))
        missing = [each for each in wanted if each not in self._kept]
        data = self._reader.take(missing, ["bytes"])["bytes"].to_pylist()
        for image_id, blob in zip(missing, data, strict=True):
            self._kept[image_id] = _decoded(blob)
        found = {each: rgb for each in wanted if (rgb := self._kept[each]) is not None}
        _shorten(self._kept, _PICTURES_KEPT)
        return found

    def hashes(self, image_ids: Sequence[str]) -> Hashes:
        """Return the hashes that were taken when the images were read."""
        rows = self._reader.take(image_ids, ["pdq", "pdq_quality"]).to_pylist()
        return hashes_of([(row["pdq"], row["pdq_quality"]) for row in rows])


class Network:
    """A copy descriptor, and the vectors that it gave of works."""

    def __init__(self, describe: Describe, network: str, pipeline: str) -> None:
        """Keep a network, the digest of its files and the name of its pipeline."""
        self._describe = describe
        self._named = {"network": network, "pipeline": pipeline}
        self._kept: dict[str, NDArray[np.float32]] = {}

    def one(self, rgb_HWC: Bytes) -> Vectors:
        """Return the vector of a picture.

        Raises:
            ValueError: it has no direction.
        """
        return Vectors(vectors_ND=self._describe(rgb_HWC)[None], **self._named)

    def each(self, pictures: Mapping[str, Bytes]) -> Vectors:
        """Return the vectors of works, seen once each.

        Raises:
            ValueError: one of them has no direction.
        """
        for image_id in pictures.keys() - self._kept.keys():
            self._kept[image_id] = self._describe(pictures[image_id])
        vectors_ND = np.stack([self._kept[image_id] for image_id in pictures])
        _shorten(self._kept, _VECTORS_KEPT)
        return Vectors(vectors_ND=vectors_ND, **self._named)


def squares_of(pictures: Iterable[Bytes]) -> Bytes:
    """Return pictures stretched to squares, u8[K, 256, 256, C]."""
    stretched = [
        np.asarray(Image.fromarray(rgb_HWC).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        for rgb_HWC in pictures
    ]
    return np.stack(stretched).astype(np.uint8)


def hash_of(rgb_HWC: Bytes) -> Hashes:
    """Return the hash of a generation."""
    return hashes_of([pdq_of(rgb_HWC)])


def hashes_of(found: Sequence[tuple[str, int]]) -> Hashes:
    """Return hashes of hex digits and qualities."""
    packed = [np.frombuffer(bytes.fromhex(digits), np.uint8) for digits, _ in found]
    return Hashes(
        hashes_NB=np.stack(packed), quality_N=np.array([quality for _, quality in found], np.int64)
    )


def _decoded(blob: bytes) -> Bytes | None:
    try:
        return decode(blob, max_pixels=MAX_PIXELS_EVER).rgb_HWC
    except DecodeError:
        return None


def _shorten(kept: dict[str, Any], most: int) -> None:
    """Forget the oldest."""
    for old in list(kept)[: max(0, len(kept) - most)]:
        del kept[old]
