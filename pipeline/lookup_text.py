"""Look-up as text for a terminal and as plain values for JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pipeline.lookup import FoundWork, Judgement, LookupResult


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
        yield f"no artist in this run is called {result.name}"
        if result.suggestions:
            yield "did you mean: " + "; ".join(result.suggestions)
        return
    yield " / ".join(result.names)
    if len(result.names) > 1:
        yield "these names mean the same by their letters; whether they are one person is not known"
    examined = sum(any(j.n for j in work.judgements) for work in result.train)
    back = [work for work in result.train if work.came_back]
    yield (
        f"{len(result.train)} works in the training set, {examined} examined,"
        f" {len(back)} came back; {len(result.control)} among the controls"
    )
    for work in back:
        yield ""
        yield from _work(work)
    if result.train and not back:
        yield "nothing of theirs came back; the report states what this run could have missed"


def _work(work: FoundWork) -> Iterator[str]:
    year = f", {work.year}" if work.year is not None else ""
    yield f"{work.title or 'untitled'}{year}"
    for judgement in work.judgements:
        yield f"  {_judged(judgement)}"
        if judgement.pair is not None:
            yield f"  original   {judgement.pair.place}"
            yield f"  generation {judgement.pair.generation_id} (seed {judgement.pair.seed})"
    if len(work.places) > 1:
        yield f"  {len(work.places)} images of it are in the set"


def _judged(judgement: Judgement) -> str:
    text = f"{judgement.verdict}: {judgement.k} of {judgement.n} seeds"
    if judgement.k_low is not None and judgement.k_high is not None:
        text += f", 95 % interval {judgement.k_low:.0%} to {judgement.k_high:.0%}"
    return text + f", model {judgement.model_id[:12]}; not yet calibrated"
