"""Find a text: which works of a case hold its words, from the case's index, at once."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexes.folder import FolderError
from indexes.postings import Postings
from indexes.postings import load as load_index
from indexes.strings import Strings
from pipeline.case import load as load_case
from pipeline.errors import CaseError, StoreError
from pipeline.store import Store
from stages.measures.passages import Passage
from stages.sources.decoding import decode
from stages.text.index_texts import about_texts
from stages.text.look_up import Found, Shared, look_up

DATASET = "input.text_index"
"""Where the index of a case lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A text of the case that shares a run of words with the text looked up."""

    about: dict[str, Any]
    """What is known of it: ids, half, title, author, date, url."""

    num_words: int
    """Words of the whole text."""

    words: int
    """Words of the text looked up that stand in passages of this one."""

    run_words: int
    """Words of the longest run of equal words."""

    shared: Shared
    """What they share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything that there is to say about a text."""

    name: str
    """The file, as it was typed."""

    found: Found
    """What the index gave."""

    num_texts: int
    """Texts in the index."""

    holders: tuple[Holder, ...]
    """Texts that share a run, the one with the most words in passages first."""


def find_text(asked: Namespace, path: Path | None) -> tuple[dict[str, Any], str, int]:
    """Do what the verb asks: return a JSON value, a text for a person, and the exit code."""
    if path is None:
        raise CaseError("name the case file after the file of text")
    text = _read(asked.file)
    answer = find(asked.file, text, index_folder(path))
    if asked.json:
        return as_json(answer), "", 0
    from pipeline.find_text_lines import as_lines

    return {}, "\n".join(as_lines(answer)), 0


def index_folder(path: Path) -> Path:
    """Return the folder of the index of a case.

    Raises:
        CaseError: the case asks for none.
        StoreError: it has not been made yet, or it is gone.
    """
    case = load_case(path)
    root = path.resolve().parent / case.run
    files = [
        file
        for record in Store(root).current(DATASET)
        for part in record.parts
        for file in part.files
    ]
    if files:
        return (root / files[0].path).parent
    if case.text_index is None:
        raise CaseError(
            f"{path}: the case has no index of its texts; write `text_index: {{}}` into it, then"
            f" `palimpsest run {path}`"
        )
    raise StoreError(
        f"{path}: the index of its texts is not made yet; `palimpsest run {path}` makes it, if the"
        " case names texts"
    )


def find(name: str, text: str, folder: Path) -> Answer:
    """Return what of a text stands in the texts of an index.

    Args:
        name: what the text is called.
        text: what is looked up.
        folder: folder of the index.

    Raises:
        StoreError: the index is not whole, was made by other rules, or is not of its texts.
    """
    try:
        # what is read is compared with the index; `palimpsest check` reads all of it
        index = load_index(folder, verify=False)
        found = look_up(index, text)
    except FolderError as error:
        raise StoreError(f"the index of the texts cannot be used: {error}") from error
    about = about_texts(folder)
    holders = [_holder(shared, index, about) for shared in found.shared]
    holders.sort(key=lambda h: (-h.words, -h.run_words, h.about["text_id"]))
    return Answer(name=name, found=found, num_texts=len(about), holders=tuple(holders))


def _holder(shared: Shared, index: Postings, about: Strings) -> Holder:
    first, last = index.texts.offsets_T[shared.number : shared.number + 2].tolist()
    return Holder(
        about=json.loads(about[shared.number]),
        num_words=last - first,
        words=_covered(shared.inside.passages, len(shared.inside.echoed_N)),
        run_words=int(shared.inside.runs_R3[:, 2].max(initial=0)),
        shared=shared,
    )


def _covered(passages: Iterable[Passage], size: int) -> int:
    covered_N = np.zeros(size, np.bool_)
    for passage in passages:
        for stretch in passage.stretches:
            covered_N[stretch.output : stretch.output + stretch.words] = True
    return int(covered_N.sum())


def _read(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CaseError(f"{name}: expected a file of text that can be read: {reason}") from error
    return decode(raw).text


def as_json(answer: Answer) -> dict[str, Any]:
    """Return everything as JSON values; places in words and in code points of the whole texts."""
    return {
        "words": len(answer.found.wording),
        "texts_searched": answer.num_texts,
        "texts": [
            {
                **holder.about,
                "text_words": holder.num_words,
                "words": holder.words,
                "longest_run_words": holder.run_words,
                "passages": list(_passages(answer, holder)),
                "runs": _runs(answer, holder.shared.number),
            }
            for holder in answer.holders
        ],
    }


def _runs(answer: Answer, number: int) -> list[dict[str, int]]:
    runs = answer.found.runs.take(answer.found.runs.text_R == number)
    columns = (runs.output_word_R, runs.text_word_R, runs.words_R)
    return [
        {"output_word": output, "text_word": text, "words": words}
        for output, text, words in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _passages(answer: Answer, holder: Holder) -> Iterator[dict[str, Any]]:
    made, shared = answer.found.wording.text, holder.shared
    for inside, passage in zip(shared.inside.passages, shared.overlap.passages, strict=True):
        yield {
            "kind": passage.kind,
            "words": passage.words,
            "in_order": passage.in_order,
            "level": passage.level,
            "output": _place(
                passage.output_word,
                (passage.output_start, passage.output_end),
                made[passage.output_start : passage.output_end],
            ),
            "text": _place(
                passage.text_word,
                (passage.text_start, passage.text_end),
                shared.text.text[inside.text_start : inside.text_end],
            ),
            "edits": [edit._asdict() for edit in passage.edits],
        }


def _place(word: int, chars: tuple[int, int], text: str) -> dict[str, Any]:
    return {"word": word, "start": chars[0], "end": chars[1], "text": text}
