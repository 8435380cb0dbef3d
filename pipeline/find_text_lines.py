"""Lines: which works hold the words of a text, for a terminal."""

from collections.abc import Iterator

from pipeline.compare_text_lines import DIFFER, Sides, described, passage_lines, shown, top_passages
from pipeline.find_text import Answer, Holder

_MOST_WORKS = 20
_MOST_PASSAGES = 10
_INDENT = "    "


def as_lines(answer: Answer) -> list[str]:
    """Return the works that hold the words, and the passages of each."""
    works = _by_work(answer)
    name, size = shown(answer.name), len(answer.found.wording)
    if not works:
        near = "; shorter runs are in the JSON" if answer.holders else ""
        return [f"{name}: {size:,} words; no passage of them stands in the {_texts(answer)}{near}"]
    num = f"{len(works):,} work{'s' if len(works) > 1 else ''}"
    lines = [f"{name}: {size:,} words; passages of them stand in {num} of the {_texts(answer)}"]
    if any(p.edits for first, *_ in works[:_MOST_WORKS] for p in first.shared.inside.passages):
        lines.append(DIFFER)
    for number, texts in enumerate(works[:_MOST_WORKS], start=1):
        lines += ["", *_work(answer, texts, number)]
    if len(works) > _MOST_WORKS:
        lines += ["", f"and {len(works) - _MOST_WORKS:,} works more; `--json` has them all"]
    return lines


def _texts(answer: Answer) -> str:
    return f"{answer.num_texts:,} texts of the case"


def _by_work(answer: Answer) -> list[list[Holder]]:
    """Return the texts that have a passage by their work, the closest first."""
    found: dict[str, list[Holder]] = {}
    for holder in answer.holders:
        if holder.words:
            found.setdefault(holder.about["work_id"], []).append(holder)
    return list(found.values())


def _work(answer: Answer, texts: list[Holder], number: int) -> Iterator[str]:
    """Yield what one work holds; of several texts of it the closest stands for it."""
    holder, *others = texts
    about = holder.about
    said = [about["title"] or "untitled", about["author"], about["date"]]
    half = {"train": "training", "control": "control"}[about["half"]]
    yield f"{number}. {', '.join(shown(part) for part in said if part)} ({half} text)"
    yield f"{_INDENT}{shown(about['place'])}, {holder.num_words:,} words"
    yield f"{_INDENT}{holder.words:,} words in passages, the longest run {holder.run_words:,}"
    if others:
        yield f"{_INDENT}other texts of this work that hold words of it: {len(others):,}"
    yield from _text_passages(answer, holder)


def _text_passages(answer: Answer, holder: Holder) -> Iterator[str]:
    shared = holder.shared
    sides = Sides(answer.found.wording, shared.text, shared.inside)
    outer = list(top_passages(shared.inside.passages))
    whole = dict(zip(shared.inside.passages, shared.overlap.passages, strict=True))
    for passage in outer[:_MOST_PASSAGES]:
        place = whole[passage]
        yield ""
        yield f"{_INDENT}{described(passage)}"
        yield f"{_INDENT}output  characters {passage.output_start:,} to {passage.output_end:,}"
        share = place.text_word / holder.num_words
        yield (
            f"{_INDENT}work    characters {place.text_start:,} to {place.text_end:,}, word"
            f" {place.text_word:,} ({share:.0%} of the way)"
        )
        yield from passage_lines(sides, passage)
    if len(outer) > _MOST_PASSAGES:
        yield ""
        yield f"{_INDENT}and {len(outer) - _MOST_PASSAGES:,} passages more; `--json` has them all"
