from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexes import likeness, union
from stages.columns import vector_column
from stages.contract import Kit, StageError
from stages.images.duplicates import STAGE, DuplicatesConfig, duplicates
from stages.tables import EMBEDDINGS, IMAGES, WORKS

DIMS = 16
READ = ["image_id", "sha256", "pdq", "pdq_quality"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One content as the descriptors see it."""

    sha256: str
    bits: NDArray[np.bool_]
    vector: NDArray[np.float64] | None
    quality: int = 100


def picture(seed: int, sha256: str = "") -> Picture:
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(DIMS)
    return Picture(sha256 or f"sha{seed}", rng.random(256) < 0.5, vector / np.linalg.norm(vector))


def altered(one: Picture, sha256: str, *, bits: int, cosine: float) -> Picture:
    """The same picture with so many bits flipped and its vector turned to a cosine."""
    rng = np.random.default_rng(len(sha256) + bits)
    hashed = one.bits.copy()
    hashed[rng.choice(256, bits, replace=False)] ^= True
    assert one.vector is not None
    aside = rng.standard_normal(DIMS)
    aside -= aside @ one.vector * one.vector
    aside /= np.linalg.norm(aside)
    turned = cosine * one.vector + (1 - cosine**2) ** 0.5 * aside
    return Picture(sha256, hashed, turned, one.quality)


Halves = dict[str, list[tuple[str, Picture]]]


def tables(halves: Halves, cut: int = 1000) -> dict[str, Iterable[pa.Table]]:
    inputs: dict[str, Iterable[pa.Table]] = {}
    for half in ("train", "control"):
        named = halves.get(half, [])
        rows = [
            {
                "image_id": name,
                "sha256": p.sha256,
                "pdq": np.packbits(p.bits).tobytes().hex(),
                "pdq_quality": p.quality,
            }
            for name, p in named
        ]
        schema = pa.schema([IMAGES.schema.field(n) for n in READ])
        images = pa.Table.from_pylist(rows, schema=schema)
        seen = [(name, p.vector) for name, p in named if p.vector is not None]
        array = np.array([v for _, v in seen], np.float32).reshape(-1, DIMS)
        described = EMBEDDINGS.make(
            {"image_id": [name for name, _ in seen], "vector": vector_column(array)}
        )
        for role, table in ((half, images), (f"{half}_vectors", described)):
            inputs[role] = [table.slice(i, cut) for i in range(0, len(table), cut)]
    return inputs


def run(halves: Halves, cut: int = 1000, **knobs: Any) -> dict[str, Row]:
    outs = list(duplicates(tables(halves, cut), DuplicatesConfig(**knobs), Kit()))
    table = pa.concat_tables([out.rows for out in outs]) if outs else WORKS.empty()
    return {row["image_id"]: row for row in WORKS.check(table).to_pylist()}


def planted() -> Halves:
    one, two, three = picture(1), picture(2), picture(3)
    return {
        "train": [
            ("m1", one),
            ("m2", one),
            ("a9", altered(one, "near", bits=31, cosine=0.91)),
            ("p1", altered(one, "pdq only", bits=10, cosine=0.5)),
            ("c1", altered(one, "clip only", bits=60, cosine=0.99)),
            ("z1", two),
        ],
        "control": [("b1", two), ("q1", three), ("q2", three), ("q3", three)],
    }


def test_planted_copies_and_near_duplicates() -> None:
    rows = run(planted())
    works = {name: row["work_id"] for name, row in rows.items()}
    assert works == {
        "m1": "a9",
        "m2": "a9",
        "a9": "a9",
        "p1": "p1",
        "c1": "c1",
        "z1": "b1",
        "b1": "b1",
        "q1": "q1",
        "q2": "q1",
        "q3": "q1",
    }
    assert list(rows) == sorted(rows)
    counts = {
        name: tuple(row[f"num_{what}"] for what in ("exact", "near", "pdq", "clip"))
        for name, row in rows.items()
    }
    assert counts["m1"] == counts["m2"] == (2, 3, 4, 4)
    assert counts["a9"][:2] == (1, 3)
    assert counts["p1"][:2] == (1, 1)
    assert counts["z1"] == counts["b1"] == (1, 1, 1, 1)
    assert counts["q1"] == (3, 3, 3, 3)
    assert [name for name, row in rows.items() if row["mixed"]] == ["b1", "z1"]
    assert rows["b1"]["half"] == "control"
    assert rows["b1"]["sha256"] == "sha2"


@pytest.mark.parametrize(
    ("bits", "cosine", "same"),
    [(31, 0.9001, True), (32, 0.9001, False), (31, 0.8999, False), (0, 1.0, True)],
)
def test_both_descriptors_must_agree_to_the_last_bit(
    bits: int, cosine: float, *, same: bool
) -> None:
    one = picture(1)
    rows = run({"train": [("a", one), ("b", altered(one, "x", bits=bits, cosine=cosine))]})
    assert (rows["b"]["work_id"] == "a") is same


@pytest.mark.parametrize("qualities", [(49, 100), (100, 49), (49, 49)])
def test_a_hash_of_low_quality_links_nothing(qualities: tuple[int, int]) -> None:
    one = picture(1)
    left = Picture("l", one.bits, one.vector, qualities[0])
    right = Picture("r", one.bits, one.vector, qualities[1])
    rows = run({"train": [("a", left), ("a2", left), ("b", right)]})
    assert rows["b"]["work_id"] == "b"
    assert (rows["a"]["num_exact"], rows["a"]["num_near"], rows["a"]["num_pdq"]) == (2, 2, 2)
    assert rows["a"]["num_clip"] == 3


def test_equal_bytes_are_one_work_without_descriptor_or_hash() -> None:
    bare = Picture("x", np.zeros(256, bool), None, 0)
    other = Picture("y", np.zeros(256, bool), None, 0)
    rows = run({"train": [("b", bare), ("o", other)], "control": [("a", bare)]})
    assert [rows[n]["work_id"] for n in "abo"] == ["a", "a", "o"]
    assert rows["a"]["mixed"]
    assert rows["a"]["num_clip"] == 1


def test_of_equal_bytes_the_smallest_id_speaks() -> None:
    # batches of another shape can give the same bytes other last digits, or another vector at all
    one = picture(1)
    odd = Picture(one.sha256, one.bits, picture(2).vector)
    near = altered(one, "near", bits=5, cosine=0.99)
    for first, second in ((one, odd), (odd, one)):
        named = [("a", first), ("b", second), ("c", near)]
        for order in (named, named[::-1], [named[1], named[0], named[2]]):
            for cut in (1, 3):
                rows = run({"train": order}, cut=cut)
                assert (rows["c"]["work_id"] == "a") is (first is one)


def test_what_chains_can_be_seen() -> None:
    start = picture(1)
    middle = altered(start, "middle", bits=20, cosine=0.95)
    far = start.bits.copy()
    far[np.flatnonzero(start.bits == middle.bits)[:20]] ^= True
    far[start.bits != middle.bits] ^= True
    assert start.vector is not None
    assert middle.vector is not None
    turned = 2 * 0.95 * middle.vector - start.vector
    end = Picture("end", far, turned / np.linalg.norm(turned))
    rows = run({"train": [("a", start), ("b", middle), ("c", end)]})
    assert {row["work_id"] for row in rows.values()} == {"a"}
    seen = {n: (r["num_near"], r["num_pdq"], r["num_clip"]) for n, r in rows.items()}
    assert seen == {"a": (3, 2, 2), "b": (3, 3, 3), "c": (3, 2, 2)}


def random_halves(seed: int) -> Halves:
    """Pictures, copies and alterations, tossed into halves."""
    rng = np.random.default_rng(seed)
    pictures: list[Picture] = []
    for number in range(int(rng.integers(1, 9))):
        pictures.append(picture(1000 * seed + number))
        for twin in range(int(rng.integers(0, 3))):
            bits, cosine = int(rng.integers(20, 45)), float(rng.uniform(0.85, 1))
            name = f"{number}-{twin}"
            pictures.append(altered(pictures[-1], name, bits=bits, cosine=cosine))
    names = [f"{i:03}" for i in rng.permutation(3 * len(pictures))]
    halves: Halves = {"train": [], "control": []}
    for name in names:
        chosen = pictures[int(rng.integers(len(pictures)))]
        halves["train" if rng.random() < 0.5 else "control"].append((name, chosen))
    return halves


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_order_blocks_and_cuts_change_nothing(seed: int, block: int) -> None:
    halves = random_halves(seed)
    rng = np.random.default_rng(seed)
    moved: Halves = {
        h: [named[i] for i in rng.permutation(len(named))] for h, named in halves.items()
    }
    want = run(halves)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "_BLOCK", block)
        patch.setattr(union, "_HELD", 2)
        assert run(moved, cut=block) == want


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_works_are_blind_to_the_half(seed: int) -> None:
    halves = random_halves(seed)
    swapped: Halves = {"train": halves["control"], "control": halves["train"]}
    one, other = run(halves), run(swapped)
    for name, row in one.items():
        same = ("work_id", "sha256", "mixed")
        assert [row[c] for c in same] == [other[name][c] for c in same]
        # the counts are those of the own half: of the same images, whatever the half is called
        assert row | {"half": ""} == other[name] | {"half": ""}
        assert {row["half"], other[name]["half"]} == {"train", "control"}
    pooled = run({"train": halves["train"] + halves["control"]})
    assert {n: r["work_id"] for n, r in pooled.items()} == {n: r["work_id"] for n, r in one.items()}


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_against_every_pair_by_hand(seed: int) -> None:
    halves = random_halves(seed)
    rows = run(halves)
    named = [(name, half, p) for half in halves for name, p in halves[half]]
    near = {name: {name} for name, _, _ in named}
    for name, half, p in named:
        by = {"exact": 0, "pdq": 0, "clip": 0}
        for other, other_half, o in named:
            assert p.vector is not None
            assert o.vector is not None
            same = p.sha256 == o.sha256
            pdq = same or int((p.bits != o.bits).sum()) <= 31
            clip = same or float(p.vector @ o.vector) >= 0.90
            if same or (pdq and clip):
                near[name].add(other)
            if half == other_half:
                by["exact"] += same
                by["pdq"] += pdq
                by["clip"] += clip
        assert {what: rows[name][f"num_{what}"] for what in by} == by
    for name in near:
        cluster, edge = {name}, {name}
        while edge:
            edge = set().union(*(near[n] for n in edge)) - cluster
            cluster |= edge
        assert rows[name]["work_id"] == min(cluster)
        mine = [n for n, half, _ in named if n in cluster and half == rows[name]["half"]]
        assert rows[name]["num_near"] == len(mine)


def test_unrelated_pictures_are_not_linked() -> None:
    # 1500 pictures, over a million pairs: neither random hashes nor random vectors meet the limits
    halves: Halves = {"train": [(f"{i:04}", picture(i)) for i in range(1500)]}
    rows = run(halves)
    assert all(row["work_id"] == name for name, row in rows.items())
    assert all(row["num_pdq"] == 1 for row in rows.values())


def test_sixty_four_copies_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare = likeness.near

    def spy(left: Any, right: Any, **knobs: Any) -> Any:
        compared.append((len(left), len(right)))
        return compare(left, right, **knobs)

    monkeypatch.setattr(likeness, "near", spy)
    one, two = picture(1), picture(2)
    named = [(f"a{i:02}", one) for i in range(64)] + [("b", two)]
    rows = run({"train": named})
    assert compared == [(2, 2), (2, 2)]
    assert rows["a63"]["num_exact"] == 64
    assert rows["a63"]["num_near"] == 64


def test_nothing_in_gives_nothing_out() -> None:
    assert run({}) == {}


def test_bad_input_is_said() -> None:
    one = picture(1)
    with pytest.raises(StageError, match="an image_id occurs twice"):
        run({"train": [("a", one)], "control": [("a", one)]})
    inputs = tables({"train": [("a", one)]})
    inputs["train"] = []
    with pytest.raises(StageError, match="descriptors belong to no image, a for one"):
        list(duplicates(inputs, DuplicatesConfig(), Kit()))
    short = Picture("x", np.zeros(8, bool), one.vector)
    with pytest.raises(StageError, match="64 hex digits, got '00'"):
        run({"train": [("a", short)]})


@pytest.mark.parametrize(
    ("knobs", "found"),
    [
        ({"max_pdq": 256}, "max_pdq: expected 0..255, got 256"),
        ({"max_pdq": -1}, "max_pdq: expected 0..255, got -1"),
        ({"min_pdq_quality": 101}, "min_pdq_quality: expected 0..100, got 101"),
        ({"min_similarity": 1.1}, "min_similarity: expected"),
        ({"min_similarity": float("nan")}, "min_similarity: expected"),
    ],
)
def test_impossible_knobs_are_refused(knobs: dict[str, Any], found: str) -> None:
    with pytest.raises(ValueError, match=found):
        DuplicatesConfig(**knobs)


def test_the_stage_declares_what_it_reads() -> None:
    assert STAGE.run is duplicates
    assert STAGE.reads["train"].names == tuple(READ)
