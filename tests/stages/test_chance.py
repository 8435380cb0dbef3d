"""Chance: a control corpus that shares exactly known runs, and what must not move the curve."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.runs import LONG
from stages.contract import Kit
from stages.tables import CHANCES, TEXT_WORKS
from stages.text import chance as module
from stages.text import own_words
from stages.text.chance import BLOCK, LAST, STAGE, ChanceConfig
from tests.stages.tiny_texts import batches, prose, table

Texts = Mapping[str, str]
Row = dict[str, Any]


def works(train: Texts, control: Texts, works_of: Mapping[str, str] | None = None) -> pa.Table:
    halves = {**dict.fromkeys(train, "train"), **dict.fromkeys(control, "control")}
    work_of = {name: (works_of or {}).get(name, name) for name in halves}
    rows = []
    for name in sorted(halves):
        same = {halves[other] for other in halves if work_of[other] == work_of[name]}
        row = {"text_id": name, "half": halves[name], "work_id": work_of[name], "sha256": name}
        rows.append(row | {"num_exact": 1, "num_near": 1, "mixed": len(same) == 2})
    return TEXT_WORKS.of_rows(rows)


def curve(
    train: Texts,
    control: Texts,
    *,
    cuts: tuple[int | None, int | None] = (None, None),
    works_of: Mapping[str, str] | None = None,
    **knobs: Any,
) -> dict[int, Row]:
    inputs = {
        "works": batches(STAGE, "works", works(train, control, works_of)),
        "control": batches(STAGE, "control", table(control, cuts[1]), 2),
        "train": batches(STAGE, "train", table(train, cuts[0]), 2),
    }
    config = ChanceConfig(**{"resamples": 100, **knobs})
    (out,) = STAGE.run(inputs, config, Kit())
    return {row["words"]: row for row in CHANCES.check(out.rows).to_pylist()}


@pytest.fixture(scope="module")
def planted() -> tuple[dict[str, str], dict[str, str]]:
    """Four control works of 3 blocks; runs of 10, 40 and 70 words of three blocks stand in t."""
    rng = np.random.default_rng(1)
    unseen = [prose(rng, 3000) for _ in range(4)]
    corpus = prose(rng, 5000)
    # 990 words into a block, so the last 15 of these 25 are the next block's
    for at, (work, first, words) in enumerate(
        [(0, 100, 10), (1, 2300, 40), (2, 1010, 70), (3, 990, 25)]
    ):
        corpus[500 * at : 500 * at + words] = unseen[work][first : first + words]
    train = {"t1": " ".join(corpus[:2500]).upper(), "t2": "\n".join(corpus[2500:])}
    return train, {f"c{n}": " ".join(words) for n, words in enumerate(unseen)}


def test_planted_runs_are_counted_by_block(planted: tuple[Texts, Texts]) -> None:
    found = curve(*planted)
    assert list(found) == list(range(LONG, 72))
    for length, row in found.items():
        # 25 words over the edge of two blocks: 10 in the one, 15 in the other
        want = sum(length <= run for run in (10, 40, 70, 10, 15))
        assert row["num_events"] == want, length
        assert row["rate"] == pytest.approx(want / 12)
        assert (row["num_blocks"], row["num_works"], row["corpus_words"]) == (12, 4, 5000)


def test_what_many_works_hold_counts_for_nothing_in_the_curve() -> None:
    rng = np.random.default_rng(2)
    notice, own = prose(rng, 40), prose(rng, 30)
    control = {"c": " ".join([*prose(rng, 500), *notice, *own, *prose(rng, 500)])}
    for holders, longest in ((2, 40), (3, 30)):
        train = {f"t{n}": " ".join([*prose(rng, 300), *notice]) for n in range(holders)}
        train["own"] = " ".join([*prose(rng, 300), *own])
        found = curve(train, control)
        assert max(words for words, row in found.items() if row["num_events"]) == longest


def test_nothing_seen_reads_at_most_three_of_the_blocks(planted: tuple[Texts, Texts]) -> None:
    last = curve(*planted)[71]
    assert (last["num_events"], last["rate"], last["low"]) == (0, 0, 0)
    assert last["high"] == pytest.approx(3 / 12)


def test_pieces_and_order_change_nothing(planted: tuple[Texts, Texts]) -> None:
    train, control = planted
    whole = curve(train, control)
    assert curve(train, control, cuts=(130, 2000)) == whole
    backwards = (dict(reversed(list(texts.items()))) for texts in planted)
    assert curve(*backwards) == whole


@pytest.mark.parametrize("chars", [1, 20_000])
def test_how_many_pieces_are_split_at_a_time_changes_nothing(
    planted: tuple[Texts, Texts], chars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = curve(*planted)
    monkeypatch.setattr(own_words, "_BATCH_CHARS", chars)
    assert curve(*planted, cuts=(700, 1000)) == whole


def test_a_run_of_a_whole_block_is_seen_whole_in_pieces() -> None:
    words = prose(np.random.default_rng(2), 3000)
    corpus = {"t": " ".join(words)}
    found = curve(corpus, {"c": " ".join(words[1000:2000])}, cuts=(1500, None))
    assert list(found)[-1] == BLOCK + 1
    assert found[BLOCK]["num_events"] == 1


def test_works_of_both_halves_and_second_copies_are_left_out(
    planted: tuple[Texts, Texts],
) -> None:
    train, control = planted
    # c2 has the run of 70; c0 is the same work as c3, whose runs are the shorter ones
    found = curve(train, control, works_of={"t1": "c2", "c2": "c2", "c3": "c0"})
    assert (found[8]["num_events"], found[11]["num_events"]) == (2, 1)
    assert (found[8]["num_blocks"], found[8]["num_works"]) == (6, 2)
    assert max(found) == LAST
    assert found[8]["corpus_words"] == 5000


def test_short_works_count_for_their_words() -> None:
    rng = np.random.default_rng(3)
    control = {f"c{n:02}": prose(rng, 250) for n in range(10)}
    corpus = prose(rng, 100) + control["c04"][20:40] + prose(rng, 100)
    found = curve({"t": " ".join(corpus)}, {n: " ".join(w) for n, w in control.items()})
    assert (found[20]["num_events"], found[21]["num_events"]) == (1, 0)
    assert (found[20]["num_blocks"], found[20]["num_works"]) == (2, 10)


def test_too_little_gives_no_curve(planted: tuple[Texts, Texts]) -> None:
    train, control = planted
    assert curve(train, {}) == {}
    assert curve(train, {"c": " ".join(control["c0"].split()[: BLOCK - 1])}) == {}
    assert curve({}, control)[8]["num_events"] == 0


def test_the_choice_of_blocks_is_seeded_and_blind_to_the_order(
    planted: tuple[Texts, Texts],
) -> None:
    train, control = planted
    few = curve(train, control, max_blocks=5)
    assert few[8]["num_blocks"] == 5
    assert curve(train, dict(reversed(list(control.items()))), max_blocks=5) == few
    seen = {
        tuple(row["num_events"] for row in curve(train, control, max_blocks=5, seed=seed).values())
        for seed in range(6)
    }
    assert len(seen) > 1


def blocks(works_B: list[int], words_B: list[int] | None = None) -> module._Blocks:
    sizes = np.array(words_B or [BLOCK] * len(works_B), np.int64)
    nothing = np.array([], np.uint64)
    none = module.Words(nothing, nothing.astype(int), nothing.astype(int), np.zeros(1, np.int64))
    return module._Blocks(none, sizes, np.array(works_B, np.int64))


def test_works_are_drawn_again_and_not_blocks() -> None:
    config = ChanceConfig(resamples=400)
    # ten works of 40 blocks; 40 events lie in one work, or 4 in each
    work_B = [work for work in range(10) for _ in range(40)]
    rows = {}
    for name, hits in (("one", range(40)), ("each", range(0, 400, 10))):
        longest_B = np.zeros(400, np.int64)
        longest_B[list(hits)] = 30
        rows[name] = module._curve(blocks(work_B), longest_B, 1, config).to_pylist()[0]
    assert rows["one"]["rate"] == rows["each"]["rate"] == pytest.approx(0.1)
    assert rows["each"]["low"] == rows["each"]["high"] == pytest.approx(0.1)
    # a tenth of the works, drawn ten times: none in a third of the resamples, 3 in 1 of 17
    assert rows["one"]["low"] == 0
    assert rows["one"]["high"] == pytest.approx(0.3)


drawn = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, BLOCK), st.integers(0, 80)), min_size=1, max_size=20
).filter(lambda rows: sum(words for _, words, _ in rows) >= BLOCK)


@settings(max_examples=30)
@given(drawn)
def test_the_curve_never_rises_and_the_limits_hold_the_rate(
    rows: list[tuple[int, int, int]],
) -> None:
    # numbers of works without gaps, as they come from the choice
    works_B = np.unique([work for work, _, _ in rows], return_inverse=True)[1].tolist()
    longest_B = np.array([longest for _, _, longest in rows], np.int64)
    shelf = blocks(works_B, [words for _, words, _ in rows])
    table = module._curve(shelf, longest_B, 1, ChanceConfig(resamples=100))
    for name in ("num_events", "rate", "low", "high"):
        assert (np.diff(table[name].to_numpy()) <= 0).all(), name
    assert table["num_events"][-1].as_py() == 0
    assert (table["low"].to_numpy() <= table["high"].to_numpy()).all()


@pytest.mark.parametrize(("knob", "value"), [("max_blocks", 0), ("resamples", 99), ("seed", -1)])
def test_impossible_knobs_are_refused(knob: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"chance\.{knob}: expected .*, got {value}"):
        ChanceConfig(**{knob: value})
