"""Sketch: the S-curve that is stated, exact verdicts on candidates, and no part of the order."""

from random import Random
from tempfile import TemporaryFile

import datasketch
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexes import sketch
from indexes.sketch import Recipe, Sketches

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


def test_hashes_fed_as_one_array_are_fed_one_by_one() -> None:
    values = grams(np.random.default_rng(1), 10_000)
    with TemporaryFile() as file:
        sketches = Sketches(Recipe(), file)
        sketches.add(0, values)
        mine = sketches._sketches[0].hashvalues
    plain = datasketch.MinHash(72, sketch.SEED, hashfunc=int, scheme=sketch.SCHEME)
    plain.update_batch(values.tolist())
    assert mine.dtype == np.uint64
    np.testing.assert_array_equal(mine, plain.hashvalues)


def test_the_sketch_never_changes() -> None:
    with TemporaryFile() as file:
        sketches = Sketches(Recipe(bands=2, rows=2), file)
        sketches.add(0, np.array([1, 2**63, 2**64 - 1], np.uint64))
        found = sketches._sketches[0].hashvalues.tolist()
    assert found == [
        105604893588528693,
        5180269495502652525,
        1386270562101353008,
        3389390643661598055,
    ]
    assert Recipe().facts() == {
        "bands": 24,
        "rows": 3,
        "min_jaccard": 0.5,
        "scheme": "affine64",
        "seed": 1,
        "num_perm": 72,
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
