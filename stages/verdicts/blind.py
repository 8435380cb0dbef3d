"""Blind: whether captions or pictures alone tell test units from control units."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.columns import blobs
from stages.contract import FoldStage, Kit, Out, columns
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode
from stages.tables import BALANCE, BLIND, IMAGES, PROMPTS, UNITS
from stages.verdicts.blindfold import PLACES, BlindConfig, Seat, asked, places, seats, told_apart

_READ_TOGETHER = 64
"""Pictures in memory at a time."""

_NUM_TRAITS = 7


def blind(inputs: Mapping[str, Iterable[pa.Table]], config: BlindConfig, kit: Kit) -> Iterator[Out]:
    """Yield how well captions and pictures tell the labels, without any model.

    Args:
        inputs: `units` UNITS, `prompts` PROMPTS, `balance` BALANCE.
        config: seed and repair.
        kit: dataset `images`, IMAGES of both halves.

    Yields:
        BLIND: `captions`, runs of characters of the prompts; `pictures`, size, file size, entropy,
        total variation, brightness and saturation of the works. Copies are no trait: how often a
        work stands in the training set is what its score is to show. After a repair each is tested
        once more.
    """
    placed = places(inputs["balance"])
    seated = seats(inputs["units"])
    said, owners = asked(inputs["prompts"], seated)
    traits_NF, shown = pictures(seated, kit)
    rows = [
        *told_apart("captions", said, owners, config, placed),
        *told_apart("pictures", traits_NF, shown, config, placed),
    ]
    yield Out(BLIND.of_rows(rows))


def pictures(seated: Sequence[Seat], kit: Kit) -> tuple[NDArray[np.float64], list[Seat]]:
    """Return float64[N, F] of the traits of works, and those whose picture can be decoded.

    Args:
        seated: works of the units.
        kit: dataset `images`, IMAGES of both halves.
    """
    shown: list[Seat] = []
    traits: list[list[float]] = []
    for start in range(0, len(seated), _READ_TOGETHER):
        some = seated[start : start + _READ_TOGETHER]
        # a work bears the id of one of its images
        rows = kit.datasets["images"].take([seat.work_id for seat in some], ["bytes"])
        for seat, data in zip(some, blobs(rows, "bytes"), strict=True):
            try:
                rgb_HWC = decode(data, max_pixels=MAX_PIXELS_EVER).rgb_HWC
            except DecodeError:
                continue
            shown.append(seat)
            traits.append(_traits(rgb_HWC, len(data)))
    return np.array(traits, np.float64).reshape(len(shown), _NUM_TRAITS), shown


def _traits(rgb_HWC: NDArray[np.uint8], size: int) -> list[float]:
    grey_HW = rgb_HWC.mean(axis=2)
    counts = np.bincount(grey_HW.astype(np.uint8).ravel(), minlength=256)
    shares = counts[counts > 0] / grey_HW.size
    height, width = grey_HW.shape
    spread_HW = np.ptp(rgb_HWC, axis=2)
    steps = [np.abs(np.diff(grey_HW, axis=axis)) for axis in (0, 1)]
    return [
        float(np.log(width)),
        float(np.log(height)),
        float(np.log(size)),
        float(-(shares * np.log2(shares)).sum()),
        float(sum(step_HW.mean() for step_HW in steps if step_HW.size)),
        float(grey_HW.mean()),
        float(spread_HW.mean()),
    ]


STAGE = FoldStage(
    name="blind",
    reads={
        "units": columns("work_id unit_id label prompt_ids", UNITS),
        "prompts": columns("prompt_id text", PROMPTS),
        "balance": columns(" ".join(PLACES), BALANCE),
    },
    writes=BLIND,
    config=BlindConfig,
    run=blind,
    uses={"images": columns("image_id bytes", IMAGES)},
)
