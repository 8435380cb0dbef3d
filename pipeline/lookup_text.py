"""Look-up as text for a terminal and as plain values for JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pipeline.compare_text_lines import shown
from pipeline.lookup import FoundWork, Judgement, LookupResult
from pipeline.lookup_kinds import Pair
from stages.verdicts.trials import foreign

_MOST = 160
_MODEL = 24

METHODS = {
    "adaptive_ratio": "images by adaptive ratio",
    "template": "images by their layout",
    "partial": "regions of images",
    "verbatim_words": "texts by the longest run",
    "near_words": "texts by the largest near-verbatim block",
}
"""Measure -> what is tested by it."""


def as_json(result: LookupResult) -> dict[str, Any]:
    """Return the whole answer as JSON values, with the two counts that people ask for first."""
    examined = [work for work in result.train if any(j.n for j in work.judgements)]
    return {
        **asdict(result),
        "works_in_set": len(result.train),
        "works_examined": len(examined),
        "works_came_back": sum(work.came_back for work in result.train),
    }


def as_text(result: LookupResult) -> str:
    """Return the answer for a person."""
    return "\n".join(_lines(result))


def _lines(result: LookupResult) -> Iterator[str]:
    if not result.names:
        yield f"nobody in this run is called {result.name}"
        if result.suggestions:
            yield "did you mean: " + "; ".join(result.suggestions)
        return
    yield " / ".join(result.names)
    if len(result.names) > 1:
        yield "these names mean the same by their letters; whether they are one person is not known"
    examined = sum(any(j.n for j in work.judgements) for work in result.train)
    back = [work for work in result.train if work.came_back]
    yield (
        f"{_works(len(result.train))} under test, {examined} examined, {len(back)} came back;"
        f" {len(result.control)} among the controls"
    )
    for family in result.families:
        told = f"{shown(family.artist)}, {METHODS.get(family.method, family.method)}"
        yield f"{told}, model {family.model_id[:_MODEL]}: {family.standing}"
    if result.train and not result.families:
        yield "no unit of theirs was tested, so no q stands behind the name"
    for work in back:
        yield ""
        yield from _work(work)
    if result.train and not back:
        yield "nothing of theirs came back; the report states what this run could have missed"


def _work(work: FoundWork) -> Iterator[str]:
    year = "" if work.year is None else f", {work.year}"
    date = f", {shown(work.date)}" if work.date else ""
    yield f"{shown(work.title or 'untitled')}{year}{date}"
    for judgement in work.judgements:
        yield f"  {_judged(judgement)}"
        if judgement.pair is not None:
            yield from _pair(judgement.pair)
    if len(work.places) > 1:
        yield f"  {len(work.places)} {work.kind}s of it are known"


def _pair(pair: Pair) -> Iterator[str]:
    seed = "no seed stated" if pair.seed is None else f"seed {pair.seed}"
    yield f"  original   {shown(pair.place)}"
    if pair.passage is None:
        yield f"  generation {pair.generation_id} ({seed})"
        return
    passage = pair.passage
    yield f"  output     {pair.generation_id} (attempt {pair.sample}, {seed})"
    where = f"characters {passage.text_start:,} to {passage.text_end:,} of the work"
    if passage.text_start_byte is not None and passage.text_end_byte is not None:
        where += f", bytes {passage.text_start_byte:,} to {passage.text_end_byte:,}"
    tags = f"; tagged {passage.tags.replace(',', ', ')}" if passage.tags else ""
    yield f"  passage    {passage.words:,} words, {passage.kind}, {where}{tags}"
    begins = shown(passage.text)
    yield f"             {begins[:_MOST]}{'...' if len(begins) > _MOST else ''}"


def _judged(judgement: Judgement) -> str:
    made = "attempts" if judgement.verdict in {"verbatim_text", "near_text"} else "seeds"
    text = f"{judgement.verdict}: {judgement.k} of {judgement.n} {made}"
    if judgement.k_low is not None and judgement.k_high is not None:
        text += f", 95 % interval {judgement.k_low:.0%} to {judgement.k_high:.0%}"
    return text + f", model {judgement.model_id[:_MODEL]}; {_stands(judgement)}"


def _stands(judgement: Judgement) -> str:
    """Return how a work stands, or why nothing can be said of that."""
    if foreign(judgement.model_id):
        made = "made elsewhere, so there is no p and no q"
        return made if judgement.k_low is not None else f"{made}; existence only, k of n is no rate"
    return judgement.standing or "no q: it belongs to no unit that was tested for this artist"


def _works(number: int) -> str:
    return "1 work" if number == 1 else f"{number} works"
