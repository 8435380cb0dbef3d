"""Settings of a report: how a page speaks, for the setting decides what may be claimed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How the page speaks in one setting, which decides what may be claimed."""

    one: str
    """One work of the training half."""

    many: str
    """Several of them."""

    pair: str
    """Label of the indexed image of a pair."""

    kept: str
    """Where these works lie."""

    half: str
    """Their half of a table, in one word."""

    sentence: str
    """How the controls arose and what follows."""


WORDS = {
    "randomised": Words(
        one="training work",
        many="training works",
        pair="Training work",
        kept="the set",
        half="training",
        sentence="A coin decided before training which works the model was trained on, so training"
        " works and control works differ in nothing else.",
    ),
    "matched": Words(
        one="training work",
        many="training works",
        pair="Training work",
        kept="the set",
        half="training",
        sentence="The control works cannot be in the training set and were chosen to be like those"
        " that are. The comparison holds as far as the two kinds are exchangeable.",
    ),
    "portfolio": Words(
        one="work of the portfolio",
        many="works of the portfolio",
        pair="Work of the portfolio",
        kept="the portfolio",
        half="portfolio",
        sentence="Only the owner's works and the control works are known to this run; what else the"
        " model was trained on is not. A pair says that this work came back, not from which file"
        " it was learnt, and nothing here is a rate over a training set.",
    ),
}
