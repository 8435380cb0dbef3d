from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stages.measures.chaining import Stretch
from stages.measures.echoes import echoed
from stages.measures.passages import overlap
from stages.measures.wording import Lexicon, Wording
from stages.tables import RUNS
from stages.text.pairs import Pair, PassagesConfig, Side, Written
from stages.text.tags import Holders, quoted, tags_of

NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty twentyone twentytwo twentythree"
)


def runs(*rows: tuple[str, str, int, int]) -> pa.Table:
    """Rows of (output, text, first word in the output, words)."""
    return RUNS.of_rows(
        [
            {
                "set": "s",
                "output_id": output,
                "text_id": text,
                "output_word": word,
                "text_word": 0,
                "words": words,
            }
            for output, text, word, words in rows
        ]
    )


def test_holders_are_works_and_must_hold_every_word() -> None:
    works = {"a": {"work_id": "w"}, "a again": {"work_id": "w"}, "b": {"work_id": "v"}}
    held = Holders(
        runs(("o", "a", 4, 20), ("o", "a again", 4, 20), ("o", "b", 4, 19), ("p", "b", 0, 99)),
        works,
    )
    assert held.count("o", Stretch(4, 0, 20)) == 1
    assert held.count("o", Stretch(4, 0, 19)) == 2
    assert held.count("o", Stretch(3, 0, 5)) == 0
    assert held.count("nowhere", Stretch(0, 0, 1)) == 0


def pair(output: str, text: str, *, prompt: str = "", num_near: int = 1) -> Pair:
    lexicon = Lexicon()
    made, whole = Wording(output, lexicon), Wording(text, lexicon)
    echoed_N = echoed(made, [Wording(prompt, lexicon)])
    side = Side(text_id="t", work={"num_near": num_near}, wording=whole, raw=None, encoding="utf-8")
    shared = np.array([[0, 0, len(made)]], np.int64)
    found = overlap(made, whole, runs_R3=shared, echoed_N=echoed_N)
    return Pair(Written(row={"output_id": "o"}, wording=made, echoed_N=echoed_N), side, found)


@pytest.mark.parametrize(
    ("words", "more", "holders", "expected"),
    [
        (23, {}, 1, ""),
        (23, {}, 3, "boilerplate"),
        (10, {}, 3, "common"),
        (10, {}, 2, ""),
        (23, {"num_near": 2}, 1, "twin"),
        (23, {"prompt": NUMBERS}, 1, "echoed"),
        (23, {"prompt": NUMBERS, "num_near": 2}, 5, "boilerplate,echoed,twin"),
    ],
)
def test_tags_say_why_a_passage_may_say_little(
    words: int, more: dict[str, Any], holders: int, expected: str
) -> None:
    found = pair(NUMBERS, NUMBERS, **more)
    assert (
        tags_of(found, Stretch(0, 0, words), held_by(holders, words), PassagesConfig()) == expected
    )


def held_by(works: int, words: int, start: int = 0) -> Holders:
    """Holders of words of the output `o`, as many works as are said."""
    named = [(f"t{number}", {"work_id": f"w{number}"}) for number in range(works)]
    return Holders(runs(*(("o", name, start, words) for name, _ in named)), dict(named))


def test_a_few_words_of_its_own_do_not_save_a_notice() -> None:
    found = pair(NUMBERS, NUMBERS)
    for own, expected in ((11, "boilerplate"), (12, "")):
        held = held_by(3, 23 - own, own)
        assert tags_of(found, Stretch(0, 0, 23), held, PassagesConfig()) == expected


@pytest.mark.parametrize("marks", ['""', "\u201c\u201d", "\u00ab\u00bb", "\u201e\u201d"])
def test_quotation_marks_on_either_side_are_seen(marks: str) -> None:
    said = f"She said: {marks[0]}{NUMBERS}{marks[1]} And left."
    assert tags_of(pair(said, said), Stretch(2, 2, 23), held_by(0, 0), PassagesConfig()) == "quoted"
    assert (
        tags_of(pair(NUMBERS, said), Stretch(0, 2, 23), held_by(0, 0), PassagesConfig()) == "quoted"
    )
    start, end = said.index("one"), said.index("three")
    assert quoted(said, start, end)
    assert not quoted(said, start, len(said)), "it ends behind the quotation"
    assert not quoted(said, said.index("And"), len(said))


def test_a_mark_that_was_left_open_ends_with_its_paragraph() -> None:
    assert not quoted('He began: "Wait.\n\nThe rain went on.', 25, 30)


@pytest.mark.parametrize("knob", [{"common_works": 1}, {"boilerplate_words": 0}])
def test_impossible_rules_are_refused(knob: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(knob))}: expected"):
        PassagesConfig(**knob)
