"""Score rows: what was made of one prompt in one phase, and rows of SCORES about it.

Dimension key: H height, W width, C = 3 channels, S side of the pixel index.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from stages.contract import StageError
from stages.measures.distances import Bytes
from stages.pixels import resize

Row = Mapping[str, Any]


class Work(NamedTuple):
    """A work and the image of it that is compared."""

    work_id: str | None
    half: str | None
    neighbor_id: str | None


class Group(NamedTuple):
    """What one model made of one prompt in one phase."""

    model_id: str
    prompt_id: str
    phase: str

    own: Work
    """Work that the prompt comes from, without an image; all None if it comes from none."""

    made: Mapping[str, Bytes]
    """Generations u8[H, W, C], by id, in order of sample."""

    samples: Mapping[str, int]

    matches: Mapping[str, Sequence[Row]]
    """MATCHES of each generation."""

    def squares(self, side: int) -> Bytes:
        """Return the generations as squares, u8[G, S, S, C]."""
        return np.stack([resize(rgb_HWC, side) for rgb_HWC in self.made.values()])

    def row(
        self, method: str, score: float | None, work: Work, made_id: str | None, **more: Any
    ) -> dict[str, Any]:
        """Return a SCORES row.

        Raises:
            StageError: the score is NaN or infinite.
        """
        if score is not None and not isfinite(score):
            raise StageError(
                f"score: {method} gave {score} for {made_id or self.prompt_id}; expected a number,"
                " or none where it has none to give: mend the method or leave it out"
            )
        named = (self.model_id, self.prompt_id, self.phase, made_id, work.work_id, method)
        return {
            "score_id": sha256("\x1f".join(each or "" for each in named).encode()).hexdigest(),
            "made_id": made_id,
            "model_id": self.model_id,
            "prompt_id": self.prompt_id,
            "sample": self.samples[made_id] if made_id else None,
            "phase": self.phase,
            **work._asdict(),
            "method": method,
            "score": score,
            "hit": False,
            "detail": None,
            "mask": None,
            **more,
        }


def work_of(match: Row) -> Work:
    """Return the work of a MATCHES row."""
    return Work(match["work_id"], match["half"], match["neighbor_id"])
