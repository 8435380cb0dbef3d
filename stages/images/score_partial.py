"""Score partial: regions of works that came back cropped, mirrored, scaled or pasted elsewhere."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from stages.images.score_rows import Group, Row, work_of
from stages.images.shown import Originals
from stages.methods.aligned import Fit
from stages.methods.partial import find, margins, matches

METHOD = "partial"


def partial_rows(group: Group, originals: Originals, per_half: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each generation and each work that it is laid beside.

    Args:
        group: generations of one prompt and phase, with the works that `compare` names.
        originals: pictures of works.
        per_half: works of each half, besides the prompt's own.

    Yields:
        SCORES. The score is the margin: by how many bits a work tells the region better than any
        other work does, so that what many works hold is no copy of one of them.
    """
    for made_id, rgb_HWC in group.made.items():
        chosen = nominated(group.matches.get(made_id, ()), group.own.work_id, per_half)
        pictures = originals.of(row["neighbor_id"] for row in chosen)
        chosen = [row for row in chosen if row["neighbor_id"] in pictures]
        fits = find(rgb_HWC, [pictures[row["neighbor_id"]] for row in chosen])
        for row, fit, margin in zip(chosen, fits, margins(fits), strict=True):
            hit = fit is not None and margin is not None and margin > 0 and matches(fit)
            more = {"hit": hit, "detail": None if fit is None else _detail(fit)}
            yield group.row(METHOD, margin, work_of(row), made_id, **more)


def nominated(rows: Sequence[Row], own: str | None, per_half: int) -> list[Row]:
    """Return the prompt's own work and those of each half that are most alike.

    Args:
        rows: MATCHES of one generation.
        own: work that the prompt comes from.
        per_half: works of each half, besides the own.
    """
    ranked = sorted(rows, key=lambda row: (-_similarity(row), row["l2"], row["work_id"]))
    chosen = [row for row in ranked if row["work_id"] == own]
    for half in ("train", "control"):
        others = [row for row in ranked if row["half"] == half and row["work_id"] != own]
        chosen += others[:per_half]
    return chosen


def _similarity(row: Row) -> float:
    return -2.0 if row["similarity"] is None else float(row["similarity"])


def _detail(fit: Fit) -> str:
    numbers = ("area", "correlation", "detail_correlation", "l2", "bits")
    return json.dumps(
        {
            "matrix": [[round(float(number), 6) for number in line] for line in fit.matrix_23],
            "made_box": list(fit.made_box),
            "work_box": list(fit.work_box),
        }
        | {name: round(float(getattr(fit, name)), 4) for name in numbers}
    )
