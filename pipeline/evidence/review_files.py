"""Review files of a bundle: every decision, how far reviewers agree, how often they err.

5_review/   decisions.jsonl agreement.json, and where there are any: protocol.md
            adjudications.jsonl decoys.jsonl reviewer_error.json
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.evidence.items import as_json
from pipeline.evidence.review_agreement import (
    NO_DECOYS,
    agreement,
    agreement_of_all,
    errors_of_reviewers,
    reviewers_of,
)
from pipeline.evidence.reviews import CONFLICT, DECISIONS, Reviews, shown
from stages.statistics.intervals import LEVEL

NO_REVIEW = "No review took place."


def review_files(reviews: Reviews, names: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files of 5_review, by name; none if no review took place.

    Args:
        reviews: what was decided.
        names: finding_id -> name of its item, in the order of items.
    """
    if not reviews.took_place:
        return {}
    decided = [one for finding in names for one in reviews.of(finding)]
    out = {
        "decisions.jsonl": _lines(shown(one) | {"item": names[one.finding]} for one in decided),
        "agreement.json": as_json(agreement(reviews, list(names))),
    }
    if reviews.rulings:
        ruled = [reviews.rulings[finding] for finding in names if finding in reviews.rulings]
        rows = (shown(one) | {"item": names[one.finding]} for one in ruled)
        out["adjudications.jsonl"] = _lines(rows)
    if reviews.protocol is not None:
        out["protocol.md"] = reviews.protocol.encode()
    if reviews.truths:
        truths = [{"finding": key, "truth": reviews.truths[key]} for key in sorted(reviews.truths)]
        out["decoys.jsonl"] = _lines(truths)
        out["reviewer_error.json"] = as_json(errors_of_reviewers(reviews))
    return out


def summary(reviews: Reviews, names: Sequence[str]) -> dict[str, Any]:
    """Return what the first page says of the review."""
    if not reviews.took_place:
        return {"said": [NO_REVIEW], "rows": []}
    outcomes = Counter(reviews.outcome(finding) for finding in names)
    alpha = agreement_of_all(reviews, names)["krippendorff_alpha"]
    reviewers, decided = reviewers_of(reviews), len(names) - outcomes[None]
    said = [
        f"{len(reviewers)} reviewers decided on {decided} of {len(names)} items.",
        _sentence(alpha),
        f"{len(reviews.rulings)} disagreements were adjudicated."
        if reviews.rulings
        else "No disagreement was adjudicated.",
        "What reviewers were told: 5_review/protocol.md."
        if reviews.protocol is not None
        else "No protocol of the review was given.",
        "How often they err on decoys: 5_review/reviewer_error.json."
        if reviews.truths
        else NO_DECOYS,
    ]
    order = (*DECISIONS, CONFLICT)
    return {"said": said, "rows": [(name, outcomes[name]) for name in order if outcomes[name]]}


def _sentence(alpha: Mapping[str, Any]) -> str:
    if alpha["value"] is None:
        return "Agreement cannot be computed: too few items were judged twice, or all alike."
    between = alpha["interval"]
    shown = f", {LEVEL:.0%} interval {between[0]:.2f} to {between[1]:.2f}" if between else ""
    return f"Their agreement, Krippendorff's alpha: {alpha['value']:.2f}{shown}."


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in rows).encode()
