"""Frequencies: the artefact with how often each word stands in the control works."""

from pathlib import Path

import numpy as np

from stages.contract import Artefact
from stages.measures.surprisal import Frequencies

FREQUENCIES = Artefact("word frequencies")


def write_frequencies(found: Frequencies, folder: Path) -> None:
    """Leave the words and their counts as two arrays."""
    np.save(folder / "hashes.npy", found.hashes_W)
    np.save(folder / "counts.npy", found.counts_W)


def read_frequencies(folder: Path) -> Frequencies:
    """Open what `write_frequencies` left."""
    return Frequencies(
        hashes_W=np.load(folder / "hashes.npy", mmap_mode="r"),
        counts_W=np.load(folder / "counts.npy", mmap_mode="r"),
    )
