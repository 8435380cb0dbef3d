"""Score template: layouts that generations of one prompt share, held against the whole index.

The seeds of each phase are searched alone, so that those which nominate a work are not those which
are judged. The prompt's own work always has a row, and so has the nearest work of each half: units
of both halves are scored by the same lines.

Dimension key: N images sorted by work, W works.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from stages.images.score_rows import Group, Work
from stages.images.squares import Squares
from stages.methods.template import Found, TemplateRule, WorksView, find
from stages.pixels import encode_mask

METHOD = "template"

_MOST = 10
"""Matching works of one template that have rows; the nearest."""


def template_rows(group: Group, index: Squares, rule: TemplateRule) -> Iterator[dict[str, Any]]:
    """Yield a row for each generation of a template and each work that is named.

    Args:
        group: generations of one prompt and phase.
        index: every work.
        rule: what a template is.

    Yields:
        SCORES. The score is the ratio of the template, so that all generations that share it have
        the same. A generation of no template has one row, for the prompt's own work, without score.
    """
    made_ids = list(group.made)
    view = WorksView(index.squares_RD, index.row_N, index.starts_W)
    shared: set[str] = set()
    for found in find(group.squares(index.side), view, rule) if made_ids else []:
        members = [made_ids[member] for member in found.template.members]
        shared.update(members)
        rows = [_about(found, work, index) for work in _works(found, group.own.work_id, index)]
        for made_id in members:
            for score, work, more in rows:
                yield group.row(METHOD, score, work, made_id, **more)
    if group.own.work_id is not None:
        for made_id in made_ids:
            if made_id not in shared:
                yield group.row(METHOD, None, group.own, made_id)


def _works(found: Found, own: str | None, index: Squares) -> list[int]:
    """Return the works that have a row: the own, the matches, the nearest of each kind."""
    chosen = set(found.works[:_MOST])
    if own is not None and own in index.works:
        chosen.add(index.works[own])
    for kind in np.unique(index.kinds_W):
        works_K = np.flatnonzero(index.kinds_W == kind)
        chosen.add(int(works_K[np.argmin(found.distances_W[works_K])]))
    return sorted(chosen)


def _about(found: Found, work: int, index: Squares) -> tuple[float | None, Work, dict[str, Any]]:
    image = index.nearest_image(found.distances_N, work)
    named = Work(list(index.works)[work], index.halves[image], index.image_ids[image])
    ratios_W = found.ratios_W if found.ratios_W is not None else np.full(1 + work, np.inf)
    ratio = float(ratios_W[work])
    detail = {
        "distance": round(float(found.distances_W[work]), 6),
        "area": round(found.template.area, 4),
        "members": len(found.template.members),
    }
    more = {
        "hit": work in found.works and ratio == ratios_W.min(),
        "detail": json.dumps(detail),
        "mask": encode_mask(found.template.mask_HW),
    }
    # where everything is equally near there is no scale
    return (ratio if np.isfinite(ratio) else None), named, more
