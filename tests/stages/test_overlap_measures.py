import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.query import Query
from indexes.runs import scan
from stages.measures.alignment import blocks, merged
from stages.measures.chaining import Stretch, chains, gap, matched
from stages.measures.echoes import echoed
from stages.measures.overlap_measures import Measures, measure
from stages.measures.passages import overlap
from stages.measures.sequences import best_alignment
from stages.measures.wording import Lexicon, Wording
from stages.tables import TEXT_MEASURES

ALPHABET = [f"w{number}" for number in range(6)]
UNIQUE = [f"u{number}" for number in range(400)]


def measured(output: str, text: str, prompt: str | None = None) -> Measures:
    lexicon = Lexicon()
    made, whole = Wording(output, lexicon), Wording(text, lexicon)
    runs = scan(Query.of(made.words), whole.words)
    result = overlap(
        made,
        whole,
        runs_R3=np.column_stack((runs.output_word_R, runs.text_word_R, runs.words_R)),
        echoed_N=echoed(made, [Wording(prompt, lexicon)] if prompt else []),
    )
    return measure(made, whole, result, count_tokens=lambda piece: len(piece.split()))


def plain_longest_run(left: list[str], right: list[str]) -> int:
    best, above = 0, [0] * (len(right) + 1)
    for word in left:
        row = [0] * (len(right) + 1)
        for at, other in enumerate(right):
            row[at + 1] = above[at] + 1 if word == other else 0
            best = max(best, row[at + 1])
        above = row
    return best


def plain_common(left: list[str], right: list[str]) -> int:
    above = [0] * (len(right) + 1)
    for word in left:
        row = [0]
        for at, other in enumerate(right):
            row.append(above[at] + 1 if word == other else max(row[at], above[at + 1]))
        above = row
    return above[-1]


def plain_jaccard(left: list[str], right: list[str]) -> float:
    one, other = ({tuple(side[a : a + 5]) for a in range(len(side) - 4)} for side in (left, right))
    return len(one & other) / len(one | other) if one else 0.0


def test_measures_are_those_of_the_table() -> None:
    later = {"surprisal", "num_holders", "tags"}
    names = {name for name, *_ in TEXT_MEASURES} - later
    assert names == set(Measures.__dataclass_fields__) - {"run", "whole"}


def test_measures_of_a_page_counted_by_hand() -> None:
    text = UNIQUE[:200]
    output = [*["x"] * 10, *UNIQUE[20:32], "y", *UNIQUE[33:63], "z", "z", "z", *UNIQUE[100:106]]
    m = measured(" ".join(output), " ".join(text))
    assert (m.output_words, m.text_words) == (62, 200)
    assert (m.run_words, m.run_tokens) == (30, 30)
    assert m.run_chars == len(" ".join(UNIQUE[33:63]))
    assert (m.words_8, m.words_13, m.words_20, m.words_32, m.words_50) == (42, 30, 30, 0, 0)
    assert (m.near_words, m.near_block_words, m.near_recall) == (42, 42, 0)
    assert m.acs_words == 48
    assert m.rouge_l == pytest.approx(2 * 48 / 262)
    assert m.jaccard == pytest.approx((8 + 26 + 2) / (58 - 5 + 196 - 36))
    assert (m.run.output, m.run.text) == (23, 33)


def test_recall_counts_words_of_the_text_once_and_blocks_of_100_only() -> None:
    text = " ".join(UNIQUE)
    long, short = " ".join(UNIQUE[:100]), " ".join(UNIQUE[200:299])
    assert measured(long, text).near_recall == 100 / 400
    assert measured(short, text).near_recall == 0
    assert measured(short, text).near_block_words == 99
    assert measured(f"{long} and again {long}", text).near_recall == 100 / 400


@pytest.mark.parametrize(
    ("between", "whole"),
    [
        ((1, 1), True),
        ((2, 2), True),
        ((0, 1), True),
        ((2, 1), True),
        ((2, 0), False),
        ((3, 3), False),
    ],
)
def test_first_pass_joins_gaps_of_2_words_that_differ_by_1(
    between: tuple[int, int], *, whole: bool
) -> None:
    chain = (Stretch(5, 7, 15), Stretch(20 + between[0], 22 + between[1], 15))
    assert [matched(block) for block in blocks(chain)] == ([30] if whole else [])


@pytest.mark.parametrize(
    ("between", "whole"), [((10, 10), True), ((10, 7), True), ((10, 6), False), ((11, 11), False)]
)
def test_second_pass_joins_gaps_of_10_words_that_differ_by_3(
    between: tuple[int, int], *, whole: bool
) -> None:
    parts = [(Stretch(5, 7, 60),), (Stretch(65 + between[0], 67 + between[1], 60),)]
    assert [matched(block) for block in merged(parts)] == ([120] if whole else [60, 60])


def test_chance_words_around_a_block_are_cut_off() -> None:
    chain = (Stretch(0, 0, 1), Stretch(3, 3, 1), Stretch(6, 6, 25), Stretch(33, 33, 1))
    assert blocks(chain) == [(Stretch(6, 6, 25),)]


@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 150), st.integers(5, 30)), max_size=12)
)
def test_chains_increase_on_both_sides_and_lose_no_run(rows: list[tuple[int, int, int]]) -> None:
    runs = sorted(set(rows))
    found = chains(np.array(runs, np.int64).reshape(-1, 3))
    shifts = {(text - output, text + words) for output, text, words in runs}
    for chain in found:
        for before, after in pairwise(chain):
            assert min(gap(before, after)) >= 0
        assert {(s.text - s.output, s.text + s.words) for s in chain} <= shifts
    assert sum(len(chain) for chain in found) == len(runs)


words = st.lists(st.sampled_from(ALPHABET), max_size=40)


@given(words, words)
def test_measures_agree_with_plain_definitions(left: list[str], right: list[str]) -> None:
    m = measured(" ".join(left), " ".join(right))
    both = len(left) + len(right)
    assert m.run_words == plain_longest_run(left, right)
    assert m.rouge_l == pytest.approx(2 * plain_common(left, right) / both if both else 0)
    assert m.jaccard == pytest.approx(plain_jaccard(left, right))
    assert 0 <= m.near_recall <= 1
    assert m.words_50 <= m.words_32 <= m.words_20 <= m.words_13 <= m.words_8 <= m.output_words


def test_copied_page_is_not_scattered_over_a_book() -> None:
    rng = random.Random(4)
    book = rng.choices(ALPHABET + UNIQUE[:40], k=9000)
    m = measured(" ".join(book[7000:7200]), " ".join(book))
    assert m.acs_words == m.words_50 == m.run_words == 200


def test_alignment_of_very_uneven_texts_stays_at_the_passages() -> None:
    rng = random.Random(5)
    book = rng.choices(UNIQUE, k=30_000)
    lexicon = Lexicon()
    made, whole = (
        Wording(" ".join(book[9:29] + book[:300:2]), lexicon),
        Wording(" ".join(book), lexicon),
    )
    none = np.zeros(len(made), np.bool_)
    found = overlap(made, whole, runs_R3=np.array([[0, 9, 20]], np.int64), echoed_N=none)
    assert best_alignment(made, whole, found) == (Stretch(0, 9, 20),)


def test_a_long_text_that_shares_a_phrase_is_not_read_whole() -> None:
    rng = random.Random(6)
    book = rng.choices(UNIQUE, k=40_000)

    def whole(output: list[str], text: list[str], least: int) -> bool:
        lexicon = Lexicon()
        made, work = Wording(" ".join(output), lexicon), Wording(" ".join(text), lexicon)
        none = np.zeros(len(made), np.bool_)
        runs = scan(Query.of(made.words), work.words)
        runs_R3 = np.stack([runs.output_word_R, runs.text_word_R, runs.words_R], axis=1)
        found = overlap(made, work, runs_R3=runs_R3.astype(np.int64), echoed_N=none)
        m = measure(made, work, found, least=least)
        full = measure(made, work, found)
        assert full.whole
        if not m.whole:
            assert (m.rouge_l, m.jaccard) == (0, 0) < (full.rouge_l, full.jaccard)
        names = ("run_words", "words_8", "words_13", "near_words", "acs_words", "echoed_words")
        assert [getattr(m, n) for n in names] == [getattr(full, n) for n in names]
        return m.whole

    foreign = [f"x{n}" for n in range(100)]
    phrase = [*foreign[:50], *book[30_000:30_012], *foreign[50:]]
    assert not whole(phrase, book, 13)
    assert whole(phrase, book, 12)
    assert whole([*foreign, *book[7:20]], book, 13)
    assert whole(phrase, book[29_000:31_000], 13)
    edited = [w if n % 7 else "x" for n, w in enumerate(book[500:560])]
    assert whole([*foreign, *edited], book, 13)


def test_what_the_prompt_has_too_is_left_out_of_every_measure() -> None:
    text = " ".join(UNIQUE[:200])
    m = measured(text, text, prompt=text)
    assert (m.output_words, m.echoed_words) == (200, 200)
    zero = ("run_words", "run_chars", "words_8", "near_words", "near_block_words", "acs_words")
    assert [getattr(m, name) for name in zero] == [0] * len(zero)
    assert (m.near_recall, m.rouge_l, m.jaccard) == (0, 0, 0)
    part = measured(text, text, prompt=" ".join(UNIQUE[:50]))
    assert (part.run_words, part.words_8, part.near_words, part.acs_words) == (150,) * 4
    assert part.near_recall == 150 / 200
    assert part.rouge_l == pytest.approx(2 * 150 / 350)


def test_short_run_holds_no_word_of_the_prompt() -> None:
    text = " ".join(UNIQUE[:7])
    m = measured(text, f"so {text} end", prompt=" ".join(UNIQUE[:5]))
    assert (m.run_words, m.run.output, m.run.text) == (2, 5, 6)
    assert measured(text, f"so {text} end").run_words == 7


@pytest.mark.parametrize(("output", "text"), [("", ""), ("", "a b"), ("a b", ""), ("a", "b")])
def test_nothing_shared_measures_nothing(output: str, text: str) -> None:
    m = measured(output, text)
    assert (m.run_words, m.run_chars, m.words_8, m.near_words, m.acs_words) == (0,) * 5
    assert (m.rouge_l, m.jaccard, m.near_recall) == (0, 0, 0)
