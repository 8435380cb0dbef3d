"""Embed: one descriptor of unit length per image.

Dimension key: B images, D dimensions, H height, W width, C channels.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.columns import blobs, texts, vector_column
from stages.contract import Kit, MapStage, Out, Rejected, columns
from stages.models.clip import open_clip_encoder
from stages.models.descriptor import Preprocess, open_descriptor
from stages.models.encode import Encode
from stages.models.files import ModelRef, resolve
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode
from stages.tables import EMBEDDINGS, GENERATIONS, IMAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedConfig:
    """Knobs of the embed stage."""

    model: ModelRef
    """Image encoder: a folder of open_clip, or a file of TorchScript such as SSCD."""

    kind: Literal["clip", "torchscript"] = "clip"
    """`clip` looks at what is shown; `torchscript` at whatever its makers trained it for, copies in
    the case of SSCD."""

    batch: int = 32
    """Images encoded together, 1 or more; part of the result, as another shape can change the last
    bits. Beyond 16 a CPU gains nothing, and 32 fits any GPU."""

    preprocess: Preprocess = field(default_factory=Preprocess)
    """What a TorchScript descriptor does to an image first; a CLIP folder says it by itself."""

    def __post_init__(self) -> None:
        """Refuse values that no encoder could take.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        if self.kind not in {"clip", "torchscript"}:
            raise ValueError(f"kind must be `clip` or `torchscript`, got {self.kind!r}")
        if self.batch < 1:
            raise ValueError(f"batch must be 1 or more, got {self.batch}")


class EmbedTools(NamedTuple):
    """An opened encoder."""

    encode: Encode
    """B images u8[H, W, C] -> f32[B, D], not scaled."""

    batch: int
    """Images that are decoded and encoded together."""


class _Vectors(NamedTuple):
    """Unit vectors of the blobs that have one, and why the others have none."""

    of_blob: dict[bytes, NDArray[np.float32]]
    faults: dict[bytes, tuple[str, str]]


def open_embed(config: EmbedConfig, kit: Kit) -> EmbedTools:
    """Load the encoder onto this worker's device."""
    path = resolve(config.model)
    if config.kind == "clip":
        return EmbedTools(open_clip_encoder(path, kit, batch=config.batch), config.batch)
    encode = open_descriptor(path, config.preprocess, kit, batch=config.batch)
    return EmbedTools(encode, config.batch)


def embed(inputs: Mapping[str, pa.Table], tools: EmbedTools) -> Out:
    """Return the descriptor of each image, scaled to unit length; the same bytes are seen once.

    Args:
        inputs: `images`: image_id and bytes of IMAGES or GENERATIONS, B rows.
        tools: the opened encoder.

    Returns:
        EMBEDDINGS in the order of the images. Rejected are bytes that cannot be decoded, with the
        code of `DecodeError`, and images whose vector is zero (`zero-vector`) or not finite
        (`not-finite`).
    """
    images = inputs["images"]
    named = list(zip(texts(images, "image_id"), blobs(images, "bytes"), strict=True))
    vectors = _vectors(dict.fromkeys(data for _, data in named), tools)
    kept = [(name, vectors.of_blob[data]) for name, data in named if data in vectors.of_blob]
    rejected = [
        Rejected(name, *vectors.faults[data]) for name, data in named if data in vectors.faults
    ]
    if not kept:
        return Out(EMBEDDINGS.empty(), rejected)
    ids, rows = zip(*kept, strict=True)
    table = EMBEDDINGS.make({"image_id": list(ids), "vector": vector_column(np.stack(rows))})
    return Out(table, rejected)


def _vectors(distinct: Iterable[bytes], tools: EmbedTools) -> _Vectors:
    vectors = _Vectors({}, {})
    decoded = _decoded(distinct, vectors.faults)
    # batch by batch: a part may hold hundreds of megabytes of JPEG, which is gigabytes of pixels
    while batch := list(islice(decoded, tools.batch)):
        vectors_BD = tools.encode([rgb_HWC for _, rgb_HWC in batch])
        for (data, _), vector_D in zip(batch, vectors_BD, strict=True):
            norm = float(np.linalg.norm(vector_D.astype(np.float64)))
            if np.isfinite(norm) and norm > 0:
                vectors.of_blob[data] = (vector_D / norm).astype(np.float32)
            else:
                code = "not-finite" if norm else "zero-vector"
                vectors.faults[data] = (code, f"the vector has norm {norm}, expected above 0")
    return vectors


def _decoded(
    distinct: Iterable[bytes], faults: dict[bytes, tuple[str, str]]
) -> Iterator[tuple[bytes, NDArray[np.uint8]]]:
    for data in distinct:
        try:
            # ingest has applied the limit of the case; what it let through is embedded
            yield data, decode(data, max_pixels=MAX_PIXELS_EVER).rgb_HWC
        except DecodeError as error:
            faults[data] = (error.code, str(error))


STAGE = MapStage(
    name="embed",
    reads={"images": columns("image_id bytes", IMAGES, GENERATIONS)},
    writes=EMBEDDINGS,
    config=EmbedConfig,
    open=open_embed,
    run=embed,
)
