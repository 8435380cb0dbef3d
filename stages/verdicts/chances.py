"""Chances: how often unseen text has such a run all the same, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

_BLOCK = 1000
"""Words of a block of the curve."""


def chance_of(words: int, chances: Sequence[Mapping[str, Any]], output_words: int) -> str:
    """Return how often a run of so many words is seen by chance, as part of a sentence.

    Args:
        words: length of the run.
        chances: CHANCES rows by length, without gaps.
        output_words: words of the output; its chance grows with them.

    >>> row = {"words": 32, "num_events": 0, "num_blocks": 1200, "rate": 0, "high": 0.0025}
    >>> chance_of(40, [row], 700)
    'none in 1,200,000 words of unseen works: at most 2.5 in 1,000 stretches of 1,000 words'
    """
    if not chances or words < chances[0]["words"]:
        return "the chance of such a run was not measured"
    row = chances[min(words, chances[-1]["words"]) - chances[0]["words"]]
    # short texts are shorter stretches, so these can be more than the thousands of words
    among = f"in {row['num_blocks'] * _BLOCK:,} words of unseen works"
    each = f"in 1,000 stretches of {_BLOCK:,} words"
    longer = f" (this output has {output_words:,} words)" if output_words > _BLOCK else ""
    if not row["num_events"]:
        return f"none {among}: at most {_in_1000(row['high'])} {each}{longer}"
    limits = f"95 %: {_in_1000(row['low'])} to {_in_1000(row['high'])}"
    share = f"{_in_1000(row['rate'])} {each} ({limits})"
    return f"{row['num_events']:,} stretches {among} have such a run by chance: {share}{longer}"


def _in_1000(rate: float) -> str:
    return f"{rate * 1000:,.0f}" if rate >= 1 else f"{rate * 1000:.3g}"
