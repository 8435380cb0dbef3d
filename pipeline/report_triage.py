"""Triage in a report: which signals from inside the models were heard, and what they cost.

They say where looking may pay. Nothing else on the page rests on them, so no score is shown.
"""

from typing import NamedTuple

from stages.contract import Reader


class TriageLine(NamedTuple):
    """One score of one model."""

    model_id: str
    method: str
    """Name in the table of methods."""
    prompts: int
    """Prompts that have it."""
    evaluations: int
    """Network evaluations behind all of them."""


def count_triage(signals: Reader) -> tuple[TriageLine, ...]:
    """Return one line for each model and score, sorted.

    Args:
        signals: of SIGNALS.
    """
    rows = signals.read(["model_id", "method", "prompt_id", "evaluations"])
    counts = rows.group_by(["model_id", "method"]).aggregate(
        [("prompt_id", "count_distinct"), ("evaluations", "sum")]
    )
    return tuple(
        sorted(
            TriageLine(
                row["model_id"],
                row["method"],
                row["prompt_id_count_distinct"],
                row["evaluations_sum"],
            )
            for row in counts.to_pylist()
        )
    )
