"""Descriptor: cosine of the vectors that one network gives one generation and each work.

CLIP, SSCD and any other network are the same method here; what differs is the vectors.

Dimension key: N pictures, D dimensions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.exact import score
from stages.methods.pipelines import PIPELINES

OWN = "own"
"""Name of a pipeline that a network brings along, as a folder of open_clip does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """Descriptors and where they come from, so that only like is compared with like."""

    vectors_ND: NDArray[np.float32]
    """f32[N, D]; not 0, finite; of any length."""

    network: str
    """Digest of the network's files."""

    pipeline: str
    """What was done to the pictures first: a name of `PIPELINES`, or `own`."""

    def __post_init__(self) -> None:
        """Refuse what has no cosine, and pipelines that nobody can look up.

        Raises:
            ValueError: says which.
        """
        if self.pipeline != OWN and self.pipeline not in PIPELINES:
            names = ", ".join((OWN, *PIPELINES))
            raise ValueError(f"no pipeline is called {self.pipeline!r}; expected one of {names}")
        norms_N = np.linalg.norm(self.vectors_ND.astype(np.float64), axis=1)
        bad_N = np.flatnonzero(~(np.isfinite(norms_N) & (norms_N > 0)))
        if len(bad_N):
            raise ValueError(
                f"vector {bad_N[0]} has norm {norms_N[bad_N[0]]}; expected finite and above 0"
            )


def to_each(made: Vectors, works: Vectors) -> list[float | None]:
    """Return the cosine to each work; never None.

    Args:
        made: one vector, of the generation.
        works: a vector per work.

    Raises:
        ValueError: networks, pipelines or dimensions differ, or `made` is not one vector.

    Source: Radford et al. 2021, arXiv:2103.00020 (CLIP); Pizzi et al. 2022, arXiv:2202.10261
    (SSCD), whose README gives cosine > 0.75 as 90 % precision on DISC for disc_mixup. Nothing
    calibrates the 0.5 in use since Somepalli et al. 2023, arXiv:2212.03860.
    """
    check_alike(made, works)
    if len(made.vectors_ND) != 1:
        raise ValueError(f"expected one vector of one generation, got {len(made.vectors_ND)}")
    left_ND = np.broadcast_to(made.vectors_ND, works.vectors_ND.shape)
    return list(score(left_ND, works.vectors_ND, "cosine").astype(float).tolist())


def check_alike(left: Vectors, right: Vectors) -> None:
    """Refuse a mixture of networks or pipelines: their cosines mean different things.

    Raises:
        ValueError: says what differs.
    """
    for name in ("network", "pipeline"):
        one, other = getattr(left, name), getattr(right, name)
        if one != other:
            raise ValueError(
                f"vectors of {name} {one} and {name} {other} are not comparable;"
                " describe all pictures with one"
            )
    if left.vectors_ND.shape[1] != right.vectors_ND.shape[1]:
        shapes = f"{left.vectors_ND.shape} and {right.vectors_ND.shape}"
        raise ValueError(f"expected vectors of one dimension, got {shapes}")
