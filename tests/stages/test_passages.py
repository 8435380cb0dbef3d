import random
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.query import Query
from indexes.runs import scan
from indexes.words import normal, split
from stages.measures import selection
from stages.measures.chaining import Stretch
from stages.measures.echoes import echoed
from stages.measures.levels import level
from stages.measures.order import Placed, in_order
from stages.measures.passages import Overlap, Passage, overlap
from stages.measures.wording import Lexicon, Wording

SENTENCE = (
    "the barge left the lock at dawn while nobody on the towpath said a word about the flood that"
    " had taken seven gates and the old keeper counted his coins twice before the rain came down"
)
PROSE = SENTENCE.split(" ")
TERMS = [f"{a}{b}{c}" for a in "bdfglm" for b in ("ar", "el", "in", "ou") for c in "ktsnp"]


def wordings(output: str, text: str, *prompts: str) -> tuple[Wording, Wording, list[Wording]]:
    lexicon = Lexicon()
    return (
        Wording(output, lexicon),
        Wording(text, lexicon),
        [Wording(prompt, lexicon) for prompt in prompts],
    )


def found(output: str, text: str, *prompts: str) -> Overlap:
    made, whole, sources = wordings(output, text, *prompts)
    runs = scan(Query.of(made.words), whole.words)
    runs_R3 = np.column_stack((runs.output_word_R, runs.text_word_R, runs.words_R))
    return overlap(made, whole, runs_R3=runs_R3, echoed_N=echoed(made, sources))


def forms(text: str) -> list[str]:
    words = split([text])
    return [
        normal(text[start:end])
        for start, end in zip(words.starts_N.tolist(), words.ends_N.tolist(), strict=True)
    ]


def check(passage: Passage, output: str, text: str) -> None:
    """Cut a passage out of both texts: it must say the same, but for what it states itself."""
    made = output[passage.output_start : passage.output_end]
    held = text[passage.text_start : passage.text_end]
    if passage.kind == "verbatim":
        assert not passage.edits
        assert forms(made) == forms(held)
        assert len(forms(made)) == passage.words
        assert passage.level == level(made, held)
        return
    mended, at, matched = "", passage.output_start, 0
    for kind, start, end, text_start, text_end in passage.edits:
        assert (kind != "delete", kind != "insert") == (start < end, text_start < text_end)
        matched += len(forms(output[at:start]))
        mended += output[at:start] + f" {text[text_start:text_end]} "
        at = end
    mended += output[at : passage.output_end]
    assert forms(mended) == forms(held)
    assert matched + len(forms(output[at : passage.output_end])) == passage.words


def prose(rng: random.Random, num: int) -> list[str]:
    return rng.choices(TERMS, weights=[1 / (1 + rank) for rank in range(len(TERMS))], k=num)


def edited(words: list[str], every: int, rng: random.Random) -> list[str]:
    out = []
    for number, word in enumerate(words, start=1):
        if number % every:
            out.append(word)
            continue
        kind = rng.random()
        if kind < 0.6:
            out.append("changed")
        elif kind >= 0.8:
            out += [word, "added"]
    return out


LIGATURES = "five fine officers find the first flat waffle office floor final"
ACCENTS = (
    "na\u00efve caf\u00e9 se\u00f1or \u00fcber gar\u00e7on \u00e9l\u00e8ve cr\u00e8me fa\u00e7ade"
)
CHINESE = (
    "\u6d77\u4e0a\u751f\u660e\u6708\u5929\u6daf\u5171\u6b64\u65f6\u60c5\u4eba\u6028\u9065\u591c"
)
JAPANESE = "\u65e5\u672c\u306e\u30ab\u30bf\u30ab\u30ca\u3068\u3072\u3089\u304c\u306a\u3067\u3059"
THAI = (
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22"
    "\u0e44\u0e21\u0e48\u0e21\u0e35\u0e27\u0e23\u0e23\u0e04"
)
ARABIC = (
    "\u0643\u0627\u0646 \u0627\u0644\u0628\u062d\u0631 \u0647\u0627\u062f\u0626\u0627 \u0641\u064a "
    "\u0630\u0644\u0643 \u0627\u0644\u0635\u0628\u0627\u062d \u0648\u0644\u0645 \u064a\u0642\u0644"
)
HEBREW = (
    "\u05d4\u05d9\u05dd \u05d4\u05d9\u05d4 \u05e9\u05e7\u05d8 \u05d1\u05d1\u05e7\u05e8 \u05d4\u05d4"
    " \u05d5\u05d0\u05d9\u05e9 \u05dc\u05d0 \u05d0\u05de\u05e8 \u05d3\u05d1\u05e8"
)
PAIRS = {
    "case and lines": (SENTENCE, SENTENCE.upper().replace(" ", "\n"), "folded"),
    "spacing": (SENTENCE, SENTENCE.replace(" ", " \n\t"), "spacing"),
    "exact": (SENTENCE, SENTENCE, "exact"),
    "markup": (SENTENCE, SENTENCE.replace("dawn", "**dawn**").replace("old", "_old_"), "folded"),
    "soft hyphens": (SENTENCE, SENTENCE.replace("ou", "o\u00adu"), "folded"),
    "zero width": (SENTENCE, SENTENCE.replace("he", "h\u200be"), "folded"),
    "turned": (SENTENCE, f"\u202e{SENTENCE}\u202c", "exact"),
    "line ends": (SENTENCE, SENTENCE.replace("ow", "o-\nw"), "folded"),
    "ligatures": (LIGATURES, LIGATURES.replace("ffi", "\ufb03").replace("fi", "\ufb01"), "folded"),
    "normal forms": (ACCENTS, unicodedata.normalize("NFD", ACCENTS), "spacing"),
    "Chinese": (CHINESE, f"{CHINESE[:5]}\uff0c{CHINESE[5:9]}\u3002{CHINESE[9:]}", "folded"),
    "Japanese": (JAPANESE, JAPANESE.replace("\u30ab\u30bf", "\uff76\uff80"), "folded"),
    "Thai": (THAI, f"{THAI[:7]} {THAI[7:]}", "folded"),
    "Arabic": (ARABIC, ARABIC.replace(" ", "\u060c "), "folded"),
    "Hebrew": (HEBREW, HEBREW.replace(" ", "\n"), "spacing"),
}


@pytest.mark.parametrize(("output", "text", "said"), PAIRS.values(), ids=PAIRS)
def test_same_words_in_another_dress_are_one_passage(output: str, text: str, said: str) -> None:
    framed, whole = f"Well: \u201c{output}\u201d - so.", f"\ufeffElsewhere\u2026 {text}. Fin"
    (passage,) = [p for p in found(framed, whole).passages if p.kind == "verbatim"]
    check(passage, framed, whole)
    assert passage.level == said
    assert passage.words == len(forms(output))


def test_edits_are_told_with_their_places() -> None:
    words = PROSE[:30]
    text = "before " + " ".join(words) + " after"
    copy = [*words[:10], "DIFFERENT", *words[11:20], *words[21:25], "extra", *words[25:]]
    output = " ".join(copy)
    near, *_ = found(output, text).passages
    told = [
        (e.kind, output[e.output_start : e.output_end], text[e.text_start : e.text_end])
        for e in near.edits
    ]
    assert near.kind == "near"
    assert told == [
        ("replace", "DIFFERENT", words[10]),
        ("delete", "", words[20]),
        ("insert", "extra", ""),
    ]
    assert near.words == 28
    lost = near.edits[1]
    assert output[: lost.output_start].endswith(words[19])
    check(near, output, text)


@pytest.mark.parametrize(("joint", "said"), [(" ", "exact"), ("\n", "spacing"), (", ", "folded")])
def test_level_of_a_near_passage_is_that_of_its_worst_stretch(joint: str, said: str) -> None:
    words = PROSE[:30]
    text = f"{' '.join(words[:25])} {joint.join(words[25:])}"
    near, *_ = found(" ".join([*words[:10], "DIFFERENT", *words[11:]]), text).passages
    assert (near.kind, near.words, near.level) == ("near", 29, said)


@pytest.mark.parametrize("every", [8, 12])
def test_edited_copy_is_found_to_its_ends(every: int) -> None:
    rng = random.Random(every)
    copied = kept = 0
    for _ in range(12):
        text = prose(rng, 3000)
        start = rng.randrange(200, 2600)
        source = text[start : start + 150]
        copy = edited(source, every, rng)
        output = " ".join(["outside", *prose(rng, 80), *copy, *prose(rng, 80)])
        result = found(output, " ".join(text))
        for passage in result.passages:
            check(passage, output, " ".join(text))
        copied += 150 - sum(1 for n in range(every, 151, every)) + copy.count("added")
        places = {
            stretch.text + step
            for block in result.blocks
            for stretch in block
            for step in range(stretch.words)
        }
        changed = {start + n - 1 for n in range(every, 151, every)}
        kept += len((places & set(range(start, start + 150))) - changed) + copy.count("added")
        assert len(places - set(range(start - 4, start + 154))) < 20
    assert kept / copied >= 0.99


@given(st.data())
def test_every_passage_cut_out_of_both_texts_is_what_it_says(data: st.DataObject) -> None:
    rng = data.draw(st.randoms(use_true_random=False))
    joints = st.sampled_from(
        [" ", "\n", ", ", " \u2014 ", "-\n", "\u00a0", "\u200b ", ".\r\n\t", "_"]
    )
    text_words = prose(rng, data.draw(st.integers(10, 90)))
    start = data.draw(st.integers(0, len(text_words) - 10))
    copy = edited(text_words[start : start + 60], data.draw(st.integers(5, 14)), rng)
    if data.draw(st.booleans()):
        copy = [word.upper() for word in copy]
    made_words = prose(rng, 5) + copy + prose(rng, 5)
    output = "".join(word + data.draw(joints) for word in made_words)
    text = "".join(word + data.draw(joints) for word in text_words)
    for passage in found(output, text).passages:
        check(passage, output, text)


@given(st.integers(), st.integers(8, 25), st.integers(0, 60))
def test_planted_copy_of_8_words_is_always_found(seed: int, size: int, at: int) -> None:
    text = [f"w{number}" for number in random.Random(seed).sample(range(10**6), 100)]
    output = " ".join(["x", *text[at : at + size], "y"])
    (passage,) = found(output, " ".join(text)).passages
    assert (passage.kind, passage.words, passage.text_word) == ("verbatim", size, at)
    assert output[passage.output_start : passage.output_end] == " ".join(text[at : at + size])


def test_hash_hits_are_not_trusted() -> None:
    made, whole, _ = wordings(" ".join(PROSE), " ".join([*PROSE[:14], "other", *PROSE[15:]]))
    claimed = np.array([[0, 0, len(PROSE)], [3, 9, 12]], np.int64)
    none = np.zeros(len(made), np.bool_)
    result = overlap(made, whole, runs_R3=claimed, echoed_N=none)
    assert result.runs_R3.tolist() == [[0, 0, 14], [15, 15, len(PROSE) - 15]]
    assert [p.words for p in result.passages] == [len(PROSE) - 1, 14, len(PROSE) - 15]


@pytest.mark.parametrize("lead", [0, 5])
def test_run_that_a_search_cut_short_is_made_whole(lead: int) -> None:
    made, whole, _ = wordings(" ".join(["x"] * lead + PROSE), " ".join(["y"] * 2 + PROSE))
    claimed = np.array([[lead + 3, 5, 6], [lead + 15, 17, 5]], np.int64)
    none = np.zeros(len(made), np.bool_)
    result = overlap(made, whole, runs_R3=claimed, echoed_N=none)
    assert result.runs_R3.tolist() == [[lead, 2, len(PROSE)]]


def test_of_several_places_the_longest_then_the_first() -> None:
    once = " ".join(PROSE[:12])
    (first,) = found(once, f"{once} and so {once}").passages
    assert first.text_word == 0
    longer = " ".join(PROSE[:20])
    (only,) = found(longer, f"{once} and so {longer}").passages
    assert (only.text_word, only.words) == (14, 20)


def test_moved_passage_is_out_of_order() -> None:
    a, b, c = PROSE[:10], PROSE[10:22], PROSE[22:]
    result = found(" ".join([*b, "x", *a, "y", *c]), " ".join([*a, "z", *b, "w", *c]))
    assert [(p.words, p.in_order) for p in result.passages] == [
        (12, True),
        (10, False),
        (len(c), True),
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 9)), max_size=9))
def test_order_is_the_heaviest_increasing_chain(rows: list[tuple[int, int, int]]) -> None:
    placed = [Placed(*row) for row in rows]

    def heaviest(chosen: list[Placed], rest: list[Placed]) -> int:
        best = sum(p.weight for p in chosen)
        for at, p in enumerate(rest):
            if not chosen or (p.output > chosen[-1].output and p.text > chosen[-1].text):
                best = max(best, heaviest([*chosen, p], rest[at + 1 :]))
        return best

    kept = sorted(p for p, fits in zip(placed, in_order(placed), strict=True) if fits)
    for before, after in pairwise(kept):
        assert before.output < after.output
        assert before.text < after.text
    assert sum(p.weight for p in kept) == heaviest([], sorted(placed))


def test_words_of_the_prompt_are_counted_as_echoed() -> None:
    text = " ".join(PROSE)
    (part,) = found(text, text, "Go on: " + " ".join(PROSE[:6]) + " ...").passages
    assert part.echoed_words == 6
    (whole,) = found(text, text, text).passages
    assert whole.echoed_words == whole.words == len(PROSE)
    (none,) = found(text, text, " ".join(PROSE[:4])).passages
    assert none.echoed_words == 0


@pytest.mark.parametrize("unit", [["a"], ["a", "b"], ["a", "b", "c", "d", "e", "f", "g"]])
def test_text_that_repeats_itself_stays_small(unit: list[str]) -> None:
    output, text = " ".join(unit * 400), " ".join(unit * 3000)
    result = found(output, text)
    assert 1 <= len(result.passages) < 200
    for passage in result.passages[:3]:
        check(passage, output, text)


@pytest.mark.parametrize(("output", "text"), [("", ""), ("", "a b"), ("a", ""), ("...", "\ufffd")])
def test_texts_without_words_share_nothing(output: str, text: str) -> None:
    assert found(output, text).passages == ()


def test_equal_letters_are_no_equal_words_where_a_line_end_joins_them() -> None:
    made, whole, _ = wordings("b-\nc d- e", "b- c d-\ne")
    assert made.text.split() == whole.text.split()
    assert selection.same_words(made, whole, Stretch(0, 0, 3)).tolist() == [False] * 3


@given(st.text("ab-\u00ad\u200b\u2019' \n\r\u00a0\u0301", max_size=24), st.randoms())
def test_words_of_equal_letters_are_compared_by_their_forms(text: str, rng: random.Random) -> None:
    other = "".join(rng.choice(" \n") if sign.isspace() else sign for sign in text)
    made, whole, _ = wordings(text, other)
    words = min(len(made), len(whole))
    same = selection.same_words(made, whole, Stretch(0, 0, words))
    assert same.tolist() == (made.ids(0, words) == whole.ids(0, words)).tolist()
