import copy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes import query as query_module
from indexes import runs as runs_module
from indexes.grams import SIGHT
from indexes.query import CAP
from indexes.runs import CONTEXT, Query, Runs, join, scan
from indexes.words import Words
from tests.indexes.plain import Text, kept, listed, moved, pieces, plain_runs, words_of

few = st.integers(2, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=60))
"""Words of a small alphabet: nearly everything repeats."""


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[Text], list[Text]]:
    """Outputs and texts of many words, the outputs made of pieces of the texts."""
    sizes = draw(st.lists(st.integers(0, 300), min_size=1, max_size=4))
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    texts = [rng.integers(0, 900, size).tolist() for size in sizes]
    whole = [word for text in texts for word in text] or [0]
    outputs = []
    for _ in range(draw(st.integers(1, 3))):
        output: list[int] = []
        for _ in range(draw(st.integers(0, 25))):
            start, size = int(rng.integers(len(whole))), int(rng.integers(1, 14))
            output += whole[start : start + size]
            output += rng.integers(900, 1000, int(rng.integers(0, 6))).tolist()
        outputs.append(output)
    return outputs, texts


def found(outputs: list[Text], texts: list[Text]) -> list[tuple[int, ...]]:
    return listed(scan(Query.of(words_of(outputs)), words_of(texts)))


def found_in_pieces(
    outputs: list[Text], texts: list[Text], cuts: list[list[int]], context: int
) -> list[tuple[int, ...]]:
    cut, own, origin = pieces(texts, cuts, context)
    runs = scan(Query.of(words_of(outputs)), words_of(cut), own)
    return listed(join(moved(runs, origin)))


@given(st.lists(few, max_size=3), st.lists(few, max_size=3))
def test_all_runs_of_repetitive_texts(outputs: list[Text], texts: list[Text]) -> None:
    assert found(outputs, texts) == plain_runs(outputs, texts)


@given(edited())
def test_all_runs_of_edited_copies(case: tuple[list[Text], list[Text]]) -> None:
    assert found(*case) == plain_runs(*case)


@given(
    st.lists(few, min_size=1, max_size=3),
    few,
    few,
    st.lists(st.integers(0, 999), min_size=8, max_size=12),
)
def test_a_planted_copy_is_found(
    texts: list[Text], before: list[int], after: list[int], copied: list[int]
) -> None:
    texts = [*texts, [*before, *copied, *after]]
    output = [*after, *copied, *before]
    place, word = len(after), len(before)
    assert any(
        run[2] == len(texts) - 1
        and run[3] - run[1] == word - place
        and run[1] <= place
        and run[1] + run[4] >= place + len(copied)
        for run in found([output], texts)
    )


@given(edited(), st.lists(st.lists(st.integers(0, 300), max_size=4), min_size=4, max_size=4))
def test_cuts_change_nothing(case: tuple[list[Text], list[Text]], cuts: list[list[int]]) -> None:
    outputs, texts = case
    parts = found_in_pieces(outputs, texts, cuts[: len(texts)], CONTEXT + 12)
    assert parts == found(outputs, texts)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 400)), min_size=1, max_size=4),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_cuts_change_nothing_in_texts_that_repeat_themselves(
    stretches: list[tuple[int, int]], cuts: list[int]
) -> None:
    text = [word for period, size in stretches for word in (list(range(period)) * size)[:size]]
    outputs = [text[-100:], text[:150], [7, *text[90:130], 7]]
    assert found_in_pieces(outputs, [text], [cuts], SIGHT + CONTEXT + 12) == found(outputs, [text])


@given(edited(), st.lists(st.integers(0, 4), max_size=3))
def test_batches_change_nothing(case: tuple[list[Text], list[Text]], cuts: list[int]) -> None:
    outputs, texts = case
    query = Query.of(words_of(outputs))
    runs = []
    for first, last in pairwise([0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]):
        part = scan(query, words_of(texts[first:last]))
        runs += [(o, i, t + first, j, size) for o, i, t, j, size in listed(part)]
    assert sorted(runs) == found(outputs, texts)


@given(edited())
def test_blocks_and_portions_change_nothing(case: tuple[list[Text], list[Text]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs_module, "_PAIRS", 3)
        patch.setattr("indexes.grams._BLOCK", 7)
        portions = found(*case)
    assert portions == found(*case)


def test_hand_made_runs() -> None:
    text = [*range(100, 140), *range(10)]
    near = [*range(100, 106), 500, *range(107, 113), 501, *range(114, 130)]
    lone = [600, *range(120, 127), 601]
    # 100..105 has 6 words and is kept for its neighbours; 120..126 has 7, alone
    assert found([near, lone], [text, [1, 2, 3]]) == [
        (0, 0, 0, 0, 6),
        (0, 7, 0, 7, 6),
        (0, 14, 0, 14, 16),
    ]


def test_runs_are_sorted_and_unique() -> None:
    words = words_of([[0, 1] * 20, [2, *[0, 1] * 10]])
    runs = scan(Query.of(words), words)
    rows = list(
        zip(
            runs.output_R.tolist(),
            runs.text_R.tolist(),
            runs.output_word_R.tolist(),
            runs.text_word_R.tolist(),
            strict=True,
        )
    )
    assert rows == sorted(set(rows))
    assert [column.dtype for column in runs] == [np.int32, np.int32, np.int32, np.int64, np.int32]


def test_a_piece_speaks_for_its_own_words() -> None:
    text = list(range(60))
    own = np.array([[30, 40]])
    outputs = [text[22:30], text[22:31], text[25:50], text[39:50], text[40:50]]
    assert listed(scan(Query.of(words_of(outputs)), words_of([text]), own)) == [
        (1, 0, 0, 22, 9),
        (2, 0, 0, 25, 25),
        (3, 0, 0, 39, 11),
    ]


@given(
    st.lists(
        st.tuples(st.integers(5, 7), st.integers(18, 30), st.integers(18, 30)),
        min_size=2,
        max_size=4,
    ),
    st.integers(0, 400),
)
def test_short_runs_at_the_edge_of_nearness(crumbs: list[tuple[int, int, int]], first: int) -> None:
    output, text, word = [], [], first
    for size, gap, text_gap in crumbs:
        crumb = list(range(word, word + size))
        output += [*crumb, *range(800, 800 + gap)]
        text += [*crumb, *range(900, 900 + text_gap)]
        word += size + 1
    assert found([output], [text]) == plain_runs([output], [text])


def test_join() -> None:
    columns = [
        (0, 0, 0, 0, 8),  # these three touch and overlap
        (0, 8, 0, 8, 3),
        (0, 2, 0, 2, 5),
        (0, 12, 0, 12, 5),  # a word lies between
        (0, 8, 1, 8, 5),  # another text
        (0, 8, 0, 9, 5),  # another diagonal
        (1, 8, 0, 8, 5),  # another output
        (0, 8, 0, 8, 3),  # twice
    ]
    arrays = [np.array(column, np.int64) for column in zip(*columns, strict=True)]
    runs = Runs(*(a.astype(np.int64 if k == 3 else np.int32) for k, a in enumerate(arrays)))
    assert listed(join(runs)) == [
        (0, 0, 0, 0, 11),
        (0, 8, 0, 9, 5),
        (0, 8, 1, 8, 5),
        (0, 12, 0, 12, 5),
        (1, 8, 0, 8, 5),
    ]
    assert listed(join(join(runs))) == listed(join(runs))


@pytest.mark.parametrize("outputs", [[], [[]], [[1, 2, 3, 4]], [[], [1, 2], []]])
def test_nothing_to_look_for(outputs: list[Text]) -> None:
    assert found(outputs, [list(range(20)), []]) == []
    assert found([list(range(20))], outputs) == []


def test_a_query_travels() -> None:
    # deepcopy takes apart and puts together as pickle does
    words = words_of([list(range(20))])
    query = copy.deepcopy(Query.of(words))
    assert listed(scan(query, words)) == [(0, 0, 0, 0, 20)]


@pytest.mark.parametrize("period", [1, 2, 3, 4, 7, 10, 19])
def test_a_long_repetition_stays_small(period: int) -> None:
    loop = list(range(period)) * (200_000 // period)
    passage = list(range(300, 340))
    runs = scan(
        Query.of(words_of([loop[:1000], [*loop[:500], *passage, *loop[:500]]])),
        words_of([[*loop, *passage, *loop]]),
    )
    assert len(runs.words_R) < 20 * (SIGHT + CAP)
    rows = zip(*(column.tolist() for column in runs), strict=True)
    assert any(o == 1 and i <= 500 and i + n >= 540 for o, i, _, _, n in rows)


def test_a_gram_is_looked_up_at_its_first_places_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_module, "CAP", 2)
    phrase = list(range(12))
    output = [word for k in range(4) for word in (*phrase, 500 + k)]
    assert found([output], [phrase]) == [(0, 0, 0, 0, 12), (0, 13, 0, 0, 12)]
    assert found([phrase], [output]) == [(0, 0, 0, 13 * k, 12) for k in range(4)]


def test_a_hash_of_a_gram_is_not_trusted() -> None:
    words = words_of([list(range(20))])
    other = Words(words.hashes_N ^ np.uint64(1), words.starts_N, words.ends_N, words.offsets_T)
    query = Query.of(words)
    forged = Query.of(other)
    # the same grams, other words behind them
    query = type(query)(
        words=other,
        marks_N=forged.marks_N,
        gram_U=query.gram_U,
        first_U=query.first_U,
        place_G=query.place_G,
        output_G=query.output_G,
        bits=query.bits,
    )
    assert listed(scan(query, words)) == []


def test_the_plain_rule() -> None:
    assert kept({(0, 0, 5), (40, 40, 5)}) == []
    assert kept({(0, 0, 5), (32, 32, 5)}) == [(0, 0, 5), (32, 32, 5)]
    assert kept({(0, 0, 5), (10, 27, 5)}) == []
    assert kept({(0, 0, 5), (10, 26, 5)}) == [(0, 0, 5), (10, 26, 5)]
