"""Sketch: the S-curve that is stated, exact verdicts on candidates, and no part of the order."""

from random import Random
from tempfile import TemporaryFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexes import sketch
from indexes.characters import scatter
from indexes.sketch import Recipe, Sketches, minima

Grams = NDArray[np.uint64]


def grams(rng: np.random.Generator, size: int) -> Grams:
    return rng.integers(0, 2**64, size, np.uint64)


def pair(rng: np.random.Generator, size: int, shared: int) -> tuple[Grams, Grams]:
    both = grams(rng, shared)
    return tuple(np.concatenate([both, grams(rng, size - shared)]) for _ in range(2))


def clusters(things: dict[int, list[Grams]], recipe: Recipe | None = None) -> list[int]:
    with TemporaryFile() as file:
        sketches = Sketches(recipe or Recipe(), file)
        for thing, pieces in things.items():
            for piece in pieces:
                sketches.add(thing, piece)
        return sketches.clusters(max(things, default=-1) + 1).tolist()


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(bands=20, rows=6), Recipe(bands=2, rows=1)])
def test_pairs_become_candidates_as_often_as_the_curve_says(recipe: Recipe) -> None:
    rng, trials, size = np.random.default_rng(3), 400, 60
    # |A and B| = c and |A| = |B| = 60 give a Jaccard similarity of c / (120 - c)
    for shared in (12, 24, 36, 44, 54):
        jaccard = shared / (2 * size - shared)
        with TemporaryFile() as file:
            sketches = Sketches(recipe, file)
            for number in range(trials):
                one, other = pair(rng, size, shared)
                sketches.add(2 * number, one)
                sketches.add(2 * number + 1, other)
            seen = sum(t - 1 in others for t, others in sketches.candidates() if t % 2)
        expected = recipe.chance(jaccard)
        error = np.sqrt(expected * (1 - expected) / trials)
        assert abs(seen / trials - expected) <= 4 * error + 1e-9, (jaccard, seen, expected)


def test_chance_by_hand() -> None:
    assert Recipe(bands=2, rows=2).chance(0.5) == pytest.approx(1 - (1 - 0.25) ** 2)
    assert [Recipe().chance(s) for s in (0.0, 1.0)] == [0.0, 1.0]


def plain_minima(values: Grams, bins: int) -> list[int]:
    """Return the sketch as its definition says: of each bin, the first round, then the least."""
    mixed = scatter(values).tolist()
    out = [2**64] * bins
    for number in range(2 * bins):
        for gram in mixed:
            moved = np.array([(gram + number * 0xD1B54A32D192ED03) % 2**64], np.uint64)
            found = int(scatter(moved)[0]) if number else gram
            place = (found >> 32) * bins >> 32 if number < bins else number - bins
            out[place] = min(out[place], found >> 10 | number << 54)
    return out


@pytest.mark.parametrize("size", [1, 2, 7, 40, 700])
def test_minima_are_those_of_the_definition(size: int) -> None:
    values = grams(np.random.default_rng(size), size)
    assert minima(np.sort(scatter(values)), 9).tolist() == plain_minima(values, 9)


@pytest.mark.parametrize("size", [1, 30, 5000])
def test_pieces_in_any_order_make_the_sketch_of_the_whole(size: int) -> None:
    values = grams(np.random.default_rng(size), size)
    sketches = []
    for pieces in ([values], np.array_split(values[::-1], 3), [values, values[:2]]):
        with TemporaryFile() as file:
            made = Sketches(Recipe(), file)
            for piece in pieces:
                made.add(0, piece)
            sketches.append(made._sketches[0].tolist())
    assert sketches[0] == sketches[1] == sketches[2]


@pytest.mark.parametrize("size", [3, 40, 2000])
def test_minima_agree_as_often_as_sets_are_alike(size: int) -> None:
    rng, trials, bins = np.random.default_rng(13), 300, 72
    agreed = np.zeros(bins)
    for _ in range(trials):
        one, other = pair(rng, size, size * 2 // 3)
        agreed += minima(np.sort(one), bins) == minima(np.sort(other), bins)
    shared = size * 2 // 3
    jaccard = shared / (2 * size - shared)
    # minima of one pair are not independent, pairs are
    assert abs(agreed.mean() / trials - jaccard) < 4 * np.sqrt(jaccard * (1 - jaccard) / trials)
    assert np.abs(agreed / trials - jaccard).max() < 0.16


def test_the_sketch_never_changes() -> None:
    with TemporaryFile() as file:
        sketches = Sketches(Recipe(bands=2, rows=2), file)
        sketches.add(0, np.array([1, 2**63, 2**64 - 1], np.uint64))
        found = sketches._sketches[0].tolist()
    assert found == [
        21745459198687780,
        5075002756213372,
        10206265995313303,
        16103844010711371,
    ]
    assert Recipe().facts() == {
        "bands": 24,
        "rows": 3,
        "min_jaccard": 0.5,
        "scheme": "rounds-1",
        "num_bins": 72,
    }


def test_a_candidate_below_the_mark_is_not_joined() -> None:
    rng = np.random.default_rng(5)
    loose = {"bands": 128, "rows": 1}  # everything that shares anything becomes a candidate
    for shared, near in ((66, False), (67, True)):  # 66/134 < 1/2 <= 67/133
        things = {n: [p] for n, p in enumerate(pair(rng, 100, shared))}
        assert clusters(things, Recipe(**loose)) == [0, 0 if near else 1]
    small = grams(rng, 100)
    inside = {0: [np.concatenate([small, grams(rng, 101)])], 1: [small]}
    assert clusters(inside, Recipe(**loose)) == [0, 1]


def test_planted_duplicates_and_nothing_else() -> None:
    rng = np.random.default_rng(7)
    originals = [grams(rng, 300) for _ in range(40)]
    things = {n: [g] for n, g in enumerate(originals)}
    for n in range(0, 40, 2):
        edited = originals[n].copy()
        edited[:40] = grams(rng, 40)  # Jaccard similarity 260/340
        things[40 + n // 2] = [edited]
    assert clusters(things) == [*range(40), *range(0, 40, 2)]


def test_equal_sets_are_one_without_comparing_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    values = grams(np.random.default_rng(9), 50)
    compared = []
    monkeypatch.setattr(Sketches, "_alike", lambda *pair: compared.append(pair))
    assert clusters({n: [values] for n in range(500)}) == [0] * 500
    assert compared == []


def test_look_alikes_are_not_all_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, count = np.random.default_rng(11), 300
    template = grams(rng, 100)
    alike, calls = Sketches._alike, []
    monkeypatch.setattr(sketch, "_ROUND", 10)

    def counted(self: Sketches, one: int, other: int) -> bool:
        calls.append((one, other))
        return alike(self, one, other)

    monkeypatch.setattr(Sketches, "_alike", counted)
    things = {n: [np.concatenate([template, grams(rng, 1)])] for n in range(count)}
    assert clusters(things) == [0] * count
    assert len(calls) < 12 * count


def test_nothing_is_near_nothing() -> None:
    none = np.array([], np.uint64)
    assert clusters({0: [none], 1: [none], 2: [np.array([7], np.uint64)]}) == [0, 1, 2]
    assert clusters({}) == []
    with TemporaryFile() as file:
        assert Sketches(Recipe(), file).clusters(3).tolist() == [0, 1, 2]


drawn = st.lists(st.lists(st.integers(0, 12), max_size=10), min_size=1, max_size=8)


@settings(max_examples=60)
@given(drawn, st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_and_pieces_change_nothing(sets: list[list[int]], random: Random, cut: int) -> None:
    mixed = [np.array(s, np.uint64) * np.uint64(0x9E3779B97F4A7C15) for s in sets]
    straight = {n: [s] for n, s in enumerate(mixed)}
    order = list(straight)
    random.shuffle(order)
    pieces = {n: [mixed[n][::-1][i::cut] for i in range(cut)] for n in order}
    assert clusters({**{n: [] for n in straight}, **pieces}) == clusters(straight)


@settings(max_examples=60)
@given(drawn)
def test_with_bands_of_one_the_clusters_are_the_true_ones(sets: list[list[int]]) -> None:
    union = sketch.Union(len(sets))
    for i, one in enumerate(map(set, sets)):
        for j, other in enumerate(map(set, sets)):
            if one & other and 2 * len(one & other) >= len(one | other):
                union.add(np.array([i]), np.array([j]))
    things = {n: [np.array(s, np.uint64) << np.uint64(40)] for n, s in enumerate(sets)}
    # 256 bands of one minimum miss a pair of Jaccard similarity 1/2 once in 2**256
    assert clusters(things, Recipe(bands=256, rows=1)) == union.labels().tolist()


@pytest.mark.parametrize(
    ("knob", "value"), [("bands", 1), ("rows", 0), ("min_jaccard", 0.0), ("min_jaccard", 1.1)]
)
def test_impossible_recipes_are_refused(knob: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{knob}: expected .*, got {value}"):
        Recipe(**{knob: value})
