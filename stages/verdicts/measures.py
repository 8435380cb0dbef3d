"""Measures: which scores verdicts rest on, and which end of a score lies closer.

One primary method per verdict is registered here, before anything is seen; every other method is
secondary: it has p-values, for whoever wants to compare, and no verdict. Methods of triage look
inside the model and never become a measure.
"""

from stages.contract import StageError
from stages.methods.masks import MaskRule
from stages.methods.table import METHODS
from stages.verdicts.standing import Measure

PRIMARY = {"verbatim": "adaptive_ratio", "template": "template", "partial": "partial"}
"""Verdict on images -> the method that it rests on; the stronger verdict first."""

REGIONS = (PRIMARY["template"], PRIMARY["partial"])
"""Methods that find works in part, whose scores a case has to ask for."""

_TEXTS = "_words"
"""How the names of methods on texts end; the more words, the closer."""


def measure_of(name: str) -> Measure:
    """Return a method as a measure of images.

    Raises:
        StageError: there is no such method, or it is one of triage.

    >>> measure_of("partial")
    Measure(method='partial', larger=True, primary=True)
    """
    if name not in METHODS:
        raise StageError(f"assess: no method is called {name!r} in the table of methods")
    if METHODS[name].compares == "triage":
        raise StageError(
            f"assess: {name} is triage: it says where to look, and no verdict or p-value rests on"
            " it; take it out of what is scored"
        )
    return Measure(name, larger=larger(name), primary=name in PRIMARY.values())


def larger(name: str) -> bool:
    """Return whether a larger score of a method lies closer; methods of texts too.

    >>> larger("adaptive_ratio"), larger("partial"), larger("verbatim_words")
    (False, True, True)
    """
    return METHODS[name].closer == "larger" if name in METHODS else name.endswith(_TEXTS)


def fewest(name: str) -> int:
    """Return how many images a hit takes: a layout is what several of them share.

    >>> fewest("adaptive_ratio"), fewest("template")
    (1, 3)
    """
    return MaskRule().min_members if name == PRIMARY["template"] else 1
