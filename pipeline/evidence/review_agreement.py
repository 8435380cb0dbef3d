"""Review agreement: how far reviewers agree on items, and how often they err on decoys.

Agreement is told four ways, because each misleads alone: where nearly everything is a copy, kappa
is near nothing though reviewers agree on nearly everything, and a share says nothing of chance.

Dimension key: U items, C decisions on the scale.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from pipeline.evidence.reviews import DECISIONS, Decision, Reviews
from stages.statistics.intervals import LEVEL, clopper_pearson
from stages.statistics.raters import (
    RESAMPLES,
    Measured,
    cohen_kappa,
    gwet_ac1,
    measured_alpha,
    measured_pair,
    specific_agreement,
)

NO_DECOYS = "No decoys were among the items: how often reviewers err was not measured."

_METHOD = {
    "decisions": "nominal: " + ", ".join(DECISIONS),
    "share_agreed": f"Clopper and Pearson 1934, {LEVEL:.0%} interval",
    "cohen_kappa": "Cohen 1960",
    "gwet_ac1": "Gwet 2008",
    "krippendorff_alpha": "Krippendorff 2011, nominal",
    "specific_agreement": "Cicchetti and Feinstein 1990",
    "intervals_of_coefficients": (
        f"{LEVEL:.0%} percentile bootstrap of items, {RESAMPLES} resamples; null where no item"
        " shows a disagreement, or where too few resamples have a coefficient"
    ),
    "coefficient_of_null": "not defined: the same decision everywhere",
}


def agreement(reviews: Reviews, names: Sequence[str]) -> dict[str, Any]:
    """Return what agreement.json says.

    Args:
        reviews: what was decided.
        names: finding_id of every item.
    """
    return {
        "rule": "summary (FRE 1006)",
        "outcomes": dict(sorted(Counter(str(reviews.outcome(f)) for f in names).items())),
        "reviewers": {
            reviewer: dict(sorted(Counter(one.decision for one in some).items()))
            for reviewer, some in reviewers_of(reviews).items()
        },
        "all": agreement_of_all(reviews, names),
        "pairs": list(_pairs(reviews)),
        "method": _METHOD,
        "decoys": "reviewer_error.json" if reviews.truths else NO_DECOYS,
        "sha256_of_the_files_read": dict(sorted(reviews.digests.items())),
    }


def reviewers_of(reviews: Reviews) -> dict[str, list[Decision]]:
    """Return the decisions on findings, by reviewer."""
    out: dict[str, list[Decision]] = {}
    for one in chain.from_iterable(reviews.decisions.values()):
        out.setdefault(one.reviewer, []).append(one)
    return dict(sorted(out.items()))


def agreement_of_all(reviews: Reviews, names: Sequence[str]) -> dict[str, Any]:
    """Return how many items were judged how often, and how far all reviewers agree."""
    rows = [[one.decision for one in reviews.of(finding)] for finding in names]
    judged = [row for row in rows if len(row) > 1]
    counts_UC = np.array([[row.count(each) for each in DECISIONS] for row in judged], np.int64)
    found = measured_alpha(counts_UC) if judged else Measured(None, None)
    return {
        "items_of_no_reviewer": sum(not row for row in rows),
        "items_of_one": sum(len(row) == 1 for row in rows),
        "items_of_two_or_more": len(judged),
        "krippendorff_alpha": _told(found),
    }


def _pairs(reviews: Reviews) -> Iterable[dict[str, Any]]:
    """Yield how far each two reviewers agree who decided on the same items."""
    by = {
        who: {one.finding: DECISIONS.index(one.decision) for one in some}
        for who, some in reviewers_of(reviews).items()
    }
    for one, other in combinations(by, 2):
        both = sorted(by[one].keys() & by[other].keys())
        if not both:
            continue
        joint_CC = np.zeros((len(DECISIONS), len(DECISIONS)), np.int64)
        np.add.at(joint_CC, ([by[one][f] for f in both], [by[other][f] for f in both]), 1)
        agreed = int(np.trace(joint_CC))
        yield {
            "reviewers": [one, other],
            "items": len(both),
            "agreed": agreed,
            "share_agreed": agreed / len(both),
            "share_agreed_interval": list(clopper_pearson(agreed, len(both))),
            "cohen_kappa": _told(measured_pair(cohen_kappa, joint_CC)),
            "gwet_ac1": _told(measured_pair(gwet_ac1, joint_CC)),
            "share_of_decisions": dict(zip(DECISIONS, _shares(joint_CC), strict=True)),
            "specific_agreement": dict(zip(DECISIONS, specific_agreement(joint_CC), strict=True)),
            "rows_first_columns_second": joint_CC.tolist(),
        }


def _shares(joint_CC: Any) -> list[float]:
    shares: list[float] = ((joint_CC.sum(0) + joint_CC.sum(1)) / (2 * joint_CC.sum())).tolist()
    return shares


def _told(found: Measured) -> dict[str, Any]:
    return {"value": found.value, "interval": list(found.interval) if found.interval else None}


def errors_of_reviewers(reviews: Reviews) -> dict[str, Any]:
    """Return how often each reviewer erred on what was shown to learn just that."""
    by: dict[str, Counter[tuple[str, str]]] = {}
    for one in chain.from_iterable(reviews.of_decoys.values()):
        by.setdefault(one.reviewer, Counter())[reviews.truths[one.finding], one.decision] += 1
    return {
        "rule": "summary (FRE 1006)",
        "decoys": dict(sorted(Counter(reviews.truths.values()).items())),
        "reviewers": {
            who: {
                "called_a_copy_what_is_none": _share(
                    said["not_copied", "copied"] + said["not_copied", "partly_copied"],
                    sum(said["not_copied", each] for each in DECISIONS),
                ),
                "called_no_copy_what_is_one": _share(
                    said["copied", "not_copied"], sum(said["copied", each] for each in DECISIONS)
                ),
                "unsure": said["not_copied", "unsure"] + said["copied", "unsure"],
            }
            for who, said in sorted(by.items())
        },
        "means": "of decoys that the reviewer decided on, unsure ones among them; the interval is"
        f" that of Clopper and Pearson 1934, {LEVEL:.0%}",
        "sha256_of_the_list_of_decoys": reviews.digests["decoys"],
    }


def _share(wrong: int, many: int) -> dict[str, Any]:
    interval = list(clopper_pearson(wrong, many)) if many else None
    return {"wrong": wrong, "of": many, "interval": interval}
